// Package linux is the dataplane.Kernel of a Linux network namespace, over
// raw netlink sockets. Reader is the part of it that only reads; a program
// that looks at a host and changes nothing opens that alone.
//
// A Kernel has four sockets, opened in the namespace of the thread that calls
// Open: one for reads and for single requests, a second reader, one for
// batches of writes, one that is subscribed to changes. A batch is many messages in one sendto with an
// acknowledgement asked for on the last alone: the kernel handles them
// before sendto returns, goes on after one that fails, and reports each
// failure with its sequence number. So a batch costs two system calls, and
// the last acknowledgement is the barrier behind it.
//
// ARP and ND of hosts are snooped by one packet socket a bridge port
// (snoop.go), with a filter that passes nothing else, and a small buffer. One
// thread reads them in turn, some frames of each, so that a port that floods
// takes nothing from the others.
//
// Everything the kernel sends is read through attrs, which checks each
// length once.
package linux
