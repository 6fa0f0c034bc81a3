package bgp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/bgp/internal/sockopt"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("EVPND_TEST_ROLE"); role != "" {
		child(role)
	}
	goleak.VerifyTestMain(m,
		// GoBGP has no way to end its main loop.
		goleak.IgnoreAnyFunction("github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).Serve"),
		// Queues of GoBGP that it leaves behind for the collector to find.
		goleak.IgnoreAnyFunction("github.com/eapache/channels.(*InfiniteChannel).infiniteBuffer"),
	)
}

const patience = 10 * time.Second

var lo = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// testLog shows what evpnd says when the test fails.
func testLog(t testing.TB) *slog.Logger {
	level := slog.LevelInfo
	if os.Getenv("EVPND_TEST_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

func addrPort(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// complete gives what a test leaves out of cfg its default: AS 65000 and
// 10.0.0.1 for who we are.
func complete(cfg Config) Config {
	d := DefaultConfig(65000, netip.MustParseAddr("10.0.0.1"))
	cfg.AS, cfg.RouterID = cmp.Or(cfg.AS, d.AS), cmp.Or(cfg.RouterID, d.RouterID)
	cfg.Retain, cfg.RestartTime = cmp.Or(cfg.Retain, d.Retain), cmp.Or(cfg.RestartTime, d.RestartTime)
	session := func(s, d *Session) {
		s.HoldTime, s.ConnectRetry = cmp.Or(s.HoldTime, d.HoldTime), cmp.Or(s.ConnectRetry, d.ConnectRetry)
	}
	for i := range cfg.Peers {
		p := &cfg.Peers[i]
		d := DefaultPeer(p.Address, p.AS)
		p.Port = cmp.Or(p.Port, d.Port)
		session(&p.Session, &d.Session)
	}
	for i := range cfg.Dynamic {
		r := &cfg.Dynamic[i]
		d := DefaultDynamic(r.Range, r.AS)
		r.Limit = cmp.Or(r.Limit, d.Limit)
		session(&r.Session, &d.Session)
	}
	return cfg
}

// speaker is a Speaker under test, as AS 65000 and 10.0.0.1.
type speaker struct {
	*Speaker
	t    testing.TB
	stop func()
}

func run(t testing.TB, cfg Config) *speaker {
	t.Helper()
	return runWith(t, cfg, testLog(t))
}

func runWith(t testing.TB, cfg Config, log *slog.Logger) *speaker {
	t.Helper()
	if len(cfg.Listen) == 0 {
		cfg.Listen = []netip.AddrPort{addrPort(t)}
	}
	s, err := New(complete(cfg), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	}
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("Run: %v", err)
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return &speaker{Speaker: s, t: t, stop: stop}
}

// listening tells whether connections to at are accepted.
func (s *speaker) listening(at netip.AddrPort) bool {
	s.mu.Lock()
	l := s.listeners[at]
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.l != nil
}

// event waits for the next event, which must be a T.
func event[T evpn.Event](s *speaker) T {
	s.t.Helper()
	var none T
	select {
	case ev := <-s.Events():
		if e, ok := ev.(T); ok {
			return e
		}
		s.t.Fatalf("event %T %+v, want %T", ev, ev, none)
	case <-time.After(patience):
		s.t.Fatalf("no %T; peers: %+v", none, s.Peers())
	}
	return none
}

// seldom is event, but leaves out Routes.
func seldom[T evpn.Event](s *speaker) T {
	s.t.Helper()
	var none T
	late := time.After(patience)
	for {
		select {
		case ev := <-s.Events():
			if e, ok := ev.(T); ok {
				return e
			}
			if _, ok := ev.(*evpn.Routes); !ok {
				s.t.Fatalf("event %T %+v, want %T", ev, ev, none)
			}
		case <-late:
			s.t.Fatalf("no %T; peers: %+v", none, s.Peers())
		}
	}
}

// eventually polls until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// rawPeer is a BGP speaker of which the test decides every byte.
type rawPeer struct {
	t    testing.TB
	conn net.Conn
	open wire.Open // what evpnd has sent
}

func peerOpen() wire.Open {
	return wire.Open{
		AS: 65000, HoldTime: 90, ID: netip.MustParseAddr("10.0.0.9"), EVPN: true, RouteRefresh: true, AS4: true,
		Restart: wire.Restart{Present: true, EVPN: true, Time: 33},
	}
}

func dialRaw(t testing.TB, to netip.AddrPort) *rawPeer {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &rawPeer{t: t, conn: c}
}

func (p *rawPeer) write(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("write to evpnd: %v", err)
	}
}

// read returns the next message.
func (p *rawPeer) read() (wire.Type, []byte, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, wire.MaxLen)
	if _, err := io.ReadFull(p.conn, b[:wire.HeaderLen]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint16(b[16:])
	if _, err := io.ReadFull(p.conn, b[wire.HeaderLen:n]); err != nil {
		return 0, nil, err
	}
	return wire.TypeOf(b), b[wire.HeaderLen:n], nil
}

// want reads the next message, which must be of the type.
func (p *rawPeer) want(typ wire.Type) []byte {
	p.t.Helper()
	got, body, err := p.read()
	if err != nil {
		p.t.Fatalf("want %v: %v", typ, err)
	}
	if got != typ {
		p.t.Fatalf("want %v, got %v % x", typ, got, body)
	}
	return body
}

// establish goes through the handshake, up to our End-of-RIB when no routes
// stand.
func (p *rawPeer) establish(o wire.Open) {
	p.t.Helper()
	p.write(o.Append(nil))
	var bad *wire.Notification
	if p.open, bad = wire.ParseOpen(p.want(wire.TypeOpen)); bad != nil {
		p.t.Fatal(bad)
	}
	p.want(wire.TypeKeepalive)
	p.write(wire.AppendKeepalive(nil))
}

// closed waits until evpnd closes, and returns the NOTIFICATION that it sent
// before, or nil.
func (p *rawPeer) closed() *wire.Notification {
	p.t.Helper()
	for {
		typ, body, err := p.read()
		switch {
		case err != nil && errors.Is(err, os.ErrDeadlineExceeded):
			p.t.Fatal("the connection stays open")
		case err != nil:
			return nil
		case typ == wire.TypeNotification:
			return wire.ParseNotification(body)
		}
	}
}

// attribute makes a path attribute.
func attribute(flags, typ byte, v ...byte) []byte {
	return append([]byte{flags, typ, byte(len(v))}, v...)
}

// update makes an UPDATE of attributes.
func update(attrs ...[]byte) []byte {
	body := bytes.Join(attrs, nil)
	b := bytes.Repeat([]byte{0xff}, 16)
	b = binary.BigEndian.AppendUint16(b, uint16(23+len(body)))
	b = append(b, byte(wire.TypeUpdate), 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

var (
	origin    = attribute(0x40, 1, 0)
	emptyPath = attribute(0x40, 2)
	localPref = attribute(0x40, 5, 0, 0, 0, 100)
	targets   = attribute(0xc0, 16, 0, 2, 0xfd, 0xe8, 0, 0, 0, 200, 3, 0x0c, 0, 0, 0, 0, 0, 8)
)

// macRoute is a MAC-only type 2 NLRI with VNI 200 (RFC 7432 §7.2).
func macRoute(mac byte) []byte {
	return bytes.Join([][]byte{
		{2, 33, 0, 1, 10, 0, 0, 9, 0, 7}, make([]byte, 10), make([]byte, 4), {48, 2, 0x42, 0xac, 0x12, 0, mac, 0, 0, 0, 200},
	}, nil)
}

func reach(nlri ...[]byte) []byte {
	return attribute(0x80, 14, append([]byte{0, 25, 70, 4, 192, 0, 2, 9, 0}, bytes.Join(nlri, nil)...)...)
}

// passive has a Speaker with one peer that connects, and the peer connected.
func passive(t *testing.T, o wire.Open) (*speaker, *rawPeer) {
	t.Helper()
	at := addrPort(t)
	s := run(t, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: o.AS, Passive: true}}}})
	eventually(t, "listening", func() bool { return s.listening(at) })
	p := dialRaw(t, at)
	p.establish(o)
	return s, p
}

func TestSession(t *testing.T) {
	s, p := passive(t, peerOpen())
	up := event[*evpn.PeerUp](s)
	if up.Peer != lo || up.RouterID != peerOpen().ID || !up.Internal {
		t.Errorf("PeerUp %+v", up)
	}
	want := wire.Open{
		AS: 65000, HoldTime: 90, ID: s.cfg.RouterID, EVPN: true, RouteRefresh: true, AS4: true,
		Restart: wire.Restart{Present: true, Restarting: true, Notification: true, Time: 120, EVPN: true, Forwarding: true},
	}
	if got := p.open; got.Restart != want.Restart || got.AS != want.AS || got.ID != want.ID || !got.EVPN || !got.RouteRefresh || !got.AS4 {
		t.Errorf("our OPEN is %+v, want %+v", got, want)
	}
	if body := p.want(wire.TypeUpdate); !wire.IsEndOfRIB(body) {
		t.Errorf("without routes the first UPDATE is % x, want End-of-RIB", body)
	}

	p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10), macRoute(11))))
	p.write(wire.AppendEndOfRIB(nil))
	r := event[*evpn.Routes](s)
	if r.Peer != lo || len(r.Updates) != 1 || len(r.Updates[0].Reach) != 2 {
		t.Fatalf("Routes %+v", r)
	}
	u := r.Updates[0]
	if u.Attrs.NextHop != netip.MustParseAddr("192.0.2.9") || u.Reach[1].MAC != (evpn.MAC{2, 0x42, 0xac, 0x12, 0, 11}) || u.Reach[1].Label != 200 {
		t.Errorf("route %+v %+v", u.Reach[1], u.Attrs)
	}
	if e := event[*evpn.EndOfRIB](s); e.Peer != lo {
		t.Errorf("EndOfRIB %+v", e)
	}

	st := s.Peers()
	if len(st) != 1 || st[0].State != Established || st[0].HoldTime != 90*time.Second || st[0].Received.Update != 2 ||
		st[0].Routes.Reach[evpn.MACIP] != 2 || st[0].RouterID != peerOpen().ID || st[0].AS != 65000 || st[0].Established != 1 {
		t.Errorf("status %+v", st)
	}

	// The peer goes without a word: its routes are kept.
	p.conn.Close()
	if d := event[*evpn.PeerDown](s); d.Peer != lo || d.Retain != DefaultRetain {
		t.Errorf("PeerDown %+v", d)
	}
}

// dialControl prepares a socket as evpnd does.
func dialControl(c *Session, to netip.Addr) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) error {
		return sockopt.Control(rc, func(fd int) error { return c.prepare(fd, to) })
	}
}
