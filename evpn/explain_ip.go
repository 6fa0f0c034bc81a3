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
	Holds  []Hold
}

// ExplainIP explains whose an address is. ok is false when the VNI is not
// served. It changes nothing.
func (e *Engine) ExplainIP(vni VNI, ip netip.Addr) (x IPExplanation, ok bool) {
	v := e.bds[vni]
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
	verdicts := v.ipVerdicts(ip, h, explanation{steps: true})
	if b := h.bound; b.set {
		x.Local = &BindingVerdict{Verdict: verdicts.local(), MAC: b.mac, ND: b.nd}
	}
	for _, addr := range h.macs {
		m := v.macs[addr]
		for i := range m.paths {
			if p := &m.paths[i]; p.ip == ip {
				x.Routes = append(x.Routes, v.routeVerdict(p, MACIP, addr, verdicts.path(addr, p)))
			}
		}
	}
	return x, true
}

// ipVerdicts tells what the decision made of all that says which MAC an
// address belongs to.
type ipVerdicts struct {
	explanation
	v       *bd
	ip      netip.Addr
	h       *ipEntry
	best    *path // the route that wins over all others that bind ip; nil: none can be used
	bestMAC MAC   // that of best
	chosen  *path // the route that the owner of ip follows; nil: the owner is local, or nobody
}

func (v *bd) ipVerdicts(ip netip.Addr, h *ipEntry, e explanation) ipVerdicts {
	x := ipVerdicts{explanation: e, v: v, ip: ip, h: h}
	x.bestMAC, x.best = v.bestBinding(ip, h, nil)
	if h.owner.remote() {
		_, x.chosen = v.bestBinding(ip, h, &h.owner.mac)
	}
	return x
}

// local is the verdict on the local binding of ip.
func (x *ipVerdicts) local() Verdict {
	h, v := x.h, x.v
	l, isLocal := v.localOwner(h)
	m := v.macs[h.bound.mac]
	switch {
	case slices.Contains(v.gateways, x.ip):
		return Verdict{Reason: gatewayReason}
	case !isLocal && m.place.Remote():
		return Verdict{Reason: fmt.Sprintf("its MAC %v is behind VTEP %v now", h.bound.mac, m.place.Via.VTEP)}
	case !isLocal:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is on no local port", h.bound.mac)}
	case h.frozen() && (!h.owner.local || h.owner.mac != l.mac):
		return x.frozenWithAnother()
	case h.frozen():
		return Verdict{Chosen: true, Reason: frozenWithThis}
	case h.owner.nobody():
		return Verdict{Reason: "the address " + restoring}
	case x.best == nil:
		return Verdict{Chosen: true, Reason: "a local host has it, and no route for it can be used"}
	}
	a, b := l.candidate(v.vtep), candidateOf(x.best).of(x.bestMAC)
	if h.owner.remote() {
		return x.lost(ipRules, a, b)
	}
	_, r := ipRules.decide(a, b)
	return Verdict{Chosen: true, Reason: "a local host has it: " + r.String(), Steps: stepsIf(x.explanation, ipRules, a, b)}
}

// path is the verdict on p, a route that pairs ip with addr.
func (x *ipVerdicts) path(addr MAC, p *path) Verdict {
	v, h, m := x.v, x.h, x.v.macs[addr]
	if p == x.chosen {
		return x.whyChosen(addr)
	}
	if why := p.unusableMAC(v.vtep); why != "" {
		return Verdict{Reason: why}
	}
	switch {
	case slices.Contains(v.gateways, x.ip):
		return Verdict{Reason: gatewayReason}
	case m.place.Local:
		return Verdict{Reason: fmt.Sprintf("its MAC %v is on this host now, so the route counts no more; its VTEP is to withdraw it", addr)}
	case m.place.Nowhere():
		return Verdict{Reason: fmt.Sprintf("its MAC %v is nowhere, so the address cannot be reached by it", addr)}
	}
	if o := m.bestCopyOf(v.vtep, p); o != p {
		return x.lostCopy(p, o)
	}
	if own := m.best(v.vtep, &pathFilter{ip: x.ip}); own != p {
		return x.lost(macRules, candidateOf(p), candidateOf(own))
	}
	switch a := candidateOf(p).of(addr); {
	case h.frozen():
		return x.frozenWithAnother()
	case p != x.best:
		return x.lost(ipRules, a, candidateOf(x.best).of(x.bestMAC))
	case h.owner.local:
		l, _ := v.localOwner(h)
		return x.lost(ipRules, a, l.candidate(v.vtep))
	case h.owner.remote():
		return Verdict{Reason: aboutToBeFollowed}
	}
	return Verdict{Reason: "the address " + restoring}
}

// whyChosen is the verdict on the chosen route, which pairs ip with addr.
func (x *ipVerdicts) whyChosen(addr MAC) Verdict {
	if x.h.frozen() {
		return Verdict{Chosen: true, Reason: frozenWithThis}
	}
	var second *candidate
	others := &ipEntry{macs: slices.DeleteFunc(slices.Clone(x.h.macs), func(m MAC) bool { return m == addr })}
	if mac, p := x.v.bestBinding(x.ip, others, nil); p != nil {
		c := candidateOf(p).of(mac)
		second = &c
	}
	return x.won(ipRules, candidateOf(x.chosen).of(addr), second)
}

func (x *ipVerdicts) frozenWithAnother() Verdict {
	return Verdict{Reason: fmt.Sprintf("the address is %s with %v until it is let go", frozenIPText, x.h.owner.mac)}
}

const (
	frozenWithThis = "the address is " + frozenIPText + " with this MAC until it is let go"
	gatewayReason  = "the address is a configured gateway, which every VTEP has for its own hosts"
)
