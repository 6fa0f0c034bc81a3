package entries

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// val is a value that stays odd unless a write over it knows of that, as a
// sticky MAC does.
type val struct {
	n   int
	odd bool
}

func (v val) Odd() bool { return v.odd }

// model is what is desired and what the kernel has, as two plain maps.
type model struct {
	set     *Set[int, val]
	desired map[int]val
	kernel  map[int]val
	foreign map[int]bool
	held    map[int]bool
	now     time.Time
}

var errRefused = errors.New("refused")

// write carries out the next addition or removal, of which luck says what the
// kernel answers: refused, an answer that is lost, or done.
func (m *model) write(t *rapid.T, remove bool, luck func() int) bool {
	c, ok := m.set.Next(remove, m.now)
	if n := m.set.Refused(); n > 0 {
		for k, f := range m.set.Failures() {
			if errors.As(f.Err, new(ForeignError)) && m.foreign[k] {
				n--
			}
		}
		if n > 0 {
			t.Fatalf("%d entries are refused without a foreign one", n)
		}
	}
	if !ok {
		return false
	}
	if c != m.set.Taken() {
		t.Fatalf("%+v is not what was taken", c)
	}
	want, desired := m.desired[c.Key]
	switch {
	case c.Remove != remove, desired == remove, !remove && want != c.Value:
		t.Fatalf("%+v is to be written, desired is %v", c, m.desired)
	case m.foreign[c.Key] && !remove:
		t.Fatalf("%+v is to be written over a foreign entry", c)
	case m.held[c.Key] && !remove:
		t.Fatalf("%+v is to be written, and was held", c)
	}
	do := func() {
		if remove {
			delete(m.kernel, c.Key)
			return
		}
		v := c.Value
		v.odd = v.odd || m.kernel[c.Key].odd && !c.Have.odd
		m.kernel[c.Key] = v
	}
	switch luck() {
	case 0:
		m.set.Fail(c.Key, errRefused, m.now)
	case 1: // the answer is lost
		if rapid.Bool().Draw(t, "done") {
			do()
		}
		m.set.Unanswered(c, val{c.Value.n, c.Have.odd || c.Value.odd})
	default:
		do()
		m.set.Done(c)
	}
	return true
}

// TestSet drives a Set with all that can be said to it, against two plain maps:
// what is desired and what the kernel has.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			set:     newSet[int, val](func(a, b int) int { return a - b }, &Taken[int, val]{}, false),
			desired: make(map[int]val), kernel: make(map[int]val), foreign: make(map[int]bool), held: make(map[int]bool),
			now: time.Unix(0, 0),
		}
		s := m.set
		key := rapid.IntRange(1, 6)
		value := rapid.Custom(func(t *rapid.T) val {
			return val{rapid.IntRange(1, 3).Draw(t, "n"), rapid.IntRange(0, 3).Draw(t, "odd") == 0}
		})
		luck := func() int { return rapid.IntRange(0, 5).Draw(t, "luck") }
		t.Repeat(map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), value.Draw(t, "v")
				delete(m.held, k) // a wish is tried at once
				m.desired[k] = v
				s.Want(k, v)
			},
			"unwant": func(t *rapid.T) {
				k := key.Draw(t, "k")
				delete(m.desired, k)
				delete(m.held, k)
				s.Unwant(k)
			},
			"appears": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), value.Draw(t, "v")
				m.kernel[k] = v
				if m.desired[k] == v {
					delete(m.held, k)
				}
				s.Seen(k, v)
			},
			"vanishes": func(t *rapid.T) {
				k := key.Draw(t, "k")
				delete(m.kernel, k)
				s.Gone(k)
			},
			"perhaps vanishes": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if rapid.Bool().Draw(t, "gone") {
					delete(m.kernel, k)
				}
				s.Recheck(k)
			},
			"notices are lost": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if _, ok := m.desired[k]; ok {
					delete(m.kernel, k)
				}
				s.RecheckAll()
			},
			"device made again": func(t *rapid.T) {
				clear(m.kernel)
				clear(m.foreign)
				clear(m.held)
				s.Reset()
				if s.Len() != len(m.desired) || s.Busy() {
					t.Fatalf("%d slots and %v queued for %d desired without a device", s.Len(), s.Busy(), len(m.desired))
				}
				s.Dumped(nil)
				s.Requeue()
			},
			"read": func(t *rapid.T) {
				for k, v := range m.kernel {
					if m.desired[k] == v {
						delete(m.held, k) // it is there as desired
					}
				}
				s.Dumped(m.kernel)
				s.Requeue()
			},
			"list": func(t *rapid.T) {
				desired := make(map[int]val)
				for k, e := range s.All() {
					if e.Desired {
						desired[k] = e.Value
					}
					if _, ok := m.kernel[k]; ok && !e.Present {
						t.Fatalf("the kernel has %d, which is %+v", k, e)
					}
				}
				if !maps.Equal(desired, m.desired) {
					t.Fatalf("listed are %v, desired is %v", desired, m.desired)
				}
			},
			"foreign": func(t *rapid.T) {
				k := key.Draw(t, "k")
				m.foreign[k] = true
				s.Occupy(k, StaticPort)
			},
			"foreign no more": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if m.foreign[k] {
					delete(m.held, k)
				}
				delete(m.foreign, k)
				s.Release(k, StaticPort|OwnAddress)
			},
			"hold": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if _, ok := m.desired[k]; ok {
					m.held[k] = true
					s.Recheck(k)
					s.Hold(k, errRefused, m.now)
				}
			},
			"resume": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if s.Resume(k, m.now) != m.held[k] && m.held[k] {
					t.Fatalf("%d was held and is not resumed", k)
				}
				delete(m.held, k)
			},
			"write": func(t *rapid.T) { m.write(t, false, luck) },
			"erase": func(t *rapid.T) { m.write(t, true, luck) },
			"":      m.check,
		})
		// With time and without more failures, both become equal.
		for k := range m.foreign {
			s.Release(k, StaticPort)
		}
		clear(m.foreign)
		for k := range m.held {
			s.Resume(k, m.now)
		}
		clear(m.held)
		s.Sweep()
		done := func() int { return 9 }
		for range 100 {
			m.now = m.now.Add(RetryMost)
			s.Retry(m.now)
			for m.write(t, false, done) || m.write(t, true, done) {
			}
		}
		if !maps.Equal(m.kernel, m.desired) || s.Desired() != s.Installed() || s.Len() != s.Desired() || s.Failed() != 0 {
			t.Fatalf("kernel ends as %v, desired is %v", m.kernel, m.desired)
		}
	})
}

func (m *model) check(t *rapid.T) {
	s, installed := m.set, 0
	for k, v := range m.desired {
		x := s.slots[k]
		if !x.mark.has(desired) || x.val != v {
			t.Fatalf("desired %d=%v is %+v", k, v, x)
		}
		if x.mark.has(synced) {
			installed++
			if m.kernel[k] != v {
				t.Fatalf("%d counts as written with %v, kernel has %v", k, v, m.kernel[k])
			}
		} else if x.mark&(inAdds|failing) == 0 {
			t.Fatalf("%d is not written and nobody will: %+v", k, x)
		}
	}
	if s.Desired() != len(m.desired) || s.Installed() != installed {
		t.Fatalf("counts %d and %d, want %d and %d", s.Desired(), s.Installed(), len(m.desired), installed)
	}
	there := 0
	for k := range m.kernel {
		if x := s.slots[k]; !x.mark.has(present) {
			t.Fatalf("the kernel has %d, which is %+v", k, x)
		}
	}
	for k, x := range s.slots {
		if !x.mark.has(desired) && x.mark.has(present) {
			there++ // perhaps
		}
		if _, ok := s.odd[k]; ok != x.mark.has(isOdd) {
			t.Fatalf("odd values %v, and %d is %+v", s.odd, k, x)
		}
	}
	if s.Len() > len(m.desired)+there+s.adds.len()+s.dels.len() {
		t.Fatalf("%d slots for %d desired and %d entries", s.Len(), len(m.desired), there)
	}
	for k := range s.fails {
		if !s.slots[k].mark.has(failing) {
			t.Fatalf("failure of %d, which is %+v", k, s.slots[k])
		}
	}
	for k := range s.odd {
		if _, ok := s.slots[k]; !ok {
			t.Fatalf("the odd value of %d is kept, which is gone", k)
		}
	}
	if s.taken.len() != 0 {
		t.Fatalf("%d changes have no answer", s.taken.len())
	}
}

// TestRemovalUnanswered has the answer to a removal be lost, and the entry be
// desired again as it was found: it is written.
func TestRemovalUnanswered(t *testing.T) {
	s := newSet[int, val](func(a, b int) int { return a - b }, &Taken[int, val]{}, true)
	now := time.Now()
	s.Seen(1, val{n: 1})
	if _, ok := s.Next(true, now); !ok {
		t.Fatal("what nobody desires is not removed")
	}
	s.Unanswered(s.Taken(), val{})
	s.Want(1, val{n: 1})
	if _, ok := s.Next(false, now); !ok {
		t.Error("it counts as there")
	}
}

// TestRetryOfQueued has an entry fail while it stands in the queue, which
// skips it when its turn comes: its next try is not forgotten.
func TestRetryOfQueued(t *testing.T) {
	s := newSet[int, val](func(a, b int) int { return a - b }, &Taken[int, val]{}, false)
	now := time.Now()
	s.Want(1, val{n: 1})
	s.Fail(1, errRefused, now)
	_, next := s.Retry(now.Add(RetryFirst / 2))
	if c, ok := s.Next(false, now.Add(RetryFirst/2)); ok {
		t.Fatalf("its pause does not count: %+v", c)
	}
	if !next.Equal(now.Add(RetryFirst)) {
		t.Errorf("the next try is at %v, want %v", next, now.Add(RetryFirst))
	}
}

// TestBackOff has an entry fail again and again: the pauses double up to the
// longest.
func TestBackOff(t *testing.T) {
	s := newSet[int, val](func(a, b int) int { return a - b }, &Taken[int, val]{}, false)
	now := time.Unix(0, 0)
	s.Want(1, val{n: 1})
	var pauses []time.Duration
	for range 9 {
		s.Next(false, now)
		c := s.Taken()
		s.Fail(c.Key, errRefused, now)
		_, next := s.Retry(now)
		pauses = append(pauses, next.Sub(now))
		now = next
		s.Retry(now)
	}
	want := []time.Duration{
		500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
		16 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second,
	}
	if !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

// TestOrder has a Set filled in another order than that of its keys: after a
// dump it hands them out in order.
func TestOrder(t *testing.T) {
	s := newSet[int, val](func(a, b int) int { return a - b }, &Taken[int, val]{}, true)
	stray := map[int]val{}
	for i := range 100 {
		s.Want(i*37%100, val{n: 1})
		stray[100+i*37%100] = val{n: 2}
	}
	s.Reset()
	s.Dumped(stray)
	if n := s.Requeue(); n != 100 {
		t.Errorf("%d are missing, want 100", n)
	}
	var adds, dels []int
	for {
		c, ok := s.Next(false, time.Time{})
		if !ok {
			break
		}
		adds = append(adds, c.Key)
	}
	for {
		c, ok := s.Next(true, time.Time{})
		if !ok {
			break
		}
		dels = append(dels, c.Key)
	}
	if len(adds) != 100 || len(dels) != 100 || !slices.IsSorted(adds) || !slices.IsSorted(dels) {
		t.Errorf("additions %v, removals %v", adds, dels)
	}
}
