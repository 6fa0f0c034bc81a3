package evpn

import "net/netip"

// PeerLimit bounds how many routes of one peer are kept, so that one that
// sends without end takes neither the memory nor the kernel's tables from the
// others. A route counts once for each VNI that imports it; what nobody
// imports is not kept and costs nothing.
type PeerLimit struct {
	Routes int // zero means no limit
	// Reset has the session end when the limit is met. Otherwise the routes
	// that are there stay, and no more are taken.
	Reset bool
}

// PeerAction is what is to be done about a single peer because of its limit.
type PeerAction struct {
	Peer netip.Addr
	// Reset is to end the session and to drop its routes (RFC 4486 §4); false
	// is to ask for its routes again (RFC 2918), since some were refused that
	// would fit now.
	Reset bool
}

// peerAction is what is asked of a peer and was not handed out yet.
type peerAction uint8

const (
	noAction peerAction = iota
	actionRefresh
	actionReset
)

// admitRoute tells whether p may have one more route in v, or whether r
// replaces one of its own. A peer can come back with a lower limit than it
// had: then its stale routes give way, one for each that it repeats.
func (e *Engine) admitRoute(v *bd, p *peer, r *Route) bool {
	limit := p.limit.Routes
	if limit == 0 || p.routes < limit {
		return true
	}
	if x := v.pathOf(p, &r.NLRI); x != nil {
		if p.routes <= limit || !x.stale() {
			return true
		}
		v.evi.remove(e, p, &r.NLRI)
	}
	p.refused++
	// Stale routes take room, but the peer does not send them now.
	reset := p.limit.Reset && p.fresh >= limit
	if p.full && (!reset || p.ended) {
		return false
	}
	if !p.full {
		p.full = true
		e.peersAtLimit++
	}
	if reset {
		p.ended = true
		p.action, e.peerActions = actionReset, true
	}
	e.alarms.raise(Alarm{Kind: AlarmPeerLimit, Addr: p.addr, Count: limit, Reset: reset})
	return false
}

// relieveAll ends the alarm of each peer that has room again. A quarter must
// be free: one that stays at its limit is not to be asked for everything again
// with every route that comes and goes.
func (e *Engine) relieveAll() {
	for _, p := range e.peers {
		if p.full && p.action != actionReset && p.routes <= p.limit.Routes*3/4 {
			e.relieve(p)
		}
	}
}

// relieve ends p's alarm, and has what was refused sent again.
func (e *Engine) relieve(p *peer) {
	if !p.full {
		return
	}
	p.full, p.action = false, noAction
	e.peersAtLimit--
	if p.up {
		p.action, e.peerActions = actionRefresh, true
	}
	e.alarms.clear(Alarm{Kind: AlarmPeerLimit, Addr: p.addr})
}

// takePeerActions returns what is to be done about single peers, by address, each
// peer once. It forgets what it returns.
func (e *Engine) takePeerActions() []PeerAction {
	if !e.peerActions {
		return nil
	}
	e.peerActions = false
	var calls []PeerAction
	for _, p := range e.sortedPeers() {
		if p.action != noAction {
			calls = append(calls, PeerAction{Peer: p.addr, Reset: p.action == actionReset})
			p.action = noAction
		}
	}
	return calls
}
