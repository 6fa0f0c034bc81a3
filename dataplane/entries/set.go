package entries

import (
	"iter"
	"maps"
	"slices"
	"time"
)

// Value is all that the kernel keeps of an entry beside its key.
type Value interface {
	comparable
	// Odd tells whether a write over this value must know of it. A Set
	// remembers what it is to replace only when it is odd.
	Odd() bool
}

// Change is one entry to be added, replaced or removed.
type Change[K comparable, V Value] struct {
	Key    K
	Remove bool
	Value  V // to be written; of a removal what the kernel has, as far as it is known
	Have   V // what is replaced, where that is odd; else zero
}

// Set is the difference between what is desired and what the kernel has, for
// one kind of entry of one broadcast domain. It belongs to one goroutine.
type Set[K comparable, V Value] struct {
	order func(a, b K) int
	sweep bool

	slots   map[K]slot[V]
	odd     map[K]V // what the kernel has of desired entries with that mark
	foreign map[K]Foreign
	fails   map[K]Failure

	adds, dels fifo[K]
	taken      *Taken[K, V]

	desired, installed int

	refused int // by Next since Refused
}

// slot is one entry that is desired, in the kernel or both.
type slot[V Value] struct {
	val  V // desired; of an entry that is not desired what the kernel has
	mark mark
	was  mark // the mark as it was stored last: spares put a look-up
}

type mark uint16

const (
	desired mark = 1 << iota
	present      // an entry of ours is in the kernel, perhaps with another value, or may be
	synced       // and it has val
	inAdds       // stands in the queue of additions
	inDels       // stands in the queue of removals
	failing      // has an entry in fails
	isOdd        // has an entry in odd
)

func (m mark) has(bits mark) bool { return m&bits == bits }

// Taken are the changes that Next has handed out and that are not answered yet.
// Several Sets may use the same one, when only one of them at a time has some:
// it needs its memory only then.
type Taken[K comparable, V Value] struct {
	fifo[Change[K, V]]
}

// newSet returns an empty Set. With sweep, entries that are found and that
// nobody desires are removed; without, they stay until Sweep.
func newSet[K comparable, V Value](order func(a, b K) int, taken *Taken[K, V], sweep bool) *Set[K, V] {
	return &Set[K, V]{order: order, taken: taken, sweep: sweep, slots: make(map[K]slot[V])}
}

// put stores a slot and keeps counts and maps true to it. x is that of s.slots,
// with changes: nothing may have been stored since it was read.
func (s *Set[K, V]) put(k K, x slot[V]) {
	s.desired += count(x.mark.has(desired)) - count(x.was.has(desired))
	s.installed += count(x.mark.has(desired|synced)) - count(x.was.has(desired|synced))
	gone := x.mark&(desired|present|inAdds|inDels) == 0
	if x.was.has(failing) && (gone || !x.mark.has(failing)) {
		delete(s.fails, k)
	}
	if x.was.has(isOdd) && (gone || !x.mark.has(isOdd)) {
		delete(s.odd, k)
	}
	if gone {
		delete(s.slots, k)
		return
	}
	x.was = x.mark
	s.slots[k] = x
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// queue stores a slot, and puts k where it has to go for desired and actual to
// become equal.
func (s *Set[K, V]) queue(k K, x slot[V]) {
	switch {
	case x.mark.has(desired) && !x.mark.has(synced) && !x.mark.has(inAdds):
		x.mark |= inAdds
		s.adds.push(k)
	case !x.mark.has(desired) && x.mark.has(present) && !x.mark.has(inDels):
		x.mark |= inDels
		s.dels.push(k)
	}
	s.put(k, x)
}

// actual returns what the kernel has of a slot, as far as that is known.
func (s *Set[K, V]) actual(k K, x slot[V]) (v V) {
	switch {
	case !x.mark.has(present):
	case !x.mark.has(desired) || x.mark.has(synced):
		return x.val
	case x.mark.has(isOdd):
		return s.odd[k]
	}
	return v
}

// setActual changes x to what the kernel has, or may have when it is not sure.
func (s *Set[K, V]) setActual(k K, x *slot[V], v V, sure bool) {
	x.mark = x.mark&^(synced|isOdd) | present
	switch {
	case !x.mark.has(desired):
		x.val = v
		if sure {
			x.mark |= synced
		}
	case sure && x.val == v:
		x.mark |= synced
	case v.Odd():
		if s.odd == nil {
			s.odd = make(map[K]V)
		}
		s.odd[k] = v
		x.mark |= isOdd
	}
}

// Want says that k is desired with value v.
func (s *Set[K, V]) Want(k K, v V) {
	x := s.slots[k]
	if x.mark.has(desired|synced) && x.val == v {
		return
	}
	have, sure := s.actual(k, x), x.mark.has(synced)
	x.val = v
	x.mark = x.mark&^failing | desired
	if x.mark.has(present) {
		s.setActual(k, &x, have, sure)
	}
	s.queue(k, x)
}

// Unwant says that k is not desired.
func (s *Set[K, V]) Unwant(k K) {
	x, ok := s.slots[k]
	if !ok {
		return
	}
	if have := s.actual(k, x); have.Odd() {
		x.val = have
	}
	x.mark &^= desired | synced | failing | isOdd
	s.queue(k, x)
}

// Seen says that the kernel has k with value v, as ours.
func (s *Set[K, V]) Seen(k K, v V) {
	x := s.seen(k, v)
	if x.mark.has(desired) || s.sweep {
		s.queue(k, x)
	} else {
		s.put(k, x)
	}
}

func (s *Set[K, V]) seen(k K, v V) slot[V] {
	x := s.slots[k]
	s.setActual(k, &x, v, true)
	if x.mark.has(desired | synced) {
		x.mark &^= failing
	}
	return x
}

// Gone says that the kernel has no entry of ours under k.
func (s *Set[K, V]) Gone(k K) {
	if x, ok := s.slots[k]; ok {
		x.mark &^= present | synced | isOdd
		s.queue(k, x)
	}
}

// Recheck says that it is not known whether the kernel has k as it had. A
// desired entry is written again. Another is taken to be there: it is removed
// with sweep, and else written whatever it was when it is desired.
func (s *Set[K, V]) Recheck(k K) {
	x, ok := s.slots[k]
	if !ok {
		return
	}
	s.unsure(k, &x)
	if x.mark.has(desired) || s.sweep {
		s.queue(k, x)
	} else {
		s.put(k, x)
	}
}

// unsure changes x to be in the kernel as it was, perhaps.
func (s *Set[K, V]) unsure(k K, x *slot[V]) {
	if x.mark.has(synced) {
		s.setActual(k, x, x.val, false)
	}
}

// RecheckAll is Recheck of all that is desired. The rest is taken to be there.
func (s *Set[K, V]) RecheckAll() {
	for k, x := range s.slots {
		if x.mark.has(desired) {
			s.unsure(k, &x)
			s.put(k, x)
		}
	}
	s.Requeue()
}

// Dumped says that the kernel has exactly these entries of ours. Requeue queues
// what differs.
func (s *Set[K, V]) Dumped(all map[K]V) {
	for k, x := range s.slots {
		x.mark &^= present | synced | isOdd
		s.put(k, x)
	}
	for k, v := range all {
		s.put(k, s.seen(k, v))
	}
}

// Reset says that the device is gone, and with it all entries, what was to be
// done to them, and foreign entries. What is desired stays; Requeue queues it.
func (s *Set[K, V]) Reset() {
	s.adds, s.dels, s.foreign = fifo[K]{}, fifo[K]{}, nil
	for k, x := range s.slots {
		x.mark &= desired
		s.put(k, x)
	}
}

// Sweep has what nobody desires removed, from now on.
func (s *Set[K, V]) Sweep() {
	s.sweep = true
	s.Requeue()
}

// Requeue queues all that differs, in the order of keys, but for what failed and
// waits for its next try. It returns how many additions that were not queued.
func (s *Set[K, V]) Requeue() int {
	var keys []K
	for k, x := range s.slots {
		if x.mark&(desired|synced|inAdds|failing) == desired || s.sweep && !x.mark.has(desired) && x.mark&(present|inDels) == present {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, s.order)
	n := 0
	for _, k := range keys {
		x := s.slots[k]
		n += count(x.mark.has(desired))
		s.queue(k, x)
	}
	return n
}

// Next returns the next entry to be added, or to be removed; ok is false when
// there is none. Each Change is answered, in the order of Next: the caller gets
// it again from Taken, and says Done, Fail, Unanswered or PutBack of it. An
// entry whose key has a foreign entry fails here, with a ForeignError.
func (s *Set[K, V]) Next(remove bool, now time.Time) (c Change[K, V], ok bool) {
	q, queued := &s.adds, inAdds
	if remove {
		q, queued = &s.dels, inDels
	}
	for q.len() > 0 {
		k := q.pop()
		x := s.slots[k]
		x.mark &^= queued
		s.put(k, x)
		switch {
		case x.mark.has(desired) == remove, remove && !x.mark.has(present), !remove && x.mark.has(synced):
			continue // what was to be done is done, or is not wanted any more
		case x.mark.has(failing) && s.fails[k].waits(now):
			continue // it failed since it was queued
		}
		if by := s.foreign[k]; by != 0 && !remove {
			s.Fail(k, ForeignError{by}, now)
			s.refused++
			continue
		}
		c = Change[K, V]{Key: k, Remove: remove, Value: x.val}
		if have := s.actual(k, x); have.Odd() {
			c.Have = have
		}
		s.taken.push(c)
		return c, true
	}
	return c, false
}

// Refused returns how many entries failed in Next since it was last called.
func (s *Set[K, V]) Refused() int {
	n := s.refused
	s.refused = 0
	return n
}

// Taken returns the oldest Change of Next that it has not returned yet.
func (s *Set[K, V]) Taken() Change[K, V] { return s.taken.pop() }

// Done says that c is done.
func (s *Set[K, V]) Done(c Change[K, V]) {
	x := s.slots[c.Key]
	x.mark &^= failing
	if c.Remove {
		x.mark &^= present | synced | isOdd
	} else {
		s.setActual(c.Key, &x, c.Value, true)
	}
	s.queue(c.Key, x)
}

// PutBack says that c was not done, and is to be as soon as may be.
func (s *Set[K, V]) PutBack(c Change[K, V]) {
	if x, ok := s.slots[c.Key]; ok {
		s.queue(c.Key, x)
	}
}

// Unanswered says that it is not known whether c was done: it is to be done
// again. have is what the kernel may have after an addition.
func (s *Set[K, V]) Unanswered(c Change[K, V], have V) {
	if c.Remove {
		s.Recheck(c.Key)
	} else {
		s.Maybe(c.Key, have)
	}
	s.PutBack(c)
}

// Maybe says that the kernel may have k with value v, or in part: what is
// desired is written over it.
func (s *Set[K, V]) Maybe(k K, v V) {
	if x, ok := s.slots[k]; ok {
		s.setActual(k, &x, v, false)
		s.put(k, x)
	}
}

// Busy tells whether Next has something to look at.
func (s *Set[K, V]) Busy() bool { return s.adds.len()+s.dels.len() > 0 }

// Desired returns how many entries are desired, Installed how many of them the
// kernel has, and Failed how many wait for another try.
func (s *Set[K, V]) Desired() int { return s.desired }

// Installed returns how many desired entries the kernel has.
func (s *Set[K, V]) Installed() int { return s.installed }

// Failed returns how many entries wait for another try.
func (s *Set[K, V]) Failed() int { return len(s.fails) }

// Len returns how many entries are desired, in the kernel or both.
func (s *Set[K, V]) Len() int { return len(s.slots) }

// Entry is what a Set knows of one key.
type Entry[V Value] struct {
	Desired bool
	Present bool // the kernel has it, perhaps with another value, or may have it
	Synced  bool // and has it with Value
	Value   V    // desired; of an entry that is not desired what the kernel has
}

// Installed tells whether the entry is desired, and is in the kernel so.
func (e Entry[V]) Installed() bool { return e.Desired && e.Synced }

func (x slot[V]) entry() Entry[V] {
	return Entry[V]{x.mark.has(desired), x.mark.has(present), x.mark.has(synced), x.val}
}

// Get returns what is known of k, and whether anything is.
func (s *Set[K, V]) Get(k K) (Entry[V], bool) {
	x, ok := s.slots[k]
	return x.entry(), ok
}

// All gives all entries, in no order. The Set must not be changed meanwhile.
func (s *Set[K, V]) All() iter.Seq2[K, Entry[V]] {
	return func(yield func(K, Entry[V]) bool) {
		for k, x := range s.slots {
			if !yield(k, x.entry()) {
				return
			}
		}
	}
}

// Sorted is All in the order of keys.
func (s *Set[K, V]) Sorted() iter.Seq2[K, Entry[V]] {
	return func(yield func(K, Entry[V]) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(s.slots), s.order) {
			if !yield(k, s.slots[k].entry()) {
				return
			}
		}
	}
}

// Occupy says that somebody has a foreign entry under k.
func (s *Set[K, V]) Occupy(k K, by Foreign) {
	if s.foreign == nil {
		s.foreign = make(map[K]Foreign)
	}
	s.foreign[k] |= by
}

// Release says that some have no foreign entry under k any more. When nobody
// has, the entry is written that failed for it.
func (s *Set[K, V]) Release(k K, by Foreign) {
	old, ok := s.foreign[k]
	if !ok {
		return
	}
	if left := old &^ by; left != 0 {
		s.foreign[k] = left
		return
	}
	delete(s.foreign, k)
	if x, ok := s.slots[k]; ok {
		x.mark &^= failing
		s.queue(k, x)
	}
}

// ReleaseAll says that nobody has foreign entries. It queues nothing, for what
// follows says again who has some.
func (s *Set[K, V]) ReleaseAll() { s.foreign = nil }

// Foreign returns who has foreign entries under k.
func (s *Set[K, V]) Foreign(k K) Foreign { return s.foreign[k] }

// AllForeign gives all keys with foreign entries, in no order.
func (s *Set[K, V]) AllForeign() iter.Seq2[K, Foreign] {
	return func(yield func(K, Foreign) bool) {
		for k, by := range s.foreign {
			if !yield(k, by) {
				return
			}
		}
	}
}
