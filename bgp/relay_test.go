package bgp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// TestBadRoutes: whatever GoBGP v3 falls over costs a route at most.
func TestBadRoutes(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	for name, nlri := range map[string][]byte{
		"type 2 cut short (GoBGP panics)":     {2, 10, 0, 1, 10, 0, 0, 9, 0, 7, 0, 0},
		"type 2 empty (FRR resets)":           {2, 0},
		"type 4 cut short (GoBGP panics)":     {4, 3, 0, 1, 10},
		"type 6 (GoBGP drops the UPDATE)":     {6, 3, 1, 2, 3},
		"type 200":                            {200, 1, 0},
		"type 3 that lies about its address":  {3, 13, 0, 1, 10, 0, 0, 9, 0, 7, 0, 0, 0, 0, 128},
		"type 5 cut short, and nothing in it": {5, 0},
	} {
		p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10), nlri, macRoute(11))))
		r := event[*evpn.Routes](s)
		if len(r.Updates) != 1 || len(r.Updates[0].Reach) != 2 {
			t.Errorf("%s: %+v", name, r.Updates)
		}
	}
	// RFC 9047 and RFC 8584 communities, of which GoBGP knows neither.
	unknown := attribute(0xc0, 16, 0, 2, 0xfd, 0xe8, 0, 0, 0, 200, 6, 8, 1, 0, 0, 0, 0, 0, 6, 6, 0, 0, 0, 0, 0, 0)
	p.write(update(origin, emptyPath, localPref, unknown, reach(macRoute(10))))
	if u := event[*evpn.Routes](s).Updates[0]; len(u.Reach) != 1 || !u.Attrs.ND.Router || len(u.Attrs.Other) != 1 {
		t.Errorf("unknown communities: %+v", u)
	}
	p.write(update(origin, attribute(0x40, 2, 9, 9), reach(macRoute(10))))
	if u := event[*evpn.Routes](s).Updates[0]; len(u.Withdrawn) != 1 || len(u.Reach) != 0 {
		t.Errorf("malformed AS_PATH: %+v", u)
	}
	st := s.Peers()[0]
	if st.State != Established || st.Established != 1 || st.Routes.Discarded[wire.DiscardMalformed] == 0 || st.Routes.Discarded[wire.DiscardASPath] != 1 {
		t.Errorf("status %+v", st)
	}
	// Only when the next route cannot be found is there no way on.
	p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10), []byte{2, 99})))
	if n := p.closed(); n == nil || n.Code != wire.CodeUpdate || n.Subcode != 9 {
		t.Errorf("closed with %v, want an UPDATE error", n)
	}
	if d := event[*evpn.PeerDown](s); d.Retain != DefaultRetain {
		t.Errorf("PeerDown %+v", d)
	}
}

func TestNotBGP(t *testing.T) {
	at := addrPort(t)
	s := run(t, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(t, "listening", func() bool { return s.listening(at) })
	wrongAS, noEVPN, ourID := peerOpen(), peerOpen(), peerOpen()
	wrongAS.AS, noEVPN.EVPN, ourID.ID = 65001, false, netip.MustParseAddr("10.0.0.1")
	for name, c := range map[string]struct {
		say       []byte
		code, sub uint8
		text      string
	}{
		"HTTP":           {[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1, 1, "not BGP"},
		"KEEPALIVE":      {wire.AppendKeepalive(nil), 5, 1, "OPEN"},
		"another AS":     {wrongAS.Append(nil), 2, 2, "AS 65001"},
		"without EVPN":   {noEVPN.Append(nil), 2, 7, "L2VPN EVPN"},
		"our identifier": {ourID.Append(nil), 2, 3, "router id 10.0.0.1"},
	} {
		p := dialRaw(t, at)
		p.write(c.say)
		if n := p.closed(); n == nil || n.Code != c.code || n.Subcode != c.sub {
			t.Errorf("%s: closed with %v, want %d/%d", name, n, c.code, c.sub)
		}
		eventually(t, name+": the reason is shown", func() bool { return strings.Contains(s.Peers()[0].LastError, c.text) })
	}
	p := dialRaw(t, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
}

// TestHoldTimer: UPDATEs count as signs of life (RFC 4271 §4.4), silence ends
// the session.
func TestHoldTimer(t *testing.T) {
	o := peerOpen()
	o.HoldTime = 3
	s, p := passive(t, o)
	event[*evpn.PeerUp](s)
	if st := s.Peers()[0]; st.HoldTime != 3*time.Second || st.Keepalive != time.Second {
		t.Errorf("hold time %v, keepalive %v", st.HoldTime, st.Keepalive)
	}
	for range 10 { // for 5 seconds nothing but UPDATEs
		p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10))))
		select {
		case ev := <-s.Events():
			if _, ok := ev.(*evpn.Routes); !ok {
				t.Fatalf("%T %+v", ev, s.Peers()[0])
			}
		case <-time.After(patience):
			t.Fatal("no route")
		}
		time.Sleep(500 * time.Millisecond) // the time that passes is what is tested
	}
	if n := p.closed(); n == nil || n.Code != wire.CodeHoldTimer {
		t.Errorf("closed with %v, want hold timer expired", n)
	}
	event[*evpn.PeerDown](s)
}

// TestNoHoldTimer: a peer that wants no KEEPALIVEs gets none, but our routes.
func TestNoHoldTimer(t *testing.T) {
	o := peerOpen()
	o.HoldTime = 0
	s, p := passive(t, o)
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	s.Adverts() <- []evpn.Advert{local(10, "", 0)}
	p.want(wire.TypeUpdate)
	if st := s.Peers()[0]; st.HoldTime != 0 || st.State != Established {
		t.Errorf("status %+v", st)
	}
}

// TestEndings: what each way to end a session tells the other side, and how
// long its routes are kept.
func TestEndings(t *testing.T) {
	notification := func(code, sub uint8, data ...byte) func(*speaker, *rawPeer) {
		return func(_ *speaker, p *rawPeer) {
			p.write((&wire.Notification{Code: code, Subcode: sub, Data: data}).Append(nil))
		}
	}
	without := func(s *speaker, _ *rawPeer) {
		cfg := s.cfg
		cfg.Peers = nil
		if err := s.Configure(cfg); err != nil {
			t.Error(err)
		}
	}
	// goodbye stands for DefaultRetain, with the peer's own routes gone.
	const goodbye = -1
	n := peerOpen()
	n.Restart.Notification = true
	for name, c := range map[string]struct {
		open   wire.Open
		end    func(*speaker, *rawPeer)
		said   *wire.Notification
		retain time.Duration
	}{
		"the peer shuts down":      {peerOpen(), notification(6, 2), nil, goodbye},
		"the peer has removed us":  {peerOpen(), notification(6, 3), nil, goodbye},
		"a hard reset":             {n, notification(6, 9, 6, 2), nil, goodbye},
		"a hard reset to reset":    {n, notification(6, 9, 6, 4), nil, DefaultRetain},
		"told with the N bit":      {n, notification(3, 1), nil, DefaultRetain},
		"the peer resets":          {peerOpen(), notification(6, 4), nil, DefaultRetain},
		"the peer has had enough":  {peerOpen(), notification(4, 0), nil, DefaultRetain},
		"the peer vanishes":        {peerOpen(), func(_ *speaker, p *rawPeer) { p.conn.Close() }, nil, DefaultRetain},
		"reset here":               {peerOpen(), func(s *speaker, _ *rawPeer) { _ = s.Reset(lo, false) }, &wire.Notification{Code: 6, Subcode: 4}, DefaultRetain},
		"removed here":             {peerOpen(), without, &wire.Notification{Code: 6, Subcode: 3}, 0},
		"removed here, RFC 8538":   {n, without, &wire.Notification{Code: 6, Subcode: 9, Data: []byte{6, 3}}, 0},
		"shut down here":           {peerOpen(), func(s *speaker, _ *rawPeer) { go s.Shutdown(s.ctx) }, &wire.Notification{Code: 6, Subcode: 2}, DefaultRetain},
		"shut down here, RFC 8538": {n, func(s *speaker, _ *rawPeer) { go s.Shutdown(s.ctx) }, &wire.Notification{Code: 6, Subcode: 9, Data: []byte{6, 2}}, DefaultRetain},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := passive(t, c.open)
			event[*evpn.PeerUp](s)
			c.end(s, p)
			if c.said != nil {
				got := p.closed()
				if got == nil || got.Code != c.said.Code || got.Subcode != c.said.Subcode || string(got.Data) != string(c.said.Data) {
					t.Errorf("said %v, want %v", got, c.said)
				}
				p.conn.Close()
			}
			want := evpn.PeerDown{Peer: lo, Retain: c.retain}
			if c.retain == goodbye {
				want = evpn.PeerDown{Peer: lo, Retain: DefaultRetain, Goodbye: true}
			}
			if d := event[*evpn.PeerDown](s); *d != want {
				t.Errorf("the engine is told %+v, want %+v", *d, want)
			}
			s.stop()
		})
	}
}

// TestStop: when Run ends the peer hears nothing, so that it keeps our routes
// (RFC 4724 §4.2).
func TestStop(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	s.Adverts() <- []evpn.Advert{local(10, "", 0)}
	p.want(wire.TypeUpdate)
	p.want(wire.TypeUpdate)
	s.stop()
	for {
		typ, body, err := p.read()
		if err != nil {
			break
		}
		t.Errorf("after Run ended the peer reads %v % x", typ, body)
	}
}

// TestReconnect: a session that fell is there again in far less than the 5
// seconds that GoBGP takes by itself, whoever connects.
func TestReconnect(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := l.Addr().(*net.TCPAddr).AddrPort()
	s := run(t, Config{Peers: []Peer{{Address: lo, Port: to.Port(), Session: Session{AS: 65000}}}})
	for i := range 3 {
		began := time.Now()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p := &rawPeer{t: t, conn: c}
		p.establish(peerOpen())
		event[*evpn.PeerUp](s)
		if took := time.Since(began); i == 1 && took > time.Second {
			t.Errorf("it took %v", took)
		}
		if i > 0 && p.open.Restart.Restarting {
			t.Error("we say that we have restarted, and have not")
		}
		p.conn.Close()
		event[*evpn.PeerDown](s)
	}
}

// TestReplaced: a peer that connects anew is believed that the old connection
// is dead (RFC 4724 §4.2), but not at once.
func TestReplaced(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	at := s.cfg.Listen[0]
	soon := dialRaw(t, at)
	soon.write(open(peerOpen()))
	if n := soon.closed(); n == nil || n.Code != wire.CodeCease || n.Subcode != wire.CeaseCollision {
		t.Errorf("a second connection at once: %v, want collision resolution", n)
	}
	other := peerOpen()
	other.ID = netip.MustParseAddr("10.0.0.77")
	time.Sleep(recent) // the time that passes is what is tested
	q := dialRaw(t, at)
	q.write(other.Append(nil))
	if n := q.closed(); n == nil || n.Subcode != wire.CeaseCollision {
		t.Errorf("another identifier: %v, want collision resolution", n)
	}
	again := dialRaw(t, at)
	again.establish(peerOpen())
	event[*evpn.PeerDown](s)
	event[*evpn.PeerUp](s)
	if n := p.closed(); n != nil {
		t.Errorf("on the dead connection: %v, want nothing", n)
	}
}

// open returns an OPEN as a message.
func open(o wire.Open) []byte { return o.Append(nil) }

// TestCollision: of two connections at the same time the one made by the
// higher identifier stays (RFC 4271 §6.8).
func TestCollision(t *testing.T) {
	for name, c := range map[string]struct {
		id       string
		incoming bool // stays
	}{"the peer is higher": {"10.0.0.9", true}, "we are higher": {"10.0.0.0", false}} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			at := addrPort(t)
			s := run(t, Config{
				Listen: []netip.AddrPort{at},
				Peers:  []Peer{{Address: lo, Port: l.Addr().(*net.TCPAddr).AddrPort().Port(), Session: Session{AS: 65000}}},
			})
			eventually(t, "listening", func() bool { return s.listening(at) })
			oc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			o := peerOpen()
			o.ID = netip.MustParseAddr(c.id)
			out := &rawPeer{t: t, conn: oc} // made by evpnd
			in := dialRaw(t, at)            // made by the peer
			winner, loser := out, in
			if c.incoming {
				winner, loser = in, out
			}
			out.want(wire.TypeOpen)
			in.want(wire.TypeOpen)
			// The OPEN on the one that loses comes first.
			loser.write(open(o))
			winner.write(open(o))
			if n := loser.closed(); n == nil || n.Code != wire.CodeCease || n.Subcode != wire.CeaseCollision {
				t.Errorf("the loser ends with %v", n)
			}
			winner.want(wire.TypeKeepalive)
			winner.write(wire.AppendKeepalive(nil))
			event[*evpn.PeerUp](s)
			if st := s.Peers()[0]; st.Incoming != c.incoming || st.State != Established || st.Established != 1 {
				t.Errorf("status %+v", st)
			}
			s.stop()
		})
	}
}

func TestDynamic(t *testing.T) {
	at := addrPort(t)
	s := run(t, Config{Listen: []netip.AddrPort{at}, Dynamic: []Dynamic{{
		Range: netip.MustParsePrefix("127.0.5.0/24"), Limit: 2, Session: Session{Password: "secret"},
	}}})
	eventually(t, "listening", func() bool { return s.listening(at) })
	from := func(addr, password string) (net.Conn, error) {
		c := Session{AS: 65000, Password: password}
		d := net.Dialer{
			Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)},
			Control: dialControl(&c, lo),
		}
		return d.Dial("tcp4", at.String())
	}
	for i, as := range []uint32{65000, 65007} {
		addr := netip.AddrFrom4([4]byte{127, 0, 5, byte(i + 1)})
		c, err := from(addr.String(), "secret")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		o := peerOpen()
		o.AS = as
		(&rawPeer{t: t, conn: c}).establish(o)
		if up := event[*evpn.PeerUp](s); up.Peer != addr || up.Internal != (as == 65000) {
			t.Errorf("PeerUp %+v", up)
		}
	}
	if c, err := from("127.0.5.9", ""); err == nil {
		c.Close()
		t.Error("connected without the password")
	}
	c, err := from("127.0.5.9", "secret")
	if err != nil {
		t.Fatal(err)
	}
	third := &rawPeer{t: t, conn: c}
	if n := third.closed(); n != nil || len(s.Peers()) != 2 {
		t.Errorf("a third of two peers: %v, %d peers", n, len(s.Peers()))
	}
}

// TestConfigure: peers that did not change feel nothing.
func TestConfigure(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	cfg := s.cfg
	extra := addrPort(t)
	cfg.Listen = append(cfg.Listen[:1:1], extra)
	cfg.Peers = append([]Peer{{Address: netip.MustParseAddr("127.0.0.77"), Port: 1, Session: defaultSession(65077)}}, cfg.Peers...)
	cfg.Peers[1].Description = "the same"
	if err := s.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new peer is refused", func() bool {
		st := s.Peers()
		return len(st) == 2 && strings.Contains(st[1].LastError, "connection refused") && st[0].Description == "the same"
	})
	if st := s.Peers()[0]; st.State != Established || st.Established != 1 {
		t.Errorf("status %+v", st)
	}
	if err := s.Configure(Config{}); err == nil {
		t.Error("an empty configuration is taken")
	}
	// Another AS restarts the session, and what stands is announced again.
	s.Adverts() <- []evpn.Advert{local(10, "", 0)}
	p.want(wire.TypeUpdate)
	cfg.AS, cfg.Peers = 65010, []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}
	if err := s.Configure(complete(cfg)); err != nil {
		t.Fatal(err)
	}
	if n := p.closed(); n == nil || n.Subcode != wire.CeaseConfigChange {
		t.Errorf("closed with %v, want a configuration change", n)
	}
	p.conn.Close()
	event[*evpn.PeerDown](s)
	eventually(t, "the new AS is in force", func() bool {
		st := s.Peers()
		return len(st) == 1 && st[0].LocalAS == 65010
	})
	q := dialRaw(t, extra)
	q.establish(peerOpen())
	if up := event[*evpn.PeerUp](s); up.Internal || q.open.AS != 65010 {
		t.Errorf("PeerUp %+v, our AS %d", up, q.open.AS)
	}
	if body := q.want(wire.TypeUpdate); wire.IsEndOfRIB(body) {
		t.Error("the route that stood is gone")
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	s := run(t, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(t, "the problem is shown", func() bool {
		p := s.Problems()
		return len(p) == 1 && errors.Is(p[0].Err, syscall.EADDRINUSE) && p[0].Name() == "listen "+at.String()
	})
	l.Close()
	eventually(t, "the problem is gone", func() bool { return len(s.Problems()) == 0 && s.listening(at) })
	dialRaw(t, at).establish(peerOpen())
	event[*evpn.PeerUp](s)
}

// TestBackpressure: an engine that is busy holds up the peer, and does not
// lose the session.
func TestBackpressure(t *testing.T) {
	o := peerOpen()
	o.HoldTime = 3
	s, p := passive(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the peer hears us, and says something now and then
		for ctx.Err() == nil {
			if _, _, err := p.read(); err != nil {
				return
			}
		}
	}()
	one := update(origin, emptyPath, localPref, targets, reach(macRoute(10)))
	const n = 200_000
	sent := make(chan error, 1)
	go func() {
		var batch []byte
		for range 1000 {
			batch = append(batch, one...)
		}
		for range n / 1000 {
			if _, err := p.conn.Write(batch); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	time.Sleep(5 * time.Second) // longer than the hold time
	event[*evpn.PeerUp](s)
	for got := 0; got < n; {
		for _, u := range event[*evpn.Routes](s).Updates {
			got += len(u.Reach)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestRefresh: routes are asked for by ROUTE-REFRESH (RFC 2918), and from a
// peer that has not got it by a reset; ours are sent again when it asks.
func TestRefresh(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	s.Refresh()
	if body := p.want(wire.TypeRouteRefresh); string(body) != "\x00\x19\x00\x46" {
		t.Errorf("ROUTE-REFRESH % x", body)
	}
	s.Adverts() <- []evpn.Advert{local(10, "", 0)}
	first := p.want(wire.TypeUpdate)
	p.write(wire.AppendRouteRefresh(nil))
	if again := p.want(wire.TypeUpdate); string(again) != string(first) {
		t.Errorf("sent again % x, first % x", again, first)
	}
	if err := s.Reset(lo, true); err != nil {
		t.Error(err)
	}
	got := map[wire.Type]int{}
	for range 2 {
		typ, _, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		got[typ]++
	}
	if got[wire.TypeUpdate] != 1 || got[wire.TypeRouteRefresh] != 1 {
		t.Errorf("after a soft reset: %v", got)
	}
	if err := s.Reset(netip.MustParseAddr("192.0.2.77"), true); err == nil {
		t.Error("a peer that is not there was reset")
	}
	s.stop()

	o := peerOpen()
	o.RouteRefresh = false
	s, p = passive(t, o)
	event[*evpn.PeerUp](s)
	s.Refresh()
	if n := p.closed(); n == nil || n.Code != wire.CodeCease || n.Subcode != wire.CeaseReset {
		t.Errorf("closed with %v, want a reset", n)
	}
}
