package bgp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// refused connects to evpnd, which must close without an OPEN.
func refused(t *testing.T, at netip.AddrPort) {
	t.Helper()
	_, body, err := dialRaw(t, at).read()
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("a peer that is held off is answered: % x %v", body, err)
	}
}

// A peer that sent too much is told so (RFC 4486 §4), loses its routes at
// once, and is not taken back until the operator says so.
func TestEndAtLimit(t *testing.T) {
	at := addrPort(t)
	limit := evpn.PeerLimit{Routes: 5, Reset: true}
	s := run(t, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true, RouteLimit: limit}}}})
	eventually(t, "listening", func() bool { return s.listening(at) })
	p := dialRaw(t, at)
	p.establish(peerOpen())
	if up := event[*evpn.PeerUp](s); up.Limit != limit {
		t.Errorf("the engine is told of limit %+v, want %+v", up.Limit, limit)
	}
	s.EndAtLimit(lo)
	if n := p.closed(); n == nil || n.Code != wire.CodeCease || n.Subcode != wire.CeaseMaxPrefixes {
		t.Errorf("the peer was told %v, want cease: maximum number of prefixes reached", n)
	}
	if d := event[*evpn.PeerDown](s); d.Retain != 0 {
		t.Errorf("the routes of the peer are kept for %v", d.Retain)
	}
	eventually(t, "idle", func() bool { return s.Peers()[0].State == Idle })
	if st := s.Peers()[0]; !strings.Contains(st.LastError, "more than 5 routes") || st.MaxRoutes != 5 || st.LastDown != DownLimit {
		t.Errorf("shown: %+v", st)
	}
	eventually(t, "a problem that names the peer and the limit", func() bool {
		pr := s.Problems()
		return len(pr) == 1 && pr[0].Name() == "peer 127.0.0.1" && pr[0].Kind == ProblemPeerLimit && pr[0].Limit == 5
	})
	refused(t, at)

	if err := s.Reset(lo, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "waiting for the peer", func() bool { return s.Peers()[0].State == Active })
	p = dialRaw(t, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
	eventually(t, "no problem", func() bool { return len(s.Problems()) == 0 })
}

// evpnd does not connect while it leaves a peer alone, and does when the time
// is over.
func TestHoldOffEnds(t *testing.T) {
	x, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	l, to := x.(*net.TCPListener), x.Addr().(*net.TCPAddr).AddrPort()
	accept := func() *rawPeer {
		t.Helper()
		_ = l.SetDeadline(time.Now().Add(patience))
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("evpnd does not connect: %v", err)
		}
		t.Cleanup(func() { c.Close() })
		return &rawPeer{t: t, conn: c}
	}
	s := run(t, Config{Peers: []Peer{{Address: lo, Port: to.Port(), Session: Session{AS: 65000, ConnectRetry: 10 * time.Millisecond}}}})
	accept().establish(peerOpen())
	event[*evpn.PeerUp](s)
	s.EndAtLimit(lo)
	event[*evpn.PeerDown](s)
	_ = l.SetDeadline(time.Now().Add(300 * time.Millisecond))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Fatal("evpnd connects to a peer that it leaves alone")
	}
	held := s.find(lo)
	held.mu.Lock()
	held.holdOffUntil = time.Now().Add(50 * time.Millisecond) // the minute is nearly over
	held.mu.Unlock()
	signal(held.holdOffChanged)
	accept().establish(peerOpen())
	event[*evpn.PeerUp](s)
}

// A peer that came by a range is remembered while it is held off, else it
// would be back as a new one; then it is forgotten.
func TestHoldOffOfDynamicPeer(t *testing.T) {
	at := addrPort(t)
	s := run(t, Config{
		Listen:  []netip.AddrPort{at},
		Dynamic: []Dynamic{{Range: netip.MustParsePrefix("127.0.0.0/8"), Session: Session{RouteLimit: evpn.PeerLimit{Routes: 5, Reset: true}}}},
	})
	eventually(t, "listening", func() bool { return s.listening(at) })
	dialRaw(t, at).establish(peerOpen())
	if up := event[*evpn.PeerUp](s); up.Limit.Routes != 5 {
		t.Errorf("limit %+v", up.Limit)
	}
	s.EndAtLimit(lo)
	event[*evpn.PeerDown](s)
	refused(t, at)
	if st := s.Peers(); len(st) != 1 || !strings.Contains(st[0].LastError, "limit") {
		t.Fatalf("peers %+v, want the one that is held off", st)
	}
	s.find(lo).setHoldOff(time.Time{})
	eventually(t, "forgotten", func() bool { return len(s.Peers()) == 0 && len(s.Problems()) == 0 })
	dialRaw(t, at).establish(peerOpen())
	event[*evpn.PeerUp](s)
}

// One peer is asked for its routes, and no other.
func TestRefreshPeer(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate) // End-of-RIB
	s.RefreshPeer(netip.MustParseAddr("192.0.2.77"))
	s.RefreshPeer(lo)
	p.want(wire.TypeRouteRefresh)
}

func TestNegativeLimit(t *testing.T) {
	_, err := New(complete(Config{
		AS: 65000, RouterID: netip.MustParseAddr("10.0.0.1"),
		Peers: []Peer{{Address: lo, Session: Session{AS: 65000, RouteLimit: evpn.PeerLimit{Routes: -1}}}},
	}), testLog(t))
	if err == nil || !strings.Contains(err.Error(), "peer 127.0.0.1: limit of -1 routes") {
		t.Errorf("error %v", err)
	}
}
