package dataplane

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// dump is a read of entries. It has a goroutine of its own, and uses nothing
// that changes meanwhile.
type dump struct {
	k       Kernel
	index   topology.Index[*bdState]
	bridges []bridgeDump
	found   map[*bdState]*reading
	err     error
	failed  []*bdState // whose check failed: they are to be read in full
}

// bridgeDump is a bridge that is read, in full or, with a check, in part.
type bridgeDump struct {
	bridge int
	bds    []*bdState
	check  *check
}

// newDump returns a read of the entries of all broadcast domains that need it,
// or nil when none does: in full at the start and of new devices, for a dump of
// one big VXLAN device takes long.
func newDump(k Kernel, b *bds, dumpMost int) *dump {
	bridges := make(map[int]bool)
	for _, d := range b.all {
		if d.need != needNothing && d.attached() {
			bridges[d.at.Bridge] = true
		}
	}
	if len(bridges) == 0 {
		return nil
	}
	x := &dump{k: k, index: b.index, found: make(map[*bdState]*reading)}
	// A bridge's entries concern all its broadcast domains: a read of one reads
	// all.
	for _, br := range slices.Sorted(maps.Keys(bridges)) {
		bd := bridgeDump{bridge: br, bds: b.index.OnBridge(br)}
		for _, d := range bd.bds {
			d.need = max(d.need, needCheck)
			x.found[d] = newReading(d, b.topo.View)
		}
		if checkable(bd.bds, dumpMost) {
			bd.check = newCheck(b.topo.View, br, bd.bds)
			for _, d := range bd.bds {
				x.found[d].partial = true
			}
		}
		x.bridges = append(x.bridges, bd)
	}
	return x
}

// run reads the entries of the bridges and their ports, and all neighbors.
func (x *dump) run() {
	for _, b := range x.bridges {
		if b.check == nil {
			x.err = x.k.FDB(b.bridge, x.add)
		} else if x.err = b.check.run(x.k, x.add); x.err != nil {
			x.failed = b.bds
		}
		if x.err != nil {
			return
		}
	}
	x.err = x.k.Neighbors(x.add)
}

// add hands an entry to the readings that it concerns.
func (x *dump) add(e *kernel.Entry) {
	for _, d := range x.index.Of(e) {
		if r := x.found[d]; r != nil {
			r.add(e)
		}
	}
}

// reading is what a read found of one VNI.
type reading struct {
	at    topology.Attachment
	view  *topology.View
	macs  map[evpn.MAC]*kernel.Entry // bridge entries behind local ports
	own   map[evpn.MAC]bool          // bridge entries that are ports' own addresses
	ours  map[evpn.MAC]remote
	flood map[evpn.Via]entries.Flood
	other map[evpn.MAC]evpn.Via // device entries without our mark
	vlans map[evpn.MAC]struct{} // bridge entries with a VLAN, beside those in macs
	ips   []kernel.Entry

	partial bool // what it has not may be there, but for macs, ips and the MACs that were known
}

// remote is a remote MAC that was read. Its bridge entry may be without our mark
// when it is the sticky one of an operator.
type remote struct {
	entries.FDB
	bridgeMarked bool
}

// isOurs tells whether the parts found are ours: the device's with the mark,
// or the bridge's with it where the device has none, left by a write that
// went half way.
func (r *reading) isOurs(mac evpn.MAC, m remote) bool {
	_, theirs := r.other[mac]
	return m.Has(entries.Device) || m.bridgeMarked && !theirs
}

func newReading(d *bdState, view *topology.View) *reading {
	return &reading{
		at: d.at, view: view,
		macs: make(map[evpn.MAC]*kernel.Entry), own: make(map[evpn.MAC]bool), ours: make(map[evpn.MAC]remote),
		flood: make(map[evpn.Via]entries.Flood), other: make(map[evpn.MAC]evpn.Via),
		vlans: make(map[evpn.MAC]struct{}),
	}
}

// add takes in one entry.
func (r *reading) add(e *kernel.Entry) {
	switch r.at.Table(e) {
	case topology.DeviceTable:
		r.device(e)
	case topology.BridgeTable:
		r.bridgeEntry(e)
	case topology.NeighborTable:
		r.neighbor(e)
	}
}

func (r *reading) device(e *kernel.Entry) {
	switch {
	case e.MAC.IsZero():
		if via, ok := r.at.FloodVia(e); ok {
			r.flood[via] = entries.Flood{}
		}
	case !e.MAC.IsHost():
	case e.Flags&kernel.ExtLearned == 0:
		r.other[e.MAC] = r.at.Via(e)
	default:
		m := r.ours[e.MAC]
		m.Via, m.Parts = r.at.Via(e), m.Parts|entries.Device|entries.Marked
		r.ours[e.MAC] = m
	}
}

func (r *reading) bridgeEntry(e *kernel.Entry) {
	switch {
	case e.State&kernel.Permanent != 0:
		if e.VLAN == 0 {
			r.own[e.MAC] = true
		}
	case r.at.Behind(e) && e.VLAN == 0:
		if e.Flags&(kernel.ExtLearned|kernel.Sticky) != 0 {
			m := r.ours[e.MAC]
			m.bridgeMarked = e.Flags&kernel.ExtLearned != 0
			m.Parts |= entries.Bridge
			if e.Flags&kernel.Sticky != 0 {
				m.Parts |= entries.Sticky
			}
			r.ours[e.MAC] = m
		}
	case e.VLAN != 0:
		if !r.view.IsVXLAN(e.Ifindex) {
			r.vlans[e.MAC] = struct{}{}
		}
	case !r.view.IsVXLAN(e.Ifindex):
		c := *e
		r.macs[e.MAC] = &c
	}
}

func (r *reading) neighbor(e *kernel.Entry) {
	if evpn.IsHostIP(e.IP) && !r.view.Has(e.IP) {
		r.ips = append(r.ips, *e)
	}
}

// isOurNeigh tells whether a neighbor entry has our mark.
func isOurNeigh(e *kernel.Entry) bool {
	return e.Flags&kernel.ExtLearned != 0 && e.State&kernel.NoARP != 0
}

// dumped makes d what was found.
func (o *observer) dumped(d *bdState, r *reading) {
	if r.partial {
		d.flood.RecheckAll() // and not counted: nothing may be missing
	}
	_, before := d.counts()
	if !r.partial {
		d.flood.Dumped(r.flood)
	}
	d.blind = r.partial
	d.vlans = r.vlans
	d.fdb.ReleaseAll()
	d.neigh.ReleaseAll()
	for mac := range r.own {
		d.fdb.Occupy(mac, entries.OwnAddress)
	}
	for mac := range r.other {
		d.fdb.Occupy(mac, entries.ForeignDevice)
	}
	ours := make(map[evpn.MAC]entries.FDB, len(r.ours))
	for mac, m := range r.ours {
		if r.isOurs(mac, m) {
			ours[mac] = m.FDB
		}
	}
	neighs := make(map[netip.Addr]entries.Neigh)
	for i := range r.ips {
		if e := &r.ips[i]; isOurNeigh(e) {
			neighs[e.IP] = neighOf(e)
		}
	}
	d.fdb.Dumped(ours)
	d.neigh.Dumped(neighs)
	o.dumpedLocal(d, r)
	missing := 0
	for _, k := range d.kinds() {
		missing += k.Requeue()
	}
	if before > 0 {
		o.counters.Repaired += uint64(max(0, min(missing, before)))
	}
	o.writer.enqueue(d)
	o.outbox.mark(d)
}

// dumpedLocal makes what is local in d what was found.
func (o *observer) dumpedLocal(d *bdState, r *reading) {
	for _, mac := range d.local.MACs() {
		if r.macs[mac] == nil {
			o.clearMAC(d, mac)
		}
	}
	for _, mac := range slices.SortedFunc(maps.Keys(r.macs), evpn.MAC.Compare) {
		o.portEntry(d, r.macs[mac], false)
	}
	seen := make(map[netip.Addr]bool, len(r.ips))
	for i := range r.ips {
		e := &r.ips[i]
		if !isOurNeigh(e) {
			seen[e.IP] = true
			o.neighbor(d, e, false)
		}
	}
	for _, ip := range d.local.IPs() {
		if !seen[ip] {
			d.local.ClearNeighbor(ip)
		}
	}
}
