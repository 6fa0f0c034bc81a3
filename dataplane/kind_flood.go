package dataplane

import (
	"fmt"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// floodSpec are the destinations of broadcast and unknown unicast (head-end
// replication): entries of the zero MAC in the VXLAN device's table, one a
// remote VTEP.
var floodSpec = &spec[evpn.Via, entries.Flood]{
	is:   kindFlood,
	text: func(v evpn.Via) string { return fmt.Sprintf("flood entry to %s", v.VTEP) },
	encode: func(d *bdState, c entries.Change[evpn.Via, entries.Flood], ops []kernel.Op) []kernel.Op {
		if c.Remove {
			return append(ops, floodOp(d, c.Key, kernel.Delete))
		}
		return append(ops, floodOp(d, c.Key, kernel.Append))
	},
	removal: func(d *bdState, v evpn.Via, _ entries.Flood, ops []kernel.Op) []kernel.Op {
		return append(ops, floodOp(d, v, kernel.Delete))
	},
	mayExist: true,
}

func floodOp(d *bdState, dest evpn.Via, v kernel.Verb) kernel.Op {
	return kernel.Op{Verb: v, Entry: d.at.FloodDest(dest)}
}
