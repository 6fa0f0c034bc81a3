package evpn

import (
	"cmp"
	"fmt"
	"net/netip"
)

// RouteType is the first byte of an EVPN NLRI (RFC 7432 §7).
type RouteType uint8

// The route types evpnd knows. It originates and uses those that routeTypes
// lists; the others are counted and left alone.
const (
	EthernetAD         RouteType = 1 // RFC 7432 §7.1
	MACIP              RouteType = 2 // RFC 7432 §7.2
	InclusiveMulticast RouteType = 3 // RFC 7432 §7.3
	EthernetSegment    RouteType = 4 // RFC 7432 §7.4
	IPPrefix           RouteType = 5 // RFC 9136 §3
)

func (t RouteType) String() string {
	switch t {
	case EthernetAD:
		return "ethernet-ad"
	case MACIP:
		return "macip"
	case InclusiveMulticast:
		return "multicast"
	case EthernetSegment:
		return "ethernet-segment"
	case IPPrefix:
		return "prefix"
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// NLRI is the identity of a route: two UPDATEs that carry equal NLRI speak
// of the same route, and the later one replaces the earlier. It is one flat
// comparable struct for all types, a map key as it is; what a type has no use
// for is zero. Labels are not part of it (RFC 7432 §7.2), and a segment is part
// of it where the route is about the segment itself: in types 1 and 4, not in
// types 2 and 5, which have it in Route.
type NLRI struct {
	Type RouteType
	Bits uint8 // type 5: the length of the prefix (RFC 9136 §3.1)
	RD   RD
	MAC  MAC    // type 2
	ESI  ESI    // types 1 and 4
	Tag  uint32 // Ethernet tag; 0 with VLAN-based service
	// IP is, in type 2, the host's address, invalid in a MAC-only route; in
	// types 3 and 4 that of the originating router; in type 5 that of the
	// prefix, with its host bits zero.
	IP netip.Addr
}

// Prefix returns what a type 5 route is about, or the host of a type 2 route
// as a prefix: /32 or /128. Of other types, and of a MAC-only route, it is not
// valid.
func (n NLRI) Prefix() netip.Prefix {
	switch n.Type {
	case IPPrefix:
		return netip.PrefixFrom(n.IP, int(n.Bits))
	case MACIP:
		return netip.PrefixFrom(n.IP, n.IP.BitLen())
	}
	return netip.Prefix{}
}

// Compare orders NLRI by type, RD, tag, ESI, MAC, IP and prefix length.
func (n NLRI) Compare(o NLRI) int {
	return cmp.Or(cmp.Compare(n.Type, o.Type), n.RD.Compare(o.RD), cmp.Compare(n.Tag, o.Tag), n.ESI.Compare(o.ESI),
		n.MAC.Compare(o.MAC), n.IP.Compare(o.IP), cmp.Compare(n.Bits, o.Bits))
}

// String renders n as FRR and Cumulus show it: [2]:[tag]:[48]:[mac]:[32]:[ip],
// with the RD in front.
func (n NLRI) String() string {
	switch {
	case n.Type == InclusiveMulticast:
		return fmt.Sprintf("%s [3]:[%d]:[%d]:[%s]", n.RD, n.Tag, n.IP.BitLen(), n.IP)
	case n.Type == MACIP && n.IP.IsValid():
		return fmt.Sprintf("%s [2]:[%d]:[48]:[%s]:[%d]:[%s]", n.RD, n.Tag, n.MAC, n.IP.BitLen(), n.IP)
	case n.Type == MACIP:
		return fmt.Sprintf("%s [2]:[%d]:[48]:[%s]", n.RD, n.Tag, n.MAC)
	}
	return fmt.Sprintf("%s [%d]:[%d]", n.RD, n.Type, n.Tag)
}

// Route is one announced route: the identity and what is carried beside it
// in the NLRI.
type Route struct {
	NLRI
	// ESI is the segment that the MAC of a type 2 route, or the prefix of a
	// type 5 route, is behind; zero: behind one VTEP only.
	ESI     ESI
	Label   VNI // the L2 VNI of a type 2 route, from the whole 24-bit field (RFC 8365 §5.1.3)
	L3Label VNI // second label of a type 2 route, zero when absent
}

// Attrs is what an UPDATE says of every route it announces. It is immutable
// once it has been handed over, and shared by all routes of its UPDATE.
type Attrs struct {
	NextHop netip.Addr // the VTEP, end to end
	Targets []RT       // in the order received
	Encap   Encap
	// LongLivedStale says that the sender keeps the route although whom it
	// has it from is gone: the last resort (RFC 9494 §4.3).
	LongLivedStale bool
	// NoLongLived says that nobody is to keep it so long (RFC 9494 §3.3).
	NoLongLived bool
	Mobility    Mobility
	PMSI        PMSI
	ND          ND

	DefaultGateway bool // RFC 7432 §7.8
	RouterMAC      MAC  // RFC 9135 §8.1, zero when absent

	Origin       uint8      // 0 IGP, 1 EGP, 2 incomplete
	ASPathLen    int        // as RFC 4271 §9.1.2.2 a counts it: a set is one
	LocalPref    uint32     // 100 when absent
	MED          uint32     // 0 when absent
	OriginatorID netip.Addr // RFC 4456 §8, invalid when absent
	ClusterLen   int        // RFC 4456 §9

	Other [][8]byte // extended communities that are none of the above, as received
}

// Encap is the set of tunnel encapsulations that a route offers by the
// Encapsulation extended community (RFC 9012 §4.1), one bit each.
type Encap uint16

const (
	EncapVXLAN Encap = 1 << iota // tunnel type 8
	EncapOther                   // any other tunnel type

	// EncapNone is a route without the community, which RFC 8365 §5.1.3
	// leaves to configuration; evpnd takes it as VXLAN.
	EncapNone Encap = 0
)

// Mobility is the MAC Mobility extended community (RFC 7432 §7.7). The zero
// value is what its absence means: sequence 0, not sticky.
type Mobility struct {
	Seq    uint32
	Sticky bool
}

// PMSI is the P-Multicast Service Interface tunnel attribute (RFC 6514 §5)
// in the ingress replication form of RFC 8365 §5.1.3.
type PMSI struct {
	Present  bool
	Flags    uint8
	Type     uint8      // 6 is ingress replication
	Label    VNI        // whole 24-bit field
	Endpoint netip.Addr // tunnel identifier, invalid unless Type is 6
}

// IngressReplication is the PMSI tunnel type that VXLAN head-end replication
// uses (RFC 6514 §5).
const IngressReplication = 6

// ND is the ARP/ND extended community (RFC 9047 §2).
type ND struct {
	Present   bool
	Router    bool // R: the address belongs to an IPv6 router
	Override  bool // O
	Immutable bool // I
}

// Update is the content of one BGP UPDATE message for L2VPN EVPN, after the
// checks of RFC 7606: whatever could not be trusted is not in it, and a
// route that had to be treated as withdrawn stands in Withdrawn.
type Update struct {
	Withdrawn []NLRI
	Reach     []Route
	Attrs     *Attrs // of every route in Reach; nil when Reach is empty
}
