package entries

import (
	"iter"
	"slices"
	"time"
)

// Failure is an entry that could not be made as desired.
type Failure struct {
	Err   error
	Tries int       // that failed, up to 255
	At    time.Time // of the next try
	Held  bool      // no try before Resume
}

func (f Failure) waits(now time.Time) bool { return f.Held || f.At.After(now) }

// The pauses between tries of one failed entry.
const (
	RetryFirst = 500 * time.Millisecond
	RetryMost  = 30 * time.Second
)

// Fail says that k could not be written or removed, or that it must not be for
// a while. It is tried again after a pause, longer each time.
func (s *Set[K, V]) Fail(k K, err error, now time.Time) { s.fail(k, err, now, false) }

// Hold is Fail of an entry that is not to be tried again before Resume.
func (s *Set[K, V]) Hold(k K, err error, now time.Time) { s.fail(k, err, now, true) }

func (s *Set[K, V]) fail(k K, err error, now time.Time, held bool) {
	x, ok := s.slots[k]
	if !ok {
		return
	}
	if s.fails == nil {
		s.fails = make(map[K]Failure)
	}
	f := s.fails[k]
	f.At = now.Add(min(RetryFirst<<min(f.Tries, 10), RetryMost))
	f.Err, f.Held, f.Tries = err, held, min(f.Tries+1, 255)
	s.fails[k] = f
	x.mark |= failing
	s.put(k, x)
}

// Resume has k tried after the first pause, from now on, when it is held. It
// returns whether it was.
func (s *Set[K, V]) Resume(k K, now time.Time) bool {
	f, ok := s.fails[k]
	if !ok || !f.Held {
		return false
	}
	f.Held, f.At = false, now.Add(RetryFirst)
	s.fails[k] = f
	return true
}

// Retry queues the failed entries whose pause is over. It returns how many are, and
// when the next one is; zero: never.
func (s *Set[K, V]) Retry(now time.Time) (queued int, next time.Time) {
	var keys []K
	for k, f := range s.fails {
		switch {
		case f.Held:
		case f.waits(now):
			// Also when it is queued: Next skips it if its turn comes before.
			if next.IsZero() || f.At.Before(next) {
				next = f.At
			}
		default:
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, s.order)
	for _, k := range keys {
		s.queue(k, s.slots[k])
	}
	return len(keys), next
}

// Failure returns the failure of k, if there is one.
func (s *Set[K, V]) Failure(k K) (Failure, bool) {
	f, ok := s.fails[k]
	return f, ok
}

// Failures gives all failures, in no order. The Set must not be changed
// meanwhile.
func (s *Set[K, V]) Failures() iter.Seq2[K, Failure] {
	return func(yield func(K, Failure) bool) {
		for k, f := range s.fails {
			if !yield(k, f) {
				return
			}
		}
	}
}

// State is how a desired entry stands.
type State string

// The states of an entry.
const (
	Absent    State = "absent"    // not desired
	Adopted   State = "adopted"   // not desired, found in the kernel, kept until Sweep
	Pending   State = "pending"   // desired, not yet written
	Installed State = "installed" // in the kernel as desired
	Failed    State = "failed"    // could not be written; tried again
)

// State returns how k stands, with the error when it failed.
func (s *Set[K, V]) State(k K) (State, error) {
	x, ok := s.slots[k]
	switch {
	case !ok:
		return Absent, nil
	case x.mark.has(failing):
		return Failed, s.fails[k].Err
	case x.mark.has(desired | synced):
		return Installed, nil
	case x.mark.has(desired):
		return Pending, nil
	case x.mark.has(synced):
		return Adopted, nil
	}
	return Absent, nil
}
