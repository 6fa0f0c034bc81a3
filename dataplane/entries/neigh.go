package entries

import (
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// Neigh is the value of a neighbor entry, whose key is the address.
type Neigh struct {
	MAC    evpn.MAC
	Router bool // NTF_ROUTER (RFC 9047)
}

// Odd is false: the kernel replaces a neighbor entry in one message.
func (Neigh) Odd() bool { return false }

func (n Neigh) String() string {
	if n.Router {
		return n.MAC.String() + " router"
	}
	return n.MAC.String()
}

// NewNeigh returns a Set of neighbor entries.
func NewNeigh(taken *Taken[netip.Addr, Neigh], sweep bool) *Set[netip.Addr, Neigh] {
	return newSet[netip.Addr, Neigh](netip.Addr.Compare, taken, sweep)
}
