package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

const (
	// linkPause gathers the notices of one change of devices, which come in
	// bursts; a read of all devices follows.
	linkPause = 10 * time.Millisecond
	// lostPause lets a storm of notices pass before all is read again.
	lostPause = 100 * time.Millisecond
)

// observer follows what the kernel says of its tables: what is local, what is
// foreign, and what others did to our entries.
type observer struct {
	*env
	writer *writer
	syncer *syncer
	outbox *outbox
}

// notices takes over what the kernel told.
func (o *observer) notices(batch []Notice) {
	for i := range batch {
		n := &batch[i]
		switch n.Kind {
		case NoticeEntry, NoticeEntryGone:
			o.entry(&n.Entry, n.Kind == NoticeEntryGone)
		case NoticeLinkGone:
			// The index may come back on another device before the devices
			// are read: what was known of it must not pass to that one.
			o.bds.gone[n.Ifindex] = true
			o.syncer.soon(linkPause)
		case NoticeLink:
			o.syncer.soon(linkPause)
		case NoticeLost:
			o.counters.Resyncs++
			o.syncer.lost = true
			// A read of all that loses notices itself must not be all we do.
			o.syncer.soon(max(lostPause, o.syncer.rest(o.syncer.took)))
		}
	}
}

// entry takes over one entry that is new, changed or gone.
func (o *observer) entry(e *kernel.Entry, gone bool) {
	for _, d := range o.bds.index.Of(e) {
		switch table := d.at.Table(e); {
		case table == topology.NeighborTable:
			o.neighbor(d, e, gone)
		case table == topology.DeviceTable:
			o.deviceEntry(d, e, gone)
		case o.bds.topo.IsVXLAN(e.Ifindex):
			o.remoteEntry(d, e, gone)
		default:
			o.portEntry(d, e, gone)
		}
		if d.busy() {
			o.writer.enqueue(d)
		}
	}
}

// portEntry takes over a bridge entry behind a port that is no VXLAN device.
func (o *observer) portEntry(d *bdState, e *kernel.Entry, gone bool) {
	switch {
	case !e.MAC.IsHost():
		return
	case e.VLAN != 0:
		// Bridges with VLAN filtering are not served, but a VLAN's entries
		// may be left in one that has it switched off.
		if gone {
			delete(d.vlans, e.MAC)
		} else if e.State&kernel.Permanent == 0 {
			d.vlans[e.MAC] = struct{}{}
		}
		return
	case gone:
		o.clearMAC(d, e.MAC)
		o.release(d, e.MAC, entries.OwnAddress|entries.StaticPort)
		// It may have taken our entry from the VXLAN port and be gone before
		// we looked.
		o.missing(d, e.MAC)
		return
	case e.State&kernel.Permanent != 0 || e.Ifindex == e.Bridge:
		// A port's own address is no host, and no peer may take it.
		o.clearMAC(d, e.MAC)
		d.fdb.Occupy(e.MAC, entries.OwnAddress)
		return
	case e.Flags&(kernel.ExtLearned|kernel.Locked) != 0:
		// Another control plane's entry, or a host that is not let in yet
		// (MAC authentication bypass): neither is for us to announce. One of
		// ours it must not take.
		if _, known := d.fdb.Get(e.MAC); known {
			o.changed(d, e.MAC)
		}
		return
	}
	ours, known := d.fdb.Get(e.MAC)
	if known && !o.stillAt(d, e) {
		return
	}
	if e.State&kernel.NoARP != 0 {
		d.fdb.Occupy(e.MAC, entries.StaticPort)
	} else {
		o.release(d, e.MAC, entries.OwnAddress|entries.StaticPort)
	}
	d.local.SetMAC(e.MAC, e.Ifindex, e.State&kernel.NoARP != 0)
	d.fdb.Recheck(e.MAC)
	if ours.Desired {
		// The host spoke here: the bridge moved its entry to the port. The
		// engine answers with another Delta; if it does not, the entry is
		// written again after a pause, which begins when the engine knows.
		d.fdb.Hold(e.MAC, errTaken, time.Now())
		if !d.local.MACPending(e.MAC) && !o.outbox.holds(d, e.MAC) {
			o.writer.resume(d, e.MAC)
		}
	}
}

// stillAt asks the kernel whether an entry is where a notice had it. The
// notice may have been on its way while we wrote the same MAC as remote.
func (o *observer) stillAt(d *bdState, e *kernel.Entry) bool {
	now, err := o.k.Lookup(d.at.BridgeKey(e.MAC))
	if err != nil {
		return !errors.Is(err, syscall.ENOENT)
	}
	return now.Ifindex == e.Ifindex
}

// remoteEntry takes over a bridge entry behind a VXLAN device.
func (o *observer) remoteEntry(d *bdState, e *kernel.Entry, gone bool) {
	if e.VLAN != 0 {
		return // the bridge makes one for the port's VLAN beside each of ours
	}
	if e.State&kernel.Permanent != 0 {
		if gone {
			o.release(d, e.MAC, entries.OwnAddress)
		} else if e.MAC.IsHost() {
			d.fdb.Occupy(e.MAC, entries.OwnAddress)
		}
		return
	}
	// It was behind the VXLAN device, if only until now: no host is local.
	// The notice of the addition, which said so before, is filtered out when
	// it was ours.
	o.clearMAC(d, e.MAC)
	switch {
	case !d.at.Behind(e):
	case gone:
		o.missing(d, e.MAC)
	default:
		o.changed(d, e.MAC)
	}
}

// deviceEntry takes over an entry of a VXLAN device's own table.
func (o *observer) deviceEntry(d *bdState, e *kernel.Entry, gone bool) {
	if e.MAC.IsZero() {
		dest := d.at.Via(e)
		switch {
		case gone:
			if x, _ := d.flood.Get(dest); x.Installed() {
				o.repair()
			}
			// It may be our own removal, told late, of a destination that was
			// added again since; the kernel cannot be asked (resync.go). To add
			// or to remove it once too often does nothing.
			d.flood.Recheck(dest)
		case !gone:
			o.foundFlood(d, e)
		}
		return
	}
	if gone {
		if d.fdb.Foreign(e.MAC)&entries.ForeignDevice != 0 {
			o.release(d, e.MAC, entries.ForeignDevice)
			return
		}
		o.missing(d, e.MAC)
		return
	}
	// Our own additions are filtered out, so this one is somebody else's, or
	// one of ours that somebody changed.
	switch x, _ := d.fdb.Get(e.MAC); {
	case !e.MAC.IsHost():
	case x.Present, e.Flags&kernel.ExtLearned != 0:
		o.changed(d, e.MAC)
	default:
		o.foreign(d, e.MAC)
	}
}

// foreign records that somebody made an entry without our mark in the
// VXLAN device's table.
func (o *observer) foreign(d *bdState, mac evpn.MAC) {
	d.fdb.Occupy(mac, entries.ForeignDevice)
	d.fdb.Gone(mac)
}

// missing follows the deletion of an entry that may be ours. Our own
// deletions are told as well, possibly after we wrote the MAC again.
func (o *observer) missing(d *bdState, mac evpn.MAC) {
	if x, _ := d.fdb.Get(mac); !x.Installed() {
		d.fdb.Recheck(mac)
		return
	}
	_, err := o.k.Lookup(d.at.DeviceKey(mac))
	if err == nil {
		_, err = o.k.Lookup(d.at.BridgeKey(mac))
	}
	if err == nil {
		return
	}
	o.repair()
	d.fdb.Gone(mac)
}

// repair counts an entry of ours that somebody removed.
func (o *observer) repair() { o.counters.Repaired++ }

// release records that some have no foreign entry for mac any more. When nobody
// has, the entry that failed for it is tried at once.
func (o *observer) release(d *bdState, mac evpn.MAC, by entries.Foreign) {
	d.fdb.Release(mac, by)
}

func (o *observer) clearMAC(d *bdState, mac evpn.MAC) { o.writer.notLocal(d, mac) }

// notLocal records that a MAC is not local. When it was, an entry that it
// took begins its pause.
func (w *writer) notLocal(d *bdState, mac evpn.MAC) {
	if d.local.ClearMAC(mac) {
		w.resume(d, mac)
	}
}

// resume begins the pause of an entry that a local host took, because the engine
// knows of the host, or will not be told.
func (w *writer) resume(d *bdState, mac evpn.MAC) {
	if d.fdb.Resume(mac, time.Now()) {
		w.retrySoon()
	}
}

// reported follows events that the engine has.
func (o *observer) reported(events []evpn.Event) {
	for _, ev := range events {
		if ev, ok := ev.(*evpn.LocalMAC); ok {
			if d := o.bds.all[ev.VNI]; d != nil {
				o.writer.resume(d, ev.MAC)
			}
		}
	}
}

// neighbor takes over a neighbor entry of a bridge.
func (o *observer) neighbor(d *bdState, e *kernel.Entry, gone bool) {
	if !evpn.IsHostIP(e.IP) || o.bds.topo.Has(e.IP) {
		return
	}
	const (
		static = kernel.Permanent | kernel.NoARP
		valid  = kernel.Reachable | kernel.Stale | kernel.Delay | kernel.Probe | static
	)
	ours, _ := d.neigh.Get(e.IP)
	switch {
	case !gone && e.Flags&kernel.ExtLearned != 0:
		d.local.ClearNeighbor(e.IP)
		o.neighborChanged(d, e)
		return
	case gone || e.State&valid == 0 || !e.MAC.IsHost():
		d.local.ClearNeighbor(e.IP)
		d.neigh.Release(e.IP, entries.StaticNeighbor)
		// The kernel takes the mark off an entry before it deletes it.
		switch {
		case !ours.Installed():
			d.neigh.Recheck(e.IP)
		case !o.neighborThere(d, e.IP, ours.Value):
			o.repair()
			d.neigh.Gone(e.IP)
		}
		return
	}
	if ours.Present {
		o.neighborChanged(d, e)
		return
	}
	if e.State&static != 0 {
		d.neigh.Occupy(e.IP, entries.StaticNeighbor)
	} else {
		d.neigh.Release(e.IP, entries.StaticNeighbor)
	}
	d.local.SetNeighbor(e.IP, hosts.Binding{MAC: e.MAC, Router: e.Flags&kernel.Router != 0, Immutable: e.State&kernel.Permanent != 0})
}

// neighborThere asks the kernel whether a neighbor entry is as we wrote it.
func (o *observer) neighborThere(d *bdState, ip netip.Addr, want entries.Neigh) bool {
	e, err := o.k.Lookup(d.at.NeighborKey(ip))
	return err == nil && e.Flags&kernel.ExtLearned != 0 && neighOf(&e) == want
}

// foundFlood takes over a flood entry that somebody added, if only us at the
// last run.
func (o *observer) foundFlood(d *bdState, e *kernel.Entry) {
	via, ok := d.at.FloodVia(e)
	if x, _ := d.flood.Get(via); ok && !x.Present {
		d.flood.Seen(via, entries.Flood{})
	}
}
