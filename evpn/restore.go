package evpn

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// restored is the bindings of local hosts that an earlier run knew and that
// this run has not seen yet. Such a binding counts as soon as its MAC is
// local. The host is then asked for it, and the binding goes when no answer
// comes in time.
type restored struct {
	unseen      map[MACKey][]netip.Addr // of MACs that have not been local in this run
	unconfirmed map[IPKey]struct{}      // bindings that count, and whose host has not answered
	until       time.Time               // when those in unconfirmed go
}

// restoreTimeout is how long a host has to answer. With thousands of hosts the
// questions alone take that long.
const restoreTimeout = 30 * time.Second

func (r *restored) load(bindings map[IPKey]Bound) {
	r.unseen, r.unconfirmed = make(map[MACKey][]netip.Addr), make(map[IPKey]struct{})
	for _, k := range slices.SortedFunc(maps.Keys(bindings), IPKey.compare) {
		mac := MACKey{k.VNI, bindings[k].MAC}
		r.unseen[mac] = append(r.unseen[mac], k.IP)
	}
}

// restoreBindings binds the addresses again that a MAC had in the earlier run,
// when it is local for the first time in this one. An address that is bound
// already keeps its newer binding.
func (e *Engine) restoreBindings(v *bd, mac MAC) {
	r := &e.persist.restored
	key := MACKey{v.vni, mac}
	ips := r.unseen[key]
	if len(ips) == 0 {
		return
	}
	delete(r.unseen, key)
	r.until = e.now.Add(restoreTimeout)
	for _, ip := range ips {
		if h := v.ips[ip]; h != nil && h.bound.set {
			continue
		}
		ip := IPKey{v.vni, ip}
		nd := e.persist.before.Bindings[ip].ND
		e.localIP(&LocalIP{VNI: v.vni, IP: ip.IP, MAC: mac, Router: nd.Router, Override: nd.Override, Immutable: nd.Immutable})
		r.unconfirmed[ip] = struct{}{}
		e.probe(Probe{VNI: v.vni, IP: ip.IP, MAC: mac})
	}
}

// expireRestored removes the bindings whose hosts have not answered in time.
func (e *Engine) expireRestored() {
	r := &e.persist.restored
	if len(r.unconfirmed) == 0 || e.now.Before(r.until) {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(r.unconfirmed), IPKey.compare) {
		e.localIPGone(&LocalIPGone{VNI: k.VNI, IP: k.IP})
	}
}
