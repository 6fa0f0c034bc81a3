package dataplane

import (
	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/evpn"
)

// take takes over what the engine desires.
func (p *Plane) take(delta *evpn.Delta) {
	p.observer.findForeign(delta)
	for i := range delta.Flood {
		f := &delta.Flood[i]
		if d := p.desired(f.VNI, f.Want); d == nil {
			continue
		} else if f.Want {
			d.flood.Want(f.Via, entries.Flood{})
		} else {
			d.flood.Unwant(f.Via)
		}
	}
	for i := range delta.FDB {
		f := &delta.FDB[i]
		if d := p.desired(f.VNI, f.Want); d == nil {
			continue
		} else if f.Want {
			d.fdb.Want(f.MAC, entries.Remote(f.Via, f.Sticky))
		} else {
			d.fdb.Unwant(f.MAC)
		}
	}
	for i := range delta.Neigh {
		n := &delta.Neigh[i]
		if d := p.desired(n.VNI, n.Want); d == nil {
			continue
		} else if n.Want {
			d.neigh.Want(n.IP, entries.Neigh{MAC: n.MAC, Router: n.Router})
		} else {
			d.neigh.Unwant(n.IP)
		}
	}
	p.snooper.queueProbes(delta.Probe)
	p.writer.began(delta.Since)
}

// desired returns the broadcast domain that is to change, which will be
// written, or nil when there is none and nothing is desired of it.
func (p *Plane) desired(vni evpn.VNI, want bool) *bdState {
	d := p.bds.get(vni)
	if d == nil {
		if !want {
			return nil
		}
		d = p.bds.make(vni)
	}
	p.writer.enqueue(d)
	return d
}
