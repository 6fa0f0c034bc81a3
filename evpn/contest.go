package evpn

import (
	"maps"
	"slices"
	"time"
)

// DuplicateConfig is when a MAC or IP address counts as used by two hosts at
// once (RFC 7432 §15.1; RFC 9161 §3.7 for IP addresses): when it moved Moves
// times within Window.
type DuplicateConfig struct {
	Off    bool
	Moves  int // zero is off, too
	Window time.Duration
	// Recover is after which time a frozen address is released. Zero means
	// never: by Unfreeze alone.
	Recover time.Duration
}

// moves is when a key of a contest changed its holder lately, and whether it
// is frozen because that was too often. nil: it has not moved.
type moves struct {
	times  []time.Time // ascending, within the window
	frozen bool
	since  time.Time
}

func (m *moves) isFrozen() bool { return m != nil && m.frozen }

// count adds a move and tells whether that is one too many under c. The
// times it keeps are no more than it needs to tell.
func (m *moves) count(now time.Time, c *DuplicateConfig) bool {
	m.expire(now, c)
	m.times = append(m.times, now)
	return len(m.times) >= c.Moves
}

func (m *moves) expire(now time.Time, c *DuplicateConfig) {
	for len(m.times) > 0 && now.Sub(m.times[0]) >= c.Window {
		m.times = m.times[1:]
	}
}

// contest is how hosts compete for the keys of one kind: for a MAC of a
// broadcast domain, and for an IP address. The rules say who holds a key. A key
// that changes its holder too often is frozen: it stays with the holder it
// had, as long as that still claims it, until it is released by command or by
// time.
//
// K names a key and H a holder. P is all that is known of a key that is held:
// a place, or an ipOwner. What differs between the kinds is in the policy.
type contest[K contestKey[K], H comparable, P any] struct {
	policy  contestPolicy[K, H, P]
	frozen  map[K]freeze[H]
	before  map[K]freeze[H] // of an earlier run: to be frozen again
	timers  []releaseTimer[K]
	next    time.Time // when the first timer ends; zero: there is none
	version uint64    // another number whenever frozen or before is another
}

type contestKey[K any] interface {
	comparable
	compare(K) int
}

// freeze is the holder that a key is frozen with, and since when.
type freeze[H any] struct {
	holder H
	since  time.Time
}

// releaseTimer releases a key at a time, unless that freeze is over by then.
type releaseTimer[K any] struct {
	key       K
	at, since time.Time
}

// contestPolicy is what one kind of contest needs to know.
type contestPolicy[K, H, P any] interface {
	config(*Engine, K) *DuplicateConfig // of a key whose broadcast domain is up
	holder(P) H
	// frozen returns p as it is when its key is frozen.
	frozen(p P) P
	// moves returns where the moves of a key are kept; nil: it is not known.
	moves(*Engine, K) **moves
	reselect(*Engine, K)
	alarm(K, H) Alarm // without the counts
	change(K) Change
}

// freezeAgain notes that an earlier run had k frozen.
func (c *contest[K, H, P]) freezeAgain(k K, holder H, since time.Time) {
	if c.before == nil {
		c.before = make(map[K]freeze[H])
	}
	c.before[k] = freeze[H]{holder, since}
}

// settle returns who holds k: next, as the rules have it, unless k is frozen or
// has just moved once too often. prev is who held it until now; moving says
// that to go from prev to next is a move of a host. claim tells whether a
// holder still claims k, and returns what is known of it then.
func (c *contest[K, H, P]) settle(e *Engine, k K, m **moves, prev, next P, moving bool, claim func(H) (P, bool)) P {
	if was, ok := c.before[k]; ok {
		return c.restore(e, k, m, was, next, claim)
	}
	switch {
	case (*m).isFrozen():
		if p, ok := claim(c.policy.holder(prev)); ok {
			return c.policy.frozen(p)
		}
		c.release(e, k, m)
	case moving:
		return c.count(e, k, m, prev, next, claim)
	}
	return next
}

// count counts a move from prev to next. One too many freezes k with the
// holder of prev. When that does not claim k any more, k is not frozen: it
// would stay with a holder that does not answer.
func (c *contest[K, H, P]) count(e *Engine, k K, m **moves, prev, next P, claim func(H) (P, bool)) P {
	config := c.policy.config(e, k)
	if config.Off {
		return next
	}
	if *m == nil {
		*m = &moves{}
	}
	if !(*m).count(e.now, config) {
		return next
	}
	p, ok := claim(c.policy.holder(prev))
	if !ok {
		return next
	}
	c.freeze(e, k, *m, freeze[H]{c.policy.holder(p), e.now})
	return c.policy.frozen(p)
}

// restore freezes k as an earlier run had it, as soon as its holder claims it
// again. Until all is known nobody holds it, so that what the kernel has from
// before stays.
func (c *contest[K, H, P]) restore(e *Engine, k K, m **moves, was freeze[H], next P, claim func(H) (P, bool)) P {
	p, ok := claim(was.holder)
	switch {
	case !ok && !e.synced:
		var nobody P
		return nobody
	case !ok:
		delete(c.before, k)
		c.version++
		return next
	}
	delete(c.before, k)
	*m = &moves{}
	c.freeze(e, k, *m, was)
	return c.policy.frozen(p)
}

func (c *contest[K, H, P]) freeze(e *Engine, k K, m *moves, f freeze[H]) {
	m.frozen, m.since = true, f.since
	if c.frozen == nil {
		c.frozen = make(map[K]freeze[H])
	}
	c.frozen[k] = f
	c.version++
	config := c.policy.config(e, k)
	if config.Recover > 0 {
		c.addTimer(releaseTimer[K]{key: k, at: f.since.Add(config.Recover), since: f.since})
	}
	a := c.policy.alarm(k, f.holder)
	a.Count, a.Window = config.Moves, config.Window
	e.alarms.raise(a)
}

// release ends that k is frozen, and forgets its moves.
func (c *contest[K, H, P]) release(e *Engine, k K, m **moves) {
	*m = nil
	if f, ok := c.frozen[k]; ok {
		delete(c.frozen, k)
		c.version++
		e.alarms.clear(c.policy.alarm(k, f.holder))
	}
	e.changes.push(c.policy.change(k))
}

// unfreeze releases k and has the rules say who holds it, if k is frozen. since
// is the freeze that is meant; zero means any.
func (c *contest[K, H, P]) unfreeze(e *Engine, k K, since time.Time) {
	m := c.policy.moves(e, k)
	if m == nil || !(*m).isFrozen() || !since.IsZero() && !since.Equal((*m).since) {
		return
	}
	c.release(e, k, m)
	c.policy.reselect(e, k)
	*m = nil // to go where the rules say was no move of a host
}

func (c *contest[K, H, P]) addTimer(t releaseTimer[K]) {
	c.timers = append(c.timers, t)
	if c.next.IsZero() || t.at.Before(c.next) {
		c.next = t.at
	}
}

// tick releases what is due.
func (c *contest[K, H, P]) tick(e *Engine) {
	if c.next.IsZero() || e.now.Before(c.next) {
		return
	}
	// They are in no order: they are few, and mostly released by command.
	timers := c.timers
	c.timers, c.next = nil, time.Time{}
	for _, t := range timers {
		if e.now.Before(t.at) {
			c.addTimer(t)
		} else {
			c.unfreeze(e, t.key, t.since)
		}
	}
}

// forgetBefore ends that what an earlier run froze counts.
func (c *contest[K, H, P]) forgetBefore(e *Engine) {
	for _, k := range slices.SortedFunc(maps.Keys(c.before), K.compare) {
		if c.policy.moves(e, k) != nil {
			c.policy.reselect(e, k)
		}
	}
	c.before = nil
	c.version++
}

// all calls yield for each key that is frozen, or is to be frozen again, in no
// order.
func (c *contest[K, H, P]) all(yield func(k K, holder H, since time.Time)) {
	for k, f := range c.before {
		yield(k, f.holder, f.since)
	}
	for k, f := range c.frozen { // what is so now beats what was
		yield(k, f.holder, f.since)
	}
}
