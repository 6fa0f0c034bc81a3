package evpn

import (
	"maps"
	"net/netip"
	"slices"
)

// Fork returns an engine of its own that knows what e knows of one VNI, for
// trying out what an event would lead to: nothing that it is told changes e.
// The history of MACs, and what was remembered of an earlier run, stay behind.
// It takes time and memory as the VNI has routes and hosts; what it returns
// may be used by another goroutine. Of a VNI that is not served it knows the
// peers alone.
func (e *Engine) Fork(vni VNI) *Engine {
	e.drainJobs() // what is under way is not copied
	f := New(e.cfg)
	f.now, f.start, f.synced = e.now, e.start, e.synced
	f.rds.index, f.rds.used, f.rds.version = maps.Clone(e.rds.index), maps.Clone(e.rds.used), e.rds.version
	for addr, p := range e.peers {
		c := *p
		c.routes, c.fresh, c.full, c.action = 0, 0, false, noAction
		// The limit is of all VNIs together.
		c.limit = PeerLimit{}
		f.peers[addr] = &c
	}
	v := e.bds[vni]
	if v == nil {
		return f
	}
	w := v.fork(f)
	f.bds[vni] = w
	f.imports.add(w.evi, w.evi.imports)
	for k, l := range e.floodHolds.of {
		if k.vni == vni {
			f.floodHolds.put(k, floodHold{peer: f.forked(l.peer), until: l.until})
		}
	}
	f.recount(w)
	return f
}

// fork returns a copy of v whose paths are those of f's peers. What is counted
// beside v is not.
func (v *bd) fork(f *Engine) *bd {
	w := *v
	evi := *v.evi
	w.evi, evi.bd = &evi, &w
	w.refused, w.flood = maps.Clone(v.refused), maps.Clone(v.flood)
	w.advertised = slices.Clone(v.advertised)
	w.macs = make(map[MAC]*macEntry, len(v.macs))
	for addr, m := range v.macs {
		w.macs[addr] = m.fork(f)
	}
	w.ips = make(map[netip.Addr]*ipEntry, len(v.ips))
	for ip, h := range v.ips {
		c := *h
		c.macs, c.moves = slices.Clone(h.macs), h.moves.fork()
		w.ips[ip] = &c
	}
	w.floodPaths = make(map[floodID]path, len(v.floodPaths))
	for id, x := range v.floodPaths {
		x.peer = f.forked(x.peer)
		w.floodPaths[id] = x
	}
	return &w
}

func (m *macEntry) fork(f *Engine) *macEntry {
	c := &macEntry{paths: slices.Clone(m.paths), place: m.place, moves: m.moves.fork()}
	for i := range c.paths {
		c.paths[i].peer = f.forked(c.paths[i].peer)
	}
	if m.loc != nil {
		l := *m.loc
		l.bound, l.advertised = slices.Clone(l.bound), slices.Clone(l.advertised)
		c.loc = &l
	}
	return c
}

func (m *moves) fork() *moves {
	if m == nil {
		return nil
	}
	c := *m
	c.times = slices.Clone(m.times)
	return &c
}

// forked returns f's copy of a peer.
func (f *Engine) forked(p *peer) *peer {
	if c := f.peers[p.addr]; c != nil {
		return c
	}
	c := *p
	c.routes, c.fresh = 0, 0
	f.peers[p.addr] = &c
	return &c
}

// recount counts what is in v, which is new to e.
func (e *Engine) recount(v *bd) {
	for _, m := range v.macs {
		for i := range m.paths {
			e.count(v, &m.paths[i], 1)
		}
		if p := m.place; p.Remote() {
			e.vtep(p.Via.VTEP, func(t *vtep) { t.macs++ })
		}
	}
	for id := range v.floodPaths {
		x := v.floodPaths[id]
		e.count(v, &x, 1)
	}
	for d := range v.flood {
		e.vtep(d.VTEP, func(t *vtep) { t.floods++ })
	}
}

// Received calls yield for each route that is kept in a VNI, in no order.
func (e *Engine) Received(vni VNI, yield func(peer netip.Addr, r Route, a *Attrs)) {
	v := e.bds[vni]
	if v == nil {
		return
	}
	for addr, m := range v.macs {
		for i := range m.paths {
			x := &m.paths[i]
			yield(x.peer.addr, x.route(MACIP, addr), x.attrs)
		}
	}
	for _, x := range v.floodPaths {
		yield(x.peer.addr, x.route(InclusiveMulticast, MAC{}), x.attrs)
	}
}
