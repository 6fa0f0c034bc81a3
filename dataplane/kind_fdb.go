package dataplane

import (
	"fmt"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// fdbSpec are the remote MACs: an entry in the bridge's table and one in the
// VXLAN device's.
var fdbSpec = &spec[evpn.MAC, entries.FDB]{
	is:     kindFDB,
	text:   func(m evpn.MAC) string { return fmt.Sprintf("MAC %s", m) },
	encode: encodeFDB,
	removal: func(d *bdState, m evpn.MAC, _ entries.FDB, ops []kernel.Op) []kernel.Op {
		// A deletion of both parts stops when the bridge has none.
		return append(ops, kernel.Op{Verb: kernel.Delete, Entry: d.at.BothParts(m)}, kernel.Op{Verb: kernel.Delete, Entry: d.at.DevicePart(m)})
	},
	either: entries.Either,
	rest: func(v entries.FDB) (entries.FDB, bool) {
		// The bridge has none behind the device, because the host is local by
		// now; the kernel stopped there and left the device's own entry.
		there := v.Has(entries.Bridge)
		v.Parts &^= entries.Bridge | entries.Sticky
		return v, there
	},
	// What was local under the MAC is so no more: the kernel's own notice of
	// that is left out with the echo.
	installed: func(w *writer, d *bdState, m evpn.MAC) { w.notLocal(d, m) },
}

// encodeFDB appends the messages that make a MAC remote, or remove it.
func encodeFDB(d *bdState, c entries.Change[evpn.MAC, entries.FDB], ops []kernel.Op) []kernel.Op {
	if c.Remove {
		parts := d.at.BothParts(c.Key)
		if !c.Value.Has(entries.Bridge) {
			parts = d.at.DevicePart(c.Key)
		}
		return append(ops, kernel.Op{Verb: kernel.Delete, Entry: parts})
	}
	if c.Have.Has(entries.Device) && !c.Have.Has(entries.Marked) {
		// vxlan_fdb_update_existing lets no extern-learned entry take over one
		// of a user: it would get our destination, and not our mark.
		ops = append(ops, kernel.Op{Verb: kernel.Delete, Entry: d.at.DevicePart(c.Key)})
	}
	both := kernel.Op{Verb: kernel.Replace, Entry: d.at.RemoteMAC(c.Key, c.Value.Via)}
	inBridge := kernel.Op{Verb: kernel.Replace, Entry: d.at.BridgePart(c.Key)}
	switch {
	case c.Value.Has(entries.Sticky):
		inBridge.State, inBridge.Flags = kernel.NoARP|kernel.Reachable, kernel.Master|kernel.Sticky
		return append(ops, both, inBridge)
	case c.Have.Has(entries.Sticky):
		// A write as dynamic is what clears sticky and static.
		inBridge.State = kernel.Reachable
		return append(ops, inBridge, both)
	}
	return append(ops, both)
}
