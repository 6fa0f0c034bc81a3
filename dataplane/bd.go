package dataplane

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// bdState is one broadcast domain: where its entries are, what is desired of
// them, and what is local in it. It outlives its device, for what is desired is
// by VNI.
type bdState struct {
	vni    evpn.VNI
	at     topology.Attachment // where its entries are; zero while there is no device to write to
	name   string              // of the VXLAN device, for texts
	bridge string              // of its bridge, for texts

	up         bool       // can forward
	vtep       netip.Addr // its local address while up
	upDirty    bool       // the engine is to be told up and vtep
	reportedUp bool       // it was told that it is up
	need       need       // to be read before anything is written
	blind      bool       // it may have an operator's entries that nobody knows of (observer.findForeign)
	queued     bool       // stands in the writer's queue

	flood table[evpn.Via, entries.Flood]
	fdb   table[evpn.MAC, entries.FDB]
	neigh table[netip.Addr, entries.Neigh]

	local *hosts.BD             // local MACs and addresses
	vlans map[evpn.MAC]struct{} // MACs left out because they have a VLAN
}

// empty tells whether nothing would be lost with d.
func (d *bdState) empty() bool {
	return !d.attached() && !d.up && !d.upDirty && !d.reportedUp &&
		d.flood.Len()+d.fdb.Len()+d.neigh.Len() == 0
}

// attached tells whether there are devices to write d's entries to.
func (d *bdState) attached() bool { return d.at != topology.Attachment{} }

func (d *bdState) busy() bool { return d.flood.Busy() || d.fdb.Busy() || d.neigh.Busy() }

// setVTEP records whether the broadcast domain can forward, and with which
// address, and tells whether that is news.
func (d *bdState) setVTEP(up bool, vtep netip.Addr) bool {
	if !up {
		vtep = netip.Addr{}
	}
	if d.up == up && d.vtep == vtep {
		return false
	}
	d.up, d.vtep, d.upDirty = up, vtep, true
	return true
}

// counts returns how many entries of d are desired, and how many of those the
// kernel has.
func (d *bdState) counts() (desired, installed int) {
	for _, k := range d.kinds() {
		desired += k.Desired()
		installed += k.Installed()
	}
	return desired, installed
}

// foreign counts the entries that are not ours and stay.
func (d *bdState) foreign() (n int) {
	for _, by := range d.fdb.AllForeign() {
		n += count(by&entries.ForeignDevice != 0)
	}
	for range d.neigh.AllForeign() {
		n++
	}
	return n
}

// bds are the broadcast domains of this node and the devices they are attached
// by.
type bds struct {
	all   map[evpn.VNI]*bdState
	topo  *topology.Topology // of the last sync
	index topology.Index[*bdState]
	hosts *hosts.Table // local MACs and addresses, and the probes that are due
	sweep bool         // entries that nobody desires are removed
	gone  map[int]bool // devices that went since the last sync: another may have the number

	// The changes under way: the writer has those of one broadcast domain at a time.
	flood entries.Taken[evpn.Via, entries.Flood]
	fdb   entries.Taken[evpn.MAC, entries.FDB]
	neigh entries.Taken[netip.Addr, entries.Neigh]
}

func newBDs(cfg *topology.Config) *bds {
	return &bds{
		all:   make(map[evpn.VNI]*bdState),
		topo:  topology.Resolve(topology.NewView(nil, nil), cfg, nil),
		hosts: hosts.New(rand.Uint64()),
		gone:  make(map[int]bool),
	}
}

// get returns a broadcast domain, or nil.
func (b *bds) get(vni evpn.VNI) *bdState { return b.all[vni] }

// make returns a broadcast domain, which it makes when there is none.
func (b *bds) make(vni evpn.VNI) *bdState {
	d := b.all[vni]
	if d == nil {
		d = &bdState{
			vni:   vni,
			flood: table[evpn.Via, entries.Flood]{entries.NewFlood(&b.flood, b.sweep), floodSpec},
			fdb:   table[evpn.MAC, entries.FDB]{entries.NewFDB(&b.fdb, b.sweep), fdbSpec},
			neigh: table[netip.Addr, entries.Neigh]{entries.NewNeigh(&b.neigh, b.sweep), neighSpec},
			local: b.hosts.AddBD(vni),
			vlans: make(map[evpn.MAC]struct{}),
		}
		b.all[vni] = d
	}
	return d
}

// forget drops d when nothing is lost with it.
func (b *bds) forget(d *bdState) {
	if d.empty() && !d.queued {
		delete(b.all, d.vni)
	}
}

// sorted returns the broadcast domains by VNI.
func (b *bds) sorted() []*bdState {
	return slices.SortedFunc(maps.Values(b.all), func(x, y *bdState) int { return cmp.Compare(x.vni, y.vni) })
}

// portName returns the name of a device, as last read, or its number when it is
// gone.
func (b *bds) portName(ifindex int) string {
	if l := b.topo.Link(ifindex); l != nil {
		return l.Name
	}
	return fmt.Sprintf("if%d", ifindex)
}
