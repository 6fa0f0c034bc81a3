package entries

import "fmt"

// Foreign says who has entries under a key that are not ours, and that no
// write of ours may take. There can be several.
type Foreign uint8

// The holders of foreign entries.
const (
	OwnAddress     Foreign = 1 << iota // the bridge, for a port's own address
	StaticPort                         // an operator, with a static FDB entry on a bridge port
	ForeignDevice                      // somebody, with an FDB entry of the VXLAN device without our mark
	StaticNeighbor                     // an operator, with a permanent neighbor entry
)

func (f Foreign) String() string {
	switch {
	case f&OwnAddress != 0:
		return "it is the address of a device of the bridge"
	case f&StaticPort != 0:
		return "a static entry of the bridge holds it behind a local port"
	case f&ForeignDevice != 0:
		return "an entry that evpnd did not make holds it in the VXLAN device"
	case f&StaticNeighbor != 0:
		return "a static neighbor entry that evpnd did not make holds it"
	}
	return fmt.Sprintf("foreign(%d)", uint8(f))
}

// ForeignError is the failure of an entry whose key has a foreign entry.
type ForeignError struct{ By Foreign }

func (e ForeignError) Error() string { return e.By.String() }
