package dataplane

import (
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// domain is one VNI: its device, what is local in it, and what is wished.
// It outlives its device, for wishes are by VNI.
type domain struct {
	vni    evpn.VNI
	at     topology.Attachment // where its entries are; zero while there is no device to write to
	name   string              // of the VXLAN device, for texts
	bridge string              // of its bridge, for texts

	up      bool       // can forward
	vtep    netip.Addr // its local address while up
	upDirty bool       // the engine is to be told up and vtep
	toldUp  bool
	need    need // to be read before anything is written
	blind   bool // it may have an operator's entries that nobody knows of (unseen)
	queued  bool // stands in Plane.writes

	flood table[evpn.Via, entries.Flood]
	fdb   table[evpn.MAC, entries.FDB]
	neigh table[netip.Addr, entries.Neigh]

	local *hosts.BD             // local MACs and addresses
	vlans map[evpn.MAC]struct{} // MACs left out because they have a VLAN
}

func (p *Plane) newDomain(vni evpn.VNI) *domain {
	return &domain{
		vni:   vni,
		flood: table[evpn.Via, entries.Flood]{entries.NewFlood(p.sweep), floodSpec},
		fdb:   table[evpn.MAC, entries.FDB]{entries.NewFDB(p.sweep), fdbSpec},
		neigh: table[netip.Addr, entries.Neigh]{entries.NewNeigh(p.sweep), neighSpec},
		local: p.hosts.AddBD(vni),
		vlans: make(map[evpn.MAC]struct{}),
	}
}

// empty tells whether nothing would be lost with d.
func (d *domain) empty() bool {
	return !d.attached() && !d.up && !d.upDirty && !d.toldUp &&
		d.flood.Len()+d.fdb.Len()+d.neigh.Len() == 0
}

// attached tells whether there are devices to write d's entries to.
func (d *domain) attached() bool { return d.at != topology.Attachment{} }

func (d *domain) busy() bool { return d.flood.Busy() || d.fdb.Busy() || d.neigh.Busy() }

func sortMACs(k []evpn.MAC)    { slices.SortFunc(k, evpn.MAC.Compare) }
func sortAddrs(k []netip.Addr) { slices.SortFunc(k, netip.Addr.Compare) }

// setVTEP records whether the VNI can forward, and with which address.
func (d *domain) setVTEP(up bool, vtep netip.Addr) bool {
	if !up {
		vtep = netip.Addr{}
	}
	if d.up == up && d.vtep == vtep {
		return false
	}
	d.up, d.vtep, d.upDirty = up, vtep, true
	return true
}
