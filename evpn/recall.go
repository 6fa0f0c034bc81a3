package evpn

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// doubts are the bindings of local hosts that an earlier run knew and that
// nobody has vouched for since. Such a binding counts again as soon as its
// MAC is here; the host is asked, and has until a time to say so.
type doubts struct {
	unseen map[MACKey][]netip.Addr // those of MACs that have not been here yet
	open   map[IPKey]struct{}      // they count, and are not confirmed
	until  time.Time
}

// doubtFor is how long a host may take to answer: with thousands of hosts the
// questions alone take that long.
const doubtFor = 30 * time.Second

func (d *doubts) recall(bindings map[IPKey]Bound) {
	d.unseen, d.open = make(map[MACKey][]netip.Addr), make(map[IPKey]struct{})
	for _, k := range slices.SortedFunc(maps.Keys(bindings), IPKey.compare) {
		mac := MACKey{k.VNI, bindings[k].MAC}
		d.unseen[mac] = append(d.unseen[mac], k.IP)
	}
}

// recallHosts binds again the addresses of a MAC that has come here for the
// first time in this run. One that is bound by now is better known.
func (e *Engine) recallHosts(v *vni, mac MAC) {
	d := &e.memory.hosts
	key := MACKey{v.id, mac}
	ips := d.unseen[key]
	if len(ips) == 0 {
		return
	}
	delete(d.unseen, key)
	d.until = e.now.Add(doubtFor)
	for _, ip := range ips {
		if h := v.hosts[ip]; h != nil && h.bound.set {
			continue
		}
		ip := IPKey{v.id, ip}
		nd := e.memory.before.Bindings[ip].ND
		e.localIP(&LocalIP{VNI: v.id, IP: ip.IP, MAC: mac, Router: nd.Router, Override: nd.Override, Immutable: nd.Immutable})
		d.open[ip] = struct{}{}
		e.probe(Probe{VNI: v.id, IP: ip.IP, MAC: mac})
	}
}

// endDoubts takes back what was not confirmed in time.
func (e *Engine) endDoubts() {
	d := &e.memory.hosts
	if len(d.open) == 0 || e.now.Before(d.until) {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.open), IPKey.compare) {
		e.localIPGone(&LocalIPGone{VNI: k.VNI, IP: k.IP})
	}
}
