package evpn

import (
	"maps"
	"slices"
	"time"
)

// lingers are destinations that are still flooded to although their type 3
// route was withdrawn.
//
// A reflector without graceful restart withdraws all routes of a VTEP as soon
// as its session falls, also when only a daemon is restarted and the VTEP
// forwards on. Frames for its MACs are unknown unicast from then on, and
// reach it as long as it is flooded to. If it is really gone, one copy of each
// such frame goes nowhere for a few seconds.
type lingers struct {
	of   map[floodKey]linger
	next time.Time // when the first is over; zero when there are none
}

type linger struct {
	peer  *peer // that withdrew it last
	until time.Time
}

// maxLingers bounds what a peer can leave behind by routes that it withdraws.
// The rest goes at once.
const maxLingers = 1 << 14

func (l *lingers) put(k floodKey, x linger) {
	if l.of == nil {
		l.of = make(map[floodKey]linger)
	}
	l.of[k] = x
	if l.next.IsZero() || x.until.Before(l.next) {
		l.next = x.until
	}
}

// holdFlood keeps flooding where the type 3 route that is about to be withdrawn
// asks to.
func (e *Engine) holdFlood(v *vni, p *peer, id floodID) {
	x, ok := v.floodPaths[id]
	if !ok || e.cfg.FloodHold <= 0 {
		return
	}
	d, _ := v.floodDest(&x)
	if !d.VTEP.IsValid() {
		return
	}
	k := floodKey{v.id, d}
	if _, there := e.lingers.of[k]; !there {
		if len(e.lingers.of) >= maxLingers {
			return
		}
		e.countDest(v, d, 1)
	}
	e.lingers.put(k, linger{peer: p, until: e.now.Add(e.cfg.FloodHold)})
}

// relinger has what lingers because of p do so for another time from now, with
// shorten only where that is less. When the session falls right after p
// withdrew it, p was going down itself: it is kept as p's routes are.
func (e *Engine) relinger(p *peer, hold time.Duration, shorten bool) {
	at := e.now.Add(hold)
	for k, l := range e.lingers.of {
		if l.peer == p && (!shorten || at.Before(l.until)) {
			e.lingers.put(k, linger{peer: p, until: at})
		}
	}
}

// endLingers ends what has lingered long enough.
func (e *Engine) endLingers(now time.Time) {
	if e.lingers.next.IsZero() || now.Before(e.lingers.next) {
		return
	}
	e.unlinger(func(_ floodKey, l linger) bool { return !now.Before(l.until) })
}

// unlinger ends what over says is over.
func (e *Engine) unlinger(over func(floodKey, linger) bool) {
	if len(e.lingers.of) == 0 {
		return
	}
	e.lingers.next = time.Time{}
	for _, k := range slices.SortedFunc(maps.Keys(e.lingers.of), floodKey.compare) {
		l := e.lingers.of[k]
		if !over(k, l) {
			e.lingers.put(k, l)
			continue
		}
		delete(e.lingers.of, k)
		e.countDest(e.vnis[k.vni], k.dest, -1)
	}
}

// unlingerVNI ends the lingering in v, whose flooding changes as a whole.
func (e *Engine) unlingerVNI(v *vni) {
	e.unlinger(func(k floodKey, _ linger) bool { return k.vni == v.id })
}
