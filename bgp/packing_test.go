package bgp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// table is what a raw peer has been told of our routes.
type table struct {
	p         *rawPeer
	r         *wire.Reader
	routes    map[evpn.NLRI]*evpn.Attrs
	updates   int // without End-of-RIB
	withdrawn int
	ends      int
	alive     []time.Time // of each KEEPALIVE
}

func (p *rawPeer) table() *table {
	return &table{p: p, r: wire.NewReader(true, true, 1, netip.Addr{}), routes: make(map[evpn.NLRI]*evpn.Attrs)}
}

// until reads messages until done says so.
func (t *table) until(what string, done func() bool) {
	t.p.t.Helper()
	for !done() {
		typ, body, err := t.p.read()
		switch {
		case err != nil:
			t.p.t.Fatalf("never: %s: %v (%d routes, %d UPDATEs, %d withdrawn, %d ends)", what, err, len(t.routes), t.updates, t.withdrawn, t.ends)
		case typ == wire.TypeKeepalive:
			t.alive = append(t.alive, time.Now())
			continue
		case typ != wire.TypeUpdate:
			t.p.t.Fatalf("%v instead of: %s", typ, what)
		}
		u, end, bad := t.r.Update(body)
		if bad != nil {
			t.p.t.Fatal(bad)
		}
		if end {
			t.ends++
			continue
		}
		t.updates++
		t.withdrawn += len(u.Withdrawn)
		for _, n := range u.Withdrawn {
			delete(t.routes, n)
		}
		for i := range u.Reach {
			t.routes[u.Reach[i].NLRI] = u.Attrs
		}
	}
}

// advertMAC is local for the MAC with a number.
func advertMAC(i int, seq uint32) evpn.Advert {
	a := local(0, "", seq)
	binary.BigEndian.PutUint32(a.MAC[2:], uint32(i))
	return a
}

// same fails unless the peer has the routes of adverts, with their sequences.
func (t *table) same(adverts []evpn.Advert) {
	t.p.t.Helper()
	wrong := 0
	for i := range adverts {
		if a := t.routes[adverts[i].NLRI]; a == nil || a.Mobility != adverts[i].Attrs.Mobility || len(a.Targets) != 1 || a.Targets[0] != adverts[i].Attrs.Targets[0] {
			wrong++
		}
	}
	if wrong > 0 || len(t.routes) != len(adverts) {
		t.p.t.Errorf("the peer has %d routes of %d, %d not as they were announced", len(t.routes), len(adverts), wrong)
	}
}

// TestPacked: routes with equal attributes share UPDATEs: the first table of a
// session, routes that are new, a refresh, and withdrawals; End-of-RIB is behind
// all of the table.
func TestPacked(t *testing.T) {
	const n = 10_000
	// A full UPDATE has 115 of them. Each time that GoBGP is kept from the
	// processor may cost some more, and it gets new routes slowly.
	const inTable, alive = 500, n / 2
	at := addrPort(t)
	s := run(t, Config{Hold: time.Hour, Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	all := make([]evpn.Advert, n)
	for i := range all {
		all[i] = advertMAC(i, uint32(i%3))
	}
	for part := all; len(part) > 0; part = part[1000:] {
		s.Adverts() <- part[:1000]
	}
	s.Begin()
	eventually(t, "listening", func() bool { return s.listening(at) })
	p := dialRaw(t, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
	peer := p.table()
	total := 0
	check := func(what string, began time.Time, most int) {
		t.Helper()
		t.Logf("%s: %d UPDATEs in %v", what, peer.updates, time.Since(began).Round(time.Millisecond))
		if peer.updates > most {
			t.Errorf("%s: %d UPDATEs, want at most %d", what, peer.updates, most)
		}
		total += peer.updates
		peer.updates = 0
	}

	began := time.Now()
	peer.until("the first table", func() bool { return peer.ends == 1 })
	peer.same(all)
	check("the first table", began, inTable)

	p.write(wire.AppendRouteRefresh(nil))
	clear(peer.routes)
	began = time.Now()
	peer.until("the table again", func() bool { return len(peer.routes) == n })
	peer.same(all)
	check("a refresh", began, alive)

	for i := range all {
		all[i] = advertMAC(i, uint32(i%3)+7)
	}
	began = time.Now()
	s.Adverts() <- all
	peer.until("new sequences", func() bool {
		a := peer.routes[all[n-1].NLRI]
		return a.Mobility.Seq >= 7
	})
	peer.until("the last one", func() bool {
		for i := range all[n-2000:] {
			if peer.routes[all[n-2000+i].NLRI].Mobility.Seq < 7 {
				return false
			}
		}
		return true
	})
	peer.same(all)
	check("new sequences", began, alive)
	if peer.withdrawn != 0 {
		t.Errorf("%d routes were withdrawn on the way", peer.withdrawn)
	}

	gone := make([]evpn.Advert, n)
	for i := range gone {
		gone[i].Route = all[i].Route
	}
	began = time.Now()
	s.Adverts() <- gone
	peer.until("nothing stands", func() bool { return len(peer.routes) == 0 })
	check("withdrawals", began, alive)
	eventually(t, "all that was sent is counted", func() bool { return s.Peers()[0].Sent.Update == uint64(total+peer.ends) })
}

// TestLoneRoute: a route that comes alone is not waited with.
func TestLoneRoute(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	peer := p.table()
	peer.until("End-of-RIB", func() bool { return peer.ends == 1 })
	fastest := time.Hour
	for i := range 20 {
		time.Sleep(2 * gatherMost) // silence is what makes a route a lone one
		began := time.Now()
		s.Adverts() <- []evpn.Advert{advertMAC(i, 0)}
		peer.until("the route", func() bool { return len(peer.routes) == i+1 })
		fastest = min(fastest, time.Since(began))
	}
	t.Logf("the fastest of 20 took %v", fastest)
	if fastest >= gatherMost/2 {
		t.Errorf("the fastest of 20 took %v", fastest)
	}
}

// TestSlowReader: a peer that takes nothing for a while gets every route, and
// the last word of each, once it reads.
func TestSlowReader(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	_ = p.conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	us := s.find(lo)
	us.mu.Lock()
	_ = us.current.conn.SetWriteBuffer(16 << 10)
	us.mu.Unlock()
	const n = 2_000 // three times so many are more than the buffers between us hold
	var last []evpn.Advert
	for round := range 3 {
		last = last[:0]
		for i := range n {
			last = append(last, advertMAC(i, uint32(3-round))) // a lower one each time
		}
		s.Adverts() <- append([]evpn.Advert(nil), last...)
	}
	s.Adverts() <- []evpn.Advert{{Route: last[0].Route}}
	eventually(t, "all is with GoBGP", func() bool { return s.Advertised() == n-1 })
	peer := p.table()
	peer.until("the withdrawal", func() bool { return peer.withdrawn == 1 })
	peer.until("the rest", func() bool {
		a := peer.routes[last[n-1].NLRI]
		return a != nil && a.Mobility.Seq == 1
	})
	peer.same(last[1:])
	if st := s.Peers()[0]; st.State != Established || st.Established != 1 {
		t.Errorf("the session did not survive: %+v", st)
	}
}

// TestKeepaliveAmongRoutes: KEEPALIVEs come in time while routes do.
func TestKeepaliveAmongRoutes(t *testing.T) {
	o := peerOpen()
	o.HoldTime = 3
	s, p := passive(t, o)
	event[*evpn.PeerUp](s)
	peer := p.table()
	began := time.Now()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				s.Adverts() <- []evpn.Advert{advertMAC(i%100, uint32(i))}
			case <-stop:
				return
			}
		}
	}()
	for time.Since(began) < 2500*time.Millisecond { // within the hold time
		n := len(peer.alive)
		peer.until("a KEEPALIVE", func() bool { return len(peer.alive) > n })
		p.write(wire.AppendKeepalive(nil))
	}
	close(stop)
	<-done
	if len(peer.alive) < 2 || len(peer.routes) != 100 {
		t.Errorf("%d KEEPALIVEs in 2.5 s, %d routes", len(peer.alive), len(peer.routes))
	}
}
