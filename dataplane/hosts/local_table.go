package hosts

// localEntry is one key of a localTable: as the kernel shows it, and what the
// engine knows of it.
type localEntry[V comparable] struct {
	val        V
	here       bool // it is local
	advertised bool // the engine was told that it is local
	dirty      bool // it is in the queue: the engine must be told its state
}

// localTable holds the local MACs, or the local IP addresses, of one broadcast
// domain. However often one comes and goes while the engine is slow, it has one
// mark, and the engine gets its state at the time of the call of next.
type localTable[K, V comparable] struct {
	m     map[K]localEntry[V]
	queue []K // of the dirty ones, the oldest first; some may be clean by now
	dirty int
}

func newLocalTable[K, V comparable]() localTable[K, V] {
	return localTable[K, V]{m: make(map[K]localEntry[V])}
}

func (t *localTable[K, V]) mark(k K, x localEntry[V]) {
	if !x.dirty {
		// A key that came and went before the engine was told stays in the
		// queue.
		if len(t.queue) > 2*t.dirty+1024 {
			t.compact()
		}
		x.dirty = true
		t.dirty++
		t.queue = append(t.queue, k)
	}
	t.m[k] = x
}

// compact drops the keys from the queue that are not dirty.
func (t *localTable[K, V]) compact() {
	var queue []K
	seen := make(map[K]bool, t.dirty)
	for _, k := range t.queue {
		if t.m[k].dirty && !seen[k] {
			seen[k] = true
			queue = append(queue, k)
		}
	}
	t.queue = queue
}

// set records that k is local with v, and returns whether that is new.
func (t *localTable[K, V]) set(k K, v V) bool {
	x := t.m[k]
	if x.here && x.val == v {
		return false
	}
	x.here, x.val = true, v
	t.mark(k, x)
	return true
}

// clear records that k is not local, and returns whether that is new.
func (t *localTable[K, V]) clear(k K) bool {
	x := t.m[k]
	if !x.here {
		return false
	}
	x.here = false
	if x.advertised {
		t.mark(k, x)
		return true
	}
	if x.dirty {
		t.dirty--
	}
	delete(t.m, k)
	return true
}

// get returns the value of a local k.
func (t *localTable[K, V]) get(k K) (v V, here bool) {
	x := t.m[k]
	return x.val, x.here
}

// next takes the next key of which the engine must be told. The caller tells
// it.
func (t *localTable[K, V]) next() (k K, v V, here, ok bool) {
	for len(t.queue) > 0 {
		k = t.queue[0]
		if t.queue = t.queue[1:]; len(t.queue) == 0 {
			t.queue = nil // the memory of a burst is given back
		}
		x := t.m[k]
		if !x.dirty {
			continue
		}
		x.dirty, x.advertised = false, x.here
		t.dirty--
		if x.here {
			t.m[k] = x
		} else {
			delete(t.m, k)
		}
		return k, x.val, x.here, true
	}
	return k, v, false, false
}

// local returns the local keys in the order of the caller's sort.
func (t *localTable[K, V]) local(sort func([]K)) []K {
	keys := make([]K, 0, len(t.m))
	for k, x := range t.m {
		if x.here {
			keys = append(keys, k)
		}
	}
	sort(keys)
	return keys
}

// readvertise marks all that is local, for an engine that has forgotten it, and
// drops the rest. The order is that of the caller's sort.
func (t *localTable[K, V]) readvertise(sort func([]K)) {
	keys := t.local(sort)
	for k, x := range t.m {
		if !x.here {
			delete(t.m, k)
		}
	}
	t.queue, t.dirty = nil, 0
	for _, k := range keys {
		x := t.m[k]
		x.advertised, x.dirty = false, false
		t.mark(k, x)
	}
}
