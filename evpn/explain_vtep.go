package evpn

import (
	"fmt"
	"net/netip"
	"slices"
)

// VTEPExplanation is what a VTEP is in one VNI.
type VTEPExplanation struct {
	VNI   VNI
	Addr  netip.Addr
	Flood []Via // where copies of what goes to all are sent to at this address; empty: nowhere
	// Routes are the type 3 routes that are from it or lead to it, by NLRI and
	// peer. Of those that lead to one destination exactly one is chosen.
	Routes     []RouteVerdict
	MACs       int   // those that are chosen behind it
	MACRoutes  int   // type 2 routes that lead to it
	RouterMACs []MAC // those its routes carry (RFC 9135 §8.1), the lowest MaxRouterMACs, ascending: it has one
	Reason     string
	Holds      []Hold
}

// ExplainVTEP explains what a VTEP is in a VNI, and why it is flooded to or
// not. It looks at all MACs of the VNI. ok is false when it is not served.
func (e *Engine) ExplainVTEP(vni VNI, addr netip.Addr) (x VTEPExplanation, ok bool) {
	v := e.bds[vni]
	if v == nil {
		return x, false
	}
	x.VNI, x.Addr = vni, addr
	for d := range v.flood {
		if d.VTEP == addr {
			x.Flood = append(x.Flood, d)
		}
	}
	slices.SortFunc(x.Flood, func(a, b Via) int { return int(a.VNI) - int(b.VNI) })
	var paths []path
	verdicts := v.floodVerdicts(explanation{steps: true})
	for _, id := range v.sortedFloodIDs() {
		p := v.floodPaths[id]
		if p.attrs.NextHop != addr && p.attrs.PMSI.Endpoint != addr && p.ip != addr {
			continue
		}
		paths = append(paths, p)
		x.Routes = append(x.Routes, v.routeVerdict(&p, InclusiveMulticast, MAC{}, verdicts.of(addr, &p)))
	}
	v.countVTEP(&x)
	x.Holds = e.holdsOfVTEP(v, x.Flood, paths)
	x.Reason = v.floodReason(&x)
	return x, true
}

// floodVerdicts tells what the decision made of the type 3 routes of a VNI.
type floodVerdicts struct {
	explanation
	v      *bd
	chosen map[Via]floodID // by which route each destination is on the flood list
}

// floodVerdicts finds the route of each destination: the first by RD among
// those that lead there, and its best copy.
func (v *bd) floodVerdicts(e explanation) floodVerdicts {
	f := floodVerdicts{explanation: e, v: v, chosen: make(map[Via]floodID, len(v.flood))}
	for _, id := range v.sortedFloodIDs() {
		x := v.floodPaths[id]
		d, why := v.floodDest(&x)
		if why != "" {
			continue
		}
		is, ok := f.chosen[d]
		if old := v.floodPaths[is]; !ok || old.compareNLRI(&x) == 0 && copyRules.compare(&x, &old) > 0 {
			f.chosen[d] = id
		}
	}
	return f
}

// path is the verdict on x, a type 3 route of the VNI.
func (f *floodVerdicts) path(x *path) Verdict {
	d, why := f.v.floodDest(x)
	if why != "" {
		return Verdict{Reason: why}
	}
	if id := f.chosen[d]; id != floodIDOf(x) {
		if o := f.v.floodPaths[id]; o.compareNLRI(x) == 0 {
			return f.lostCopy(x, &o)
		}
		return Verdict{Reason: sameAsChosen}
	}
	return Verdict{Chosen: true, Reason: "it asks for a copy of what goes to all (RFC 8365 §9)"}
}

// of is the verdict on x as one that leads to addr.
func (f *floodVerdicts) of(addr netip.Addr, x *path) Verdict {
	if d, why := f.v.floodDest(x); why == "" && d.VTEP != addr {
		return Verdict{Reason: fmt.Sprintf("its tunnel endpoint is %v, so copies go there: a router on the way changed one of the two", d.VTEP)}
	}
	return f.path(x)
}

func (v *bd) countVTEP(x *VTEPExplanation) {
	for _, m := range v.macs {
		if m.place.Remote() && m.place.Via.VTEP == x.Addr {
			x.MACs++
		}
		for i := range m.paths {
			a := m.paths[i].attrs
			if a.NextHop != x.Addr {
				continue
			}
			x.MACRoutes++
			if !a.RouterMAC.IsZero() {
				j, found := slices.BinarySearchFunc(x.RouterMACs, a.RouterMAC, MAC.Compare)
				if !found && j < MaxRouterMACs {
					x.RouterMACs = slices.Insert(x.RouterMACs, j, a.RouterMAC)
					x.RouterMACs = x.RouterMACs[:min(len(x.RouterMACs), MaxRouterMACs)]
				}
			}
		}
	}
}

// MaxRouterMACs bounds what is told of a VTEP whose routes carry many: a peer
// can make up one for each route.
const MaxRouterMACs = 8

// floodReason says why x is on the flood list of v, or not.
func (v *bd) floodReason(x *VTEPExplanation) string {
	switch {
	case x.Addr == v.vtep:
		return "it is this host's own address in the VNI"
	case len(x.Flood) > 0 && len(x.Routes) == 0:
		return "its type 3 route was withdrawn, and it is flooded to for a while"
	case len(x.Flood) > 0:
		return "a type 3 route of it is imported"
	case v.noFlood:
		return "flooding is switched off in this VNI"
	case len(x.Routes) > 0:
		return "none of its type 3 routes can be used, see each"
	case x.MACRoutes > 0:
		return "it announces MACs, but no type 3 route of it is imported: it does not take part in flooding (RFC 7432 §11), or the route has other targets than its MACs"
	}
	return "no route of it is imported"
}
