package evpn

// queue remembers which objects changed, each once, in the order in which
// they first did. It is how a slow consumer coalesces instead of falling
// behind.
//
// It has two halves: what is pushed gathers in one while the other is handed
// out, so that handing out needs no look-up. An object that changes again
// after its half began to be handed out stands in the other once more.
type queue[K comparable] struct {
	list []K
	in   map[K]struct{} // what list holds
	out  []K            // the rest of the half that is handed out
	free []K            // the memory of that half, to be list again
}

func (q *queue[K]) push(k K) {
	if n := len(q.list); n > 0 && q.list[n-1] == k {
		return // as when many MACs of one VTEP change
	}
	if _, ok := q.in[k]; ok {
		return
	}
	if q.in == nil {
		q.in = make(map[K]struct{})
	}
	q.in[k] = struct{}{}
	q.list = append(q.list, k)
}

// take hands out at most n objects, none twice. They are the caller's until
// the next push or take. Only when it hands out none is nothing left.
func (q *queue[K]) take(n int) []K {
	if len(q.out) == 0 {
		q.turn()
	}
	n = max(0, min(n, len(q.out)))
	k := q.out[:n]
	q.out = q.out[n:]
	return k
}

// keepCap is how many entries an emptied half keeps room for: enough for
// steady work, little enough that a burst of a million leaves nothing behind.
const keepCap = 4096

func (q *queue[K]) turn() {
	q.out, q.list = q.list, q.free[:0]
	q.free = q.out
	if cap(q.free) > keepCap {
		q.free, q.in = nil, nil
	}
	clear(q.in)
}

func (q *queue[K]) len() int { return len(q.list) + len(q.out) }
