package evpn

import (
	"cmp"
	"net/netip"
	"slices"
)

// floodKey names a destination of a VNI's replication list.
type floodKey struct {
	vni VNI
	via Via
}

// floodID is the identity of one peer's copy of a type 3 route in a VNI.
type floodID struct {
	rd   RD
	tag  uint32
	ip   netip.Addr
	peer netip.Addr
}

func floodIDOf(x *path) floodID { return floodID{x.rd, x.tag(), x.ip, x.peer.addr} }

func (a floodID) compare(b floodID) int {
	return cmp.Or(a.rd.Compare(b.rd), cmp.Compare(a.tag, b.tag), a.ip.Compare(b.ip), a.peer.Compare(b.peer))
}

func (a floodKey) compare(b floodKey) int {
	return cmp.Or(cmp.Compare(a.vni, b.vni), a.via.VTEP.Compare(b.via.VTEP), cmp.Compare(a.via.VNI, b.via.VNI))
}

func (v *bd) sortedFloodIDs() []floodID {
	ids := make([]floodID, 0, len(v.floodPaths))
	for id := range v.floodPaths {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, floodID.compare)
	return ids
}

// floodDest returns where a copy of flooded frames goes because of the type
// 3 route x, or why nowhere. Frames go to the tunnel endpoint of the PMSI
// attribute, else to the next hop (RFC 8365 §5.1.3, §9).
func (v *bd) floodDest(x *path) (Via, string) {
	if why := x.unusable(v.vtep); why != "" {
		return Via{}, why
	}
	t := x.attrs.PMSI
	switch {
	case v.noFlood:
		return Via{}, "flooding is switched off in this VNI"
	case !t.Present:
		return Via{}, "it has no PMSI tunnel attribute (RFC 7432 §11.2)"
	case t.Type != IngressReplication:
		return Via{}, "its PMSI tunnel is not ingress replication (RFC 8365 §9)"
	}
	d := Via{VTEP: x.attrs.NextHop, VNI: v.vni}
	if t.Endpoint.IsValid() && !t.Endpoint.IsUnspecified() {
		d.VTEP = t.Endpoint
	}
	if t.Label != 0 {
		d.VNI = t.Label
	}
	switch {
	case d.VTEP == v.vtep:
		return Via{}, "its tunnel endpoint is this VTEP itself"
	case d.VTEP.IsMulticast() || d.VTEP.IsLoopback() || d.VTEP.Is4() != v.vtep.Is4():
		return Via{}, "its tunnel endpoint " + d.VTEP.String() + " is no VTEP's address that can be reached from " + v.vtep.String()
	}
	return d, ""
}

func (e *Engine) setFlood(v *bd, x path) {
	id := floodIDOf(&x)
	if old, ok := v.floodPaths[id]; ok {
		e.countFlood(v, &old, -1)
	}
	v.floodPaths[id] = x
	e.countFlood(v, &x, 1)
}

func (e *Engine) dropFlood(v *bd, id floodID) {
	if x, ok := v.floodPaths[id]; ok {
		delete(v.floodPaths, id)
		e.countFlood(v, &x, -1)
	}
}

// recountFlood makes a change on which it depends where v floods to.
func (e *Engine) recountFlood(v *bd, change func()) {
	e.endFloodHoldsIn(v)
	recount := func(by int) {
		for _, id := range v.sortedFloodIDs() {
			x := v.floodPaths[id]
			e.countFlood(v, &x, by)
		}
	}
	recount(-1)
	change()
	recount(1)
}

// countFlood keeps the replication list when a type 3 route comes (by = 1)
// or goes (by = -1): a destination is on it while any copy of any route asks
// for it.
func (e *Engine) countFlood(v *bd, x *path, by int) {
	e.count(v, x, by)
	d, _ := v.floodDest(x)
	if !d.VTEP.IsValid() {
		return
	}
	e.countVia(v, d, by)
	if d.VTEP != x.attrs.NextHop {
		e.alarms.count(Alarm{Kind: AlarmPMSI, VNI: v.vni, Addr: d.VTEP, VTEP: x.attrs.NextHop}, by)
	}
}

// countVia counts those that want v to flood to d.
func (e *Engine) countVia(v *bd, d Via, by int) {
	before := v.flood[d] > 0
	v.flood[d] += by
	after := v.flood[d] > 0
	if !after {
		delete(v.flood, d)
	}
	if before != after {
		e.flood.push(floodKey{v.vni, d})
		e.vtep(d.VTEP, func(t *vtep) { t.floods += by })
	}
}
