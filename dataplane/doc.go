// Package dataplane keeps the Linux kernel and the EVPN engine in step: it
// tells the engine which hosts are local, and writes into the kernel where
// the remote ones are.
//
//	            +------------------- Plane: one loop -------------------+
//	kernel      |                                                       |   evpn.Engine
//	notices ------> observer --> hosts.Table (local) --> outbox ----------> Events
//	ARP, ND ------> snooper ---/        ^                               |
//	(snooped)   |      |                |                               |
//	links,  <------ syncer --> topology.Resolve --> bds: a bdState each |
//	entries     |      |                              |  entries.Sets   |
//	(dump) -----|------/          desired, actual ----/       ^---------|-- Deltas
//	batches <------ writer <-- what differs                             |
//	(acks) ------->                                                     |
//	            +-------------------------------------------------------+
//
// The loop (plane.go) takes one input at a time and does what is due after it.
// Its parts are:
//
//   - syncer reads devices, has topology say what they are for, and has the
//     entries of new devices, or of all after a loss of notices, read by a
//     dump (sync.go, attach.go, devices.go, dump.go, resync.go);
//   - observer follows notices and dumps: what is local, what is foreign, what
//     others did to our entries (notices.go, repair.go);
//   - writer writes what differs, in batches (writer.go, batch.go, unserve.go);
//     each kind of entry is a file (kind_fdb.go);
//   - snooper brings claims to package hosts and probes to hosts (snoop.go);
//   - echo mutes the notices of our own writes (echo.go);
//   - outbox is what the engine is to be told (events.go);
//   - problems, counters and deadlines are what their names say.
//
// What is pure is in packages: kernel (values), topology (devices to
// attachments and problems), entries (desired against actual), hosts (what local
// hosts say). Packages linux and fake are kernels.
//
// A VXLAN device that is a port of a bridge is one broadcast domain of this
// node. Three kinds of entry make it forward without flood-and-learn:
//
//   - flood: the zero MAC in the VXLAN device's table, one destination a
//     remote VTEP: head-end replication of broadcast and unknown unicast;
//   - FDB: a remote MAC, both in the bridge's table (behind the VXLAN port)
//     and in the VXLAN device's table (behind a VTEP);
//   - neighbor: a remote host's address on the SVI, from which the bridge
//     answers ARP and ND itself (neigh_suppress).
//
// # Invariants
//
// No lock guards the state of a Plane: the loop owns it. While a batch is being
// written, or a dump read, the loop answers requests of readers and takes no
// other input, for that could be of before the write or of after it.
//
// What is desired is a set, not a list of commands: a Delta overwrites by key,
// and the writer compares desired and actual, whatever came in between. A device
// that is made again gets all its entries written anew.
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
// never changed, and an entry with its key fails until it is gone.
//
// A sticky MAC is written twice, first like any other and then in the bridge
// alone with NTF_STICKY and static. In this order the bridge keeps both
// flags; in one message it drops the sticky one, and in the other order it
// never gets it. The way back goes over a dynamic entry, for the bridge
// does not clear sticky on an extern-learned write.
//
// At start the Plane adopts its entries of the last run. They stay until
// Sweep says that what is desired is known in full.
//
// When it is not known what the kernel has, the Plane looks again: a vanished
// device or a failed dump leads to reading all again and comparing, and so does
// a lost notice, save that of a big device only what is known is looked at
// (resync.go). An entry whose write has no answer is taken to be there, and is
// written or removed again. A failed entry never stops another, is tried again
// with growing pauses, and shows in Problems.
//
// # To extend it
//
// A new kind of entry, such as nexthop groups, is a value in package entries and
// a spec here (kind.go). How a broadcast domain is laid out in the kernel, with
// VLANs or one VXLAN device for many VNIs, is topology.Attachment's alone.
package dataplane
