// Package evpn is the rules of EVPN (RFC 7432, RFC 8365) for a VTEP, as a
// deterministic state machine without goroutines, locks, clocks or I/O.
//
// # The idea
//
// A VXLAN network (VNI) is a bridge stretched over many hosts. What a bridge
// learns by flooding, which MAC is behind which port, the hosts tell each
// other by BGP: a type 2 route says "MAC m, and perhaps address i, is behind
// my VTEP"; a type 3 route says "send me a copy of what has to go to all in
// this VNI". The Engine takes in what the kernel sees locally and what the
// peers say, and gives out what to tell the peers and what the kernel should
// hold:
//
//	kernel:  BDUp LocalMAC LocalIP ...           -+                    +-> Kernel   flood lists, FDB, neighbors
//	peers:   PeerUp Routes EndOfRIB PeerDown ...  +-> Step ... Ready --+-> Adverts  type 2 and type 3 routes
//	clock:   Tick                                -+                    +-> Changes  for watchers
//
// # What holds
//
//   - What is wanted is a function of what is known now, never of the order
//     in which it became known. The exception is what an RFC says: the
//     mobility sequence of a MAC (RFC 7432 §15) remembers that it moved.
//   - Step only takes in and marks what may have changed; the outputs are
//     worked out when they are fetched. A consumer that is slow finds each
//     object once, in its latest state, however often it changed.
//   - The outputs come in an order that depends on the inputs only.
//   - A route costs what it carries: one that no VNI imports is counted and
//     forgotten, and asked for again when a VNI comes that wants it.
//
// # Where to look
//
// A route comes in and finds what imports it (import.go, macvrf.go), and
// becomes a path of a MAC (mac.go) or of a flood list (flood.go). What
// competes for a place is compared by the tables of rules.go: bestpath.go picks
// the route of a MAC, mobility.go adds the local host, ip.go does the same for
// IP addresses, and contest.go freezes what moves too often. What we
// announce ourselves is adverts.go. What a peer's failure takes with it, and
// what it leaves, is peer.go and flood_hold.go. Why all that came out as it did is
// told by explain.go and hold.go, and whatif.go is for trying out what would.
package evpn
