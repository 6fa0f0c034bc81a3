package evpn

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// oracle knows the same inputs as an engine and works everything out anew,
// the naive way, from lists: no index, no marks, nothing kept but what the
// RFC makes history, the sequence of a local MAC.
type oracle struct {
	vteps  map[VNI]netip.Addr
	up     map[netip.Addr]bool
	routes []oracleRoute
	macs   map[MACKey]*oracleMAC
	bound  map[IPKey]MAC
}

type oracleRoute struct {
	peer  netip.Addr
	fresh bool
	r     Route
	a     *Attrs
}

type oracleMAC struct {
	present, static bool
	seq             uint32
}

// news tells whether a route is neither stale here nor said to be stale.
func (x oracleRoute) news() bool { return x.fresh && !x.a.LongLivedStale }

// own tells whether its peer is the VTEP that it is about.
func (x oracleRoute) own() bool { return !x.a.OriginatorID.IsValid() || x.a.OriginatorID == x.peer }

// better orders copies of one route: the newer, then by RFC 4456 §9.
func (x oracleRoute) better(y oracleRoute) bool {
	switch {
	case x.news() != y.news():
		return x.news()
	case x.a.OriginatorID != y.a.OriginatorID:
		return x.a.OriginatorID.Less(y.a.OriginatorID)
	}
	return x.peer.Less(y.peer)
}

// imported returns the type 2 routes of a MAC in a VNI that count.
func (o *oracle) imported(k MACKey) (out []oracleRoute) {
	for _, x := range o.routes {
		if x.r.Type == MACIP && x.r.MAC == k.MAC && o.takes(k.VNI, x) {
			out = append(out, x)
		}
	}
	return out
}

func (o *oracle) takes(v VNI, x oracleRoute) bool {
	vtep, ok := o.vteps[v]
	return ok && x.a.Targets[0] == NewRT(65000, uint32(v)) && x.a.NextHop != vtep
}

// beats is RFC 7432 section 15 word by word, fresh before stale.
func (a oracleRoute) beats(b oracleRoute) bool {
	switch am, bm := a.a.Mobility, b.a.Mobility; {
	case a.news() != b.news():
		return a.news()
	case am.Sticky != bm.Sticky:
		return am.Sticky
	case am.Seq != bm.Seq:
		return am.Seq > bm.Seq
	default:
		return a.a.NextHop.Less(b.a.NextHop)
	}
}

func (o *oracle) best(k MACKey, ip netip.Addr) (best *oracleRoute) {
	for _, x := range o.imported(k) {
		if ip.IsValid() && x.r.IP != ip {
			continue
		}
		if slices.ContainsFunc(o.imported(k), func(y oracleRoute) bool { return y.r.NLRI == x.r.NLRI && y.better(x) }) {
			continue
		}
		if best == nil || x.beats(*best) {
			best = &x
		}
	}
	return best
}

// settle gives up local MACs that a remote route beats.
func (o *oracle) settle() {
	for k, m := range o.macs {
		best := o.best(k, netip.Addr{})
		if !m.present || m.static || best == nil || !best.news() {
			continue
		}
		s := best.a.Mobility
		if s.Sticky || s.Seq > m.seq || s.Seq == m.seq && best.a.NextHop.Less(o.vteps[k.VNI]) {
			m.present = false
		}
	}
	for k, m := range o.macs {
		used := slices.ContainsFunc(o.routes, func(x oracleRoute) bool {
			return x.r.Type == MACIP && x.r.MAC == k.MAC && o.takes(k.VNI, x)
		})
		for ik, b := range o.bound {
			used = used || ik.VNI == k.VNI && b == k.MAC
		}
		if !m.present && !used {
			delete(o.macs, k)
		}
	}
}

func (o *oracle) arrive(k MACKey, static bool) {
	m := o.macs[k]
	if m == nil {
		m = &oracleMAC{}
		o.macs[k] = m
	}
	if !m.present {
		for _, x := range o.imported(k) {
			m.seq = max(m.seq, x.a.Mobility.Seq+1)
		}
	}
	m.present, m.static = true, static
}

// state renders what the kernel and the peers should have.
func (o *oracle) state() map[string]string {
	s := map[string]string{}
	for v, vtep := range o.vteps {
		rd := NewRD(netip.MustParseAddr("10.0.0.1"), uint16(v))
		tell := func(n NLRI, text string) {
			s["tell "+strings.ReplaceAll(n.String(), "02:42:ac:12:00", "")] = text
		}
		tell(NLRI{Type: InclusiveMulticast, RD: rd, IP: vtep}, fmt.Sprintf("via %s rt [65000:%d] pmsi %d %s", vtep, v, v, vtep))
		hosts := map[netip.Addr]*oracleRoute{}
		for b := range byte(6) {
			k := MACKey{v, MAC{2, 0x42, 0xac, 0x12, 0, b}}
			if m := o.macs[k]; m != nil && m.present {
				text := fmt.Sprintf("via %s rt [65000:%d] label %d seq %d", vtep, v, v, m.seq)
				if m.static {
					text += " sticky"
				}
				tell(NLRI{Type: MACIP, RD: rd, MAC: k.MAC}, text)
				for ik, mac := range o.bound {
					if ik.VNI == v && mac == k.MAC {
						tell(NLRI{Type: MACIP, RD: rd, MAC: k.MAC, IP: ik.IP}, text)
					}
				}
				continue
			}
			best := o.best(k, netip.Addr{})
			if best == nil {
				continue
			}
			text := best.a.NextHop.String()
			if best.a.Mobility.Sticky {
				text += " sticky"
			}
			s[fmt.Sprintf("fdb %d %s", v, short(k.MAC))] = text
			for i := range byte(4) {
				ip := netip.AddrFrom4([4]byte{172, 18, 0, i})
				x := o.best(k, ip)
				if x != nil && (hosts[ip] == nil || x.beats(*hosts[ip])) {
					hosts[ip] = x
				}
			}
		}
		for ip, x := range hosts {
			mac, bound := o.bound[IPKey{v, ip}]
			if m := o.macs[MACKey{v, mac}]; bound && m != nil && m.present {
				continue
			}
			s[fmt.Sprintf("neigh %d %s", v, ip)] = short(x.r.MAC)
		}
		for _, x := range o.routes {
			if x.r.Type == InclusiveMulticast && o.takes(v, x) {
				s[fmt.Sprintf("flood %d %s", v, x.a.NextHop)] = ""
			}
		}
	}
	return s
}

// apply plays an event on the oracle.
func (o *oracle) apply(ev Event) {
	switch ev := ev.(type) {
	case *BDUp:
		if _, ok := o.vteps[ev.VNI]; !ok {
			// What no VNI imported was not kept: it has to be sent again.
			o.routes = slices.DeleteFunc(o.routes, func(x oracleRoute) bool { return x.a.Targets[0] == NewRT(65000, uint32(ev.VNI)) })
		}
		o.vteps[ev.VNI] = ev.VTEP
	case *BDDown:
		delete(o.vteps, ev.VNI)
		for k := range o.macs {
			if k.VNI == ev.VNI {
				delete(o.macs, k)
			}
		}
		for k := range o.bound {
			if k.VNI == ev.VNI {
				delete(o.bound, k)
			}
		}
	case *LocalMAC:
		if _, ok := o.vteps[ev.VNI]; ok {
			o.arrive(MACKey{ev.VNI, ev.MAC}, ev.Static)
		}
	case *LocalMACGone:
		if m := o.macs[MACKey{ev.VNI, ev.MAC}]; m != nil {
			m.present = false
		}
	case *LocalIP:
		if _, ok := o.vteps[ev.VNI]; ok {
			o.bound[IPKey{ev.VNI, ev.IP}] = ev.MAC
			if k := (MACKey{ev.VNI, ev.MAC}); o.macs[k] == nil {
				o.macs[k] = &oracleMAC{}
			}
		}
	case *LocalIPGone:
		delete(o.bound, IPKey{ev.VNI, ev.IP})
	case *PeerUp:
		o.up[ev.Peer] = true
		o.mark(ev.Peer)
		if ev.Lost {
			o.routes = slices.DeleteFunc(o.routes, func(x oracleRoute) bool { return x.peer == ev.Peer && x.own() })
		}
	case *PeerDown:
		o.up[ev.Peer] = false
		o.mark(ev.Peer)
		if ev.Retain == 0 {
			o.sweep(ev.Peer)
		}
		if ev.Goodbye {
			o.routes = slices.DeleteFunc(o.routes, func(x oracleRoute) bool { return x.peer == ev.Peer && x.own() })
		}
	case *EndOfRIB:
		if o.up[ev.Peer] {
			o.sweep(ev.Peer)
		}
	case *Routes:
		o.take(ev)
	}
	o.settle()
}

func (o *oracle) take(ev *Routes) {
	if !o.up[ev.Peer] {
		return
	}
	for _, u := range ev.Updates {
		for _, n := range u.Withdrawn {
			o.drop(ev.Peer, n)
		}
		for _, r := range u.Reach {
			o.drop(ev.Peer, r.NLRI)
			o.routes = append(o.routes, oracleRoute{ev.Peer, true, r, u.Attrs})
		}
	}
}

func (o *oracle) drop(p netip.Addr, n NLRI) {
	o.routes = slices.DeleteFunc(o.routes, func(x oracleRoute) bool { return x.peer == p && x.r.NLRI == n })
}

func (o *oracle) mark(p netip.Addr) {
	for i := range o.routes {
		if o.routes[i].peer == p {
			o.routes[i].fresh = false
		}
	}
}

func (o *oracle) sweep(p netip.Addr) {
	o.routes = slices.DeleteFunc(o.routes, func(x oracleRoute) bool { return x.peer == p && !x.fresh })
}

// drawEvent makes any event out of a small world, so that things meet.
func drawEvent(t *rapid.T) Event {
	pick := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
	vni := VNI(200 + pick("vni", 2))
	mac := MAC{2, 0x42, 0xac, 0x12, 0, byte(pick("mac", 6))}
	ip := netip.AddrFrom4([4]byte{172, 18, 0, byte(pick("ip", 4))})
	peer := netip.AddrFrom4([4]byte{10, 9, 9, byte(8 + pick("peer", 2))})
	vtep := netip.AddrFrom4([4]byte{10, 0, 0, byte(pick("vtep", 4))})
	switch kind := pick("kind", 20); kind {
	case 0:
		return &BDUp{VNI: vni, VTEP: netip.MustParseAddr("10.0.0.1")}
	case 1:
		if pick("down", 3) > 0 {
			return &BDUp{VNI: vni, VTEP: netip.MustParseAddr("10.0.0.1")}
		}
		return &BDDown{VNI: vni}
	case 2, 3, 4:
		return &LocalMAC{VNI: vni, MAC: mac, Port: 3, Static: pick("static", 8) == 0}
	case 5:
		return &LocalMACGone{VNI: vni, MAC: mac}
	case 6, 7:
		return &LocalIP{VNI: vni, IP: ip, MAC: mac}
	case 8:
		return &LocalIPGone{VNI: vni, IP: ip}
	case 9, 10:
		return &PeerUp{Peer: peer, RouterID: peer, Internal: true, Lost: pick("lost", 4) == 0}
	case 11:
		return &PeerDown{Peer: peer, Retain: time.Duration(pick("retain", 2)) * time.Hour, Goodbye: pick("goodbye", 4) == 0}
	case 12:
		return &EndOfRIB{Peer: peer}
	default:
		r := Route{NLRI: NLRI{Type: MACIP, RD: NewRD(vtep, uint16(vni)), MAC: mac}, Label: vni}
		if pick("withip", 2) == 1 {
			r.IP = ip
		}
		a := &Attrs{
			NextHop: vtep, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, uint32(vni))},
			Mobility: Mobility{Seq: uint32(pick("seq", 4)), Sticky: pick("sticky", 10) == 0},
		}
		if kind == 13 {
			r = Route{NLRI: NLRI{Type: InclusiveMulticast, RD: r.RD, IP: vtep}}
			a.PMSI, a.Mobility = PMSI{Present: true, Type: IngressReplication, Label: vni, Endpoint: vtep}, Mobility{}
		}
		switch pick("path", 4) {
		case 0:
			a.OriginatorID = vtep
		case 1:
			a.OriginatorID = peer
		}
		a.LongLivedStale = pick("llgr", 6) == 0
		u := Update{Reach: []Route{r}, Attrs: a}
		if pick("withdraw", 3) == 0 {
			u = Update{Withdrawn: []NLRI{r.NLRI}}
		}
		return &Routes{Peer: peer, Updates: []Update{u}}
	}
}

// TestOracle plays random events on the engine and on the oracle: after each
// the kernel and the peers must have exactly what the oracle says, and at the
// end a second engine that was not fetched from must get there too.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := &oracle{vteps: map[VNI]netip.Addr{}, up: map[netip.Addr]bool{}, macs: map[MACKey]*oracleMAC{}, bound: map[IPKey]MAC{}}
		w, squashed := newWorld(), newWorld()
		// What is frozen is history, which the oracle does not keep.
		for _, e := range []*Engine{w.e, squashed.e} {
			c := e.cfg
			c.Duplicate.Off = true
			e.Step(&Configure{Config: c})
			e.jobStep = 1
		}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			ev := drawEvent(t)
			o.apply(ev)
			w.e.Step(ev)
			squashed.e.Step(ev)
			tickOut(w.e)
			w.fetch()
			got := w.state()
			delete(got, "alarms")
			if diff := cmp.Diff(o.state(), got); diff != "" {
				t.Fatalf("after %T %+v (-oracle +engine):\n%s", ev, ev, diff)
			}
			checkCounts(t, w.e)
		}
		tickOut(squashed.e)
		squashed.fetch()
		if diff := cmp.Diff(w.state(), squashed.state()); diff != "" {
			t.Fatalf("fetched at the end only (-stepwise +squashed):\n%s", diff)
		}
	})
}

// checkCounts counts again what the engine keeps count of.
func checkCounts(t *rapid.T, e *Engine) {
	routes, stale := map[netip.Addr]int{}, map[netip.Addr]int{}
	count := func(r RouteStatus) {
		routes[r.Peer]++
		if r.Stale && !r.Attrs.LongLivedStale {
			stale[r.Peer]++
		}
	}
	for _, s := range e.BDs() {
		local, remote := 0, 0
		for _, k := range e.MACKeys(s.VNI) {
			m, ok := e.MAC(k.VNI, k.MAC)
			if ok && m.Local {
				local++
			} else if ok {
				remote++
			}
			for _, r := range e.Routes(k.VNI, k.MAC) {
				count(r)
			}
		}
		for _, r := range e.FloodRoutes(s.VNI) {
			count(r)
		}
		if s.LocalMACs != local || s.RemoteMACs != remote {
			t.Fatalf("VNI %d counts %d local and %d remote MACs, has %d and %d", s.VNI, s.LocalMACs, s.RemoteMACs, local, remote)
		}
	}
	for _, p := range e.Peers() {
		if p.Routes != routes[p.Peer] {
			t.Fatalf("peer %s counts %d routes, has %d", p.Peer, p.Routes, routes[p.Peer])
		}
		// What the peer itself says is stale may have been repeated.
		if p.Stale < stale[p.Peer] || p.Stale > p.Routes || !p.Up && p.Stale != p.Routes {
			t.Fatalf("peer %s counts %d of %d routes as stale, has %d at least", p.Peer, p.Stale, p.Routes, stale[p.Peer])
		}
	}
	macs := 0
	for _, x := range e.VTEPs() {
		macs += x.MACs
	}
	for _, s := range e.BDs() {
		macs -= s.RemoteMACs
	}
	if macs != 0 {
		t.Fatalf("VTEPs count %d more MACs than VNIs", macs)
	}
}
