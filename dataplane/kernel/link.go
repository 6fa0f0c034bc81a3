package kernel

import (
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Link is a network device.
type Link struct {
	Index  int
	Name   string
	Alias  string
	Kind   string // "bridge", "vxlan", "veth", ...
	MTU    int
	Master int // ifindex of the bridge it is a port of, or 0
	Lower  int // IFLA_LINK: the device it is stacked on, or 0
	Up     bool
	MAC    evpn.MAC

	Loopback bool

	VLANFiltering bool          // a bridge
	Ageing        time.Duration // a bridge: of the MACs it learned
	VXLAN         *VXLAN        // a VXLAN device
	Port          *Port         // a bridge port
}

// VXLAN is what a Link of that kind has.
type VXLAN struct {
	VNI       evpn.VNI
	Local     netip.Addr
	Remote    netip.Addr // default destination or multicast group
	Lower     int        // underlay device
	Port      uint16
	Learning  bool
	External  bool // collect metadata: one device for all VNIs
	VNIFilter bool
}

// Port is what a bridge port has.
type Port struct {
	Learning      bool
	NeighSuppress bool
}

// Addr is an address of a device.
type Addr struct {
	Ifindex int
	IP      netip.Addr
}
