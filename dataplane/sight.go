package dataplane

// sight is a local host as the kernel shows it and as the engine was told.
type sight[V comparable] struct {
	val   V
	here  bool // the kernel has it
	told  bool // the engine was told that it is here
	dirty bool // stands in the queue: the engine is to be told how it is
}

// sights are the local MACs, or the local addresses, of one VNI. However
// often a host comes and goes while the engine is slow, there is one mark
// for it, and the engine gets the state at the time it takes it.
type sights[K, V comparable] struct {
	m     map[K]sight[V]
	queue fifo[K]
	dirty int
}

func newSights[K, V comparable]() sights[K, V] { return sights[K, V]{m: make(map[K]sight[V])} }

func (s *sights[K, V]) mark(k K, x sight[V]) {
	if !x.dirty {
		// Hosts that came and went untold leave their key in the queue.
		if s.queue.len() > 2*s.dirty+1024 {
			s.compact()
		}
		x.dirty = true
		s.dirty++
		s.queue.push(k)
	}
	s.m[k] = x
}

func (s *sights[K, V]) compact() {
	var q fifo[K]
	seen := make(map[K]bool, s.dirty)
	for s.queue.len() > 0 {
		if k := s.queue.pop(); s.m[k].dirty && !seen[k] {
			seen[k] = true
			q.push(k)
		}
	}
	s.queue = q
}

// set records that k is here with v, and returns whether that is new.
func (s *sights[K, V]) set(k K, v V) bool {
	x := s.m[k]
	if x.here && x.val == v {
		return false
	}
	x.here, x.val = true, v
	s.mark(k, x)
	return true
}

// clear records that k is not here, and returns whether that is new.
func (s *sights[K, V]) clear(k K) bool {
	x := s.m[k]
	if !x.here {
		return false
	}
	x.here = false
	if x.told {
		s.mark(k, x)
		return true
	}
	if x.dirty {
		s.dirty--
	}
	delete(s.m, k)
	return true
}

// next takes the next host that the engine is to be told of. The caller
// tells it.
func (s *sights[K, V]) next() (k K, v V, here, ok bool) {
	for s.queue.len() > 0 {
		k = s.queue.pop()
		x := s.m[k]
		if !x.dirty {
			continue
		}
		x.dirty, x.told = false, x.here
		s.dirty--
		if x.here {
			s.m[k] = x
		} else {
			delete(s.m, k)
		}
		return k, x.val, x.here, true
	}
	return k, v, false, false
}

// retell marks all that is here, for an engine that has forgotten, and drops
// the rest. The order is the caller's sort.
func (s *sights[K, V]) retell(sort func([]K)) {
	keys := make([]K, 0, len(s.m))
	for k, x := range s.m {
		if x.here {
			keys = append(keys, k)
		} else {
			delete(s.m, k)
		}
	}
	sort(keys)
	s.queue, s.dirty = fifo[K]{}, 0
	for _, k := range keys {
		x := s.m[k]
		x.told, x.dirty = false, false
		s.mark(k, x)
	}
}
