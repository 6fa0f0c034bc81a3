package entries

import "github.com/evpnd/evpnd/evpn"

// Parts are what the kernel holds of a remote MAC: an entry of the bridge and
// one of the VXLAN device.
type Parts uint8

// The parts of a remote MAC.
const (
	Device Parts = 1 << iota // the VXLAN device's entry
	Marked                   // with our mark on it (NTF_EXT_LEARNED)
	Bridge                   // the bridge's entry, behind the VXLAN device
	Sticky                   // sticky and static (NTF_STICKY)

	whole = Device | Marked | Bridge
)

// FDB is the value of a remote MAC, which is the key.
type FDB struct {
	Via   evpn.Via
	Parts Parts
}

// NewFDB returns a Set of remote MACs.
func NewFDB(taken *Taken[evpn.MAC, FDB], sweep bool) *Set[evpn.MAC, FDB] {
	return newSet[evpn.MAC, FDB](evpn.MAC.Compare, taken, sweep)
}

// Remote is a remote MAC as it is to be: both parts, the device's with our
// mark.
func Remote(via evpn.Via, sticky bool) FDB {
	if sticky {
		return FDB{via, whole | Sticky}
	}
	return FDB{via, whole}
}

// Has tells whether the kernel has all of some parts.
func (f FDB) Has(parts Parts) bool { return f.Parts&parts == parts }

// Odd tells whether the message that writes both parts would not replace all of
// f: what is sticky stays so, and what has no mark gets none.
func (f FDB) Odd() bool { return f.Parts != whole && f.Parts != 0 }

// Either is what may be in the kernel when it is not known whether b has
// replaced a: what is written over it must be right in both cases.
func Either(a, b FDB) FDB {
	either := FDB{b.Via, b.Parts | a.Parts&Sticky}
	if a.Has(Device) && !a.Has(Marked) {
		either.Parts &^= Marked
	}
	return either
}

// Text is f in the words of bridge fdb, in the VXLAN device of vni.
func (f FDB) Text(vni evpn.VNI) string {
	if f.Has(Sticky) {
		return f.Via.Text(vni) + " sticky"
	}
	return f.Via.Text(vni)
}
