// Package dataplane keeps the Linux kernel and the EVPN engine in step: it
// tells the engine which hosts are local, and writes into the kernel where
// the remote ones are.
//
//	   kernel                         Plane                          evpn.Engine
//	links, bridge FDB,  --notices-->  Observer: what is there  --events-->
//	neighbors                            |  one goroutine owns both
//	VXLAN FDB, flood    <--batches--  Reconciler: what should  <--deltas---
//	lists, neighbors                  be there, and what differs
//
// A VXLAN device that is a port of a bridge is a broadcast domain of this node.
// Three
// kinds of entry make it forward without flood-and-learn:
//
//   - flood: the zero MAC in the VXLAN device's table, one destination a
//     remote VTEP: head-end replication of broadcast and unknown unicast;
//   - FDB: a remote MAC, both in the bridge's table (behind the VXLAN port)
//     and in the VXLAN device's table (behind a VTEP);
//   - neighbor: a remote host's address on the bridge device, from which the
//     bridge answers ARP and ND itself (neigh_suppress).
//
// # Invariants
//
// What is wanted is a set, not a list of commands: a Delta overwrites wishes
// by key, and the writer compares wish and kernel, whatever came in between.
// A device that is made again gets all its wishes written anew.
//
// Additions are written flood, FDB, neighbor; removals neighbor, FDB, flood.
// A MAC that changes its VTEP is replaced in one message, never removed and
// added.
//
// The Plane owns what carries its mark and nothing else. The mark of a MAC
// is NTF_EXT_LEARNED on the VXLAN device's own entry, and of a neighbor
// NTF_EXT_LEARNED. The kernel keeps no mark on flood entries: every zero-MAC
// destination of a served device is taken as ours, save the device's default
// one (`remote` or `group`). Anything else is foreign: it is counted, shown,
// never changed, and a wish for the same key fails until it is gone.
//
// A sticky MAC is written twice, first like any other and then in the bridge
// alone with NTF_STICKY and static. In this order the bridge keeps both
// flags; in one message it drops the sticky one, and in the other order it
// never gets it. The way back goes over a dynamic entry, for the bridge
// does not clear sticky on an extern-learned write.
//
// At start the Plane adopts its entries of the last run. They stay until
// Sweep says that what is wanted is known in full.
//
// Doubt means look again: a vanished device or a failed dump leads to reading
// all again and comparing, and so does a lost notification, save that of a
// big device only what is known is looked at (check.go). An entry whose write
// has no answer is taken to be there, and is written or removed again. A failed
// entry never stops
// another, is tried again with growing pauses, and shows in Problems.
//
// # Addresses of local hosts
//
// Package hosts keeps what local hosts say of their MACs and addresses, and
// which of them are probed. The Plane brings the kernel's notices and the ARP
// and ND that was snooped to it (snoop.go, local.go), and takes events for the
// engine and probes from it.
//
// # Devices
//
// Package topology says which VXLAN device has which broadcast domain, why
// others have none, and what is to be made of devices. Its Attachment knows
// where the entries of a broadcast domain are; here nobody does.
package dataplane
