package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

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
	s, ok := d.fdb.slots[mac]
	if !ok || !s.mark.has(present) {
		p.adopt(d, mac)
		return
	}
	if !s.mark.has(wanted | synced) {
		d.fdb.doubt(mac)
		return // it is about to be written, or nobody wishes it yet
	}
	now, there, err := p.remoteNow(d, mac)
	if err != nil || there && now.target == s.val {
		return
	}
	p.repair()
	s.mark &^= synced | sticky | usurped
	if now.sticky {
		s.mark |= sticky
	}
	if now.device && !now.marked {
		s.mark |= usurped
	}
	d.fdb.put(mac, s)
	d.fdb.fail(mac, errChanged, time.Now())
	p.retrySoon()
}

// adopt takes over a remote MAC with our mark that we did not write, as one
// of an earlier run.
func (p *Plane) adopt(d *domain, mac evpn.MAC) {
	now, there, err := p.remoteNow(d, mac)
	if err != nil || !there {
		return
	}
	d.fdb.found(mac, now.target, now.sticky)
	if d.sweep {
		d.fdb.queue(mac, d.fdb.slots[mac])
		p.enqueue(d)
	}
}

// remoteNow reads both parts of a remote MAC. It is there when both are, the
// device's with our mark; a bridge's part at a local port counts as there,
// for that is told of by itself.
func (p *Plane) remoteNow(d *domain, mac evpn.MAC) (now remote, there bool, err error) {
	dev, err := p.k.Lookup(Entry{Family: Bridge, Ifindex: d.dev, MAC: mac})
	if errors.Is(err, syscall.ENOENT) {
		return now, false, nil
	}
	if err != nil {
		return now, false, err
	}
	now.device, now.marked = true, dev.Flags&ExtLearned != 0
	now.dest = viaOf(&dev, d.vni)
	br, err := p.k.Lookup(Entry{Family: Bridge, Ifindex: d.bridge, MAC: mac})
	if errors.Is(err, syscall.ENOENT) {
		return now, false, nil
	}
	if err != nil {
		return now, false, err
	}
	now.bridge, now.sticky = br.Ifindex == d.dev, br.Ifindex == d.dev && br.Flags&Sticky != 0
	return now, now.marked && (now.bridge || br.Flags&ExtLearned == 0), nil
}

// neighborChanged is changed for a neighbor.
func (p *Plane) neighborChanged(d *domain, e *Entry) {
	s, ok := d.neigh.slots[e.IP]
	switch {
	case ok && s.mark.has(wanted|synced):
		if p.neighborThere(d, e.IP, s.val) {
			return
		}
		p.repair()
		s.mark &^= synced
		d.neigh.put(e.IP, s)
		d.neigh.fail(e.IP, errChanged, time.Now())
		p.retrySoon()
	case ok && s.mark.has(present) || p.wishedBeside(d, e.IP):
		// It is about to be written, or nobody wishes it yet, or it is another
		// VNI's of the same bridge.
		d.neigh.doubt(e.IP)
	case e.Flags&ExtLearned != 0 && e.State&NoARP != 0:
		d.neigh.found(e.IP, binding{e.MAC, e.Flags&Router != 0}, false)
		if d.sweep {
			d.neigh.queue(e.IP, d.neigh.slots[e.IP])
			p.enqueue(d)
		}
	}
}

// wishedBeside tells whether another VNI of d's bridge wishes a neighbor.
func (p *Plane) wishedBeside(d *domain, ip netip.Addr) bool {
	for _, o := range p.byBr[d.bridge] {
		if o != d && o.neigh.slots[ip].mark.has(wanted) {
			return true
		}
	}
	return false
}
