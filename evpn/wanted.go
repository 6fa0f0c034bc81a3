package evpn

import "time"

// takeDelta returns what is desired of about max objects that may have changed since it
// was last asked, and forgets that they did. When there is more than fits,
// it comes in the order in which it has to be done: destinations join the
// flood lists before MACs point to them, and leave after the last MAC went.
func (e *Engine) takeDelta(max int) Delta {
	var d Delta
	var last []Flood
	d.Since = e.since
	for _, k := range e.flood.take(e.flood.len()) {
		if f := e.wantFlood(k); f.Want {
			d.Flood = append(d.Flood, f)
		} else {
			last = append(last, f)
		}
	}
	for _, k := range e.fdb.take(max - len(d.Flood)) {
		d.FDB = append(d.FDB, e.wantFDB(k))
	}
	if e.fdb.len() == 0 {
		for _, k := range e.neigh.take(max - len(d.Flood) - len(d.FDB)) {
			d.Neigh = append(d.Neigh, e.wantNeigh(k))
		}
	}
	d.Probe, e.probes = e.probes, nil
	if e.fdb.len()+e.neigh.len() == 0 {
		d.Flood = append(d.Flood, last...)
	} else {
		for _, f := range last {
			e.flood.push(floodKey{f.VNI, f.Via})
		}
	}
	if e.wanting() == 0 {
		e.since = time.Time{}
	}
	return d
}

// Wanted returns all that is wanted of the kernel in a VNI, in no order, and
// forgets nothing.
func (e *Engine) Wanted(vni VNI) (d Delta) {
	v := e.bds[vni]
	if v == nil {
		return d
	}
	for dest := range v.flood {
		d.Flood = append(d.Flood, e.wantFlood(floodKey{vni, dest}))
	}
	d.FDB = make([]FDB, 0, v.remoteMACs)
	for addr, m := range v.macs {
		if m.place.Remote() {
			d.FDB = append(d.FDB, e.wantFDB(MACKey{vni, addr}))
		}
	}
	d.Neigh = make([]Neigh, 0, v.remoteIPs)
	for ip, h := range v.ips {
		if h.owner.remote() {
			d.Neigh = append(d.Neigh, e.wantNeigh(IPKey{vni, ip}))
		}
	}
	return d
}

// reassert has objects handed out again, whether they changed or not.
func (e *Engine) reassert(ev *Reassert) {
	for _, d := range ev.Dests {
		e.flood.push(floodKey{ev.VNI, d})
	}
	for _, m := range ev.MACs {
		e.fdb.push(MACKey{ev.VNI, m})
	}
	for _, ip := range ev.IPs {
		e.neigh.push(IPKey{ev.VNI, ip})
	}
}

func (e *Engine) wantFlood(k floodKey) Flood {
	f := Flood{VNI: k.vni, Via: k.via}
	if v := e.bds[k.vni]; v != nil {
		f.Want = v.flood[k.via] > 0
	}
	return f
}

func (e *Engine) wantFDB(k MACKey) FDB {
	f := FDB{VNI: k.VNI, MAC: k.MAC}
	v := e.bds[k.VNI]
	if v == nil {
		return f
	}
	if m := v.macs[k.MAC]; m != nil && m.place.Remote() {
		f.Via, f.Sticky, f.Want = m.place.Via, m.place.sticky, true
	}
	return f
}

func (e *Engine) wantNeigh(k IPKey) Neigh {
	n := Neigh{VNI: k.VNI, IP: k.IP}
	v := e.bds[k.VNI]
	if v == nil {
		return n
	}
	if h := v.ips[k.IP]; h != nil && h.owner.remote() {
		n.MAC, n.Router, n.Want = h.owner.mac, h.owner.router, true
	}
	return n
}
