package dataplane

import (
	"fmt"
	"net/netip"

	"github.com/evpnd/evpnd/dataplane/entries"
)

// neighSpec are the addresses of remote hosts: neighbor entries from which the
// bridge answers ARP and ND itself (neigh_suppress).
var neighSpec = &spec[netip.Addr, entries.Neigh]{
	is:   kindNeigh,
	text: func(ip netip.Addr) string { return fmt.Sprintf("neighbor %s", ip) },
	encode: func(d *bdState, c entries.Change[netip.Addr, entries.Neigh], ops []Op) []Op {
		if c.Remove {
			return append(ops, neighOp(d, c.Key, c.Value, Delete))
		}
		return append(ops, neighOp(d, c.Key, c.Value, Replace))
	},
	removal: func(d *bdState, ip netip.Addr, v entries.Neigh, ops []Op) []Op {
		return append(ops, neighOp(d, ip, v, Delete))
	},
	// The kernel's notice that the address is not local any more is left out
	// with the echo.
	installed: func(_ *writer, d *bdState, ip netip.Addr) { d.local.ClearNeighbor(ip) },
}

func neighOp(d *bdState, ip netip.Addr, to entries.Neigh, v Verb) Op {
	return Op{Verb: v, Entry: d.at.Neighbor(ip, to.MAC, to.Router)}
}
