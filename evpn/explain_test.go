package evpn

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestExplanationsAgree plays random events and explains every MAC, address
// and VTEP of the small world after each: what is named as chosen must be what
// the kernel is wished to have, exactly one must be when there is a wish, and
// each candidate must have a reason and a comparison that holds together.
func TestExplanationsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		c := w.e.cfg
		c.Duplicate = DuplicateConfig{Off: rapid.Bool().Draw(t, "off"), Moves: 2, Window: time.Hour}
		w.e.Step(&Configure{Config: c})
		// With one MAC a slice most are explained while a job is under way.
		w.e.jobStep = 1
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			w.e.Step(drawBinding(t, drawEvent(t)))
			for v := VNI(200); v < 202; v++ {
				for i := range byte(6) {
					checkMAC(t, w.e, v, MAC{2, 0x42, 0xac, 0x12, 0, i})
				}
				for i := range byte(4) {
					checkIP(t, w.e, v, netip.AddrFrom4([4]byte{172, 18, 0, i}))
					checkVTEP(t, w.e, v, netip.AddrFrom4([4]byte{10, 0, 0, i}))
				}
			}
		}
	})
}

// drawBinding has what ev says of an address be immutable now and then
// (RFC 9047 section 2).
func drawBinding(t *rapid.T, ev Event) Event {
	immutable := rapid.IntRange(0, 3).Draw(t, "immutable") == 0
	switch ev := ev.(type) {
	case *LocalIP:
		ev.Immutable = immutable
	case *Routes:
		if a := ev.Updates[0].Attrs; a != nil {
			a.ND = ND{Present: immutable, Immutable: immutable}
		}
	}
	return ev
}

func checkMAC(t *rapid.T, e *Engine, v VNI, mac MAC) {
	x, ok := e.ExplainMAC(v, mac)
	if !ok {
		return
	}
	if kept := e.Routes(v, mac); len(kept) != len(x.Routes) {
		t.Fatalf("%v: %d of %d routes are explained", mac, len(x.Routes), len(kept))
	}
	for i, r := range e.Routes(v, mac) {
		if !sameVerdict(r, x.Routes[i].RouteStatus) {
			t.Fatalf("%v: the status says %+v of a route, its explanation %+v", mac, r.Verdict, x.Routes[i].Verdict)
		}
	}
	chosen := checkVerdicts(t, x.Routes)
	if x.Local != nil {
		checkVerdict(t, x.Local.Verdict)
	}
	isLocal := x.Local != nil && x.Local.Chosen
	for _, c := range append(chosen, RouteVerdict{}) {
		if c.Chosen && x.Place.Reason != c.Reason || isLocal && x.Place.Reason != x.Local.Reason {
			t.Fatalf("%v is there because %q, and is explained by %q", mac, x.Place.Reason, c.Reason)
		}
	}
	switch {
	case x.Want.Want && (len(chosen) != 1 || isLocal):
		t.Fatalf("%v is wanted behind %v, and %d routes are chosen: %+v", mac, x.Want.Via, len(chosen), x.Routes)
	case x.Want.Want && chosen[0].Attrs.NextHop != x.Want.Via.VTEP:
		t.Fatalf("%v is wanted behind %v, and the route to %v is chosen", mac, x.Want.Via, chosen[0].Attrs.NextHop)
	case x.Want.Want && !x.Place.Frozen && chosen[0].Attrs.Mobility.Sticky != x.Want.Sticky:
		t.Fatalf("%v is wanted sticky %t, unlike the chosen route", mac, x.Want.Sticky)
	case !x.Want.Want && len(chosen) > 0:
		t.Fatalf("%v is not wanted, and a route is chosen: %+v", mac, chosen)
	case isLocal != (x.Found && x.Place.Local):
		t.Fatalf("%v is local %t, and is explained as %+v", mac, x.Place.Local, x.Local)
	}
}

func checkIP(t *rapid.T, e *Engine, v VNI, ip netip.Addr) {
	x, ok := e.ExplainIP(v, ip)
	if !ok {
		return
	}
	chosen := checkVerdicts(t, x.Routes)
	isLocal := x.Local != nil && x.Local.Chosen
	if x.Local != nil {
		checkVerdict(t, x.Local.Verdict)
	}
	switch {
	case x.Place.Frozen && len(chosen) == 0 && !isLocal:
		// It was frozen with a MAC by the very event that ended its claim.
		if !slices.ContainsFunc(x.Holds, func(h Hold) bool { return h.Kind == HoldFrozenIP && h.Addr == ip && h.MAC == x.Place.MAC }) {
			t.Fatalf("%v is frozen with %v, and is explained as held by %+v", ip, x.Place.MAC, x.Holds)
		}
	case x.Want.Want && (len(chosen) != 1 || isLocal):
		t.Fatalf("%v is wanted with %v, and %d routes are chosen: %+v", ip, x.Want.MAC, len(chosen), x.Routes)
	case x.Want.Want && chosen[0].MAC != x.Want.MAC:
		t.Fatalf("%v is wanted with %v, and the route of %v is chosen", ip, x.Want.MAC, chosen[0].MAC)
	case !x.Want.Want && len(chosen) > 0:
		t.Fatalf("%v is not wanted, and a route is chosen: %+v", ip, chosen)
	case isLocal != (x.Found && x.Place.Local):
		t.Fatalf("%v is %+v, and is explained as %+v", ip, x.Place, x.Local)
	case isLocal && x.Local.MAC != x.Place.MAC:
		t.Fatalf("%v is with %v here, and is explained with %v", ip, x.Place.MAC, x.Local.MAC)
	}
}

func checkVTEP(t *rapid.T, e *Engine, v VNI, addr netip.Addr) {
	x, ok := e.ExplainVTEP(v, addr)
	if !ok {
		return
	}
	for _, r := range x.Routes {
		checkVerdict(t, r.Verdict)
	}
	wanted := e.wantFlood(floodKey{v, Via{VTEP: addr, VNI: v}}).Want
	asked := slices.ContainsFunc(x.Routes, func(r RouteVerdict) bool { return r.Chosen })
	destinations := map[netip.Addr]int{}
	for _, r := range e.FloodRoutes(v) {
		if destinations[r.Attrs.NextHop] += bit(r.Chosen); destinations[r.Attrs.NextHop] > 1 {
			t.Fatalf("VTEP %v in VNI %v: %d routes are chosen for one destination", r.Attrs.NextHop, v, destinations[r.Attrs.NextHop])
		}
	}
	if wanted != asked || wanted != (len(x.Flood) > 0) || x.Reason == "" {
		t.Fatalf("VTEP %v in VNI %v: flooded to %t, explained as %+v", addr, v, wanted, x)
	}
}

// sameVerdict tells whether two statuses of routes say the same, but for the
// steps.
func sameVerdict(a, b RouteStatus) bool {
	return a.Route == b.Route && a.Peer == b.Peer && a.Chosen == b.Chosen && a.Reason == b.Reason
}

func checkVerdicts(t *rapid.T, all []RouteVerdict) (chosen []RouteVerdict) {
	for _, r := range all {
		checkVerdict(t, r.Verdict)
		if r.Chosen {
			chosen = append(chosen, r)
		}
		if r.Target == (RT{}) {
			t.Fatalf("%v is kept, and no target of it is imported", r.NLRI)
		}
	}
	return chosen
}

// checkVerdict wants one reason, and steps of which the last alone decides.
func checkVerdict(t *rapid.T, v Verdict) {
	if v.Reason == "" || strings.Contains(v.Reason, "\n") {
		t.Fatalf("the reason is %q", v.Reason)
	}
	for i, s := range v.Steps {
		last := i == len(v.Steps)-1
		switch {
		case !last && s.Outcome != Equal:
			t.Fatalf("step %d of %+v decides, and another follows", i, v.Steps)
		case last && s.Outcome == Loses && v.Chosen, last && s.Outcome == Wins && !v.Chosen:
			t.Fatalf("the verdict is not what the last step says: %+v", v)
		}
	}
}

// TestMobilityStepByStep has each rule of RFC 7432 section 15 decide once, and
// wants it named with both values.
func TestMobilityStepByStep(t *testing.T) {
	mac := MAC{2, 0x42, 0xac, 0x12, 0, 1}
	route := func(vtep string, m Mobility) *Routes {
		to := netip.MustParseAddr(vtep)
		return &Routes{Peer: netip.MustParseAddr("10.9.9.9"), Updates: []Update{{
			Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(to, 200), MAC: mac}, Label: 200}},
			Attrs: &Attrs{NextHop: to, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}, Mobility: m},
		}}}
	}
	for _, c := range []struct {
		name          string
		first, second Mobility
		want          Step // of the route of 10.0.0.3
		reason        string
	}{
		{"sticky", Mobility{Sticky: true}, Mobility{Seq: 9}, Step{stickyRule.String(), "not sticky", "sticky", Loses}, "is sticky"},
		{"sequence", Mobility{Seq: 5}, Mobility{Seq: 3}, Step{sequenceRule.String(), "3", "5", Loses}, "its mobility sequence 3 is lower than 5 of the route of 10.0.0.2"},
		{"higher sequence", Mobility{Seq: 2}, Mobility{Seq: 3}, Step{sequenceRule.String(), "3", "2", Wins}, "wins over the route of 10.0.0.2: higher mobility sequence"},
		{"lowest VTEP", Mobility{Seq: 3}, Mobility{Seq: 3}, Step{vtepRule.String(), "10.0.0.3", "10.0.0.2", Loses}, "10.0.0.2 is lower than 10.0.0.3"},
	} {
		w := newWorld()
		w.e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
		w.e.Step(&PeerUp{Peer: netip.MustParseAddr("10.9.9.9"), RouterID: netip.MustParseAddr("10.9.9.9"), Internal: true})
		w.e.Step(route("10.0.0.2", c.first))
		w.e.Step(route("10.0.0.3", c.second))
		x, _ := w.e.ExplainMAC(200, mac)
		if len(x.Routes) != 2 {
			t.Fatalf("%s: %d routes", c.name, len(x.Routes))
		}
		got := x.Routes[1].Verdict
		if diff := cmp.Diff(c.want, got.Steps[len(got.Steps)-1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: reason %q does not say %q", c.name, got.Reason, c.reason)
		}
	}
}

func TestImportsSaysWhyNot(t *testing.T) {
	w := newWorld()
	own := netip.MustParseAddr("10.0.0.1")
	w.e.Step(&BDUp{VNI: 200, VTEP: own})
	r := &Route{NLRI: NLRI{Type: MACIP, RD: NewRD(own, 200), MAC: MAC{2, 1}}, Label: 200}
	for _, c := range []struct {
		target  uint32
		nextHop string
		takes   bool
		reason  string
	}{
		{200, "10.0.0.2", true, ""},
		{200, "10.0.0.1", false, "its next hop 10.0.0.1 is this host's own VTEP address"},
		{999, "10.0.0.2", false, "VNI 200 imports *:200, and the route has 65000:999"},
	} {
		got := w.e.Imports(200, r, &Attrs{NextHop: netip.MustParseAddr(c.nextHop), Targets: []RT{NewRT(65000, c.target)}})
		if len(got) != 1 || got[0].Takes != c.takes || !strings.HasPrefix(got[0].Reason, c.reason) || c.reason == "" && got[0].By.String() != "*:200" {
			t.Errorf("target %d, next hop %s: %+v", c.target, c.nextHop, got)
		}
		// Of all VNIs, those are told of that import a target of it.
		all := w.e.Imports(0, r, &Attrs{NextHop: netip.MustParseAddr(c.nextHop), Targets: []RT{NewRT(65000, c.target)}})
		if c.target == 999 && len(all) != 0 || c.target == 200 && !cmp.Equal(all, got) {
			t.Errorf("target %d, next hop %s, of all VNIs: %+v", c.target, c.nextHop, all)
		}
	}
}

// TestExplainVTEPWithManyRouterMACs: a peer can make up a router's MAC for each
// route; a few are shown, and no time is spent on the others.
func TestExplainVTEPWithManyRouterMACs(t *testing.T) {
	const n = 4 * MaxRouterMACs
	e := loaded()
	all := load(100*n, there2, 0) // 100 routes an update, which share their attributes
	for i := range all.Updates {
		all.Updates[i].Attrs.RouterMAC = number(n - i)
	}
	e.Step(all)
	x, ok := e.ExplainVTEP(200, there2)
	if !ok || x.MACRoutes != 100*n {
		t.Fatalf("%d routes (%v)", x.MACRoutes, ok)
	}
	var want []MAC
	for i := range MaxRouterMACs {
		want = append(want, number(i+1))
	}
	if !slices.Equal(x.RouterMACs, want) {
		t.Errorf("the router's MACs are %v, want the lowest, %v", x.RouterMACs, want)
	}
}

// TestOneRouteIsChosen: however often a VTEP announces a MAC, one route is the
// one that its place follows, in the status as in the explanation.
func TestOneRouteIsChosen(t *testing.T) {
	mac, ip := MAC{2, 0x42, 0xac, 0x12, 0, 1}, netip.MustParseAddr("172.18.0.1")
	reflectors := []netip.Addr{netip.MustParseAddr("10.9.9.8"), netip.MustParseAddr("10.9.9.9")}
	announce := func(w *world, peer, vtep netip.Addr, rd uint16, ip netip.Addr) {
		w.e.Step(&Routes{Peer: peer, Updates: []Update{{
			Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(vtep, rd), MAC: mac, IP: ip}, Label: 200}},
			Attrs: &Attrs{NextHop: vtep, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}},
		}}})
	}
	flood := func(w *world, peer, vtep netip.Addr) {
		w.e.Step(&Routes{Peer: peer, Updates: []Update{{
			Reach: []Route{{NLRI: NLRI{Type: InclusiveMulticast, RD: NewRD(vtep, 200), IP: vtep}}},
			Attrs: &Attrs{
				NextHop: vtep, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)},
				PMSI: PMSI{Present: true, Type: IngressReplication, Label: 200, Endpoint: vtep},
			},
		}}})
	}
	for name, tell := range map[string]func(*world){
		"two VTEPs": func(w *world) {
			announce(w, reflectors[0], there2, 200, netip.Addr{})
			announce(w, reflectors[0], there3, 200, netip.Addr{})
		},
		"the MAC alone and with its address": func(w *world) {
			announce(w, reflectors[0], there2, 200, netip.Addr{})
			announce(w, reflectors[0], there2, 200, ip)
		},
		"two RDs": func(w *world) {
			announce(w, reflectors[0], there2, 200, netip.Addr{})
			announce(w, reflectors[0], there2, 201, netip.Addr{})
		},
		"equal copies of two reflectors": func(w *world) {
			for _, r := range reflectors {
				announce(w, r, there2, 200, netip.Addr{})
				announce(w, r, there2, 200, ip)
				flood(w, r, there2)
			}
		},
	} {
		w := newWorld()
		w.e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
		for _, r := range reflectors {
			w.e.Step(&PeerUp{Peer: r, RouterID: r, Internal: true})
		}
		tell(w)
		x, _ := w.e.ExplainMAC(200, mac)
		for what, routes := range map[string][]RouteStatus{
			"status": w.e.Routes(200, mac), "explanation": statuses(x.Routes), "flood list": w.e.FloodRoutes(200),
		} {
			chosen := slices.DeleteFunc(slices.Clone(routes), func(r RouteStatus) bool { return !r.Chosen })
			if len(routes) > 0 && len(chosen) != 1 {
				t.Errorf("%s, %s: %d of %d routes are chosen, want 1", name, what, len(chosen), len(routes))
			}
			for _, r := range routes {
				if r.Reason == "" {
					t.Errorf("%s, %s: %v by %v has no reason", name, what, r.NLRI, r.Peer)
				}
			}
		}
		if i, ok := w.e.ExplainIP(200, ip); ok && len(i.Routes) > 0 {
			n := 0
			for _, r := range i.Routes {
				n += bit(r.Chosen)
			}
			if n != 1 {
				t.Errorf("%s: %d of %d routes are chosen for the address, want 1", name, n, len(i.Routes))
			}
		}
	}
}

func statuses(routes []RouteVerdict) (out []RouteStatus) {
	for _, r := range routes {
		out = append(out, r.RouteStatus)
	}
	return out
}

// TestExplainWhileAJobIsUnderWay: the peer of an immutable route is lost, and a
// local host has the same address. Until the job comes to the MAC of the route
// the address stays with it, although the local host is better by then.
func TestExplainWhileAJobIsUnderWay(t *testing.T) {
	e := loaded()
	e.jobStep = 1
	ip, here := netip.MustParseAddr("172.18.0.1"), MAC{2, 9}
	e.Step(&LocalMAC{VNI: 200, MAC: here, Port: 3})
	e.Step(&LocalIP{VNI: 200, IP: ip, MAC: here})
	routes := load(2, there2, 0)
	routes.Updates[0].Reach[1].IP = ip
	routes.Updates[0].Attrs.ND = ND{Present: true, Immutable: true}
	e.Step(routes)
	e.Step(&PeerDown{Peer: routes.Peer, Retain: time.Hour})
	x, _ := e.ExplainIP(200, ip)
	if len(e.jobs) == 0 || x.Place.Local || len(x.Routes) != 1 || !x.Routes[0].Chosen {
		t.Fatalf("the address is with %+v, explained as %+v", x.Place, x.Routes)
	}
	if x.Local == nil || x.Local.Chosen || x.Local.Reason != aboutToBeFollowed {
		t.Errorf("the local host is explained as %+v", x.Local)
	}
	tickOut(e)
	if x, _ := e.ExplainIP(200, ip); !x.Place.Local || !x.Local.Chosen || x.Routes[0].Chosen {
		t.Errorf("when the job is done the address is with %+v, explained as %+v", x.Place, x.Local)
	}
}

// TestFloodHoldsAreInOrder: a VTEP that is flooded to under several VNIs, for a
// while after its peers withdrew its type 3 routes, is held by the lowest first.
func TestFloodHoldsAreInOrder(t *testing.T) {
	e := loaded()
	c := e.cfg
	c.FloodHold = time.Minute
	e.Step(&Configure{Config: c})
	var want []netip.Addr
	for i := range byte(8) {
		peer := netip.AddrFrom4([4]byte{10, 9, 9, 20 - i})
		want = append(want, peer)
		nlri := NLRI{Type: InclusiveMulticast, RD: NewRD(there2, uint16(i)), IP: there2}
		e.Step(&PeerUp{Peer: peer, RouterID: peer, Internal: true})
		e.Step(&Routes{Peer: peer, Updates: []Update{{Reach: []Route{{NLRI: nlri}}, Attrs: &Attrs{
			NextHop: there2, Targets: []RT{NewRT(65000, 200)}, PMSI: PMSI{Present: true, Type: IngressReplication, Label: 300 + VNI(i)},
		}}, {Withdrawn: []NLRI{nlri}}}})
	}
	x, _ := e.ExplainVTEP(200, there2)
	var got []netip.Addr
	for _, h := range x.Holds {
		if h.Kind == HoldFlood {
			got = append(got, h.Addr)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("held by what %v withdrew, want %v: the order of the VNIs", got, want)
	}
}
