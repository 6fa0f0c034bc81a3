package dataplane

import (
	"fmt"
	"net/netip"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// neighSpec are the addresses of remote hosts: neighbor entries from which the
// bridge answers ARP and ND itself (neigh_suppress).
var neighSpec = &spec[netip.Addr, entries.Neigh]{
	is:   kindNeigh,
	text: func(ip netip.Addr) string { return fmt.Sprintf("neighbor %s", ip) },
	encode: func(d *bdState, c entries.Change[netip.Addr, entries.Neigh], ops []kernel.Op) []kernel.Op {
		if c.Remove {
			return append(ops, neighOp(d, c.Key, c.Value, kernel.Delete))
		}
		return append(ops, neighOp(d, c.Key, c.Value, kernel.Replace))
	},
	removal: func(d *bdState, ip netip.Addr, v entries.Neigh, ops []kernel.Op) []kernel.Op {
		return append(ops, neighOp(d, ip, v, kernel.Delete))
	},
	// The kernel's notice that the address is not local any more is left out
	// with the echo.
	installed: func(_ *writer, d *bdState, ip netip.Addr) { d.local.ClearNeighbor(ip) },
}

func neighOp(d *bdState, ip netip.Addr, to entries.Neigh, v kernel.Verb) kernel.Op {
	return kernel.Op{Verb: v, Entry: d.at.Neighbor(ip, to.MAC, to.Router)}
}
