package dataplane

import (
	"time"
)

// mark is what a tracker knows of one entry.
type mark uint16

const (
	wanted  mark = 1 << iota // the engine wishes it
	present                  // an entry of ours is in the kernel, perhaps with another value
	synced                   // and it is as the wish, or as it was found when there is none
	inAdds                   // stands in the queue of additions
	inDels                   // stands in the queue of removals
	half                     // removal: the bridge's part is gone, the device's is not
	sticky                   // the bridge holds it as sticky (FDB only)
	failing                  // has an entry in fails
	usurped                  // somebody took our mark off the device's part (FDB only)
)

func (m mark) has(bits mark) bool { return m&bits == bits }

// slot is one entry: the wish, or what was found where there is no wish.
type slot[V comparable] struct {
	val  V
	mark mark
	was  mark // the mark as it was stored last: spares put a look-up
}

// failure is an entry that could not be made as wished.
type failure struct {
	err   error
	tries uint8
	at    time.Time // to be tried again
	held  bool      // not before resume
}

// The pauses between tries of one failed entry.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
)

// tracker is the difference between wish and kernel for one kind of entry
// of one VNI. It holds a slot for each entry that is wished, held or both,
// and names in its queues, each at most once, those that differ.
type tracker[K, V comparable] struct {
	slots map[K]slot[V]
	adds  fifo[K]
	dels  fifo[K]
	fails map[K]failure

	wants, holds int // slots that are wanted; wanted and synced
}

func newTracker[K, V comparable]() tracker[K, V] {
	return tracker[K, V]{slots: make(map[K]slot[V]), fails: make(map[K]failure)}
}

// put stores a slot and keeps the counts, queues and failures true to it. s
// is that of t.slots, with changes: nothing may have been stored since it was
// read.
func (t *tracker[K, V]) put(k K, s slot[V]) {
	t.wants += count(s.mark.has(wanted)) - count(s.was.has(wanted))
	t.holds += count(s.mark.has(wanted|synced)) - count(s.was.has(wanted|synced))
	gone := s.mark&(wanted|present|inAdds|inDels) == 0
	if s.was.has(failing) && (gone || !s.mark.has(failing)) {
		delete(t.fails, k)
	}
	if gone {
		delete(t.slots, k)
		return
	}
	s.was = s.mark
	t.slots[k] = s
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// queue puts k where it has to go for wish and kernel to become equal.
func (t *tracker[K, V]) queue(k K, s slot[V]) {
	switch {
	case s.mark.has(wanted) && !s.mark.has(synced) && !s.mark.has(inAdds):
		s.mark |= inAdds
		t.adds.push(k)
	case !s.mark.has(wanted) && s.mark.has(present) && !s.mark.has(inDels):
		s.mark |= inDels
		t.dels.push(k)
	}
	t.put(k, s)
}

// wish records that k is wanted with value v. Nothing is to be written when
// the kernel has it so.
func (t *tracker[K, V]) wish(k K, v V) {
	s := t.slots[k]
	same := s.mark != 0 && s.val == v
	if same && s.mark.has(wanted|synced) {
		return
	}
	if !same {
		s.mark &^= synced
	}
	s.val = v
	s.mark |= wanted
	s.mark &^= failing | half
	t.queue(k, s)
}

// unwish records that k is not wanted.
func (t *tracker[K, V]) unwish(k K) {
	s, ok := t.slots[k]
	if !ok {
		return
	}
	s.mark &^= wanted | synced | failing
	t.queue(k, s)
}

// found records that the kernel holds k with value v, as ours. An entry
// nobody wishes stays until sweep.
func (t *tracker[K, V]) found(k K, v V, isSticky bool) {
	s := t.slots[k]
	s.mark |= present
	s.mark &^= sticky | usurped
	if isSticky {
		s.mark |= sticky
	}
	switch {
	case !s.mark.has(wanted):
		s.val = v
		s.mark |= synced
		t.put(k, s)
	case s.val == v:
		s.mark |= synced
		s.mark &^= failing
		t.put(k, s)
	default:
		s.mark &^= synced
		t.queue(k, s)
	}
}

// lost records that the kernel does not hold k as wished, and queues it.
func (t *tracker[K, V]) lost(k K) {
	s, ok := t.slots[k]
	if !ok {
		return
	}
	s.mark &^= present | synced | sticky | half | usurped
	t.queue(k, s)
}

// doubt records that k may not be in the kernel as it was found, when nobody
// wishes it yet: a wish is written then whatever it says.
func (t *tracker[K, V]) doubt(k K) {
	if s, ok := t.slots[k]; ok && !s.mark.has(wanted) {
		s.mark &^= synced
		t.put(k, s)
	}
}

// recheck records that it is not known whether the kernel holds k as it did. A
// wished entry is written again. Another is taken to be there, and is removed
// with sweep; without, it stays until then, or until it is wished.
func (t *tracker[K, V]) recheck(k K, sweep bool) {
	s, ok := t.slots[k]
	if !ok {
		return
	}
	s.mark &^= synced
	if s.mark.has(wanted) || sweep {
		t.queue(k, s)
	} else {
		t.put(k, s)
	}
}

// forget records that the kernel holds nothing, until it is read.
func (t *tracker[K, V]) forget() {
	for k, s := range t.slots {
		s.mark &^= present | synced | sticky | half | usurped
		t.put(k, s)
	}
}

// suspect records that it is not known whether the kernel holds what it held.
// What is wished is to be written again, by requeue; the rest is taken to be
// there.
func (t *tracker[K, V]) suspect() {
	for k, s := range t.slots {
		if s.mark.has(wanted) {
			s.mark &^= synced
			t.put(k, s)
		}
	}
}

// perhaps records that the kernel may hold k as it was just written.
func (t *tracker[K, V]) perhaps(k K, isSticky bool) {
	s, ok := t.slots[k]
	if !ok {
		return
	}
	s.mark |= present
	if isSticky {
		s.mark |= sticky
	}
	t.put(k, s)
}

// vanish records that the device is gone, and with it all entries and what was
// still to be done to them. The wishes stay, for requeue.
func (t *tracker[K, V]) vanish() {
	t.adds, t.dels = fifo[K]{}, fifo[K]{}
	for k, s := range t.slots {
		s.mark &^= present | synced | sticky | half | usurped | inAdds | inDels | failing
		t.put(k, s)
	}
}

// requeue queues all that is wanted and not in the kernel, but for what
// failed and waits for its next try; with sweep also what is in the kernel
// and not wanted. It returns how many additions. The order of writing is
// that of the caller's sort.
func (t *tracker[K, V]) requeue(sweep bool, sort func([]K)) int {
	var keys []K
	for k, s := range t.slots {
		if s.mark&(wanted|synced|inAdds|failing) == wanted || sweep && !s.mark.has(wanted) && s.mark&(present|inDels) == present {
			keys = append(keys, k)
		}
	}
	sort(keys)
	n := 0
	for _, k := range keys {
		s := t.slots[k]
		n += count(s.mark.has(wanted))
		t.queue(k, s)
	}
	return n
}

// nextAdd takes the next entry to be written off its queue.
func (t *tracker[K, V]) nextAdd(now time.Time) (k K, s slot[V], ok bool) {
	for t.adds.len() > 0 {
		k = t.adds.pop()
		s = t.slots[k]
		s.mark &^= inAdds
		t.put(k, s)
		if s.mark.has(failing) {
			if f := t.fails[k]; f.held || f.at.After(now) {
				continue // failed since it was queued: its pause runs
			}
		}
		if s.mark.has(wanted) && !s.mark.has(synced) {
			return k, s, true
		}
	}
	return k, s, false
}

// nextDel takes the next entry to be removed off its queue.
func (t *tracker[K, V]) nextDel() (k K, s slot[V], ok bool) {
	for t.dels.len() > 0 {
		k = t.dels.pop()
		s = t.slots[k]
		s.mark &^= inDels
		t.put(k, s)
		if !s.mark.has(wanted) && s.mark.has(present) {
			return k, s, true
		}
	}
	return k, s, false
}

// added records that k was written with value v.
func (t *tracker[K, V]) added(k K, v V, isSticky bool) {
	s := t.slots[k]
	s.mark |= present
	s.mark &^= sticky | usurped | failing
	if isSticky {
		s.mark |= sticky
	}
	if s.val == v {
		s.mark |= synced
	}
	t.put(k, s)
}

// removed records that k is in the kernel no more.
func (t *tracker[K, V]) removed(k K) {
	s := t.slots[k]
	s.mark &^= present | synced | sticky | half | usurped | failing
	t.put(k, s)
}

// fail records that k could not be written or removed and is to be tried
// again after a pause, longer each time. There may be a part of it in the
// kernel.
func (t *tracker[K, V]) fail(k K, err error, now time.Time) {
	s, ok := t.slots[k]
	if !ok {
		return
	}
	f := t.fails[k]
	pause := min(retryFirst<<min(f.tries, 10), retryMost)
	f.err, f.at, f.held = err, now.Add(pause), false
	if f.tries < 255 {
		f.tries++
	}
	t.fails[k] = f
	s.mark |= failing
	t.put(k, s)
}

// hold records that k failed and is not to be tried again before resume.
func (t *tracker[K, V]) hold(k K, err error, now time.Time) {
	t.fail(k, err, now)
	if f, ok := t.fails[k]; ok {
		f.held = true
		t.fails[k] = f
	}
}

// resume has k tried after its pause, from now on, when it is held. It
// returns whether it was.
func (t *tracker[K, V]) resume(k K, now time.Time) bool {
	f, ok := t.fails[k]
	if !ok || !f.held {
		return false
	}
	f.held, f.at = false, now.Add(retryFirst)
	t.fails[k] = f
	return true
}

// again has k tried without waiting, because what it failed for is gone.
func (t *tracker[K, V]) again(k K) {
	if s, ok := t.slots[k]; ok {
		s.mark &^= failing
		t.queue(k, s)
	}
}

// renounce drops all wishes and returns them, for wish to make them again.
func (t *tracker[K, V]) renounce() map[K]V {
	old := make(map[K]V, t.wants)
	for k, s := range t.slots {
		if s.mark.has(wanted) {
			old[k] = s.val
		}
		s.mark &^= wanted | synced | failing
		t.put(k, s)
	}
	return old
}

// retry queues the failed entries whose pause is over and returns when the
// next one is.
func (t *tracker[K, V]) retry(now time.Time, sort func([]K)) (next time.Time, queued int) {
	var keys []K
	for k, f := range t.fails {
		switch {
		case f.held:
		case f.at.After(now):
			// Also when it is queued: nextAdd skips it if its turn comes before.
			if next.IsZero() || f.at.Before(next) {
				next = f.at
			}
		case t.slots[k].mark&(inAdds|inDels) == 0:
			keys = append(keys, k)
		}
	}
	sort(keys)
	for _, k := range keys {
		t.queue(k, t.slots[k])
	}
	return next, len(keys)
}

// busy tells whether a write is waiting.
func (t *tracker[K, V]) busy() bool { return t.adds.len()+t.dels.len() > 0 }

// fifo is a queue that keeps its memory.
type fifo[K any] struct {
	items []K
	head  int
}

func (q *fifo[K]) len() int { return len(q.items) - q.head }

func (q *fifo[K]) push(k K) {
	if q.head > 1024 && q.head > len(q.items)/2 {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, k)
}

func (q *fifo[K]) pop() K {
	k := q.items[q.head]
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > 1<<16 {
			q.items = nil // a burst's memory is given back
		}
	}
	return k
}
