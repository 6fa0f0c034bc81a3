package dataplane

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

// domain is one VNI: its device, what is local in it, and what is wished.
// It outlives its device, for wishes are by VNI.
type domain struct {
	vni    evpn.VNI
	dev    int        // ifindex of the VXLAN device, 0 while there is none to write to
	bridge int        // ifindex of its bridge
	name   string     // of the VXLAN device
	remote netip.Addr // the device's default destination, whose flood entry is not ours

	up      bool       // can forward
	vtep    netip.Addr // its local address while up
	upDirty bool       // the engine is to be told up and vtep
	toldUp  bool
	need    need // to be read before anything is written
	blind   bool // it may have an operator's entries that nobody knows of (unseen)
	sweep   bool // adopted entries that nobody wishes may go
	queued  bool // stands in Plane.writes

	flood tracker[evpn.Via, struct{}]
	fdb   tracker[evpn.MAC, target]
	neigh tracker[netip.Addr, binding]

	local *hosts.BD               // local MACs and addresses
	fixed map[evpn.MAC]holder     // MACs that no wish may take
	still map[netip.Addr]struct{} // addresses of operators' static neighbors, which no wish may take
	vlans map[evpn.MAC]struct{}   // MACs left out because they have a VLAN
}

// target is what an FDB wish says of a MAC.
type target struct {
	dest   evpn.Via
	sticky bool
}

// binding is what a neighbor entry says of an address.
type binding struct {
	mac    evpn.MAC
	router bool
}

// holder says who has entries that a wish must not take: there can be one
// in the bridge and one in the VXLAN device.
type holder uint8

const (
	ownAddress    holder = 1 << iota // a bridge port's own address
	staticPort                       // an operator's static entry on a bridge port
	foreignDevice                    // an entry in the VXLAN device's table without our mark
)

func (p *Plane) newDomain(vni evpn.VNI) *domain {
	d := &domain{
		vni:   vni,
		flood: newTracker[evpn.Via, struct{}](),
		fdb:   newTracker[evpn.MAC, target](),
		neigh: newTracker[netip.Addr, binding](),
		local: p.hosts.AddBD(vni),
	}
	d.forgetForeign()
	return d
}

func (d *domain) forgetForeign() {
	d.fixed = make(map[evpn.MAC]holder)
	d.still = make(map[netip.Addr]struct{})
	d.vlans = make(map[evpn.MAC]struct{})
}

// empty tells whether nothing would be lost with d.
func (d *domain) empty() bool {
	return d.dev == 0 && !d.up && !d.upDirty && !d.toldUp &&
		len(d.flood.slots)+len(d.fdb.slots)+len(d.neigh.slots) == 0
}

// neighDev is the device whose neighbor entries are those of the VNI: the
// bridge. With VLAN filtering it would be the VLAN's device on top of it.
func (d *domain) neighDev() int { return d.bridge }

func (d *domain) busy() bool { return d.flood.busy() || d.fdb.busy() || d.neigh.busy() }

// requeue queues all that differs between wish and kernel.
func (d *domain) requeue() int {
	return d.flood.requeue(d.sweep, sortDests) + d.fdb.requeue(d.sweep, sortMACs) + d.neigh.requeue(d.sweep, sortAddrs)
}

func sortMACs(k []evpn.MAC)    { slices.SortFunc(k, evpn.MAC.Compare) }
func sortAddrs(k []netip.Addr) { slices.SortFunc(k, netip.Addr.Compare) }
func sortDests(k []evpn.Via)   { slices.SortFunc(k, compareDest) }

// viaOf returns where the VXLAN device of vni sends what e is about. The kernel
// names the VNI in an entry only where it is not that of the device.
func viaOf(e *Entry, vni evpn.VNI) evpn.Via {
	return evpn.Via{VTEP: e.IP, VNI: cmp.Or(e.VNI, vni)}
}

// entryVNI is the reverse of viaOf: the VNI that an entry of the VXLAN device
// of vni names, 0 where it needs none.
func entryVNI(v evpn.Via, vni evpn.VNI) evpn.VNI {
	if v.VNI == vni {
		return 0
	}
	return v.VNI
}

func compareDest(a, b evpn.Via) int {
	return cmp.Or(a.VTEP.Compare(b.VTEP), cmp.Compare(a.VNI, b.VNI))
}

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
