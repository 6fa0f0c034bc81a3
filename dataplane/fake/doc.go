// Package fake is an in-memory kernel for tests: devices, bridge tables,
// VXLAN tables and neighbors that answer as Linux does, with its error
// numbers, its order of checks and its notices.
//
// What it knows of Linux was tried on Linux: the suite of package dataplane
// runs on both. String renders it as `bridge fdb` and `ip neigh` do.
//
// A Kernel is the system; Open gives a Handle, which is the
// dataplane.Kernel of one process. Faults are set on a Handle and are met by
// that process alone.
package fake
