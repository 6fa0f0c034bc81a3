package evpn

import (
	"net/netip"
	"slices"
)

// macEntry is all that is known of one MAC in one broadcast domain.
type macEntry struct {
	paths []path // in the order of path.compare
	place place  // where it is, by the rules or frozen
	loc   *local // nil unless something local is known of it
	moves *moves // nil unless it moved lately, or is frozen
}

func (v *bd) mac(addr MAC) *macEntry {
	m := v.macs[addr]
	if m == nil {
		m = &macEntry{}
		v.macs[addr] = m
	}
	return m
}

// find returns where in m.paths the path with x's identity is, or belongs.
// (slices.BinarySearchFunc would make x escape, an allocation a route.)
func (m *macEntry) find(x *path) (int, bool) {
	lo, hi := 0, len(m.paths)
	for lo < hi {
		mid := (lo + hi) / 2
		c := m.paths[mid].compare(x)
		switch {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

func (m *macEntry) binds(ip netip.Addr) bool {
	return slices.ContainsFunc(m.paths, func(x path) bool { return x.ip == ip })
}

func (e *Engine) setPath(v *bd, addr MAC, x path) {
	m := v.mac(addr)
	i, found := m.find(&x)
	again := found && m.paths[i].agrees(&x)
	if found {
		e.countRewritten(&m.paths[i], -1)
		if m.paths[i].notRefreshed() {
			x.peer.fresh++
		}
		m.paths[i] = x
		e.countRewritten(&x, 1)
	} else {
		if m.paths == nil {
			m.paths = make([]path, 0, 1) // most MACs have one route
		}
		m.paths = slices.Insert(m.paths, i, x)
		e.count(v, &x, 1)
	}
	if !e.reselect(v, addr, m) && !again {
		e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: addr})
	}
	if IsHostIP(x.ip) {
		e.pair(v, x.ip, addr)
		if !again && !x.stale() {
			e.probeConflict(v, x.ip, v.ips[x.ip], addr)
		}
	}
}

func (e *Engine) dropPath(v *bd, addr MAC, m *macEntry, i int) {
	x := m.paths[i]
	e.count(v, &x, -1)
	m.paths = slices.Delete(m.paths, i, i+1)
	if !e.reselect(v, addr, m) {
		e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: addr})
	}
	if IsHostIP(x.ip) {
		e.unpair(v, x.ip, addr)
	}
	e.tidy(v, addr, m)
}

// tidy forgets m when nothing is known of it any more. Its sequence number
// goes with it: nobody else has a route left to compare it with.
func (e *Engine) tidy(v *bd, addr MAC, m *macEntry) {
	if len(m.paths) == 0 && (m.loc == nil || m.loc.idle()) {
		delete(v.macs, addr)
		e.alarms.clear(Alarm{Kind: AlarmSequence, VNI: v.vni, MAC: addr})
	}
}

func (m *macEntry) frozen() bool { return m.moves.isFrozen() }

// selectPlace returns where m is by the rules, and the path that leads there;
// nil when m is local, or nowhere.
func (v *bd) selectPlace(m *macEntry) (place, *path) {
	x := m.best(v.vtep, nil)
	if l := m.loc; l != nil && l.present && (x == nil || macRules.compare(l.candidate(v.vtep), candidateOf(x)) > 0) {
		return l.place(), nil
	}
	if x == nil {
		return place{}, nil
	}
	return v.placeOf(x), x
}

// placeOf returns where path x leads to.
func (v *bd) placeOf(x *path) place {
	return place{
		Location: Location{Via: x.via()}, seq: x.attrs.Mobility.Seq,
		sticky: x.attrs.Mobility.Sticky, stale: x.stale(),
	}
}

// reselect selects the place of m anew and marks what follows from a change. It
// tells whether the place changed. Even if it did not, the MAC may look
// different: its addresses, and the reason for its place, depend on every route.
func (e *Engine) reselect(v *bd, addr MAC, m *macEntry) bool {
	prev, key := m.place, MACKey{v.vni, addr}
	next, x := v.selectPlace(m)
	next = e.macContest.settle(e, key, &m.moves, prev, next, moved(prev, next, x), func(vtep netip.Addr) (place, bool) {
		return v.claimed(m, vtep)
	})
	if l := m.loc; l != nil && next.Remote() {
		// The remote entry replaces the local one in the bridge. Only a new
		// frame shows that the host is here.
		l.present = false
	}
	if prev == next {
		return false
	}
	m.place = next
	e.rememberPlace(key, next)
	if e.history.wants(key, prev.Location, next.Location) {
		e.history.record(key, Move{At: e.now, From: prev.Location, To: next.Location, Seq: next.seq, Cause: cause(prev, next, x)})
	}
	if !prev.Nowhere() && !next.Nowhere() && !prev.sameDoor(next.Location) {
		v.moves++
	}
	e.countPlace(v, prev, -1)
	e.countPlace(v, next, 1)
	if !prev.sameFDB(next) {
		e.fdb.push(key)
	}
	if prev.Local || next.Local {
		e.adverts.queue.push(macAdverts(v.vni, addr))
	}
	e.alarms.clear(Alarm{Kind: AlarmSticky, VNI: v.vni, MAC: addr})
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: addr})
	e.reselectIPsOf(v, m)
	return true
}

// via returns where frames along the type 2 route x go.
func (x *path) via() Via { return Via{VTEP: x.attrs.NextHop, VNI: x.label} }

func (e *Engine) countPlace(v *bd, p place, by int) {
	switch {
	case p.Local:
		v.localMACs += by
	case p.Remote():
		v.remoteMACs += by
		e.vtep(p.Via.VTEP, func(t *vtep) { t.macs += by })
	}
}

// vtep is what points to a remote VTEP.
type vtep struct{ macs, floods int }

func (e *Engine) vtep(addr netip.Addr, change func(*vtep)) {
	t := e.vteps[addr]
	if t == nil {
		t = &vtep{}
		e.vteps[addr] = t
	}
	change(t)
	if *t == (vtep{}) {
		delete(e.vteps, addr)
	}
	e.changes.push(Change{Kind: ChangeVTEP, IP: addr})
}
