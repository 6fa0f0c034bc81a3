package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/evpn"
)

// Our entries can be deleted, changed and flushed by others. Deletions are
// always told. Changes are told while the Plane is silent; while it writes
// they would drown in its own echo, and the audit finds them.

// loudAfter is how long after the last write the Plane listens for changes
// of its own entries again: to set the filter costs more than one write.
const loudAfter = 50 * time.Millisecond

// quiet has what is about to be written not heard of.
func (p *Plane) quiet() {
	if !p.hushed {
		// When it fails our own additions come back, and are found to be as
		// they should be.
		p.hushed = p.k.MuteEcho(true) == nil
	}
	p.loudAt = time.Now().Add(loudAfter)
}

// put writes ops, without hearing of them. Only this goroutine changes
// anything, so others may look meanwhile.
func (p *Plane) put(ops []Op, errs []error) error {
	p.quiet()
	p.mu.Unlock()
	began := time.Now()
	err := p.k.Write(ops, errs)
	took := time.Since(began)
	p.mu.Lock()
	p.stats.Batch.observe(took)
	return err
}

// listenAgain ends the hush when nothing is to be written, or cannot be for a
// while.
func (p *Plane) listenAgain(now time.Time) {
	if !p.hushed || p.loudAt.After(now) || len(p.writes)+len(p.left) > 0 && p.holdTill.IsZero() {
		return
	}
	p.hushed = p.k.MuteEcho(false) != nil
	p.loudAt = now.Add(loudAfter)
}

// EchoMuted tells whether the Plane does not hear of changes of its own entries
// just now, because it writes or did so until a moment ago. Any goroutine may
// call it.
func (p *Plane) EchoMuted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hushed
}

// errChanged says that somebody changed an entry of ours. It is written
// again after the pause of a failed one, so that two who want different
// things do not write as fast as they can.
var errChanged = errors.New("somebody else changed this entry; it is put back")

// changed follows a notice about a remote MAC that we did not write: what is
// there now counts, not what the notice says.
func (p *Plane) changed(d *domain, mac evpn.MAC) {
	x, _ := d.fdb.Get(mac)
	if x.Present && !x.Installed() {
		d.fdb.Recheck(mac) // it is about to be written, or nobody desires it yet
		return
	}
	now, err := p.remoteNow(d, mac)
	switch {
	case err != nil:
	case !x.Present:
		// One of an earlier run, perhaps.
		if now.Has(entries.Device | entries.Marked | entries.Bridge) {
			d.fdb.Seen(mac, now)
		}
	case now != x.Value:
		p.repair()
		d.fdb.Seen(mac, now)
		d.fdb.Fail(mac, errChanged, time.Now())
		p.retrySoon()
	}
}

// remoteNow reads both parts of a remote MAC. A bridge's part at a local port
// counts as behind the device, for that is told of by itself.
func (p *Plane) remoteNow(d *domain, mac evpn.MAC) (now entries.FDB, err error) {
	dev, err := p.k.Lookup(d.at.DeviceKey(mac))
	if errors.Is(err, syscall.ENOENT) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	now = entries.FDB{Via: d.at.Via(&dev), Parts: entries.Device}
	if dev.Flags&ExtLearned != 0 {
		now.Parts |= entries.Marked
	}
	br, err := p.k.Lookup(d.at.BridgeKey(mac))
	switch {
	case errors.Is(err, syscall.ENOENT):
		return now, nil
	case err != nil:
		return now, err
	case !d.at.Behind(&br) && br.Flags&ExtLearned == 0:
		now.Parts |= entries.Bridge
	case d.at.Behind(&br):
		now.Parts |= entries.Bridge
		if br.Flags&Sticky != 0 {
			now.Parts |= entries.Sticky
		}
	}
	return now, nil
}

// neighOf returns what a neighbor entry says.
func neighOf(e *Entry) entries.Neigh { return entries.Neigh{MAC: e.MAC, Router: e.Flags&Router != 0} }

// neighborChanged is changed for a neighbor.
func (p *Plane) neighborChanged(d *domain, e *Entry) {
	switch x, _ := d.neigh.Get(e.IP); {
	case x.Installed():
		if p.neighborThere(d, e.IP, x.Value) {
			return
		}
		p.repair()
		d.neigh.Recheck(e.IP)
		d.neigh.Fail(e.IP, errChanged, time.Now())
		p.retrySoon()
	case x.Present || p.wishedBeside(d, e.IP):
		// It is about to be written, or nobody desires it yet, or it is another
		// VNI's of the same bridge.
		d.neigh.Recheck(e.IP)
	case e.Flags&ExtLearned != 0 && e.State&NoARP != 0:
		d.neigh.Seen(e.IP, neighOf(e))
	}
}

// wishedBeside tells whether another VNI of d's bridge wishes a neighbor.
func (p *Plane) wishedBeside(d *domain, ip netip.Addr) bool {
	e := d.at.NeighborKey(ip)
	for _, o := range p.index.Of(&e) {
		if x, _ := o.neigh.Get(ip); o != d && x.Desired {
			return true
		}
	}
	return false
}
