package topology

import (
	"cmp"
	"net/netip"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Attachment is how a broadcast domain is laid out in this kernel. Nothing else
// knows: it builds every entry that is written, names the entries that are
// looked up, and tells in which table of the broadcast domain an entry is.
type Attachment struct {
	VNI    evpn.VNI // of the broadcast domain
	Bridge int      // ifindex
	VLAN   uint16   // the bridge's VLAN of the broadcast domain; 0: the bridge does not filter VLANs
	VXLAN  int      // ifindex of the VXLAN device
	SrcVNI evpn.VNI // key in the table of a VXLAN device with many VNIs; 0: the device has one
	SVI    int      // ifindex of the device that has the neighbors: the bridge, or its VLAN device
	VRF    int      // ifindex of the VRF device that the SVI is in; 0: none

	// DefaultDest is the VXLAN device's own destination for unknown frames,
	// for which the kernel keeps a flood entry that is not ours. It is
	// invalid when there is none.
	DefaultDest netip.Addr
}

// SameTables tells whether the entries of a and b are in the same tables.
func (a Attachment) SameTables(b Attachment) bool {
	a.DefaultDest = b.DefaultDest
	return a == b
}

// Uses tells whether one of the devices of a is among some, by index.
func (a Attachment) Uses(devices map[int]bool) bool {
	return devices[a.Bridge] || devices[a.VXLAN] || devices[a.SVI]
}

// Table is one of the tables that have entries of a broadcast domain.
type Table uint8

// The tables.
const (
	NoTable       Table = iota // of another broadcast domain
	DeviceTable                // the VXLAN device's own: MAC or all zeros to VTEP
	BridgeTable                // the bridge's: MAC to port
	NeighborTable              // the SVI's: IP address to MAC
)

// Table tells which table of the broadcast domain an entry is in. An entry with
// a VLAN that is left over in a bridge that does not filter VLANs is in the
// table of the bridge.
func (a Attachment) Table(e *kernel.Entry) Table {
	switch {
	case e.Family != kernel.Bridge:
		if e.Ifindex == a.SVI {
			return NeighborTable
		}
	case e.Bridge == 0:
		if e.Ifindex == a.VXLAN && e.SrcVNI == a.SrcVNI {
			return DeviceTable
		}
	case e.Bridge == a.Bridge && (a.VLAN == 0 || a.VLAN == e.VLAN):
		return BridgeTable
	}
	return NoTable
}

// Behind tells whether an entry of the bridge's table is behind the VXLAN
// device.
func (a Attachment) Behind(e *kernel.Entry) bool { return e.Ifindex == a.VXLAN }

// RemoteMAC returns the entry that sends a MAC to a VTEP, in the tables of the
// VXLAN device and of the bridge at once. NUD_NOARP keeps the device's entry
// while the device is down; the bridge does not look at it when the entry is
// extern-learned.
func (a Attachment) RemoteMAC(mac evpn.MAC, via evpn.Via) kernel.Entry {
	e := a.entry(mac, kernel.Self|kernel.Master|kernel.ExtLearned)
	e.State = kernel.NoARP | kernel.Reachable
	e.IP, e.VNI = via.VTEP, a.outerVNI(via)
	return e
}

// DevicePart returns the key of the VXLAN device's entry of a remote MAC, and
// BridgePart that of the bridge's, as they are written; BothParts is both.
func (a Attachment) DevicePart(mac evpn.MAC) kernel.Entry { return a.entry(mac, kernel.Self) }

// BridgePart is described at DevicePart.
func (a Attachment) BridgePart(mac evpn.MAC) kernel.Entry { return a.entry(mac, kernel.Master) }

// BothParts is described at DevicePart.
func (a Attachment) BothParts(mac evpn.MAC) kernel.Entry {
	return a.entry(mac, kernel.Self|kernel.Master)
}

func (a Attachment) entry(mac evpn.MAC, flags kernel.Flags) kernel.Entry {
	return kernel.Entry{Family: kernel.Bridge, Ifindex: a.VXLAN, Flags: flags, MAC: mac, VLAN: a.VLAN, SrcVNI: a.SrcVNI}
}

// FloodDest returns the entry that has unknown frames and those to groups sent
// to a VTEP as well.
func (a Attachment) FloodDest(via evpn.Via) kernel.Entry {
	return kernel.Entry{
		Family: kernel.Bridge, Ifindex: a.VXLAN, State: kernel.Permanent, Flags: kernel.Self,
		IP: via.VTEP, VNI: a.outerVNI(via), SrcVNI: a.SrcVNI,
	}
}

// Neighbor returns the entry that says which MAC has an address.
func (a Attachment) Neighbor(ip netip.Addr, mac evpn.MAC, router bool) kernel.Entry {
	e := a.NeighborKey(ip)
	e.State, e.Flags, e.MAC = kernel.NoARP, kernel.ExtLearned, mac
	if router {
		e.Flags |= kernel.Router
	}
	return e
}

// DeviceKey names a MAC in the VXLAN device's table, for a look-up.
func (a Attachment) DeviceKey(mac evpn.MAC) kernel.Entry {
	return kernel.Entry{Family: kernel.Bridge, Ifindex: a.VXLAN, MAC: mac, SrcVNI: a.SrcVNI}
}

// BridgeKey names a MAC in the bridge's table, for a look-up.
func (a Attachment) BridgeKey(mac evpn.MAC) kernel.Entry {
	return kernel.Entry{Family: kernel.Bridge, Ifindex: a.Bridge, MAC: mac, VLAN: a.VLAN}
}

// NeighborKey names an address in the neighbor table, for a look-up.
func (a Attachment) NeighborKey(ip netip.Addr) kernel.Entry {
	family := kernel.IPv6
	if ip.Is4() {
		family = kernel.IPv4
	}
	return kernel.Entry{Family: family, Ifindex: a.SVI, IP: ip}
}

// Via returns where an entry of the VXLAN device's table sends frames. The
// kernel names the VNI in an entry only where it is not the device's own.
func (a Attachment) Via(e *kernel.Entry) evpn.Via {
	return evpn.Via{VTEP: e.IP, VNI: cmp.Or(e.VNI, a.VNI)}
}

// outerVNI returns what NDA_VNI must say of a destination: the VNI of the outer
// header, or 0 when that is the VXLAN device's own.
func (a Attachment) outerVNI(via evpn.Via) evpn.VNI {
	if via.VNI == a.VNI {
		return 0
	}
	return via.VNI
}

// FloodVia returns the destination of an entry of the flood list, and false for
// the kernel's entry of the device's default destination.
func (a Attachment) FloodVia(e *kernel.Entry) (evpn.Via, bool) {
	return a.Via(e), e.IP.IsValid() && e.IP != a.DefaultDest
}
