package evpn

import (
	"fmt"
	"net/netip"
	"slices"
)

// BindingVerdict is what this host knows of an address, and what the decision
// made of it.
type BindingVerdict struct {
	Verdict
	MAC MAC
	ND  ND
}

// IPExplanation is why an address belongs to the MAC it belongs to.
type IPExplanation struct {
	IPKey
	Place NeighStatus // Found says whether it is anybody's
	Found bool
	Local *BindingVerdict // nil: nothing local says whose it is
	// Routes are those that bind it, by MAC, NLRI and peer. Exactly one of them
	// and Local is chosen when the address is somebody's.
	Routes []RouteVerdict
	Want   Neigh
	Holds  []string
}

// ExplainIP explains whose an address is. ok is false when the VNI is not
// served. It changes nothing.
func (e *Engine) ExplainIP(vni VNI, ip netip.Addr) (x IPExplanation, ok bool) {
	v := e.vnis[vni]
	if v == nil {
		return x, false
	}
	x.IPKey = IPKey{vni, ip}
	x.Place, x.Found = e.Neigh(vni, ip)
	x.Want = e.wantNeigh(x.IPKey)
	h := v.ips[ip]
	x.Holds = e.holdsOfIP(v, ip, h)
	if h == nil {
		return x, true
	}
	if b := h.bound; b.set {
		x.Local = &BindingVerdict{Verdict: v.explainBinding(ip, h), MAC: b.mac, ND: b.nd}
	}
	for _, addr := range h.macs {
		m := v.macs[addr]
		for i := range m.paths {
			if p := &m.paths[i]; p.ip == ip {
				x.Routes = append(x.Routes, v.routeVerdict(p, MACIP, addr, v.explainClaim(ip, h, addr, p)))
			}
		}
	}
	return x, true
}

// explainBinding says what became of the local binding of h.
func (v *vni) explainBinding(ip netip.Addr, h *ipEntry) Verdict {
	switch l, isHere := v.localOwner(h); {
	case slices.Contains(v.gateways, ip):
		return Verdict{Reason: gatewayReason}
	case !isHere && v.macs[h.bound.mac].place.where == there:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is behind VTEP %v now", h.bound.mac, v.macs[h.bound.mac].place.dest.VTEP)}
	case !isHere:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is on no local port", h.bound.mac)}
	case h.frozen() && (h.place.where != here || h.place.mac != l.mac):
		return Verdict{Reason: fmt.Sprintf("the address is %s with %v until it is let go (RFC 9161 §3.7)", ruleFrozen, h.place.mac)}
	case h.frozen():
		return Verdict{Chosen: true, Reason: "the address is " + ruleFrozen + " with this MAC until it is let go (RFC 9161 §3.7)"}
	case h.place.where == here:
		return Verdict{Chosen: true, Reason: ruleHere}
	}
	return Verdict{Reason: "a route says that its binding cannot be changed (RFC 9047 §2)"}
}

const gatewayReason = "the address is a configured gateway, which every VTEP has for its own hosts (vnis.settings[].gateways)"

// explainClaim says what became of p, a route that pairs ip with addr.
func (v *vni) explainClaim(ip netip.Addr, h *ipEntry, addr MAC, p *path) Verdict {
	m := v.macs[addr]
	if why := p.unusableMAC(v.vtep); why != "" {
		return Verdict{Reason: "it cannot be used: " + why}
	}
	switch {
	case slices.Contains(v.gateways, ip):
		return Verdict{Reason: gatewayReason}
	case m.place.where == here:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is on this host now, so the route counts no more; its VTEP is to withdraw it", addr)}
	case m.place.where == nowhere:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is nowhere: evpnctl explain mac says why", addr)}
	}
	own := m.best(v.vtep, ip)
	if i, _ := m.find(&path{rd: p.rd, ip: p.ip, peer: &peer{}, rest: p.rest}); p != own {
		if o, _ := m.bestCopy(v.vtep, i); o != p {
			return beaten(p, o, copyTraits, compareCopies)
		}
		return beaten(p, own, routeTraits, compareRoutes)
	}
	if h.frozen() {
		if h.place.where == there && h.place.mac == addr {
			return Verdict{Chosen: true, Reason: "the address is " + ruleFrozen + " with this MAC until it is let go (RFC 9161 §3.7)"}
		}
		return Verdict{Reason: fmt.Sprintf("the address is %s with %v until it is let go (RFC 9161 §3.7)", ruleFrozen, h.place.mac)}
	}
	mac, best := v.bestBinding(ip, h, nil)
	if p != best {
		x := beaten(p, best, bindingTraits, compareBindings)
		if c, _ := compareBindings(p, best); c == 0 {
			x.Reason = fmt.Sprintf("it is as good as the route for MAC %v, and the lower MAC counts", mac)
		}
		return x
	}
	switch h.place.where {
	case here:
		return Verdict{Reason: ruleHere + ", with MAC " + h.place.mac.String()}
	case nowhere:
		return Verdict{Reason: "the address was frozen as a duplicate before evpnd started, and is judged when all peers have sent their routes"}
	}
	return winner(p, v.rivalBinding(ip, h, mac), bindingTraits, compareBindings)
}

// rivalBinding returns the best route that binds ip to another MAC, nil when
// there is none.
func (v *vni) rivalBinding(ip netip.Addr, h *ipEntry, mac MAC) *path {
	others := &ipEntry{macs: slices.DeleteFunc(slices.Clone(h.macs), func(m MAC) bool { return m == mac })}
	_, x := v.bestBinding(ip, others, nil)
	return x
}

// holdsOfIP says what keeps an address from following the routes.
func (e *Engine) holdsOfIP(v *vni, ip netip.Addr, h *ipEntry) (out []string) {
	if !bindable(ip) {
		out = append(out, ip.String()+" can be no host's address for the others: it is unspecified, of a group, a loopback or an IPv4 link-local one")
	}
	if slices.Contains(v.gateways, ip) {
		out = append(out, gatewayReason)
	}
	if h != nil && h.frozen() {
		out = append(out, fmt.Sprintf("frozen with %v as a duplicate since %s, %s: find the second host, then evpnctl mac unfreeze --vni %v %v (RFC 9161 §3.7)",
			h.place.mac, timeText(h.moves.since), recovery(h.moves.since, v.duplicate.Recover), v.id, ip))
	}
	if was, ok := e.memory.before.IPs[IPKey{v.id, ip}]; ok {
		out = append(out, fmt.Sprintf("it was frozen with %v as a duplicate before evpnd was started again, and is to be frozen with it again", was.MAC))
	}
	if _, ok := e.memory.restored.unconfirmed[IPKey{v.id, ip}]; ok {
		out = append(out, fmt.Sprintf("an earlier run knew it here, and the host has until %s to answer for it", timeText(e.memory.restored.until)))
	}
	if h != nil {
		for _, addr := range h.macs {
			out = append(out, e.holdsOfPaths(v.macs[addr].paths)...)
		}
	}
	slices.Sort(out)
	return append(slices.Compact(out), e.holdsOfPeers()...)
}
