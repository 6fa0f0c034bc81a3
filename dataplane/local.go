package dataplane

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// notices takes over what the kernel told.
func (p *Plane) notices(batch []Notice) {
	for i := range batch {
		n := &batch[i]
		switch n.Kind {
		case NoticeEntry, NoticeEntryGone:
			p.entry(&n.Entry, n.Kind == NoticeEntryGone)
		case NoticeLinkGone:
			// The index may come back on another device before the devices
			// are read: what was known of it must not pass to that one.
			p.gone[n.Ifindex] = true
			p.syncSoon(linkPause)
		case NoticeLink:
			p.syncSoon(linkPause)
		case NoticeLost:
			p.stats.Resyncs++
			p.reread = true
			// A read of all that loses notices itself must not be all we do.
			p.syncSoon(max(lostPause, p.rest(p.lastSync)))
		}
	}
}

// entry takes over one entry that is new, changed or gone.
func (p *Plane) entry(e *Entry, gone bool) {
	for _, d := range p.index.Of(e) {
		switch table := d.at.Table(e); {
		case table == topology.NeighborTable:
			p.neighbor(d, e, gone)
		case table == topology.DeviceTable:
			p.deviceEntry(d, e, gone)
		case p.topo.IsVXLAN(e.Ifindex):
			p.remoteEntry(d, e, gone)
		default:
			p.portEntry(d, e, gone)
		}
		if d.busy() {
			p.enqueue(d)
		}
	}
}

// portEntry takes over a bridge entry behind a port that is no VXLAN device.
func (p *Plane) portEntry(d *domain, e *Entry, gone bool) {
	switch {
	case !e.MAC.IsHost():
		return
	case e.VLAN != 0:
		// Bridges with VLAN filtering are not served, but a VLAN's entries
		// may be left in one that has it switched off.
		if gone {
			delete(d.vlans, e.MAC)
		} else if e.State&Permanent == 0 {
			d.vlans[e.MAC] = struct{}{}
		}
		return
	case gone:
		p.clearMAC(d, e.MAC)
		p.release(d, e.MAC, entries.OwnAddress|entries.StaticPort)
		// It may have taken our entry from the VXLAN port and be gone before
		// we looked.
		p.missing(d, e.MAC)
		return
	case e.State&Permanent != 0 || e.Ifindex == e.Bridge:
		// A port's own address is no host, and no peer may take it.
		p.clearMAC(d, e.MAC)
		d.fdb.Occupy(e.MAC, entries.OwnAddress)
		return
	case e.Flags&(ExtLearned|Locked) != 0:
		// Another control plane's entry, or a host that is not let in yet
		// (MAC authentication bypass): neither is for us to announce. One of
		// ours it must not take.
		if _, known := d.fdb.Get(e.MAC); known {
			p.changed(d, e.MAC)
		}
		return
	}
	ours, known := d.fdb.Get(e.MAC)
	if known && !p.stillAt(d, e) {
		return
	}
	if e.State&NoARP != 0 {
		d.fdb.Occupy(e.MAC, entries.StaticPort)
	} else {
		p.release(d, e.MAC, entries.OwnAddress|entries.StaticPort)
	}
	d.local.SetMAC(e.MAC, e.Ifindex, e.State&NoARP != 0)
	d.fdb.Recheck(e.MAC)
	if ours.Desired {
		// The host spoke here: the bridge moved its entry to the port. The
		// engine answers with another wish; if it does not, the wish that
		// stands is written again after a pause, which begins when the
		// engine has been told.
		d.fdb.Hold(e.MAC, errTaken, time.Now())
		if !d.local.MACPending(e.MAC) && !p.onItsWay(d, e.MAC) {
			p.resume(d, e.MAC)
		}
	}
}

// stillAt asks the kernel whether an entry is where a notice had it. The
// notice may have been on its way while we wrote the same MAC as remote.
func (p *Plane) stillAt(d *domain, e *Entry) bool {
	now, err := p.k.Lookup(d.at.BridgeKey(e.MAC))
	if err != nil {
		return !errors.Is(err, syscall.ENOENT)
	}
	return now.Ifindex == e.Ifindex
}

// remoteEntry takes over a bridge entry behind a VXLAN device.
func (p *Plane) remoteEntry(d *domain, e *Entry, gone bool) {
	if e.VLAN != 0 {
		return // the bridge makes one for the port's VLAN beside each of ours
	}
	if e.State&Permanent != 0 {
		if gone {
			p.release(d, e.MAC, entries.OwnAddress)
		} else if e.MAC.IsHost() {
			d.fdb.Occupy(e.MAC, entries.OwnAddress)
		}
		return
	}
	// It was behind the VXLAN device, if only until now: no host is local.
	// The notice of the addition, which said so before, is filtered out when
	// it was ours.
	p.clearMAC(d, e.MAC)
	switch {
	case !d.at.Behind(e):
	case gone:
		p.missing(d, e.MAC)
	default:
		p.changed(d, e.MAC)
	}
}

// deviceEntry takes over an entry of a VXLAN device's own table.
func (p *Plane) deviceEntry(d *domain, e *Entry, gone bool) {
	if e.MAC.IsZero() {
		dest := d.at.Via(e)
		switch {
		case gone:
			if x, _ := d.flood.Get(dest); x.Installed() {
				p.repair()
			}
			// It may be our own removal, told late, of a destination that was
			// added again since; the kernel cannot be asked (check.go). To add
			// or to remove it once too often does nothing.
			d.flood.Recheck(dest)
		case !gone:
			p.foundFlood(d, e)
		}
		return
	}
	if gone {
		if d.fdb.Foreign(e.MAC)&entries.ForeignDevice != 0 {
			p.release(d, e.MAC, entries.ForeignDevice)
			return
		}
		p.missing(d, e.MAC)
		return
	}
	// Our own additions are filtered out, so this one is somebody else's, or
	// one of ours that somebody changed.
	switch x, _ := d.fdb.Get(e.MAC); {
	case !e.MAC.IsHost():
	case x.Present, e.Flags&ExtLearned != 0:
		p.changed(d, e.MAC)
	default:
		p.foreign(d, e.MAC)
	}
}

// foreign records that somebody made an entry without our mark in the
// VXLAN device's table.
func (p *Plane) foreign(d *domain, mac evpn.MAC) {
	d.fdb.Occupy(mac, entries.ForeignDevice)
	d.fdb.Gone(mac)
}

// missing follows the deletion of an entry that may be ours. Our own
// deletions are told as well, possibly after we wrote the MAC again.
func (p *Plane) missing(d *domain, mac evpn.MAC) {
	if x, _ := d.fdb.Get(mac); !x.Installed() {
		d.fdb.Recheck(mac)
		return
	}
	_, err := p.k.Lookup(d.at.DeviceKey(mac))
	if err == nil {
		_, err = p.k.Lookup(d.at.BridgeKey(mac))
	}
	if err == nil {
		return
	}
	p.repair()
	d.fdb.Gone(mac)
}

// repair counts an entry of ours that somebody removed.
func (p *Plane) repair() { p.stats.Repaired++ }

// release records that some hold mac no more. When nobody does, the wish
// that failed for it is tried at once.
func (p *Plane) release(d *domain, mac evpn.MAC, by entries.Foreign) {
	d.fdb.Release(mac, by)
}

func (p *Plane) clearMAC(d *domain, mac evpn.MAC) {
	if d.local.ClearMAC(mac) {
		p.resume(d, mac)
	}
}

// resume begins the pause of a wish whose MAC a local host took, because the
// engine knows, or will not be told.
func (p *Plane) resume(d *domain, mac evpn.MAC) {
	if d.fdb.Resume(mac, time.Now()) {
		p.retrySoon()
	}
}

// received follows the handing over of events.
func (p *Plane) received() {
	for _, ev := range p.pending {
		if ev, ok := ev.(*evpn.LocalMAC); ok {
			if d := p.domains[ev.VNI]; d != nil {
				p.resume(d, ev.MAC)
			}
		}
	}
	p.pending = nil
}

// onItsWay tells whether the engine is about to be told that mac is local.
func (p *Plane) onItsWay(d *domain, mac evpn.MAC) bool {
	return slices.ContainsFunc(p.pending, func(ev evpn.Event) bool {
		x, ok := ev.(*evpn.LocalMAC)
		return ok && x.VNI == d.vni && x.MAC == mac
	})
}

// neighbor takes over a neighbor entry of a bridge.
func (p *Plane) neighbor(d *domain, e *Entry, gone bool) {
	if !hosts.ValidIP(e.IP) || p.topo.Has(e.IP) {
		return
	}
	const (
		static = Permanent | NoARP
		valid  = Reachable | Stale | Delay | Probe | static
	)
	ours, _ := d.neigh.Get(e.IP)
	switch {
	case !gone && e.Flags&ExtLearned != 0:
		d.local.ClearNeighbor(e.IP)
		p.neighborChanged(d, e)
		return
	case gone || e.State&valid == 0 || !e.MAC.IsHost():
		d.local.ClearNeighbor(e.IP)
		d.neigh.Release(e.IP, entries.StaticNeighbor)
		// The kernel takes the mark off an entry before it deletes it.
		switch {
		case !ours.Installed():
			d.neigh.Recheck(e.IP)
		case !p.neighborThere(d, e.IP, ours.Value):
			p.repair()
			d.neigh.Gone(e.IP)
		}
		return
	}
	if ours.Present {
		p.neighborChanged(d, e)
		return
	}
	if e.State&static != 0 {
		d.neigh.Occupy(e.IP, entries.StaticNeighbor)
	} else {
		d.neigh.Release(e.IP, entries.StaticNeighbor)
	}
	d.local.SetNeighbor(e.IP, hosts.Binding{MAC: e.MAC, Router: e.Flags&Router != 0, Immutable: e.State&Permanent != 0})
}

// neighborThere asks the kernel whether a neighbor entry is as we wrote it.
func (p *Plane) neighborThere(d *domain, ip netip.Addr, want entries.Neigh) bool {
	e, err := p.k.Lookup(d.at.NeighborKey(ip))
	return err == nil && e.Flags&ExtLearned != 0 && neighOf(&e) == want
}
