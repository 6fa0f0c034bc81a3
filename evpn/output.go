package evpn

import (
	"fmt"
	"net/netip"
	"time"
)

// Via is where frames to a remote MAC or flood list go. Both fields are set.
type Via struct {
	VTEP netip.Addr // the outer destination address
	// VNI is the number in the VXLAN header: the one that the remote VTEP
	// asked for in its label. Mostly it is that of the broadcast domain here,
	// but a VTEP may number its own (RFC 8365 §5.1: locally assigned VNIs).
	VNI VNI
}

// Text renders v for a person: the VTEP, and the VNI where it is another than
// bd, the VNI of the broadcast domain that v belongs to.
func (v Via) Text(bd VNI) string {
	if v.VNI == bd {
		return v.VTEP.String()
	}
	return fmt.Sprintf("%s vni %d", v.VTEP, v.VNI)
}

// Delta is what is desired of the kernel: for each object that may have
// changed, what is wanted of it now. It says nothing about other objects.
// Within a list each object stands once.
//
// Additions are to be made in the order Flood, FDB, Neigh, and removals the
// other way round; a changed FDB entry is to be replaced in place.
type Delta struct {
	Flood []Flood
	FDB   []FDB
	Neigh []Neigh
	Probe []Probe // to be sent once; they may be dropped

	// Since is when the first of the messages was read that these entries, or
	// others that were handed out since there were none, may follow from: it
	// tells how long the kernel is behind the peers. Zero: not from messages.
	Since time.Time
}

// Empty tells whether d asks for nothing.
func (d *Delta) Empty() bool { return len(d.Flood)+len(d.FDB)+len(d.Neigh)+len(d.Probe) == 0 }

// Flood is one destination of a VNI's head-end replication list: a copy of
// every broadcast, unknown unicast and multicast frame goes there
// (RFC 8365 §9).
type Flood struct {
	VNI  VNI
	Via  Via
	Want bool // false: not to be there
}

// FDB is a remote MAC: the VXLAN device sends its frames along Via.
type FDB struct {
	VNI    VNI
	MAC    MAC
	Via    Via
	Sticky bool // the bridge must not move it to a local port (RFC 7432 §15.2)
	Want   bool // false: not to be there, or local now
}

// Neigh is the address of a remote host, from which the bridge answers ARP
// and ND for it (RFC 9161).
type Neigh struct {
	VNI    VNI
	IP     netip.Addr
	MAC    MAC
	Router bool // an IPv6 router (RFC 9047 R flag)
	Want   bool
}

// Advert is a route to announce, or to withdraw when Attrs is nil; then only
// its NLRI counts.
type Advert struct {
	Route
	Attrs *Attrs
}
