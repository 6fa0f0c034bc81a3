package hosts

import (
	"container/heap"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

const (
	// A host is probed maxProbes times, probePause apart, before its silence
	// counts.
	maxProbes  = 3
	probePause = time.Second

	// maxAsked bounds the answers that the engine waits for, of one broadcast
	// domain.
	maxAsked = 4096
)

// probeQueue is a heap (container/heap) of the entries that are to be looked
// at, the one that is due first in front. A claim does not move its entry: when
// the entry is due, its next time is worked out from its last claim.
type probeQueue []*ipEntry

func (q probeQueue) Len() int           { return len(q) }
func (q probeQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q probeQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].queued, q[j].queued = i, j
}

// Push is of heap.Interface.
func (q *probeQueue) Push(x any) {
	e := x.(*ipEntry)
	e.queued = len(*q)
	*q = append(*q, e)
}

// Pop is of heap.Interface.
func (q *probeQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	e.queued = -1
	return e
}

func (t *Table) queueAt(e *ipEntry, due time.Time) {
	e.due = due
	if e.queued < 0 {
		heap.Push(&t.queue, e)
	} else {
		heap.Fix(&t.queue, e.queued)
	}
}

func (t *Table) unqueue(e *ipEntry) {
	if e.queued >= 0 {
		heap.Remove(&t.queue, e.queued)
	}
}

// scheduleProbe has e looked at when its host has been silent for the probe
// interval, or somewhat earlier: many hosts that spoke at once are not to be
// probed at once.
func (b *BD) scheduleProbe(e *ipEntry) {
	if b.interval == 0 {
		b.t.unqueue(e)
		return
	}
	b.t.queueAt(e, e.at.Add(b.interval-time.Duration(b.t.rand.Int64N(int64(b.interval/4)+1))))
}

// QueueProbe takes a question of the engine over. Its probe goes before all
// others. It asks nothing where the answer is known.
func (b *BD) QueueProbe(q *evpn.Probe, now time.Time) {
	if !b.snoop || b.noProbe || !q.MAC.IsHost() || !evpn.IsHostIP(q.IP) {
		return
	}
	e := b.byIP[q.IP]
	switch {
	case e != nil && e.learned && e.snooped.MAC == q.MAC:
		if q.Conflict && !e.conflict {
			e.conflict = true
			b.t.queueAt(e, now)
		}
	case q.Conflict:
		// The host of the address is not known from here any more.
	case e != nil && !e.snooped.MAC.IsZero():
		// Another MAC claims it: what a host says weighs more than what another
		// VTEP does.
	case b.asked >= maxAsked:
		b.t.counters.Dropped++
	default:
		e = b.entry(q.IP)
		e.snooped, e.probes, e.at = Binding{MAC: q.MAC}, 0, now
		b.asked++
		b.t.queueAt(e, now.Add(-time.Hour))
	}
}

// Next returns when Due is to be called; zero: not before another method was.
func (t *Table) Next() time.Time {
	switch {
	case len(t.queue) == 0:
		return time.Time{}
	case t.queue[0].due.Before(t.limitedUntil):
		return t.limitedUntil
	}
	return t.queue[0].due
}

// Probe is a probe to be sent.
type Probe struct {
	VNI evpn.VNI
	ProbeRequest

	entry *ipEntry
}

// Due does what is due: it takes back what silent hosts claimed, and appends
// the probes to be sent to out. The caller sets From of each before it sends it.
func (t *Table) Due(out []Probe, now time.Time) []Probe {
	if t.limitedUntil.After(now) {
		return out
	}
	t.limitedUntil = time.Time{}
	for len(t.queue) > 0 {
		e := t.queue[0]
		b := e.b
		switch {
		case e.due.After(now):
			return out
		case e.claimed && e.probes == 0 && !e.conflict && b.postponed(e, now):
		case e.probes >= maxProbes:
			t.counters.Silent++
			if e.conflict && !e.neigh.Immutable {
				// What the neighbor table learned from the host is no better: the
				// kernel does not ask again before it sends there.
				e.neigh = Binding{}
			}
			b.withdraw(e)
		case e.claimed && !e.hasSlot && b.slot.After(now):
			// The rate of the broadcast domain: each waits once, for a slot of
			// its own.
			e.hasSlot = true
			t.queueAt(e, b.slot)
			b.slot = b.slot.Add(b.gap)
		default:
			if pause := t.limit.wait(now); pause > 0 {
				t.limitedUntil = now.Add(pause)
				return out
			}
			out = b.probe(out, e, now)
		}
	}
	return out
}

// postponed handles an entry that need not be probed yet, and returns whether
// it is such a one.
func (b *BD) postponed(e *ipEntry, now time.Time) bool {
	switch {
	case !e.learned:
		b.withdraw(e) // the bridge never learned its MAC
	case b.interval == 0:
		b.t.unqueue(e)
	case e.at.Add(b.interval * 3 / 4).After(now):
		b.scheduleProbe(e)
	default:
		return false
	}
	return true
}

// probe counts a probe of e, and appends it when the bridge has the MAC.
func (b *BD) probe(out []Probe, e *ipEntry, now time.Time) []Probe {
	e.probes++
	b.t.queueAt(e, now.Add(probePause))
	at, here := b.macs.get(e.snooped.MAC)
	if !here {
		return out
	}
	if !e.hasSlot {
		if b.slot.Before(now) {
			b.slot = now
		}
		b.slot = b.slot.Add(b.gap)
	}
	e.hasSlot = false
	b.t.limit.take()
	b.t.counters.Probes++
	return append(out, Probe{VNI: b.vni, ProbeRequest: ProbeRequest{Port: at.port, IP: e.ip, MAC: e.snooped.MAC}, entry: e})
}

// Unsent says that a probe that Due returned just now could not be sent: the
// silence of its host does not count.
func (t *Table) Unsent(p *Probe) {
	if e := p.entry; e.claimed && e.probes > 0 {
		e.probes--
	}
}
