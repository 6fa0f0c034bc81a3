package hosts

import (
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// ClaimKind says which message a Claim was in.
type ClaimKind uint8

// The kinds of Claim.
const (
	ClaimARP ClaimKind = iota + 1 // request or reply (RFC 826)
	ClaimNS                       // neighbor solicitation (RFC 4861 §4.3)
	ClaimNA                       // neighbor advertisement (RFC 4861 §4.4)
)

// Claim is what a host says of itself in a frame that came in at a port of a
// bridge: that it has IP, and that its MAC is the sender of the frame.
type Claim struct {
	Port     int    // ifindex
	VLAN     uint16 // of the frame at the bridge; 0: the bridge does not filter VLANs
	Kind     ClaimKind
	IP       netip.Addr
	MAC      evpn.MAC
	Router   bool // R of a neighbor advertisement
	Override bool // and its O
}

// Snooped is what was snooped together.
type Snooped struct {
	Claims  []Claim
	Ignored int // frames that contradict themselves, or are malformed
}

// ProbeRequest asks the host with MAC, behind Port, whether it still has IP.
type ProbeRequest struct {
	Port int      // ifindex
	VLAN uint16   // 0: the bridge does not filter VLANs
	From evpn.MAC // the port's own address, to which the bridge keeps the answer
	IP   netip.Addr
	MAC  evpn.MAC
}
