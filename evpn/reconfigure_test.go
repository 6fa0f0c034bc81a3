package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// What the engine knows must follow when the operator or a peer changes what
// it was judged by.

var reflector = netip.MustParseAddr("10.9.9.9")

func imet(rd uint16, nextHop, endpoint string) *Routes {
	nh := netip.MustParseAddr(nextHop)
	return &Routes{Peer: reflector, Updates: []Update{{
		Reach: []Route{{NLRI: NLRI{Type: InclusiveMulticast, RD: NewRD(nh, rd), IP: nh}}},
		Attrs: &Attrs{
			NextHop: nh, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)},
			PMSI: PMSI{Present: true, Type: IngressReplication, Label: 200, Endpoint: netip.MustParseAddr(endpoint)},
		},
	}}}
}

// settled steps and fetches, and returns what the kernel and the peers have.
func (w *world) settled(evs ...Event) map[string]string {
	for _, ev := range evs {
		w.e.Step(ev)
	}
	w.fetch()
	return w.state()
}

func TestStaleRoutesGoWithTheirPeersConfiguration(t *testing.T) {
	w := newWorld()
	s := w.settled(
		&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")},
		&PeerUp{Peer: reflector, RouterID: reflector, Internal: true},
		imet(7, "10.0.0.2", "10.0.0.2"),
		&PeerDown{Peer: reflector, Retain: time.Hour},
	)
	if _, ok := s["flood 200 10.0.0.2"]; !ok {
		t.Fatalf("a stale route is not kept: %v", s)
	}
	cfg := w.e.cfg
	cfg.ConfiguredPeers = []netip.Addr{reflector, netip.MustParseAddr("10.9.9.8")}
	s = w.settled(&Configure{Config: cfg})
	if _, ok := s["flood 200 10.0.0.2"]; !ok || len(w.e.Peers()) != 1 {
		t.Fatalf("a reload took the routes of a peer that is configured still: %v", s)
	}
	cfg.ConfiguredPeers = cfg.ConfiguredPeers[1:]
	s = w.settled(&Configure{Config: cfg})
	if _, ok := s["flood 200 10.0.0.2"]; ok || len(w.e.Peers()) != 0 {
		t.Errorf("a peer that is configured no more keeps routes: %v, %v", s, w.e.Peers())
	}
}

// A reflector that was killed is back before its other clients are: what it
// does not repeat is kept until they had time to come.
func TestEndOfRIBOfARestartedReflector(t *testing.T) {
	w := newWorld()
	w.e.cfg.StaleHold = DefaultStaleHold
	up := &PeerUp{Peer: reflector, RouterID: reflector, Internal: true}
	w.settled(
		&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")}, up,
		imet(7, "10.0.0.2", "10.0.0.2"), imet(7, "10.0.0.3", "10.0.0.3"), &EndOfRIB{Peer: reflector},
		&PeerDown{Peer: reflector, Retain: time.Hour}, up, &EndOfRIB{Peer: reflector},
	)
	for _, c := range []struct {
		after    time.Duration
		ev       Event
		two, one bool
	}{
		{DefaultStaleHold / 2, imet(7, "10.0.0.3", "10.0.0.3"), true, true},
		{DefaultStaleHold - 1, &EndOfRIB{Peer: reflector}, true, true}, // of a refresh: it changes nothing
		{DefaultStaleHold, &EndOfRIB{Peer: reflector}, false, true},
	} {
		if at, ok := w.e.deadline(); !ok || at.Before(w.start.Add(c.after)) && c.after == DefaultStaleHold {
			t.Errorf("the engine wants to be woken at %v (%v), want %v", at, ok, DefaultStaleHold)
		}
		s := w.settled(&Tick{Now: w.start.Add(c.after)}, c.ev)
		_, two := s["flood 200 10.0.0.2"]
		_, three := s["flood 200 10.0.0.3"]
		if two != c.two || three != c.one {
			t.Errorf("after %v: the VTEP that does not come back is flooded to: %v, the other: %v", c.after, two, three)
		}
	}
}

func TestNextHopAlarmFollowsThePeersIdentity(t *testing.T) {
	w := newWorld()
	vtep := netip.MustParseAddr("10.0.0.2") // the router id of who sits at the peer's address later
	own := func() *Routes {
		r := load(1, reflector, 0)
		r.Updates[0].Attrs.OriginatorID = vtep
		return r
	}
	w.settled(
		&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")},
		&PeerUp{Peer: reflector, RouterID: reflector, Internal: true},
		own(),
	)
	if a := w.e.Alarms(); len(a) != 1 || a[0].Kind != AlarmNextHop {
		t.Fatalf("a reflector that rewrites next hops raises %v", a)
	}
	w.settled(
		&PeerDown{Peer: reflector, Retain: time.Hour},
		&PeerUp{Peer: reflector, RouterID: vtep, Internal: true},
		own(),
		&EndOfRIB{Peer: reflector},
	)
	if a := w.e.Alarms(); len(a) != 0 {
		t.Errorf("a VTEP that sends its own routes raises %v", a)
	}
}

func TestFloodListFollowsTheOwnAddress(t *testing.T) {
	w := newWorld()
	up := func(vtep string) *BDUp { return &BDUp{VNI: 200, VTEP: netip.MustParseAddr(vtep)} }
	floods := func(s map[string]string, dest string) bool { _, ok := s["flood 200 "+dest]; return ok }
	s := w.settled(
		up("10.0.0.1"),
		&PeerUp{Peer: reflector, RouterID: reflector, Internal: true},
		imet(7, "10.0.0.2", "10.0.0.1"),
		imet(7, "10.0.0.3", "10.0.0.4"),
	)
	if floods(s, "10.0.0.1") || !floods(s, "10.0.0.4") {
		t.Fatalf("before: %v", s)
	}
	s = w.settled(up("10.0.0.4"))
	if !floods(s, "10.0.0.1") || floods(s, "10.0.0.4") {
		t.Errorf("the flood list does not follow from 10.0.0.1 to 10.0.0.4: %v", s)
	}
	// Another route asks for the same; one of the two is enough.
	s = w.settled(imet(8, "10.0.0.1", "10.0.0.1"), imet(7, "10.0.0.2", "10.0.0.1"), &Routes{Peer: reflector, Updates: []Update{{
		Withdrawn: []NLRI{imet(8, "10.0.0.1", "10.0.0.1").Updates[0].Reach[0].NLRI},
	}}})
	if !floods(s, "10.0.0.1") {
		t.Errorf("a withdrawal took a destination that another route asks for: %v", s)
	}
	s = w.settled(up("10.0.0.1"))
	if floods(s, "10.0.0.1") || !floods(s, "10.0.0.4") {
		t.Errorf("the flood list does not follow back: %v", s)
	}
	w.settled(&PeerDown{Peer: reflector})
	if a := w.e.Alarms(); len(a) != 0 {
		t.Errorf("without routes there are alarms left: %v", a)
	}
}

// RFC 7432 §7.9: each VNI has an RD of its own.
func TestAutomaticRDLeavesSetOnesAlone(t *testing.T) {
	id := netip.MustParseAddr("10.0.0.1")
	cfg := DefaultConfig(65000, id)
	cfg.BDs = map[VNI]BDConfig{200: {RD: NewRD(id, 300)}}
	vtep := netip.MustParseAddr("10.0.0.1")
	distinct := func(e *Engine) {
		t.Helper()
		seen := map[RD]VNI{}
		for _, v := range e.BDs() {
			if o, again := seen[v.RD]; again {
				t.Errorf("VNIs %d and %d have the same RD %s", o, v.VNI, v.RD)
			}
			seen[v.RD] = v.VNI
		}
	}
	e := New(cfg)
	e.Step(&BDUp{VNI: 200, VTEP: vtep})
	e.Step(&BDUp{VNI: 300, VTEP: vtep})
	distinct(e)
	// The same when the RD is set while the other VNI has it.
	e = New(DefaultConfig(65000, id))
	e.Step(&BDUp{VNI: 200, VTEP: vtep})
	e.Step(&BDUp{VNI: 300, VTEP: vtep})
	e.Step(&Configure{Config: cfg})
	distinct(e)
}
