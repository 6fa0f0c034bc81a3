package dataplane

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTracker drives a tracker with wishes, finds, losses and writes that
// fail, against two plain maps: what is wished and what the kernel has.
func TestTracker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := newTracker[int, int]()
		wish := make(map[int]int)
		kernel := make(map[int]int)
		key := rapid.IntRange(1, 6)
		val := rapid.IntRange(1, 3)
		now := time.Unix(0, 0)
		refused := errors.New("refused")
		add := func() bool {
			k, s, ok := tr.nextAdd(now)
			if !ok {
				return false
			}
			if want, is := wish[k]; !is || want != s.val {
				t.Fatalf("writes %d=%d, wished is %v", k, s.val, wish)
			}
			if rapid.IntRange(0, 4).Draw(t, "luck") == 0 {
				tr.fail(k, refused, now)
				return true
			}
			kernel[k] = s.val
			tr.added(k, s.val, false)
			return true
		}
		del := func() bool {
			k, _, ok := tr.nextDel()
			if !ok {
				return false
			}
			if _, is := wish[k]; is {
				t.Fatalf("removes %d, which is wished", k)
			}
			if rapid.IntRange(0, 4).Draw(t, "luck") == 0 {
				tr.fail(k, refused, now)
				return true
			}
			delete(kernel, k)
			tr.removed(k)
			return true
		}
		t.Repeat(map[string]func(*rapid.T){
			"wish": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), val.Draw(t, "v")
				wish[k] = v
				tr.wish(k, v)
			},
			"unwish": func(t *rapid.T) {
				k := key.Draw(t, "k")
				delete(wish, k)
				tr.unwish(k)
			},
			"appears": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), val.Draw(t, "v")
				kernel[k] = v
				tr.found(k, v, false)
			},
			"vanishes": func(t *rapid.T) {
				k := key.Draw(t, "k")
				delete(kernel, k)
				tr.lost(k)
			},
			"device made again": func(t *rapid.T) {
				clear(kernel)
				tr.vanish()
				if len(tr.slots) != len(wish) || tr.busy() {
					t.Fatalf("%d slots and %v queued for %d wishes without a device", len(tr.slots), tr.busy(), len(wish))
				}
				tr.requeue(false, slices.Sort)
			},
			"read": func(t *rapid.T) {
				tr.forget()
				for _, k := range slices.Sorted(maps.Keys(kernel)) {
					tr.found(k, kernel[k], false)
				}
				tr.requeue(false, slices.Sort)
			},
			"leave": func(t *rapid.T) {
				old := tr.renounce()
				if !maps.Equal(old, wish) {
					t.Fatalf("renounced %v, wished was %v", old, wish)
				}
				for k, v := range old {
					tr.wish(k, v)
				}
			},
			"write": func(t *rapid.T) { add() },
			"erase": func(t *rapid.T) { del() },
			"": func(t *rapid.T) {
				held := 0
				for k, v := range wish {
					s := tr.slots[k]
					if !s.mark.has(wanted) || s.val != v {
						t.Fatalf("wish %d=%d is %+v", k, v, s)
					}
					if s.mark.has(synced) {
						held++
						if kernel[k] != v {
							t.Fatalf("%d counts as written with %d, kernel has %d", k, v, kernel[k])
						}
					} else if s.mark&(inAdds|failing) == 0 {
						t.Fatalf("%d is not written and nobody will: %+v", k, s)
					}
				}
				if tr.wants != len(wish) || tr.holds != held {
					t.Fatalf("counts %d and %d, want %d and %d", tr.wants, tr.holds, len(wish), held)
				}
				if len(tr.slots) > len(wish)+len(kernel)+tr.adds.len()+tr.dels.len() {
					t.Fatalf("%d slots for %d wishes and %d entries", len(tr.slots), len(wish), len(kernel))
				}
				for k := range tr.fails {
					if !tr.slots[k].mark.has(failing) {
						t.Fatalf("failure of %d, which is %+v", k, tr.slots[k])
					}
				}
			},
		})
		// With time and without more failures than luck has, both become equal.
		tr.requeue(true, slices.Sort)
		for range 1000 {
			now = now.Add(retryMost)
			tr.retry(now, slices.Sort)
			for add() || del() {
			}
		}
		if !maps.Equal(kernel, wish) {
			t.Fatalf("kernel ends as %v, wished is %v", kernel, wish)
		}
	})
}

// TestSights drives the marks of local hosts against the view of a consumer
// that takes them now and then.
func TestSights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSights[int, int]()
		here := make(map[int]int)
		view := make(map[int]int)
		key := rapid.IntRange(1, 6)
		take := func() bool {
			k, v, is, ok := s.next()
			if ok && is {
				view[k] = v
			} else if ok {
				if _, told := view[k]; !told {
					t.Fatalf("%d is told to be gone and was never told to be here", k)
				}
				delete(view, k)
			}
			return ok
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.IntRange(1, 3).Draw(t, "v")
				here[k] = v
				s.set(k, v)
			},
			"clear": func(t *rapid.T) {
				k := key.Draw(t, "k")
				delete(here, k)
				s.clear(k)
			},
			"take": func(t *rapid.T) { take() },
			"forgets": func(t *rapid.T) {
				clear(view)
				s.retell(slices.Sort)
			},
			"": func(t *rapid.T) {
				if len(s.m) > len(here)+len(view) || s.dirty > len(s.m) {
					t.Fatalf("%d hosts and %d marks for %d here and %d told", len(s.m), s.dirty, len(here), len(view))
				}
			},
		})
		for take() {
		}
		if !maps.Equal(view, here) {
			t.Fatalf("consumer ends with %v, here is %v", view, here)
		}
	})
}

// TestSightsQueue lets hosts come and go untold: their keys do not gather.
func TestSightsQueue(t *testing.T) {
	s := newSights[int, int]()
	for i := range 1_000_000 {
		s.set(i, 1)
		s.clear(i)
	}
	if n := s.queue.len(); n > 2048 || len(s.m) != 0 {
		t.Errorf("%d keys wait and %d hosts are kept, though none is here", n, len(s.m))
	}
}

// TestRetryOfQueued has an entry fail while it stands in the queue, which
// skips it when its turn comes: its next try is not forgotten.
func TestRetryOfQueued(t *testing.T) {
	tr := newTracker[int, int]()
	now := time.Now()
	tr.wish(1, 1)
	tr.fail(1, errTaken, now)
	next, _ := tr.retry(now.Add(retryFirst/2), func([]int) {})
	if _, _, ok := tr.nextAdd(now.Add(retryFirst / 2)); ok {
		t.Fatal("its pause does not count")
	}
	if !next.Equal(now.Add(retryFirst)) {
		t.Errorf("the next try is at %v, want %v", next, now.Add(retryFirst))
	}
}
