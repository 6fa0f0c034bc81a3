package evpn

import (
	"cmp"
	"net/netip"
	"slices"
)

// path is one route as one peer sent it, in a broadcast domain that imports it.
// There is no table of routes beside these: the MAC finds the paths of a type 2
// route, and where all that is known is an NLRI, as in a withdrawal, its RD
// finds the importers (Engine.origins).
type path struct {
	rd      RD
	ip      netip.Addr // type 2: the host, if any; type 3: the originating router
	peer    *peer
	attrs   *Attrs
	session uint32 // the session of peer that brought it
	label   VNI
	extra   *pathExtra // what few routes carry; nil otherwise
}

type pathExtra struct {
	tag     uint32
	esi     ESI
	l3Label VNI
}

func newPath(p *peer, r *Route, a *Attrs) path {
	x := path{rd: r.RD, ip: r.IP, peer: p, attrs: a, session: p.session, label: r.Label}
	if r.Tag != 0 || r.L3Label != 0 || !r.ESI.IsZero() {
		x.extra = &pathExtra{tag: r.Tag, esi: r.ESI, l3Label: r.L3Label}
	}
	return x
}

// notRefreshed tells whether the session that brought x is over, and no later
// one has brought it again (RFC 4724 §4.2).
func (x *path) notRefreshed() bool { return !x.peer.up || x.session != x.peer.session }

// stale tells whether the session that brought x is down: ours to the peer, or
// that of a reflector, which says so (RFC 9494 §4.3).
func (x *path) stale() bool { return x.notRefreshed() || x.attrs.LongLivedStale }

// agrees tells whether x says the same of its MAC as o, a later version of it.
func (x *path) agrees(o *path) bool {
	return x.label == o.label && x.stale() == o.stale() && x.attrs.NextHop == o.attrs.NextHop &&
		x.attrs.Mobility == o.attrs.Mobility && x.attrs.Encap == o.attrs.Encap
}

func (x *path) tag() uint32 {
	if x.extra == nil {
		return 0
	}
	return x.extra.tag
}

// compareNLRI orders paths of one MAC by the rest of their identity, so that
// the copies that several peers sent of one route stand together.
func (x *path) compareNLRI(o *path) int {
	return cmp.Or(x.rd.Compare(o.rd), cmp.Compare(x.tag(), o.tag()), x.ip.Compare(o.ip))
}

func (x *path) compare(o *path) int {
	return cmp.Or(x.compareNLRI(o), x.peer.addr.Compare(o.peer.addr))
}

// keyOf returns a path with the identity of p's copy of a route, to look it up
// by.
func keyOf(p *peer, n *NLRI) path {
	x := path{rd: n.RD, ip: n.IP, peer: p}
	if n.Tag != 0 {
		x.extra = &pathExtra{tag: n.Tag}
	}
	return x
}

// route renders x as the route it came from.
func (x *path) route(t RouteType, mac MAC) Route {
	r := Route{NLRI: NLRI{Type: t, RD: x.rd, MAC: mac, IP: x.ip}, Label: x.label}
	if x.extra != nil {
		r.Tag, r.ESI, r.L3Label = x.extra.tag, x.extra.esi, x.extra.l3Label
	}
	return r
}

// dropPaths removes from v every path that gone says is gone.
func (e *Engine) dropPaths(v *bd, gone func(*path) bool) {
	for _, addr := range v.sortedMACs() {
		e.dropPathsOf(v, addr, v.macs[addr], gone)
	}
	e.dropFloods(v, gone)
}

func (e *Engine) dropPathsOf(v *bd, addr MAC, m *macEntry, gone func(*path) bool) {
	for i := len(m.paths) - 1; i >= 0; i-- {
		if gone(&m.paths[i]) {
			e.dropPath(v, addr, m, i)
		}
	}
}

func (e *Engine) dropFloods(v *bd, gone func(*path) bool) {
	for _, id := range v.sortedFloodIDs() {
		if x := v.floodPaths[id]; gone(&x) {
			e.dropFlood(v, id)
		}
	}
}

// count keeps the books when v gains (by = 1) or loses (by = -1) path x.
func (e *Engine) count(v *bd, x *path, by int) {
	x.peer.routes += by
	if !x.notRefreshed() {
		x.peer.fresh += by
	}
	from := e.origins[x.rd]
	i := slices.IndexFunc(from, func(o origin) bool { return o.importer == v.evi })
	switch {
	case i < 0:
		e.origins[x.rd] = append(from, origin{importer: v.evi, paths: by})
	case from[i].paths+by > 0:
		from[i].paths += by
	case len(from) > 1:
		e.origins[x.rd] = slices.Delete(from, i, i+1)
	default:
		delete(e.origins, x.rd)
	}
	e.countRewritten(x, by)
}

// countRewritten keeps the alarm about a peer that rewrites next hops.
func (e *Engine) countRewritten(x *path, by int) {
	if x.rewritten() {
		e.alarms.count(Alarm{Kind: AlarmNextHop, Addr: x.peer.addr}, by)
	}
}

// rewritten tells whether the peer that passed x on put itself in its next
// hop. Every VTEP is the next hop of its own routes: those it sends without
// an ORIGINATOR_ID of another and, between ASes, without another AS.
func (x *path) rewritten() bool {
	return x.attrs.NextHop == x.peer.addr.WithZone("") && !x.own()
}

// own tells whether the peer that sent x is the VTEP that x is about. A
// reflector marks what it passes on with the router id of whom it has it from
// (RFC 4456 §8), and another AS puts its number before that of the VTEP.
func (x *path) own() bool {
	if x.peer.internal {
		id := x.attrs.OriginatorID
		return !id.IsValid() || id == x.peer.routerID
	}
	return x.attrs.ASPathLen <= 1
}
