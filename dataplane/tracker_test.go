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
