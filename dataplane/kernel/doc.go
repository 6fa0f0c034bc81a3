// Package kernel has what evpnd reads from the Linux kernel and writes to it,
// as plain values: devices and their addresses, entries of forwarding and
// neighbor tables, and writes of entries. It does nothing: dataplane/linux
// speaks netlink, dataplane/fake keeps tables in memory, dataplane/topology
// says what the devices are for, and package dataplane decides what to write.
package kernel
