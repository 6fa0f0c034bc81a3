package evpn

import (
	"net/netip"
	"time"
)

// DuplicateConfig is when a MAC or IP address counts as used by two hosts at
// once (RFC 7432 §15.1; RFC 9161 §3.7 for IP addresses): when it moved Moves
// times within Window.
type DuplicateConfig struct {
	Off    bool
	Moves  int // zero is off, too
	Window time.Duration
	// Recover is after which time a frozen address is let go again. Zero
	// means never: by Unfreeze alone.
	Recover time.Duration
}

// moves is how often a MAC or an IP address changed its place lately, and
// that it is frozen when that was too often.
type moves struct {
	times  []time.Time // ascending, within the window
	frozen bool
	since  time.Time
}

// count adds a move and tells whether that is one too many under c. The
// times it keeps are no more than it needs to tell.
func (m *moves) count(now time.Time, c *DuplicateConfig) bool {
	m.expire(now, c)
	m.times = append(m.times, now)
	return len(m.times) >= c.Moves
}

func (m *moves) expire(now time.Time, c *DuplicateConfig) {
	for len(m.times) > 0 && now.Sub(m.times[0]) >= c.Window {
		m.times = m.times[1:]
	}
}

// moved tells whether going from p to q, to which path x leads, is a move of
// a host (RFC 7432 §15): from one place straight to another, with a higher
// sequence. To fall back to another route after a withdrawal is none, nor is
// what a lost session brings about, nor a gateway that shows in many places.
func moved(p, q place, x *path) bool {
	return !p.Nowhere() && !q.Nowhere() && !p.sameHost(q.Location) &&
		q.seq > p.seq && !p.stale && !q.stale && (x == nil || !x.attrs.DefaultGateway)
}

// countMACMove counts the move of m from where it is to next, and returns where
// it is to be: at next, or where it is and frozen there, if it moved too
// often (RFC 7432 §15.1). Where nobody vouches for it any more it is not frozen,
// for it would stay there until something else is heard of it.
func (e *Engine) countMACMove(v *vni, addr MAC, m *macEntry, next place) place {
	if v.duplicate.Off {
		return next
	}
	if m.moves == nil {
		m.moves = &moves{}
	}
	if !m.moves.count(e.now, &v.duplicate) {
		return next
	}
	if _, ok := v.vouched(m, m.place.Via.VTEP); !ok {
		return next
	}
	e.freeze(v, addr, m, m.place, e.now)
	return frozenAt(m.place)
}

// freeze has m stay at p, since when it was found to be a duplicate.
func (e *Engine) freeze(v *vni, addr MAC, m *macEntry, p place, since time.Time) {
	key := MACKey{v.id, addr}
	m.moves.frozen, m.moves.since = true, since
	remember(e, e.memory.now.MACs, key, FrozenMAC{VTEP: p.Via.VTEP, Since: since})
	e.unfreezeTimes.add(since, v.duplicate.Recover, unfreezeAt{mac: key})
	e.alarms.raise(Alarm{
		Kind: AlarmDuplicateMAC, VNI: v.id, MAC: addr,
		VTEP: p.Via.VTEP, Count: v.duplicate.Moves, Window: v.duplicate.Window,
	})
}

// frozenAt returns p as a frozen MAC has it: behind a VTEP no local frame
// may take its entry away.
func frozenAt(p place) place {
	if p.Remote() {
		p.sticky = true
	}
	return p
}

// keepFrozen returns where a frozen MAC is to be: where it was frozen, whatever is
// heard of it, as long as that is still vouched for; else at next, and not
// frozen any more.
func (e *Engine) keepFrozen(v *vni, addr MAC, m *macEntry, next place) place {
	switch p := m.place; {
	case p.Local:
		if l := m.loc; l != nil && l.present {
			p.Port = l.port
			return p
		}
	case p.Remote():
		if m.best(v.vtep, &pathFilter{via: p.Via.VTEP}) != nil {
			return p
		}
	}
	e.release(v, addr, m)
	return next
}

// release ends that a MAC is frozen.
func (e *Engine) release(v *vni, addr MAC, m *macEntry) {
	m.moves = nil
	forget(e, e.memory.now.MACs, MACKey{v.id, addr})
	e.alarms.clear(Alarm{Kind: AlarmDuplicateMAC, VNI: v.id, MAC: addr})
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.id, MAC: addr})
}

// countIPMove is countMove for an address that another MAC claims (RFC 9161
// §3.7). Its MAC may have claimed it until this very event, as when a route is
// withdrawn or a local host goes.
func (e *Engine) countIPMove(v *vni, ip netip.Addr, h *ipEntry, next ipOwner) ipOwner {
	if v.duplicate.Off {
		return next
	}
	if h.moves == nil {
		h.moves = &moves{}
	}
	if !h.moves.count(e.now, &v.duplicate) {
		return next
	}
	held, ok := v.claimed(ip, h, h.owner.mac)
	if !ok && h.owner.local && next.local {
		// Of two local hosts the binding names the one that spoke last; the
		// other has taken nothing back.
		m := v.macs[h.owner.mac]
		held, ok = h.owner, m != nil && m.place.Local
	}
	if !ok {
		return next
	}
	e.freezeIP(v, ip, h, held.mac, e.now)
	return held
}

// freezeIP has h stay with a MAC, since when it was found to be a duplicate.
func (e *Engine) freezeIP(v *vni, ip netip.Addr, h *ipEntry, mac MAC, since time.Time) {
	key := IPKey{v.id, ip}
	h.moves.frozen, h.moves.since = true, since
	remember(e, e.memory.now.IPs, key, FrozenIP{MAC: mac, Since: since})
	e.unfreezeTimes.add(since, v.duplicate.Recover, unfreezeAt{ip: key})
	e.alarms.raise(Alarm{
		Kind: AlarmDuplicateIP, VNI: v.id, Addr: ip,
		Holder: mac, Count: v.duplicate.Moves, Window: v.duplicate.Window,
	})
}

// releaseIP ends that an address is frozen.
func (e *Engine) releaseIP(v *vni, ip netip.Addr, h *ipEntry) {
	h.moves = nil
	forget(e, e.memory.now.IPs, IPKey{v.id, ip})
	e.alarms.clear(Alarm{Kind: AlarmDuplicateIP, VNI: v.id, Addr: ip})
	e.changes.push(Change{Kind: ChangeNeigh, VNI: v.id, IP: ip})
}

// unfreeze lets a MAC or an address go by command.
func (e *Engine) unfreeze(ev *Unfreeze) {
	if ev.IP.IsValid() {
		e.unfreezeAll([]unfreezeAt{{ip: IPKey{ev.VNI, ev.IP}}})
	} else {
		e.unfreezeAll([]unfreezeAt{{mac: MACKey{ev.VNI, ev.MAC}}})
	}
}

// unfreezeAt names a MAC or an address that is to be let go; one of them is set.
type unfreezeAt struct {
	at    time.Time
	since time.Time // the freeze that is meant, not a later one; zero: any
	mac   MACKey
	ip    IPKey
}

func (t *unfreezeAt) means(m *moves) bool { return t.since.IsZero() || t.since.Equal(m.since) }

// unfreezeAll lets go what is frozen still.
func (e *Engine) unfreezeAll(list []unfreezeAt) {
	for _, t := range list {
		if v := e.vnis[t.mac.VNI]; v != nil {
			if m := v.macs[t.mac.MAC]; m != nil && m.frozen() && t.means(m.moves) {
				e.release(v, t.mac.MAC, m)
				e.reselect(v, t.mac.MAC, m)
				m.moves = nil // that was none
				e.tidy(v, t.mac.MAC, m)
			}
		}
		if v := e.vnis[t.ip.VNI]; v != nil {
			if h := v.ips[t.ip.IP]; h != nil && h.frozen() && t.means(h.moves) {
				e.releaseIP(v, t.ip.IP, h)
				e.reselectIP(v, t.ip.IP, h)
				h.moves = nil
			}
		}
	}
}

// unfreezeTimes are what is to be let go by time, in no order: they are few, and
// mostly let go by command.
type unfreezeTimes struct {
	list  []unfreezeAt
	first time.Time // the earliest of list; zero when there is none
}

func (t *unfreezeTimes) add(now time.Time, after time.Duration, x unfreezeAt) {
	if after <= 0 {
		return
	}
	x.at, x.since = now.Add(after), now
	t.list = append(t.list, x)
	t.note(x.at)
}

func (t *unfreezeTimes) note(at time.Time) {
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
}

func (t *unfreezeTimes) next() time.Time { return t.first }

// due takes out those whose time has come.
func (t *unfreezeTimes) due(now time.Time) []unfreezeAt {
	if t.first.IsZero() || now.Before(t.first) {
		return nil
	}
	var out, rest []unfreezeAt
	t.first = time.Time{}
	for _, x := range t.list {
		if now.Before(x.at) {
			rest = append(rest, x)
			t.note(x.at)
		} else {
			out = append(out, x)
		}
	}
	t.list = rest
	return out
}
