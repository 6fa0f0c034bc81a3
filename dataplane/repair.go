package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// errChanged says that somebody changed an entry of ours. It is written
// again after the pause of a failed one, so that two who want different
// things do not write as fast as they can.
var errChanged = errors.New("somebody else changed this entry; it is put back")

// changed follows a notice about a remote MAC that we did not write: what is
// there now counts, not what the notice says.
func (o *observer) changed(d *bdState, mac evpn.MAC) {
	x, _ := d.fdb.Get(mac)
	if x.Present && !x.Installed() {
		d.fdb.Recheck(mac) // it is about to be written, or nobody desires it yet
		return
	}
	now, err := o.remoteNow(d, mac)
	switch {
	case err != nil:
	case !x.Present:
		// One of an earlier run, perhaps.
		if now.Has(entries.Device | entries.Marked | entries.Bridge) {
			d.fdb.Seen(mac, now)
		}
	case now != x.Value:
		o.repair()
		d.fdb.Seen(mac, now)
		d.fdb.Fail(mac, errChanged, time.Now())
		o.writer.retrySoon()
	}
}

// remoteNow reads both parts of a remote MAC. A bridge's part at a local port
// counts as behind the device, for that is told of by itself.
func (o *observer) remoteNow(d *bdState, mac evpn.MAC) (now entries.FDB, err error) {
	dev, err := o.k.Lookup(d.at.DeviceKey(mac))
	if errors.Is(err, syscall.ENOENT) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	now = entries.FDB{Via: d.at.Via(&dev), Parts: entries.Device}
	if dev.Flags&kernel.ExtLearned != 0 {
		now.Parts |= entries.Marked
	}
	br, err := o.k.Lookup(d.at.BridgeKey(mac))
	switch {
	case errors.Is(err, syscall.ENOENT):
		return now, nil
	case err != nil:
		return now, err
	case !d.at.Behind(&br) && br.Flags&kernel.ExtLearned == 0:
		now.Parts |= entries.Bridge
	case d.at.Behind(&br):
		now.Parts |= entries.Bridge
		if br.Flags&kernel.Sticky != 0 {
			now.Parts |= entries.Sticky
		}
	}
	return now, nil
}

// neighOf returns what a neighbor entry says.
func neighOf(e *kernel.Entry) entries.Neigh {
	return entries.Neigh{MAC: e.MAC, Router: e.Flags&kernel.Router != 0}
}

// neighborChanged is changed for a neighbor.
func (o *observer) neighborChanged(d *bdState, e *kernel.Entry) {
	switch x, _ := d.neigh.Get(e.IP); {
	case x.Installed():
		if o.neighborThere(d, e.IP, x.Value) {
			return
		}
		o.repair()
		d.neigh.Recheck(e.IP)
		d.neigh.Fail(e.IP, errChanged, time.Now())
		o.writer.retrySoon()
	case x.Present || o.desiredBeside(d, e.IP):
		// It is about to be written, or nobody desires it yet, or it is another
		// VNI's of the same bridge.
		d.neigh.Recheck(e.IP)
	case e.Flags&kernel.ExtLearned != 0 && e.State&kernel.NoARP != 0:
		d.neigh.Seen(e.IP, neighOf(e))
	}
}

// desiredBeside tells whether another VNI of d's bridge desires a neighbor.
func (o *observer) desiredBeside(d *bdState, ip netip.Addr) bool {
	e := d.at.NeighborKey(ip)
	for _, o := range o.bds.index.Of(&e) {
		if x, _ := o.neigh.Get(ip); o != d && x.Desired {
			return true
		}
	}
	return false
}
