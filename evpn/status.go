package evpn

import (
	"cmp"
	"net/netip"
	"time"
)

// MACKey names a MAC of a VNI.
type MACKey struct {
	VNI VNI
	MAC MAC
}

// IPKey names a host address of a VNI.
type IPKey struct {
	VNI VNI
	IP  netip.Addr
}

func (k MACKey) compare(o MACKey) int { return cmp.Or(cmp.Compare(k.VNI, o.VNI), k.MAC.Compare(o.MAC)) }

func (k IPKey) compare(o IPKey) int { return cmp.Or(cmp.Compare(k.VNI, o.VNI), k.IP.Compare(o.IP)) }

// BDStatus is what the engine knows of a VNI that is served.
type BDStatus struct {
	VNI        VNI
	VTEP       netip.Addr // the local VTEP address in it
	RD         RD
	Export     []RT
	Import     []Target
	LocalMACs  int
	RemoteMACs int
	LocalIPs   int
	RemoteIPs  int
	VTEPs      int // remote VTEPs on the flood list
}

// VTEPStatus is a remote VTEP, put together from all routes that point to it.
type VTEPStatus struct {
	Addr netip.Addr
	VNIs []VNI // those whose flood list it is on, ascending
	MACs int   // those that are chosen behind it
}

// MACStatus is where a MAC is, as chosen among all that is known of it.
type MACStatus struct {
	MACKey
	IPs    []netip.Addr // bound to it, ascending
	Local  bool
	Port   int // local: ifindex of the bridge port
	Via    Via // remote
	ESI    ESI // remote: the segment that the chosen route names; zero: none
	Seq    uint32
	Sticky bool
	Stale  bool // remote, and known only from sessions that are down
	Paths  int  // remote routes known for it
	// Reason says by which rule the place was chosen, for a person.
	Reason string

	Frozen      bool      // as a duplicate (RFC 7432 §15.1)
	FrozenSince time.Time // when Frozen
	Moves       int       // within the window of duplicate detection
}

// NeighStatus is whose an IP is.
type NeighStatus struct {
	IPKey
	MAC    MAC
	Local  bool
	VTEP   netip.Addr // remote
	Router bool
	Stale  bool
	Frozen bool // as a duplicate (RFC 9161 §3.7)
}

// RouteStatus is one received route as one peer sent it, and what the decision
// made of it.
type RouteStatus struct {
	Route
	Attrs *Attrs
	Peer  netip.Addr
	VNI   VNI // the one it is imported into
	Stale bool
	Verdict
}

// PeerStatus is the engine's part of what is known of a peer.
type PeerStatus struct {
	Peer     netip.Addr
	Up       bool
	EndOfRIB bool // received since the session came up
	Routes   int  // kept, because a VNI imports them
	// Stale counts those of Routes that an earlier session brought and this
	// one has not repeated; StaleUntil is when they go, zero when there are
	// none.
	Stale      int
	StaleUntil time.Time
	Ignored    uint64 // received and not kept, because none does, or they are our own
	Refused    uint64 // received and not kept, because the peer was at its limit
	AtLimit    bool   // it is, and more are refused
}

// ChangeKind is a kind of object that a watcher can follow.
type ChangeKind uint8

// The kinds of object whose changes the engine reports.
const (
	ChangeMAC ChangeKind = iota + 1
	ChangeNeigh
	ChangeBD
	ChangeVTEP
	ChangeAlarm
)

// Change says that an object may look different from before; what it looks
// like is to be asked for. Only the fields that name the object are set.
type Change struct {
	Kind ChangeKind
	VNI  VNI
	MAC  MAC
	IP   netip.Addr // ChangeNeigh: the host, ChangeVTEP: the VTEP
}
