package evpn

import (
	"net/netip"
	"slices"
)

// ipEntry is all that is known of one IP address in one broadcast domain.
type ipEntry struct {
	macs  []MAC   // that routes pair with it, ascending
	bound binding // the local binding, if any
	owner ipOwner
	moves *moves // nil unless it changed its MAC lately, or is frozen
}

type binding struct {
	set bool
	mac MAC
	nd  ND
}

// ipOwner is the MAC that an IP address belongs to. The zero value is nobody.
type ipOwner struct {
	mac       MAC
	local     bool
	vtep      netip.Addr // remote: that of the route that binds it
	router    bool
	immutable bool
	stale     bool
}

func (o ipOwner) remote() bool { return o.vtep.IsValid() }

func (o ipOwner) nobody() bool { return !o.local && !o.remote() }

func (v *bd) ip(ip netip.Addr) *ipEntry {
	h := v.ips[ip]
	if h == nil {
		h = &ipEntry{}
		v.ips[ip] = h
	}
	return h
}

// pair notes that a route pairs ip with mac.
func (e *Engine) pair(v *bd, ip netip.Addr, mac MAC) {
	h := v.ip(ip)
	if i, found := slices.BinarySearchFunc(h.macs, mac, MAC.Compare); !found {
		h.macs = slices.Insert(h.macs, i, mac)
	}
	e.reselectIP(v, ip, h)
}

// unpair notes that a route that paired ip with mac is gone.
func (e *Engine) unpair(v *bd, ip netip.Addr, mac MAC) {
	h := v.ips[ip]
	if m := v.macs[mac]; m == nil || !m.binds(ip) {
		if i, found := slices.BinarySearchFunc(h.macs, mac, MAC.Compare); found {
			h.macs = slices.Delete(h.macs, i, i+1)
		}
	}
	e.reselectIP(v, ip, h)
}

// localIP takes in the binding of a local host. The binding is advertised while
// its MAC is local.
func (e *Engine) localIP(ev *LocalIP) {
	v := e.bds[ev.VNI]
	if v == nil || !ev.MAC.IsHost() || !IsHostIP(ev.IP) {
		return
	}
	nd := ND{Router: ev.Router && ev.IP.Is6(), Override: ev.Override && ev.IP.Is6(), Immutable: ev.Immutable}
	nd.Present = nd != ND{}
	b := binding{set: true, mac: ev.MAC, nd: nd}
	h := v.ip(ev.IP)
	delete(e.persist.restored.unconfirmed, IPKey{v.vni, ev.IP}) // the event confirms it
	if h.bound == b {
		return
	}
	l := v.mac(ev.MAC).local()
	if (!h.bound.set || h.bound.mac != ev.MAC) && !e.admitIP(v, ev.MAC, l) {
		e.tidy(v, ev.MAC, v.macs[ev.MAC])
		if h.empty() {
			delete(v.ips, ev.IP)
		}
		return
	}
	e.unbind(v, ev.IP, h)
	h.bound = b
	remember(e, e.persist.now.Bindings, IPKey{v.vni, ev.IP}, Bound{MAC: ev.MAC, ND: nd})
	l = v.mac(ev.MAC).local()
	if i, found := slices.BinarySearchFunc(l.bound, ev.IP, netip.Addr.Compare); !found {
		l.bound = slices.Insert(l.bound, i, ev.IP)
	}
	e.adverts.queue.push(macAdverts(v.vni, ev.MAC))
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: ev.MAC})
	e.reselectIP(v, ev.IP, h)
	if mac, x := v.bestBinding(ev.IP, h, nil); x != nil && !x.stale() {
		e.probeConflict(v, ev.IP, h, mac)
	}
}

func (e *Engine) localIPGone(ev *LocalIPGone) {
	v := e.bds[ev.VNI]
	if v == nil {
		return
	}
	if h := v.ips[ev.IP]; h != nil {
		e.unbind(v, ev.IP, h)
		e.reselectIP(v, ev.IP, h)
	}
}

// unbind removes the local binding of ip, from its MAC too.
func (e *Engine) unbind(v *bd, ip netip.Addr, h *ipEntry) {
	if !h.bound.set {
		return
	}
	mac := h.bound.mac
	h.bound = binding{}
	delete(e.persist.restored.unconfirmed, IPKey{v.vni, ip})
	forget(e, e.persist.now.Bindings, IPKey{v.vni, ip})
	m := v.macs[mac]
	if i, found := slices.BinarySearchFunc(m.loc.bound, ip, netip.Addr.Compare); found {
		m.loc.bound = slices.Delete(m.loc.bound, i, i+1)
	}
	e.alarms.clear(Alarm{Kind: AlarmIPLimit, VNI: v.vni, MAC: mac})
	e.adverts.queue.push(macAdverts(v.vni, mac))
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.vni, MAC: mac})
	e.tidy(v, mac, m)
}

// reselectIPsOf selects the owner anew of every address that is paired with m.
func (e *Engine) reselectIPsOf(v *bd, m *macEntry) {
	for i := range m.paths {
		ip := m.paths[i].ip
		if h := v.ips[ip]; h != nil {
			e.reselectIP(v, ip, h)
		}
	}
	if m.loc != nil {
		for _, ip := range m.loc.bound {
			e.reselectIP(v, ip, v.ips[ip])
		}
	}
}

// empty tells whether h can be forgotten: nothing is known of its address.
func (h *ipEntry) empty() bool { return h.owner == (ipOwner{}) && len(h.macs) == 0 && !h.bound.set }

func (h *ipEntry) frozen() bool { return h.moves.isFrozen() }

// localOwner returns the owner of an address by its local binding. ok is false
// when there is none, or when its MAC is not local.
func (v *bd) localOwner(h *ipEntry) (w ipOwner, ok bool) {
	if !h.bound.set || !v.macs[h.bound.mac].place.Local {
		return w, false
	}
	return ipOwner{local: true, mac: h.bound.mac, router: h.bound.nd.Router, immutable: h.bound.nd.Immutable}, true
}

// remoteOwner returns the owner of ip by x, a route that pairs it with mac.
func remoteOwner(ip netip.Addr, mac MAC, x *path) ipOwner {
	nd := x.attrs.ND
	return ipOwner{mac: mac, router: nd.Router && ip.Is6(), immutable: nd.Immutable, vtep: x.attrs.NextHop, stale: x.stale()}
}

// bestBinding returns the route that wins of all that bind ip, and its MAC;
// nil when none can be used. Only routes of MACs that are behind a VTEP take
// part: a route whose MAC is local by now binds nothing until its VTEP
// withdraws it. A non-nil only narrows them down to the routes of that MAC.
func (v *bd) bestBinding(ip netip.Addr, h *ipEntry, only *MAC) (mac MAC, best *path) {
	for _, addr := range h.macs {
		m := v.macs[addr]
		if m == nil || !m.place.Remote() || only != nil && *only != addr {
			continue
		}
		x := m.best(v.vtep, &pathFilter{ip: ip})
		if x == nil || best != nil && ipRules.compare(candidateOf(x).of(addr), candidateOf(best).of(mac)) < 0 {
			continue
		}
		mac, best = addr, x
	}
	return mac, best
}

// candidate returns l, a local binding, as the rules compare it.
func (l ipOwner) candidate(own netip.Addr) candidate {
	return candidate{local: true, immutable: l.immutable, vtep: own, mac: l.mac}
}

// selectOwner returns the MAC that ip belongs to by the rules. A configured
// gateway belongs to none.
func (v *bd) selectOwner(ip netip.Addr, h *ipEntry) ipOwner {
	if slices.Contains(v.gateways, ip) {
		return ipOwner{}
	}
	l, isLocal := v.localOwner(h)
	if mac, x := v.bestBinding(ip, h, nil); x != nil {
		if !isLocal || ipRules.compare(l.candidate(v.vtep), candidateOf(x).of(mac)) < 0 {
			return remoteOwner(ip, mac, x)
		}
	}
	return l
}

// claimedBy returns the owner of ip as mac claims it: by the local binding, else
// by a route. ok is false when mac does not claim it.
func (v *bd) claimedBy(ip netip.Addr, h *ipEntry, mac MAC) (w ipOwner, ok bool) {
	if w, ok := v.localOwner(h); ok && w.mac == mac {
		return w, true
	}
	if _, x := v.bestBinding(ip, h, &mac); x != nil {
		return remoteOwner(ip, mac, x), true
	}
	return ipOwner{}, false
}

// reselectIP selects the owner of ip anew and marks what follows from a change.
func (e *Engine) reselectIP(v *bd, ip netip.Addr, h *ipEntry) {
	next := v.selectOwner(ip, h)
	prev := h.owner
	moving := !prev.nobody() && !next.nobody() && prev.mac != next.mac && !prev.stale && !next.stale
	key := IPKey{v.vni, ip}
	next = e.ipContest.settle(e, key, &h.moves, prev, next, moving, func(mac MAC) (ipOwner, bool) {
		w, ok := v.claimedBy(ip, h, mac)
		if !ok && moving && !h.frozen() && prev.local && next.local {
			// The binding names the local host that spoke last. The other one
			// still claims the address while its MAC is local.
			m := v.macs[mac]
			w, ok = prev, m != nil && m.place.Local
		}
		return w, ok
	})
	h.owner = next
	if h.empty() {
		delete(v.ips, ip)
	}
	if prev == next {
		return
	}
	if h.bound.set {
		e.adverts.queue.push(macAdverts(v.vni, h.bound.mac))
	}
	countIP(v, prev, -1)
	countIP(v, next, 1)
	if prev.remote() || next.remote() {
		e.neigh.push(key)
	}
	e.changes.push(Change{Kind: ChangeNeigh, VNI: v.vni, IP: ip})
}

func countIP(v *bd, w ipOwner, by int) {
	switch {
	case w.local:
		v.localIPs += by
	case w.remote():
		v.remoteIPs += by
	}
}

// ipPolicy is the contestPolicy of IP addresses (RFC 9161 §3.7). The holder of an
// address is a MAC.
type ipPolicy struct{}

func (ipPolicy) config(e *Engine, k IPKey) *DuplicateConfig { return &e.bds[k.VNI].duplicate }

func (ipPolicy) holder(o ipOwner) MAC { return o.mac }

func (ipPolicy) frozen(o ipOwner) ipOwner { return o }

func (ipPolicy) moves(e *Engine, k IPKey) **moves {
	if v := e.bds[k.VNI]; v != nil {
		if h := v.ips[k.IP]; h != nil {
			return &h.moves
		}
	}
	return nil
}

func (ipPolicy) reselect(e *Engine, k IPKey) {
	v := e.bds[k.VNI]
	e.reselectIP(v, k.IP, v.ips[k.IP])
}

func (ipPolicy) alarm(k IPKey, mac MAC) Alarm {
	return Alarm{Kind: AlarmDuplicateIP, VNI: k.VNI, Addr: k.IP, Holder: mac}
}

func (ipPolicy) change(k IPKey) Change { return Change{Kind: ChangeNeigh, VNI: k.VNI, IP: k.IP} }
