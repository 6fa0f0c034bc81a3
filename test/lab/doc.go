// Package lab builds small networks on the real kernel: hosts that are VTEPs,
// containers behind them, an underlay between them, and the daemons that run
// on them. The suites under test/ and the demo are written with it.
//
// A lab is a handful of network namespaces:
//
//	container ──veth── bridge ── vxlan device      a node: one namespace,
//	(namespace)          br200    vxlan200         with evpnd or FRR in it
//	                                 │
//	                               eth0
//	                                 │ veth
//	                          fabric: a bridge in a namespace of its own,
//	                          or point-to-point links between nodes
//
// Everything in a lab carries a random prefix of its own (evpnd-5f3a-...), so
// that labs run beside each other and beside whatever else the machine does.
// Nothing outside of a lab's namespaces and its temporary directory is
// touched.
//
// A lab is removed when its test ends, and also when the test program
// panics, runs into its time limit or is killed: a small shell, the reaper,
// waits on a pipe for the program's end and then kills what runs in the
// lab's namespaces and deletes them. There is no other way of removal, so
// that the one that matters most is the one that is tried every time.
//
// Labs need CAP_NET_ADMIN and CAP_SYS_ADMIN. Without being root a program
// gets them from a user namespace of its own: see [Main].
package lab
