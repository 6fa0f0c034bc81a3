package evpn

import (
	"net/netip"
	"slices"
	"time"
)

// peer is a BGP neighbor as far as routes are concerned. A route is fresh
// while the session that brought it stands; the session's number tells a
// route that an earlier one brought.
type peer struct {
	addr     netip.Addr
	routerID netip.Addr
	internal bool

	up       bool
	endOfRIB bool
	session  uint32
	expire   time.Time // when stale routes go; zero when there are none
	// noLonger is when, before expire, the stale routes go that must not be
	// kept for long (NO_LLGR); zero when none wait for that.
	noLonger time.Time

	routes  int
	fresh   int // of routes, those that the standing session brought
	ignored uint64

	limit   PeerLimit
	full    bool // a route was refused, and there was no room since
	ended   bool // the standing session was asked to end for it
	refused uint64
	action  peerAction
}

func (e *Engine) peer(addr netip.Addr) *peer {
	p := e.peers[addr]
	if p == nil {
		p = &peer{addr: addr}
		e.peers[addr] = p
	}
	return p
}

func (e *Engine) sortedPeers() []*peer {
	s := make([]*peer, 0, len(e.peers))
	for _, p := range e.peers {
		s = append(s, p)
	}
	slices.SortFunc(s, func(a, b *peer) int { return a.addr.Compare(b.addr) })
	return s
}

func (e *Engine) peerUp(ev *PeerUp) {
	p := e.peer(ev.Peer)
	was := p.up
	other := e.identify(p, ev)
	e.alarms.clear(p.staleAlarm())
	p.up, p.endOfRIB, p.fresh = true, false, 0
	p.session++
	// All is sent anew, so there is nothing to ask for.
	e.relieve(p)
	p.limit, p.action, p.ended = ev.Limit, noAction, false
	if p.routes > 0 {
		// What an earlier session brought is stale until it is sent again.
		// A peer that never sends End-of-RIB must not keep it for ever.
		p.expire = e.now.Add(e.cfg.EndOfRIBWait)
	}
	p.noLonger = time.Time{}
	e.extendFloodHold(p, e.cfg.EndOfRIBWait, true)
	if ev.Lost {
		// It forwards nothing that is not told anew. What it passed on from
		// others it never forwarded.
		e.drop(p, func(x *path) bool { return x.notRefreshed() && x.own() }, nil)
	}
	if was || other {
		// Otherwise what is known of it was stale already, and is judged so.
		e.rejudge(p)
	}
}

// identify notes who p is. Another may sit at the address of one whose routes
// are still known: these are judged as its own from now on, and other is true.
func (e *Engine) identify(p *peer, ev *PeerUp) (other bool) {
	recount := func(by int) {
		for _, v := range e.bds {
			for _, m := range v.macs {
				for i := range m.paths {
					if m.paths[i].peer == p {
						e.countRewritten(&m.paths[i], by)
					}
				}
			}
			for _, x := range v.floodPaths {
				if x.peer == p {
					e.countRewritten(&x, by)
				}
			}
		}
	}
	other = p.routes > 0 && (p.routerID != ev.RouterID || p.internal != ev.Internal)
	if other {
		recount(-1)
	}
	p.routerID, p.internal = ev.RouterID, ev.Internal
	if other {
		recount(1)
	}
	return other
}

func (e *Engine) peerDown(ev *PeerDown) {
	p := e.peers[ev.Peer]
	if p == nil {
		return
	}
	p.up, p.endOfRIB, p.fresh = false, false, 0
	e.extendFloodHold(p, ev.Retain, false)
	if ev.Retain <= 0 {
		p.session++
		e.sweep(p)
		return
	}
	// From now on, however long it takes to drop and to judge: the time that
	// was set for what an earlier session left must not end what is kept.
	p.expire, p.noLonger = e.now.Add(ev.Retain), time.Time{}
	if ev.LongLived > 0 {
		p.noLonger, p.expire = p.expire, p.expire.Add(ev.LongLived)
	}
	if ev.Goodbye {
		e.drop(p, (*path).own, func() { e.retain(p) })
		return
	}
	e.retain(p)
}

// retain keeps the routes of a lost peer, as stale.
func (e *Engine) retain(p *peer) {
	if p.routes > 0 {
		e.alarms.raise(p.staleAlarm())
	}
	e.rejudge(p)
}

func (p *peer) staleAlarm() Alarm {
	return Alarm{Kind: AlarmStale, Addr: p.addr}
}

// endOfRIB takes the end of what a peer has to say. Routes that it did not
// repeat since the session came up are gone (RFC 4724 §4.2), but not at once:
// a reflector that was killed and is back sends its End-of-RIB before the
// VTEPs have come back to it, and to believe it would cut off all of them.
// Stale routes do little harm meanwhile, since any fresh one wins over them.
func (e *Engine) endOfRIB(ev *EndOfRIB) {
	p := e.peers[ev.Peer]
	if p == nil || !p.up {
		return
	}
	p.endOfRIB = true
	e.extendFloodHold(p, e.cfg.StaleHold, true)
	if !p.expire.IsZero() { // there are such routes
		if at := e.now.Add(e.cfg.StaleHold); at.Before(p.expire) {
			p.expire = at
		}
		if !e.now.Before(p.expire) {
			e.sweep(p)
		}
	}
	e.checkSynced()
}

// deconfigured drops what is left of the peers in before that are configured
// no more: nobody waits for them to come back. Where a session still stands,
// its PeerDown follows.
func (e *Engine) deconfigured(before []netip.Addr) {
	for _, addr := range before {
		if p := e.peers[addr]; p != nil && !p.up && !slices.Contains(e.cfg.ConfiguredPeers, addr) {
			e.sweep(p)
			e.drainJobs()
		}
	}
}

// due drops the stale routes of p whose time is over.
func (e *Engine) due(p *peer, now time.Time) {
	switch {
	case !p.expire.IsZero() && !now.Before(p.expire):
		e.sweep(p)
	case !p.noLonger.IsZero() && !now.Before(p.noLonger):
		p.noLonger = time.Time{}
		e.drop(p, func(x *path) bool { return x.attrs.NoLongLived && x.notRefreshed() }, nil)
	}
}

// sweep drops the stale routes of p, and p itself when nothing is left of it.
func (e *Engine) sweep(p *peer) {
	p.expire, p.noLonger = time.Time{}, time.Time{}
	e.drop(p, (*path).notRefreshed, func() {
		e.alarms.clear(p.staleAlarm())
		if !p.up {
			e.relieve(p)
			delete(e.peers, p.addr)
		}
	})
}

// drop begins to drop those routes of p that gone says are gone, and calls
// then, which may be nil, when it is done.
func (e *Engine) drop(p *peer, gone func(*path) bool, then func()) {
	done := func() {
		if p.routes < p.limit.Routes {
			e.relieve(p) // what took the room is gone
		}
		if then != nil {
			then()
		}
	}
	if p.routes == 0 {
		done()
		return
	}
	match := func(x *path) bool { return x.peer == p && gone(x) }
	e.schedule(&job{
		mac:  func(v *bd, addr MAC, m *macEntry) { e.dropPathsOf(v, addr, m, match) },
		vni:  func(v *bd) { e.dropFloods(v, match) },
		then: done,
	})
}

// rejudge begins to choose again where routes of p take part, because they
// became stale. An address can change hands although its MAC stays where it
// is, when only the route that pairs the two is stale.
func (e *Engine) rejudge(p *peer) {
	if p.routes == 0 {
		return
	}
	e.schedule(&job{mac: func(v *bd, addr MAC, m *macEntry) {
		if slices.ContainsFunc(m.paths, func(x path) bool { return x.peer == p }) {
			e.reselect(v, addr, m)
			e.reselectIPsOf(v, m)
			e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: addr})
		}
	}})
}

// Peers returns what is known of each peer, by address.
func (e *Engine) Peers() []PeerStatus {
	var s []PeerStatus
	for _, p := range e.sortedPeers() {
		st := PeerStatus{
			Peer: p.addr, Up: p.up, EndOfRIB: p.endOfRIB, Routes: p.routes, Stale: p.routes - p.fresh,
			Ignored: p.ignored, Refused: p.refused, AtLimit: p.full,
		}
		if st.Stale > 0 {
			st.StaleUntil = p.expire
		}
		s = append(s, st)
	}
	return s
}
