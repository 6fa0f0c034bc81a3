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
	Holds      []string
}

// ExplainVTEP explains what a VTEP is in a VNI, and why it is flooded to or
// not. It looks at all MACs of the VNI. ok is false when it is not served.
func (e *Engine) ExplainVTEP(vni VNI, addr netip.Addr) (x VTEPExplanation, ok bool) {
	v := e.vnis[vni]
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
	for d := range v.flood {
		if l, ok := e.lingers.of[floodKey{vni, d}]; ok && d.VTEP == addr {
			x.Holds = append(x.Holds, fmt.Sprintf("peer %v withdrew its type 3 route; it is still flooded to until %s (bgp.flood-hold)", l.peer.addr, timeText(l.until)))
		}
	}
	x.Holds = append(x.Holds, e.holdsOfPaths(paths)...)
	x.Holds = append(x.Holds, e.holdsOfPeers()...)
	x.Reason = v.floodReason(&x)
	return x, true
}

// floodVerdicts tells what the decision made of the type 3 routes of a VNI.
type floodVerdicts struct {
	explanation
	v      *vni
	chosen map[Via]floodID // by which route each destination is on the flood list
}

// floodVerdicts finds the route of each destination: the first by RD among
// those that lead there, and its best copy.
func (v *vni) floodVerdicts(e explanation) floodVerdicts {
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

func (v *vni) countVTEP(x *VTEPExplanation) {
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
func (v *vni) floodReason(x *VTEPExplanation) string {
	switch {
	case x.Addr == v.vtep:
		return "it is this host's own address in the VNI"
	case len(x.Flood) > 0 && len(x.Holds) > 0 && len(x.Routes) == 0:
		return x.Holds[0]
	case len(x.Flood) > 0:
		return "a type 3 route of it is imported"
	case v.noFlood:
		return "flooding is switched off in this VNI (vnis.flood)"
	case len(x.Routes) > 0:
		return "none of its type 3 routes can be used, see each"
	case x.MACRoutes > 0:
		return "it announces MACs, but no type 3 route of it is imported: it does not take part in flooding (RFC 7432 §11), or the route has other targets than its MACs"
	}
	return "no route of it is imported"
}

// BDExplanation is how a VNI stands.
type BDExplanation struct {
	BDStatus
	// Where RD and targets come from: a key of the configuration.
	RDFrom, ExportFrom, ImportFrom string
	Advertised                     int // routes
	Received                       int // routes that are kept, a route that several peers sent as often
	Frozen                         int // MACs and addresses
	Refused                        int // local MACs beyond the limit, at most 4096
	Flood                          bool
	Holds                          []string
}

// ExplainBD explains how a VNI stands. ok is false when it is not served.
func (e *Engine) ExplainBD(vni VNI) (x BDExplanation, ok bool) {
	v := e.vnis[vni]
	if v == nil {
		return x, false
	}
	x.BDStatus, x.Flood, x.Refused = v.status(), !v.noFlood, len(v.refused)
	x.RDFrom, x.ExportFrom, x.ImportFrom = e.sources(v)
	x.Received = len(v.floodPaths)
	x.Advertised = len(v.advertised)
	for _, m := range v.macs {
		x.Received += len(m.paths)
		x.Frozen += bit(m.frozen())
		if m.loc != nil {
			x.Advertised += len(m.loc.advertised)
		}
	}
	for _, h := range v.ips {
		x.Frozen += bit(h.frozen())
	}
	if v.evi.noRD {
		x.Holds = append(x.Holds, "it has no route distinguisher (65535 are in use), so nothing of it is announced: serve fewer VNIs")
	}
	if x.Refused > 0 {
		x.Holds = append(x.Holds, fmt.Sprintf("it has %d local MACs, its limit, and more are not announced: find the host that makes them up, or raise the limit (vnis.limits.local-macs)", v.limits.LocalMACs))
	}
	x.Holds = append(x.Holds, e.holdsOfPeers()...)
	return x, true
}

// sources says where the RD and the targets of v come from.
func (e *Engine) sources(v *vni) (rd, export, imports string) {
	auto := map[TargetForm]string{
		TargetAuto: "vnis.targets: auto", TargetRFC8365: "vnis.targets: rfc8365", TargetFixed: "vnis.targets: fixed",
	}[e.cfg.Targets]
	rd, export, imports = "automatic: bgp.router-id and a number of the VNI", auto, auto
	set := e.cfg.BDs[v.id]
	if set.RD != (RD{}) {
		rd = "vnis.settings[].rd"
	}
	if len(set.Export) > 0 {
		export = "vnis.settings[].export"
	}
	if len(set.Import) > 0 {
		imports = "vnis.settings[].import"
	}
	return rd, export, imports
}
