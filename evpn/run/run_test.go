package run

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/evpn"
)

// GoBGP leaves this goroutine of each speaker of the example behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).Serve"))
}

// plane is a dataplane whose every step the test takes itself.
type plane struct {
	events chan []evpn.Event
	deltas chan evpn.Delta
	swept  chan struct{}
}

func (p *plane) Events() <-chan []evpn.Event { return p.events }
func (p *plane) Deltas() chan<- evpn.Delta   { return p.deltas }
func (p *plane) Sweep()                      { p.swept <- struct{}{} }

type peers struct {
	events  chan evpn.Event
	adverts chan []evpn.Advert
	begun   chan struct{}
	refresh chan struct{}
	calls   chan evpn.PeerAction
}

func (p *peers) Events() <-chan evpn.Event     { return p.events }
func (p *peers) Adverts() chan<- []evpn.Advert { return p.adverts }
func (p *peers) Refresh()                      { p.refresh <- struct{}{} }
func (p *peers) RefreshPeer(a netip.Addr)      { p.calls <- evpn.PeerAction{Peer: a} }
func (p *peers) EndAtLimit(a netip.Addr)       { p.calls <- evpn.PeerAction{Peer: a, Reset: true} }
func (p *peers) Begin()                        { close(p.begun) }

var (
	here  = netip.MustParseAddr("10.0.0.1")
	there = netip.MustParseAddr("10.0.0.2")
	peer  = netip.MustParseAddr("10.9.9.9")
)

// bench is a running core between a test's hands.
type bench struct {
	*Runner
	t     *testing.T
	plane *plane
	peers *peers
	end   func()
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t:     t,
		plane: &plane{make(chan []evpn.Event), make(chan evpn.Delta), make(chan struct{}, 1)},
		peers: &peers{make(chan evpn.Event), make(chan []evpn.Advert), make(chan struct{}), make(chan struct{}, 8), make(chan evpn.PeerAction, 8)},
	}
	cfg := evpn.DefaultConfig(65000, here)
	cfg.ConfiguredPeers = []netip.Addr{peer}
	e := evpn.New(cfg)
	b.Runner = New(e, b.plane, func([]evpn.Change) {})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.end = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(b.end)
	return b
}

func take[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("no %s", what)
	}
	return v
}

func route(seq uint32) evpn.Event {
	return &evpn.Routes{Peer: peer, Updates: []evpn.Update{{
		Reach: []evpn.Route{{NLRI: evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(there, 1), MAC: evpn.MAC{2, 0, 0, 0, 0, 1}}, Label: 200}},
		Attrs: &evpn.Attrs{NextHop: there, Targets: []evpn.RT{evpn.NewRT(65000, 200)}, Mobility: evpn.Mobility{Seq: seq}},
	}}}
}

func TestOrderOfStart(t *testing.T) {
	b := newBench(t)
	b.plane.events <- []evpn.Event{&evpn.BDUp{VNI: 200, VTEP: here}, &evpn.LocalMAC{VNI: 200, MAC: evpn.MAC{2, 0, 0, 0, 0, 9}, Port: 3}}
	if err := b.Attach(t.Context(), b.peers); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.peers.begun:
		t.Fatal("the sessions began before the local routes were announced")
	case as := <-b.peers.adverts:
		if len(as) != 2 || as[0].Type != evpn.InclusiveMulticast || as[1].Type != evpn.MACIP {
			t.Fatalf("announced %v", as)
		}
	}
	take(t, "begin", b.peers.begun)

	// Nothing is swept before End-of-RIB, nor before all that is wanted has
	// been handed over.
	b.peers.events <- &evpn.PeerUp{Peer: peer, RouterID: peer, Internal: true}
	b.peers.events <- route(0)
	b.peers.events <- &evpn.EndOfRIB{Peer: peer}
	if err := b.Do(t.Context(), func(e *evpn.Engine) {
		if !e.Synced() {
			t.Error("not in sync after End-of-RIB")
		}
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.plane.swept:
		t.Fatal("swept before the wishes were taken")
	default:
	}
	if d := take(t, "delta", b.plane.deltas); len(d.FDB) != 1 || !d.FDB[0].Want {
		t.Fatalf("wishes %+v", d)
	}
	take(t, "sweep", b.plane.swept)
}

func TestSlowKernelCoalesces(t *testing.T) {
	b := newBench(t)
	if err := b.Attach(t.Context(), b.peers); err != nil {
		t.Fatal(err)
	}
	b.plane.events <- []evpn.Event{&evpn.BDUp{VNI: 200, VTEP: here}}
	take(t, "advert", b.peers.adverts)
	b.peers.events <- &evpn.PeerUp{Peer: peer, RouterID: peer, Internal: true}
	for seq := range uint32(1000) {
		b.peers.events <- route(seq)
	}
	// The first wish was on offer all the time; the 999 others became one,
	// or none, since the place did not change.
	n := 0
	for {
		select {
		case d := <-b.plane.deltas:
			n += len(d.FDB)
			continue
		default:
		}
		idle := false
		if err := b.Do(t.Context(), func(*evpn.Engine) { idle = true }); err != nil || !idle {
			t.Fatal(err)
		}
		if n > 0 {
			break
		}
	}
	if n > 2 {
		t.Errorf("1000 updates of one MAC became %d wishes", n)
	}
}

func TestDoAfterTheEnd(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b2 := New(evpn.New(evpn.DefaultConfig(0, netip.Addr{})), b.plane, nil)
	if err := b2.Do(ctx, func(*evpn.Engine) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Do with a dead context: %v", err)
	}
	close(b2.stopped)
	if err := b2.Do(t.Context(), func(*evpn.Engine) {}); !errors.Is(err, ErrStopped) {
		t.Errorf("Do after the end: %v", err)
	}
	if err := b2.Attach(t.Context(), b.peers); !errors.Is(err, ErrStopped) {
		t.Errorf("Attach after the end: %v", err)
	}
}

// What the engine wants of a single peer reaches the sessions.
func TestPeerCalls(t *testing.T) {
	b := newBench(t)
	if err := b.Attach(t.Context(), b.peers); err != nil {
		t.Fatal(err)
	}
	b.plane.events <- []evpn.Event{&evpn.BDUp{VNI: 200, VTEP: here}}
	take(t, "advert", b.peers.adverts)
	up := &evpn.PeerUp{Peer: peer, RouterID: peer, Internal: true, Limit: evpn.PeerLimit{Routes: 1, Reset: true}}
	b.peers.events <- up
	two := route(1).(*evpn.Routes)
	second := two.Updates[0].Reach[0]
	second.MAC[5]++
	two.Updates[0].Reach = append(two.Updates[0].Reach, second)
	b.peers.events <- two
	if c := take(t, "call", b.peers.calls); c != (evpn.PeerAction{Peer: peer, Reset: true}) {
		t.Errorf("call %+v, want a reset", c)
	}

	up.Limit.Reset = false
	b.peers.events <- up
	b.peers.events <- two
	b.peers.events <- &evpn.Routes{Peer: peer, Updates: []evpn.Update{{Withdrawn: []evpn.NLRI{two.Updates[0].Reach[0].NLRI}}}}
	if c := take(t, "call", b.peers.calls); c != (evpn.PeerAction{Peer: peer}) {
		t.Errorf("call %+v, want a refresh", c)
	}
}
