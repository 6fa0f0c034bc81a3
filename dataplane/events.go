package dataplane

import (
	"cmp"
	"slices"

	"github.com/evpnd/evpnd/evpn"
)

// eventBatch bounds the events that are handed over at once.
const eventBatch = 512

// outbox is what the engine is to be told. While it takes nothing there is one
// mark for each object; events are made of what is so when it does.
type outbox struct {
	bds     *bds
	marked  map[*bdState]struct{} // with something to tell, perhaps
	pending []evpn.Event          // made, and not yet taken
}

// mark records that there may be something to tell of d.
func (o *outbox) mark(d *bdState) { o.marked[d] = struct{}{} }

// next returns the events that are to be taken next.
func (o *outbox) next() []evpn.Event {
	if len(o.pending) == 0 {
		o.pending = o.compose()
	}
	return o.pending
}

// taken records that the engine has the events of next, and returns them.
func (o *outbox) taken() []evpn.Event {
	list := o.pending
	o.pending = nil
	return list
}

// holds tells whether the next events say that a MAC is local.
func (o *outbox) holds(d *bdState, mac evpn.MAC) bool {
	return slices.ContainsFunc(o.pending, func(ev evpn.Event) bool {
		x, ok := ev.(*evpn.LocalMAC)
		return ok && x.VNI == d.vni && x.MAC == mac
	})
}

// compose makes events of what is marked: first which broadcast domains are
// up, for the engine knows a local host only in one that is.
func (o *outbox) compose() []evpn.Event {
	var out []evpn.Event
	for _, d := range o.queue() {
		if d.upDirty {
			d.upDirty = false
			if d.up {
				out = append(out, &evpn.BDUp{VNI: d.vni, VTEP: d.vtep})
			} else if d.reportedUp {
				out = append(out, &evpn.BDDown{VNI: d.vni})
			}
			if d.up && !d.reportedUp {
				d.local.Readvertise()
			}
			d.reportedUp = d.up
		}
		if d.reportedUp {
			out = d.local.Events(out, eventBatch)
		}
		if len(out) >= eventBatch {
			break
		}
	}
	return out
}

// queue returns the broadcast domains with something to tell.
func (o *outbox) queue() []*bdState {
	for _, b := range o.bds.hosts.Changed() {
		if d := o.bds.get(b.VNI()); d != nil {
			o.mark(d)
		}
	}
	var out []*bdState
	for d := range o.marked {
		if d.upDirty || d.reportedUp && d.local.Pending() {
			out = append(out, d)
		} else {
			delete(o.marked, d)
		}
	}
	slices.SortFunc(out, func(a, b *bdState) int {
		return cmp.Or(count(b.upDirty)-count(a.upDirty), cmp.Compare(a.vni, b.vni))
	})
	return out
}
