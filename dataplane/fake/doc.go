// Package fake is an in-memory kernel for tests: devices, bridge tables, VXLAN
// tables and neighbors that answer as Linux does, with its error numbers, its
// order of checks and its notices. Its tables have the keys of Linux: a bridge's
// MAC and VLAN, a VXLAN device's MAC and source VNI, a neighbor's device and
// address.
//
// It is held to Linux by the suite of package dataplane, which runs on both.
// String renders it as `bridge fdb` and `ip neigh` do.
//
// A Kernel is the system. Open gives a Handle, which is the dataplane.Kernel of
// one process; the faults that a test sets on a Handle concern that process
// alone.
package fake
