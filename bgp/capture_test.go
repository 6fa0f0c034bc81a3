package bgp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// TestCapture: the peer is asked for its routes, and what matches is returned, also
// what is discarded; afterwards no capture runs.
func TestCapture(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	type result struct {
		capture Capture
		err     error
	}
	ended := make(chan result, 1)
	told := make(chan int, 100)
	go func() {
		match := func(r *evpn.Route, _ *evpn.Attrs) bool { return r.MAC[5] < 12 }
		l, err := s.Capture(context.Background(), match, func(n int) { told <- n })
		ended <- result{l, err}
	}()
	if body := p.want(wire.TypeRouteRefresh); string(body) != "\x00\x19\x00\x46" {
		t.Errorf("ROUTE-REFRESH % x", body)
	}
	// Two that are taken, of which one matches, and one with an AS_PATH that
	// makes it count as withdrawn.
	p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10), macRoute(12))))
	p.write(update(origin, attribute(0x40, 2, 9, 9), reach(macRoute(11))))
	event[*evpn.Routes](s)
	var got result
	select {
	case got = <-ended:
	case <-time.After(patience):
		t.Fatal("Capture does not end")
	}
	if got.err != nil || len(got.capture.Routes) != 2 || got.capture.More != 0 {
		t.Fatalf("saw %+v, %v", got.capture, got.err)
	}
	a, b := got.capture.Routes[0], got.capture.Routes[1]
	if a.Route.MAC[5] != 10 || a.Attrs == nil || a.Discard != 0 || a.Peer != lo || len(a.Attrs.Targets) == 0 {
		t.Errorf("the first is %+v", a)
	}
	if b.Route.MAC[5] != 11 || b.Attrs != nil || b.Discard != wire.DiscardASPath {
		t.Errorf("the second is %+v", b)
	}
	if q := got.capture.Refreshes; len(q) != 1 || q[0].Routes != 3 || q[0].Skipped != "" || q[0].Open {
		t.Errorf("asked %+v, want 3 routes of one peer", q)
	}
	if len(told) == 0 {
		t.Error("no progress was told")
	}
	if s.captured.Load() != nil {
		t.Error("a capture still runs")
	}

	// The peers are left alone for a while: the next waits, and its caller may
	// give up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Capture(ctx, nil, nil); err == nil {
		t.Error("the peers were asked again at once")
	}
}

// TestCaptureGivenUp: who gives up once the peers are asked does not have them
// asked again before they have answered, and were left alone after that.
func TestCaptureGivenUp(t *testing.T) {
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	ctx, giveUp := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Capture(ctx, func(*evpn.Route, *evpn.Attrs) bool { return true }, func(int) {})
		ended <- err
	}()
	p.want(wire.TypeRouteRefresh)
	giveUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Capture ended with %v", err)
	}
	l := s.captured.Load()
	if l == nil {
		t.Fatal("the answer of the peer is not waited for")
	}
	p.write(update(origin, emptyPath, localPref, targets, reach(macRoute(10), macRoute(12))))
	event[*evpn.Routes](s)
	var next time.Time
	select {
	case next = <-s.captureTurn:
	case <-time.After(patience):
		t.Fatal("no other capture may begin")
	}
	k := l
	if h := k.answers[lo]; h == nil || h.routes != 2 || len(k.routes) != 0 {
		t.Errorf("counted %+v and kept %d routes of the answer, want 2 and none", h, len(k.routes))
	}
	if wait := time.Until(next); wait < capturePause/2 {
		t.Errorf("the peers are left alone for %v", wait)
	}
	if s.captured.Load() != nil {
		t.Error("a capture still runs")
	}
	s.captureTurn <- next
}

func TestCaptureSkipsPeers(t *testing.T) {
	o := peerOpen()
	o.RouteRefresh = false
	s, p := passive(t, o)
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	l, err := s.Capture(context.Background(), func(*evpn.Route, *evpn.Attrs) bool { return true }, func(int) {})
	if err != nil || len(l.Refreshes) != 1 || l.Refreshes[0].Skipped != SkippedNoRefresh || len(l.Routes) != 0 {
		t.Errorf("saw %+v, %v", l, err)
	}
	if st := s.Peers()[0]; st.State != Established {
		t.Errorf("the session is %v", st.State)
	}
}

// TestDiscardsHaveReasons: each is explained, in one line.
func TestDiscardsHaveReasons(t *testing.T) {
	seen := map[string]bool{}
	for d := wire.Discard(1); d < wire.NumDiscards; d++ {
		if r := d.Reason(); r == "" || strings.Contains(r, "\n") || seen[r] {
			t.Errorf("%v: %q", d, r)
		}
		seen[d.Reason()] = true
	}
}
