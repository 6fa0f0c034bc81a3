// Package bgp talks to the BGP peers: it holds the sessions, reads the EVPN
// routes they send, and sends ours.
//
// The sessions are GoBGP's, which package gobgp holds; the bytes are ours. A
// relay stands on the wire between each peer and GoBGP:
//
//	peer  <===TCP===>  relay  <---signed loopback TCP--->  GoBGP
//	                     |                     hold timer, KEEPALIVE, our UPDATEs, End-of-RIB
//	                     v
//	             []evpn.Update, read by bgp/wire
//
// Received UPDATEs are decoded by the relay and never reach GoBGP, which
// would be slower by two orders of magnitude and cannot bear a malformed one.
// The OPEN is answered by the relay too, so that GoBGP is handed only what was
// understood. Our own UPDATEs, which GoBGP makes one a route, are gathered into
// few with many routes each ([wire.Packer]).
//
// A [Speaker] owns everything:
//
//	Run -- listener            accepts; one for each listen address
//	    -- peer                dials, decides collisions (RFC 4271 §6.8)
//	        -- session         one TCP connection: handshake, then fromPeer
//	            -- toPeer      GoBGP to peer
//	            -- refreshLoop ROUTE-REFRESH in both directions
//	    -- advertise           takes Adverts, in order
//
// Invariants:
//
//   - Each TCP connection has a GoBGP neighbor of its own, that lives no longer
//     than the connection does. So nothing of an old session, such as GoBGP's
//     idle time, is in the way of a new one.
//   - A route of our own that is announced anew is replaced at the peers, never
//     withdrawn first; what is said of one route reaches them in its order.
//   - For each peer the events come in order: PeerUp, Routes and EndOfRIB,
//     PeerDown. While nobody takes them the TCP connections stand still, and
//     nothing is queued.
//   - Run, when it ends, closes the connections without a NOTIFICATION: the
//     peers keep our routes (RFC 4724) until we are back. Shutdown says
//     goodbye.
//
// GoBGP keeps options in package variables, so a process has one Speaker
// that runs.
package bgp
