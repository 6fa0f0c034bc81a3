package evpn

import (
	"net/netip"
	"slices"
)

// host is all that is known of one IP address in one VNI.
type host struct {
	macs  []MAC   // those that a route pairs with it, ascending
	bound binding // what the local side pairs with it
	place whose
	moves *moves // nil unless it changed its MAC lately, or is frozen
}

type binding struct {
	set bool
	mac MAC
	nd  ND
}

// whose tells to whom an address belongs.
type whose struct {
	where     where
	mac       MAC
	router    bool
	immutable bool
	stale     bool
	vtep      netip.Addr // there
}

// bindable tells whether ip can be the address of a host that others should
// resolve: not unspecified, no group, no loopback, and no IPv4 link-local
// address, which means something on its own link only.
func bindable(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() &&
		!(ip.Is4() && ip.IsLinkLocalUnicast()) && ip != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (v *vni) host(ip netip.Addr) *host {
	h := v.hosts[ip]
	if h == nil {
		h = &host{}
		v.hosts[ip] = h
	}
	return h
}

// claim notes that a route pairs ip with mac.
func (e *Engine) claim(v *vni, ip netip.Addr, mac MAC) {
	h := v.host(ip)
	if i, found := slices.BinarySearchFunc(h.macs, mac, MAC.Compare); !found {
		h.macs = slices.Insert(h.macs, i, mac)
	}
	e.chooseHost(v, ip, h)
}

// unclaim notes that one route less pairs ip with mac.
func (e *Engine) unclaim(v *vni, ip netip.Addr, mac MAC) {
	h := v.hosts[ip]
	if m := v.macs[mac]; m == nil || !m.binds(ip) {
		if i, found := slices.BinarySearchFunc(h.macs, mac, MAC.Compare); found {
			h.macs = slices.Delete(h.macs, i, i+1)
		}
	}
	e.chooseHost(v, ip, h)
}

// localIP takes a binding that the local side saw. It is announced while its
// MAC is here.
func (e *Engine) localIP(ev *LocalIP) {
	v := e.vnis[ev.VNI]
	if v == nil || !ev.MAC.IsHost() || !bindable(ev.IP) {
		return
	}
	nd := ND{Router: ev.Router && ev.IP.Is6(), Override: ev.Override && ev.IP.Is6(), Immutable: ev.Immutable}
	nd.Present = nd != ND{}
	b := binding{set: true, mac: ev.MAC, nd: nd}
	h := v.host(ev.IP)
	delete(e.memory.hosts.open, IPKey{v.id, ev.IP}) // whoever says so vouches for it
	if h.bound == b {
		return
	}
	l := v.mac(ev.MAC).local()
	if (!h.bound.set || h.bound.mac != ev.MAC) && !e.admitIP(v, ev.MAC, l) {
		e.tidy(v, ev.MAC, v.macs[ev.MAC])
		if h.empty() {
			delete(v.hosts, ev.IP)
		}
		return
	}
	e.unbind(v, ev.IP, h)
	h.bound = b
	remember(e, e.memory.now.Bindings, IPKey{v.id, ev.IP}, Bound{MAC: ev.MAC, ND: nd})
	l = v.mac(ev.MAC).local()
	if i, found := slices.BinarySearchFunc(l.bound, ev.IP, netip.Addr.Compare); !found {
		l.bound = slices.Insert(l.bound, i, ev.IP)
	}
	e.adverts.queue.push(MACKey{v.id, ev.MAC})
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.id, MAC: ev.MAC})
	e.chooseHost(v, ev.IP, h)
	if mac, x := v.bestBinding(ev.IP, h, nil); x != nil && !x.stale() {
		e.doubt(v, ev.IP, h, mac)
	}
}

func (e *Engine) localIPGone(ev *LocalIPGone) {
	v := e.vnis[ev.VNI]
	if v == nil {
		return
	}
	if h := v.hosts[ev.IP]; h != nil {
		e.unbind(v, ev.IP, h)
		e.chooseHost(v, ev.IP, h)
	}
}

// unbind takes the local binding of ip back, from its MAC too.
func (e *Engine) unbind(v *vni, ip netip.Addr, h *host) {
	if !h.bound.set {
		return
	}
	mac := h.bound.mac
	h.bound = binding{}
	delete(e.memory.hosts.open, IPKey{v.id, ip})
	forget(e, e.memory.now.Bindings, IPKey{v.id, ip})
	m := v.macs[mac]
	if i, found := slices.BinarySearchFunc(m.loc.bound, ip, netip.Addr.Compare); found {
		m.loc.bound = slices.Delete(m.loc.bound, i, i+1)
	}
	e.alarms.clear(Alarm{Kind: AlarmIPLimit, VNI: v.id, MAC: mac})
	e.adverts.queue.push(MACKey{v.id, mac})
	e.changes.push(Change{Kind: ChangeMAC, VNI: v.id, MAC: mac})
	e.tidy(v, mac, m)
}

// chooseHostsOf chooses again for every address that is paired with m.
func (e *Engine) chooseHostsOf(v *vni, m *mac) {
	for i := range m.paths {
		ip := m.paths[i].ip
		if h := v.hosts[ip]; h != nil {
			e.chooseHost(v, ip, h)
		}
	}
	if m.loc != nil {
		for _, ip := range m.loc.bound {
			e.chooseHost(v, ip, v.hosts[ip])
		}
	}
}

// empty tells whether nothing is known of h.
func (h *host) empty() bool { return h.place == (whose{}) && len(h.macs) == 0 && !h.bound.set }

func (h *host) frozen() bool { return h.moves != nil && h.moves.frozen }

// here returns h as its local binding has it, if that counts: its MAC has to
// be here.
func (v *vni) here(h *host) (w whose, ok bool) {
	if !h.bound.set || v.macs[h.bound.mac].place.where != here {
		return w, false
	}
	return whose{where: here, mac: h.bound.mac, router: h.bound.nd.Router, immutable: h.bound.nd.Immutable}, true
}

// there returns h as the best of the routes has it that bind it. With only
// none but those of that MAC count.
func (v *vni) there(ip netip.Addr, h *host, only *MAC) (w whose, ok bool) {
	mac, x := v.bestBinding(ip, h, only)
	if x == nil {
		return w, false
	}
	nd := x.attrs.ND
	return whose{where: there, mac: mac, router: nd.Router && ip.Is6(), immutable: nd.Immutable, vtep: x.attrs.NextHop, stale: x.stale()}, true
}

// bestBinding returns the best route that binds ip, and its MAC: those of MACs
// that are elsewhere compete like routes of one MAC would, but one that cannot
// be changed beats one that can. A route whose MAC has come here binds
// nothing, until its VTEP withdraws it.
func (v *vni) bestBinding(ip netip.Addr, h *host, only *MAC) (mac MAC, best *path) {
	for _, addr := range h.macs {
		m := v.macs[addr]
		if m == nil || m.place.where != there || only != nil && *only != addr {
			continue
		}
		x := m.best(v.vtep, ip)
		if x == nil {
			continue
		}
		if best != nil {
			if c, _ := compareBindings(x, best); c <= 0 {
				continue // on a tie the lower MAC stays
			}
		}
		mac, best = addr, x
	}
	return mac, best
}

// compareBindings tells by which sign and rule a wins over b, the routes of two
// MACs that bind one address.
func compareBindings(a, b *path) (int, string) {
	if i := bit(a.attrs.ND.Immutable) - bit(b.attrs.ND.Immutable); i != 0 {
		return i, ruleImmutable
	}
	return compareRoutes(a, b)
}

// The rules for the addresses of hosts.
const (
	ruleImmutable = "a binding that cannot be changed (RFC 9047 §2, I)"
	ruleHere      = "a host here has it, and the kernel knows it by itself"
)

// keeps tells whether the local binding l stands against the remote one r, and
// by which rule.
func (l whose) keeps(r whose) (bool, string) {
	if r.immutable && !l.immutable && !r.stale {
		return false, ruleImmutable
	}
	return true, ruleHere
}

// whoseIs works out whose ip is by all that is known. A local host that is
// here comes first, for the kernel knows it by itself, unless others say that
// their binding cannot be changed. A configured gateway is nobody's.
func (v *vni) whoseIs(ip netip.Addr, h *host) whose {
	if slices.Contains(v.gateways, ip) {
		return whose{}
	}
	l, isHere := v.here(h)
	r, isThere := v.there(ip, h, nil)
	if isHere && isThere {
		isHere, _ = l.keeps(r)
	}
	if isHere {
		return l
	}
	return r
}

// holdHost is hold for an address: it stays with the MAC that it was frozen
// with, while that still claims it.
func (e *Engine) holdHost(v *vni, ip netip.Addr, h *host, next whose) whose {
	if w, ok := v.claimed(ip, h, h.place.mac); ok {
		return w
	}
	e.releaseHost(v, ip, h)
	return next
}

// claimed returns h as it is with mac, if that claims the address: here before
// there.
func (v *vni) claimed(ip netip.Addr, h *host, mac MAC) (w whose, ok bool) {
	if w, ok := v.here(h); ok && w.mac == mac {
		return w, true
	}
	return v.there(ip, h, &mac)
}

// chooseHost works out whose ip is and marks what follows from a change.
func (e *Engine) chooseHost(v *vni, ip netip.Addr, h *host) {
	next := v.whoseIs(ip, h)
	prev := h.place
	was, remembered := e.memory.before.IPs[IPKey{v.id, ip}]
	switch {
	case remembered:
		next = e.refreezeHost(v, ip, h, next, was)
	case h.frozen():
		next = e.holdHost(v, ip, h, next)
	case prev.where != nowhere && next.where != nowhere && prev.mac != next.mac && !prev.stale && !next.stale:
		next = e.countFlip(v, ip, h, next)
	}
	h.place = next
	if h.empty() {
		delete(v.hosts, ip)
	}
	if prev == next {
		return
	}
	if h.bound.set {
		e.adverts.queue.push(MACKey{v.id, h.bound.mac})
	}
	countHost(v, prev, -1)
	countHost(v, next, 1)
	key := IPKey{v.id, ip}
	if prev.where == there || next.where == there {
		e.neigh.push(key)
	}
	e.changes.push(Change{Kind: ChangeNeigh, VNI: v.id, IP: ip})
}

func countHost(v *vni, w whose, by int) {
	switch w.where {
	case here:
		v.localIPs += by
	case there:
		v.remoteIPs += by
	}
}
