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
type lingers map[floodKey]linger

type linger struct {
	peer  *peer // that withdrew it last
	until time.Time
}

// linger keeps flooding where the type 3 route that is about to be withdrawn
// asks to.
func (e *Engine) linger(v *vni, p *peer, id floodID) {
	x, ok := v.floodPaths[id]
	if !ok || e.cfg.FloodHold <= 0 {
		return
	}
	d, _ := v.floodDest(&x)
	if !d.VTEP.IsValid() {
		return
	}
	k := floodKey{v.id, d}
	if _, there := e.lingers[k]; !there {
		e.countDest(v, d, 1)
	}
	if e.lingers == nil {
		e.lingers = make(lingers)
	}
	e.lingers[k] = linger{peer: p, until: e.now.Add(e.cfg.FloodHold)}
}

// relinger has what lingers because of p do so for another time from now, with
// shorten only where that is less. When the session falls right after p
// withdrew it, p was going down itself: it is kept as p's routes are.
func (e *Engine) relinger(p *peer, hold time.Duration, shorten bool) {
	at := e.now.Add(hold)
	for k, l := range e.lingers {
		if l.peer == p && (!shorten || at.Before(l.until)) {
			l.until = at
			e.lingers[k] = l
		}
	}
}

// unlinger ends what over says is over.
func (e *Engine) unlinger(over func(floodKey, linger) bool) {
	if len(e.lingers) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(e.lingers), floodKey.compare)
	for _, k := range keys {
		if over(k, e.lingers[k]) {
			delete(e.lingers, k)
			e.countDest(e.vnis[k.vni], k.dest, -1)
		}
	}
}

// unlingerVNI ends the lingering in v, whose flooding changes as a whole.
func (e *Engine) unlingerVNI(v *vni) {
	e.unlinger(func(k floodKey, _ linger) bool { return k.vni == v.id })
}
