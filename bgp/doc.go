// Package bgp talks to the BGP peers: it holds the sessions, reads the EVPN
// routes they send, and sends ours.
//
// The sessions are GoBGP's, the bytes are ours. A relay stands on the wire
// between each peer and the GoBGP server inside this process:
//
//	peer  <===TCP===>  relay  <---signed loopback TCP--->  GoBGP
//	                     |                     hold timer, KEEPALIVE, our UPDATEs, End-of-RIB
//	                     v
//	             []evpn.Update, read by bgp/wire
//
// Received UPDATEs are decoded by the relay and never reach GoBGP, which
// would be slower by two orders of magnitude and cannot bear a malformed one.
// The OPEN is answered by the relay too, so that GoBGP is handed only what was
// understood.
//
// A [Speaker] owns everything:
//
//	Run -- listener        accepts; one for each listen address
//	    -- peer            dials, decides collisions (RFC 4271 §6.8)
//	        -- session     one TCP connection: handshake, then peer to GoBGP and engine
//	            -- down    GoBGP to peer
//	    -- advertise       takes Adverts, in order
//
// Invariants:
//
//   - Each TCP connection has a GoBGP neighbor of its own, with an address out
//     of 127.1.0.0/16, that lives no longer than the connection does. So
//     nothing of an old session, such as GoBGP's idle time, is in the way of
//     a new one.
//   - No other process can take either end of the loopback leg: it is signed
//     (TCP MD5, RFC 2385) with a key that is random in each process.
//   - For each peer the events come in order: PeerUp, Routes and EndOfRIB,
//     PeerDown. Whoever does not take them holds up the TCP connections, and
//     nothing is queued meanwhile.
//   - Run, when it ends, closes the connections without a NOTIFICATION: the
//     peers keep our routes (RFC 4724) until we are back. Shutdown says
//     goodbye.
//
// GoBGP keeps options in package variables, so a process has one Speaker
// that runs.
package bgp
