package evpn

import (
	"math"
	"net/netip"
	"slices"
)

// local is what is known of a MAC on this host.
type local struct {
	present bool // behind a port now, and not beaten by a remote route
	fixed   bool // configured on its port
	static  bool // sticky, because it is fixed or the configuration says so
	port    int32
	// seq is the mobility sequence of its routes, the present or the last
	// ones. It remembers the past: a MAC that arrives gets a sequence above
	// that of every route of others (RFC 7432 §15), and keeps at least its own
	// while one of those is left.
	seq        uint32
	bound      []netip.Addr // local bindings, ascending
	advertised []advertised // routes that are announced for it
}

// idle tells whether l holds nothing that is worth keeping.
func (l *local) idle() bool { return !l.present && len(l.bound) == 0 && len(l.advertised) == 0 }

func (m *macEntry) local() *local {
	if m.loc == nil {
		m.loc = &local{}
	}
	return m.loc
}

// candidate returns l as the rules compare it.
func (l *local) candidate(own netip.Addr) candidate {
	return candidate{local: true, static: l.static, sticky: l.static, seq: l.seq, vtep: own}
}

// place returns where l is when it is chosen.
func (l *local) place() place {
	return place{Location: Location{Local: true, Port: l.port}, seq: l.seq, sticky: l.static}
}

// localMAC takes in a MAC that the bridge has behind a local port. Unless it was
// local before, it arrives.
func (e *Engine) localMAC(ev *LocalMAC) {
	v := e.bds[ev.VNI]
	if v == nil || !ev.MAC.IsHost() {
		return
	}
	if !e.admitMAC(v, ev) {
		return
	}
	m := v.mac(ev.MAC)
	l := m.local()
	if !l.present {
		e.arrive(v, ev, m)
	}
	l.present, l.port, l.fixed = true, int32(ev.Port), ev.Static
	l.static = ev.Static || slices.Contains(v.sticky, ev.MAC)
	e.reselect(v, ev.MAC, m)
	e.restoreBindings(v, ev.MAC)
	if m.place.Remote() {
		// A route beats the local port. The frame may have moved the bridge's
		// entry to the port, so the remote entry is written again.
		e.fdb.push(MACKey{v.vni, ev.MAC})
		if m.place.sticky && !m.frozen() {
			e.alarms.raise(Alarm{Kind: AlarmSticky, VNI: v.vni, MAC: ev.MAC, VTEP: m.place.Via.VTEP})
		}
	}
	e.tidy(v, ev.MAC, m)
}

// arrive gives a MAC that becomes local its sequence: one more than the highest
// of all its routes.
func (e *Engine) arrive(v *bd, ev *LocalMAC, m *macEntry) {
	l := m.loc
	l.seq = max(l.seq, e.persist.before.Sequences[MACKey{v.vni, ev.MAC}])
	var highest uint32
	rivals := false
	for i := range m.paths {
		x := &m.paths[i]
		if x.attrs.DefaultGateway {
			continue // a gateway is in several places on purpose (RFC 7432 §10.1)
		}
		rivals, highest = true, max(highest, x.attrs.Mobility.Seq)
		e.probe(Probe{VNI: v.vni, IP: x.ip, MAC: ev.MAC})
	}
	if !rivals {
		return
	}
	if highest == math.MaxUint32 {
		e.alarms.raise(Alarm{Kind: AlarmSequence, VNI: v.vni, MAC: ev.MAC})
		l.seq = highest
		return
	}
	l.seq = max(l.seq, highest+1)
}

// localMACGone takes in that a MAC is behind no local port any more.
func (e *Engine) localMACGone(ev *LocalMACGone) {
	v := e.bds[ev.VNI]
	if v == nil {
		return
	}
	delete(v.refused, ev.MAC)
	if m := v.macs[ev.MAC]; m != nil && m.loc != nil && m.loc.present {
		m.loc.present = false
		e.reselect(v, ev.MAC, m)
		e.tidy(v, ev.MAC, m)
	}
	e.admitNext(v)
}

// moved tells whether a change of place from p to q is a move of a host
// (RFC 7432 §15): from one place straight to another, with a higher sequence. It
// is none when a withdrawal leaves another route, when a session is lost, and
// for a default gateway, which is in several places. x is the path to q, nil
// for this host.
func moved(p, q place, x *path) bool {
	return !p.Nowhere() && !q.Nowhere() && !p.sameHost(q.Location) &&
		q.seq > p.seq && !p.stale && !q.stale && (x == nil || !x.attrs.DefaultGateway)
}

// macPolicy is the contestPolicy of MACs (RFC 7432 §15.1). The holder of a MAC is
// a VTEP; an invalid address is this host.
type macPolicy struct{}

func (macPolicy) config(e *Engine, k MACKey) *DuplicateConfig { return &e.bds[k.VNI].duplicate }

func (macPolicy) holder(p place) netip.Addr { return p.Via.VTEP }

// frozen makes a MAC behind a VTEP sticky, so that a local frame does not move
// its entry in the bridge to a port.
func (macPolicy) frozen(p place) place {
	p.sticky = p.sticky || p.Remote()
	return p
}

func (macPolicy) moves(e *Engine, k MACKey) **moves {
	if v := e.bds[k.VNI]; v != nil {
		if m := v.macs[k.MAC]; m != nil {
			return &m.moves
		}
	}
	return nil
}

func (macPolicy) reselect(e *Engine, k MACKey) {
	v := e.bds[k.VNI]
	m := v.macs[k.MAC]
	e.reselect(v, k.MAC, m)
	e.tidy(v, k.MAC, m)
}

func (macPolicy) alarm(k MACKey, vtep netip.Addr) Alarm {
	return Alarm{Kind: AlarmDuplicateMAC, VNI: k.VNI, MAC: k.MAC, VTEP: vtep}
}

func (macPolicy) change(k MACKey) Change { return Change{Kind: ChangeMAC, VNI: k.VNI, MAC: k.MAC} }

// claimed returns the place of m as a holder claims it: by its local port when
// vtep is invalid, else by the best route of vtep. ok is false when it does not
// claim m.
func (v *bd) claimed(m *macEntry, vtep netip.Addr) (place, bool) {
	if !vtep.IsValid() {
		if l := m.loc; l != nil && l.present {
			return l.place(), true
		}
	} else if x := m.best(v.vtep, &pathFilter{via: vtep}); x != nil {
		return v.placeOf(x), true
	}
	return place{}, false
}
