package hosts

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestLocalTable holds what a consumer gets that takes from a local table now
// and then to what is local.
func TestLocalTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newLocalTable[int, int]()
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
				s.readvertise(slices.Sort)
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

// TestLocalTableQueue has hosts come and go before anybody takes them: their
// keys do not gather.
func TestLocalTableQueue(t *testing.T) {
	s := newLocalTable[int, int]()
	for i := range 1_000_000 {
		s.set(i, 1)
		s.clear(i)
	}
	if n := len(s.queue); n > 2048 || len(s.m) != 0 {
		t.Errorf("%d keys wait and %d hosts are kept, though none is here", n, len(s.m))
	}
}
