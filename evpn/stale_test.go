package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// TestStaleCount: how many routes of a peer are stale is known while its
// sessions come and go.
func TestStaleCount(t *testing.T) {
	w := newWorld()
	up := &PeerUp{Peer: reflector, RouterID: reflector, Internal: true}
	one, two := imet(7, "10.0.0.2", "10.0.0.2"), imet(7, "10.0.0.3", "10.0.0.3")
	mac := &Routes{Peer: reflector, Updates: []Update{{
		Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(netip.MustParseAddr("10.0.0.2"), 7), MAC: MAC{2, 1}}, Label: 200}},
		Attrs: &Attrs{NextHop: netip.MustParseAddr("10.0.0.2"), Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}},
	}}}
	gone := &Routes{Peer: reflector, Updates: []Update{{Withdrawn: []NLRI{mac.Updates[0].Reach[0].NLRI}}}}
	w.settled(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	for i, c := range []struct {
		ev            Event
		routes, stale int
	}{
		{up, 0, 0},
		{one, 1, 0},
		{two, 2, 0},
		{mac, 3, 0},
		{mac, 3, 0}, // told again
		{&PeerDown{Peer: reflector, Retain: time.Hour}, 3, 3},
		{up, 3, 3},
		{mac, 3, 2},
		{mac, 3, 2},
		{one, 3, 1},
		{gone, 2, 1},
		{mac, 3, 1},
		{up, 3, 3}, // anew, without a word of the end
		{gone, 2, 2},
		{one, 2, 1},
		{&EndOfRIB{Peer: reflector}, 1, 0},
	} {
		w.settled(c.ev)
		p := w.e.Peers()[0]
		if p.Routes != c.routes || p.Stale != c.stale || p.StaleUntil.IsZero() != (c.stale == 0) {
			t.Errorf("step %d, %T: %d routes, %d stale until %v, want %d and %d", i, c.ev, p.Routes, p.Stale, p.StaleUntil, c.routes, c.stale)
		}
	}
}

// TestLingersAreBounded: a peer that announces and withdraws VTEPs without
// end leaves a bounded number behind, and all of them go.
func TestLingersAreBounded(t *testing.T) {
	w := newWorld()
	cfg := w.e.cfg
	cfg.FloodHold = 5 * time.Second
	w.settled(
		&Configure{Config: cfg}, &BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")},
		&PeerUp{Peer: reflector, RouterID: reflector, Internal: true},
	)
	for i := range maxFloodHolds + 100 {
		to := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String()
		there := imet(7, to, to)
		w.e.Step(there)
		w.e.Step(&Routes{Peer: reflector, Updates: []Update{{Withdrawn: []NLRI{there.Updates[0].Reach[0].NLRI}}}})
	}
	if n := len(w.e.bds[200].flood); n != maxFloodHolds {
		t.Errorf("%d destinations linger, want %d", n, maxFloodHolds)
	}
	if at, ok := w.e.deadline(); !ok || !at.Equal(w.start.Add(5*time.Second)) {
		t.Errorf("the engine wants to be woken at %v (%v), want 5 s after the start", at, ok)
	}
	w.settled(&Tick{Now: w.start.Add(5 * time.Second)})
	if n := len(w.e.bds[200].flood) + len(w.e.floodHolds.of) + len(w.e.vteps); n != 0 {
		t.Errorf("%d destinations are left", n)
	}
}

// TestReturnChangesNothing: a session that comes back has brought nothing yet,
// so no MAC looks other than while it was down. When it is another router, or
// the old session had not ended, what is known of it is judged anew.
func TestReturnChangesNothing(t *testing.T) {
	peer := netip.MustParseAddr("10.9.9.9")
	down := &PeerDown{Peer: peer, Retain: time.Hour}
	for name, c := range map[string]struct {
		before Event
		up     PeerUp
		want   int
	}{
		"back":              {down, PeerUp{Peer: peer, Internal: true}, 0},
		"another router":    {down, PeerUp{Peer: peer, Internal: true, RouterID: there3}, 10},
		"no word of an end": {&Tick{Now: time.Unix(1, 0)}, PeerUp{Peer: peer, Internal: true}, 10},
	} {
		e := loaded()
		e.Step(load(10, there2, 0))
		drain(e)
		e.Step(c.before)
		drain(e)
		e.Step(&c.up)
		got := 0
		for _, ch := range e.takeChanges(4096) {
			if ch.Kind == ChangeMAC {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s: %d MACs look different, want %d", name, got, c.want)
		}
		if d := e.takeDelta(4096); len(d.FDB) > 0 {
			t.Errorf("%s: the kernel is to be changed: %+v", name, d.FDB)
		}
	}
}
