package dataplane

import (
	"slices"
	"time"
)

// Bounds are the upper bounds of the buckets of a Histogram, ascending; what
// is longer than the last is counted in none.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// Histogram tells how long something took, each time since the start. It is
// a value: a copy does not change.
type Histogram struct {
	Buckets [len(Bounds)]uint64 // how often not longer than Bounds[i], and longer than the bound before
	Count   uint64              // how often in all
	Sum     time.Duration
}

func (h *Histogram) observe(d time.Duration) {
	h.Count++
	h.Sum += d
	if i, _ := slices.BinarySearch(Bounds[:], d); i < len(Bounds) {
		h.Buckets[i]++
	}
}
