package evpn

import (
	"maps"
	"slices"
	"time"
)

// floodHolds are destinations that are still flooded to although their type 3
// route was withdrawn.
//
// A reflector without graceful restart withdraws all routes of a VTEP as soon
// as its session falls, also when only a daemon is restarted and the VTEP
// forwards on. Frames for its MACs are unknown unicast from then on, and
// reach it as long as it is flooded to. If it is really gone, one copy of each
// such frame goes nowhere for a few seconds.
type floodHolds struct {
	of   map[floodKey]floodHold
	next time.Time // when the first is over; zero when there are none
}

type floodHold struct {
	peer  *peer // that withdrew it last
	until time.Time
}

// maxFloodHolds bounds what a peer can leave behind by routes that it withdraws.
// The rest goes at once.
const maxFloodHolds = 1 << 14

func (l *floodHolds) put(k floodKey, x floodHold) {
	if l.of == nil {
		l.of = make(map[floodKey]floodHold)
	}
	l.of[k] = x
	if l.next.IsZero() || x.until.Before(l.next) {
		l.next = x.until
	}
}

// holdFlood keeps flooding where the type 3 route that is about to be withdrawn
// asks to.
func (e *Engine) holdFlood(v *bd, p *peer, id floodID) {
	x, ok := v.floodPaths[id]
	if !ok || e.cfg.FloodHold <= 0 {
		return
	}
	d, _ := v.floodDest(&x)
	if !d.VTEP.IsValid() {
		return
	}
	k := floodKey{v.vni, d}
	if _, there := e.floodHolds.of[k]; !there {
		if len(e.floodHolds.of) >= maxFloodHolds {
			return
		}
		e.countVia(v, d, 1)
	}
	e.floodHolds.put(k, floodHold{peer: p, until: e.now.Add(e.cfg.FloodHold)})
}

// extendFloodHold holds what p withdrew for another time from now, with
// shorten only where that is less. When the session falls right after p
// withdrew it, p was going down itself: it is kept as p's routes are.
func (e *Engine) extendFloodHold(p *peer, hold time.Duration, shorten bool) {
	at := e.now.Add(hold)
	for k, l := range e.floodHolds.of {
		if l.peer == p && (!shorten || at.Before(l.until)) {
			e.floodHolds.put(k, floodHold{peer: p, until: at})
		}
	}
}

// expireFloodHolds ends what has been held long enough.
func (e *Engine) expireFloodHolds(now time.Time) {
	if e.floodHolds.next.IsZero() || now.Before(e.floodHolds.next) {
		return
	}
	e.endFloodHold(func(_ floodKey, l floodHold) bool { return !now.Before(l.until) })
}

// endFloodHold ends what over says is over.
func (e *Engine) endFloodHold(over func(floodKey, floodHold) bool) {
	if len(e.floodHolds.of) == 0 {
		return
	}
	e.floodHolds.next = time.Time{}
	for _, k := range slices.SortedFunc(maps.Keys(e.floodHolds.of), floodKey.compare) {
		l := e.floodHolds.of[k]
		if !over(k, l) {
			e.floodHolds.put(k, l)
			continue
		}
		delete(e.floodHolds.of, k)
		e.countVia(e.bds[k.vni], k.via, -1)
	}
}

// endFloodHoldsIn ends what is held in v, whose flooding changes as a whole.
func (e *Engine) endFloodHoldsIn(v *bd) {
	e.endFloodHold(func(k floodKey, _ floodHold) bool { return k.vni == v.vni })
}
