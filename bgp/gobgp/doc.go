// Package gobgp holds BGP sessions with GoBGP v3: its state machine, hold timer
// and KEEPALIVEs, the routes of our own, and End-of-RIB. It is the only package
// that imports GoBGP, and all that is odd about it is here:
//
//	s := gobgp.New(log)
//	s.Start(ctx, as, routerID)
//	leg, err := s.Join(ctx, gobgp.Neighbor{...})   // a session begins
//	msg, err := leg.Next(wait)                     // what GoBGP says to the peer
//	leg.Keepalive()                                // the peer lives
//	s.Announce(&route, &attrs)                     // to all who have joined or will
//	s.Withdraw(&route)
//	s.Leave(leg)
//	s.Stop()
//
// GoBGP never sees a peer. The caller has the connection to it, and GoBGP
// gets a stand-in on a loopback address, the leg. What is done for GoBGP's
// sake, and why:
//
//   - A leg is a connection with a neighbor of its own, which ends with it.
//     After a session fell GoBGP is idle for 5 to 7 s, and closes what comes in
//     meanwhile; a fresh neighbor is ready at once.
//   - The OPEN that GoBGP reads is made here ([Server.Join]). GoBGP refuses a
//     BGP identifier that equals its own, which between ASes is legal (RFC 6286
//     §2.1); it takes a hold time of zero for the time that a write may take;
//     and it sends End-of-RIB only when graceful restart was negotiated.
//   - Legs are signed: TCP MD5 (RFC 2385) with a key that is random in each
//     process, else any user of the host could stand in for either end. GoBGP
//     sets keys only for neighbors and groups, so the key comes with a group of
//     dynamic neighbors that no connection ever belongs to. Go listens with
//     Multipath TCP by default (since 1.24), to which Linux gives no MD5
//     signatures, and GoBGP leaves no other way to say so than GODEBUG.
//   - What GoBGP logs is read where it says something in no other way: that the
//     key could not be set, and that the goroutines of a deleted neighbor have
//     ended. StopBgp clears what these still read, so Stop waits for them. GoBGP
//     logs at level Fatal without ending the process; so does the logger here.
//   - The extended communities of our routes are hidden from GoBGP (attrs.go).
//     It refuses a MAC mobility sequence that is lower than that of another route
//     of the MAC, and one that is not given it makes up; it refuses an EVPN
//     community that it does not know; and it looks up each MAC by each route
//     target for that.
//   - Received UPDATEs are not for GoBGP. A truncated EVPN route panics in a
//     goroutine of its own, an unknown route type drops the whole UPDATE, and
//     100,000 routes take seconds. [Leg.Keepalive] stands for them.
//   - GoBGP sends one EVPN route an UPDATE; the caller may gather them.
//   - GoBGP has options in package variables: one [Server] a process may run.
package gobgp
