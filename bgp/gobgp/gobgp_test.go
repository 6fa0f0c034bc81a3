package gobgp

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

const patience = 10 * time.Second

var routerID = netip.MustParseAddr("10.0.0.1")

// peer is a neighbor as the tests have it join.
var peer = Neighbor{
	AS: 65000, LocalAS: 65000, ID: netip.MustParseAddr("10.0.0.9"), AS4: true,
	HoldTime: 90 * time.Second, Keepalive: 30 * time.Second,
}

// log is a log that can be read while it is written.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve has a GoBGP that serves, and its log at every level.
func serve(t *testing.T) (*Server, *log) {
	t.Helper()
	l := &log{}
	s := New(slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug - 100})))
	if err := s.Start(t.Context(), 65000, routerID); err != nil {
		t.Fatal(err)
	}
	return s, l
}

func join(t *testing.T, s *Server, n Neighbor) *Leg {
	t.Helper()
	l, err := s.Join(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// next returns the next message of a type.
func next(t *testing.T, l *Leg, typ wire.Type) []byte {
	t.Helper()
	for {
		msg, err := l.Next(patience)
		if msg == nil || err != nil {
			t.Fatalf("no %v: %v", typ, err)
		}
		if wire.TypeOf(msg) == typ {
			return msg
		}
	}
}

// establish goes through the rest of the handshake, and returns what GoBGP has
// sent up to End-of-RIB.
func establish(t *testing.T, l *Leg) (updates []evpn.Update) {
	t.Helper()
	next(t, l, wire.TypeKeepalive)
	if err := l.Keepalive(); err != nil {
		t.Fatal(err)
	}
	for {
		u, end := update(t, next(t, l, wire.TypeUpdate))
		if end {
			return updates
		}
		updates = append(updates, u)
	}
}

func update(t *testing.T, msg []byte) (evpn.Update, bool) {
	t.Helper()
	u, end, bad := wire.NewReader(true, true, 1, netip.Addr{}).Update(wire.Body(msg))
	if bad != nil {
		t.Fatal(bad)
	}
	return u, end
}

// route is one of a MAC, with all that GoBGP does not know or does not like.
func route(seq uint32) (*evpn.Route, *evpn.Attrs) {
	r := &evpn.Route{
		NLRI:  evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(routerID, 5), MAC: evpn.MAC{2, 0x42, 0xac, 0x12, 0, 10}},
		Label: 10,
	}
	a := &evpn.Attrs{
		NextHop: netip.MustParseAddr("192.0.2.1"), Targets: []evpn.RT{evpn.NewRT(65000, 10)}, Encap: evpn.EncapVXLAN,
		Mobility: evpn.Mobility{Seq: seq}, ND: evpn.ND{Present: true, Router: true}, Other: [][8]byte{{6, 6, 1}},
	}
	return r, a
}

// TestHiddenCommunities: the peer reads the extended communities that were
// announced, known to GoBGP or not, and a sequence that goes down replaces the
// route with no withdrawal before.
func TestHiddenCommunities(t *testing.T) {
	s, _ := serve(t)
	defer s.Stop()
	l := join(t, s, peer)
	defer s.Leave(l)
	establish(t, l)
	for _, seq := range []uint32{7, 7000, 3, 0, 4} {
		r, want := route(seq)
		if err := s.Announce(r, want); err != nil {
			t.Fatal(err)
		}
		msg := next(t, l, wire.TypeUpdate)
		u, _ := update(t, msg)
		if len(u.Withdrawn) > 0 || len(u.Reach) != 1 || u.Reach[0] != *r {
			t.Fatalf("sequence %d: %+v", seq, u)
		}
		got := u.Attrs
		if got.Mobility != want.Mobility || got.ND != want.ND || len(got.Other) != 1 || len(got.Targets) != 1 || got.Targets[0] != want.Targets[0] || got.Encap != want.Encap {
			t.Errorf("sequence %d: got %+v, want %+v", seq, got, want)
		}
		if !bytes.Equal(types(msg), []byte{1, 2, 5, 14, 16}) {
			t.Errorf("attributes %v, want them ascending", types(msg))
		}
	}
}

// types returns the types of the attributes of an UPDATE.
func types(msg []byte) (out []byte) {
	for b := msg[wire.HeaderLen+4:]; len(b) > 0; {
		n := 3 + int(b[2])
		if b[0]&0x10 != 0 {
			n = 4 + int(b[2])<<8 + int(b[3])
		}
		out, b = append(out, b[1]), b[n:]
	}
	return out
}

// TestJoinWithOurID: between ASes a peer may have our BGP identifier (RFC 6286
// §2.1), which GoBGP refuses.
func TestJoinWithOurID(t *testing.T) {
	s, _ := serve(t)
	defer s.Stop()
	n := peer
	n.AS, n.ID = 65001, routerID
	l := join(t, s, n)
	defer s.Leave(l)
	establish(t, l)
}

// TestJoinWithoutHoldTime: GoBGP's second KEEPALIVE, which the feed of a leg
// is answered with, is not for a peer without a hold time (RFC 4271 §4.4).
func TestJoinWithoutHoldTime(t *testing.T) {
	buf := wire.AppendKeepalive(wire.AppendKeepalive(wire.AppendKeepalive(nil)))
	l := &Leg{buf: buf, w: len(buf), quiet: true}
	if msg, err := l.Next(0); err != nil || wire.TypeOf(msg) != wire.TypeKeepalive {
		t.Errorf("the first KEEPALIVE is not for the peer: % x, %v", msg, err)
	}
	if l.Buffered() {
		t.Error("the second KEEPALIVE or the third is for the peer")
	}
	s, _ := serve(t)
	defer s.Stop()
	n := peer
	n.HoldTime, n.Keepalive = 0, 0
	x := join(t, s, n)
	defer s.Leave(x)
	establish(t, x)
}

// TestStoppedLeg: Stop ends a Next that waits, and all that come after.
func TestStoppedLeg(t *testing.T) {
	s, _ := serve(t)
	defer s.Stop()
	l := join(t, s, peer)
	defer s.Leave(l)
	establish(t, l)
	if msg, err := l.Next(time.Millisecond); msg != nil || err != nil {
		t.Errorf("Next of a silent GoBGP: % x %v", msg, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := l.Next(0)
		ended <- err
	}()
	l.Stop()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("Next returns a message")
		}
	case <-time.After(patience):
		t.Fatal("Next does not return")
	}
	if _, err := l.Next(time.Millisecond); err == nil {
		t.Error("Next goes on after Stop")
	}
}

// TestKeyInLog: the key of the legs, which GoBGP is told, is in no message of
// it.
func TestKeyInLog(t *testing.T) {
	s, l := serve(t)
	x := join(t, s, peer)
	establish(t, x)
	s.Leave(x)
	s.Stop()
	if text := l.String(); s.key == "" || strings.Contains(text, s.key) || !strings.Contains(text, "gobgp=") {
		t.Errorf("the key is %q, and the log\n%s", s.key, text)
	}
}

// TestOtherListener: who listens in GoBGP's place does not have the key.
func TestOtherListener(t *testing.T) {
	s, _ := serve(t)
	defer s.Stop()
	x, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	fake := &Server{key: s.key, addr: x.Addr().(*net.TCPAddr).AddrPort()}
	if c, err := fake.connect(t.Context(), netip.MustParseAddr("127.1.0.9"), time.Now().Add(time.Second)); err == nil {
		c.Close()
		t.Error("a listener without the key is taken for GoBGP")
	}
}

// TestNotBGP: what is no message ends a leg.
func TestNotBGP(t *testing.T) {
	l := &Leg{buf: []byte("HTTP/1.1 400 Bad Request"), w: 24}
	if _, err := l.Next(0); !errors.Is(err, ErrNotBGP) {
		t.Errorf("error %v", err)
	}
}

// TestBufferedWithoutHoldTime: a KEEPALIVE that is not for the peer is nothing
// that Next would return, so what came before it need not wait for more.
func TestBufferedWithoutHoldTime(t *testing.T) {
	endOfRIB := []byte{0, 0, 0, 6, 0x80, 15, 3, 0, wire.AFIL2VPN, wire.SAFIEVPN}
	buf := append(bytes.Repeat([]byte{0xff}, 16), 0, byte(wire.HeaderLen+len(endOfRIB)), byte(wire.TypeUpdate))
	buf = wire.AppendKeepalive(append(wire.AppendKeepalive(nil), append(buf, endOfRIB...)...))
	for quiet, more := range map[bool]bool{true: false, false: true} {
		l := &Leg{buf: bytes.Clone(buf), w: len(buf), quiet: quiet}
		for _, want := range []wire.Type{wire.TypeKeepalive, wire.TypeUpdate} {
			if !l.Buffered() {
				t.Fatalf("quiet %v: %v is not buffered", quiet, want)
			}
			if msg, err := l.Next(0); err != nil || wire.TypeOf(msg) != want {
				t.Fatalf("quiet %v: % x, %v, want %v", quiet, msg, err, want)
			}
		}
		if got := l.Buffered(); got != more {
			t.Errorf("quiet %v: buffered %v after End-of-RIB, want %v", quiet, got, more)
		}
	}
}

// TestStopWhileJoining: GoBGP is stopped while a neighbor of its reads an
// OPEN. The race detector judges; in the normal build it is a smoke test.
func TestStopWhileJoining(t *testing.T) {
	for round := range 100 {
		s := New(slog.New(slog.DiscardHandler))
		if err := s.Start(t.Context(), 65000, routerID); err != nil {
			t.Fatal(err)
		}
		l := join(t, s, peer)
		for range round { // each round gives GoBGP a little longer to read the OPEN
			runtime.Gosched()
		}
		s.Leave(l)
		s.Stop()
		if len(s.used) != 0 {
			t.Fatalf("legs in use after Stop: %v", s.used)
		}
	}
}
