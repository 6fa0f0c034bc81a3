package entries

import (
	"cmp"

	"github.com/evpnd/evpnd/evpn"
)

// Flood is the value of a destination of flooding: the destination is the key,
// and says all.
type Flood struct{}

// Odd is false: the kernel adds a destination once, however often it is told.
func (Flood) Odd() bool { return false }

// NewFlood returns a Set of destinations of flooding.
func NewFlood(taken *Taken[evpn.Via, Flood], sweep bool) *Set[evpn.Via, Flood] {
	return newSet[evpn.Via, Flood](compareVia, taken, sweep)
}

// compareVia orders destinations by VTEP, then VNI.
func compareVia(a, b evpn.Via) int { return cmp.Or(a.VTEP.Compare(b.VTEP), cmp.Compare(a.VNI, b.VNI)) }
