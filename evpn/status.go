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
	Dest   Via // remote
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

// Alarm is a condition that an operator should know of, and that lasts until
// its cause is gone.
type Alarm struct {
	Kind AlarmKind
	VNI  VNI        // 0: none in particular
	MAC  MAC        // zero: none in particular
	Addr netip.Addr // a VTEP, peer or host; invalid: none in particular
	Text string     // what happened and what to do
}

// AlarmKind names a kind of alarm; it is stable and shown to users.
type AlarmKind string

// The alarms of the engine.
const (
	AlarmSequence      AlarmKind = "sequence-saturated" // RFC 7432 §7.7: the mobility sequence can grow no more
	AlarmSticky        AlarmKind = "sticky-violated"    // RFC 7432 §15.2: a local frame came from a remote sticky MAC
	AlarmPMSI          AlarmKind = "pmsi-differs"       // the PMSI tunnel endpoint is not the next hop
	AlarmNextHop       AlarmKind = "next-hop-is-peer"   // a reflector put itself in the next hop of others' routes
	AlarmRDExhausted   AlarmKind = "rd-exhausted"       // no route distinguisher is left for a VNI
	AlarmDuplicateMAC  AlarmKind = "duplicate-mac"      // RFC 7432 §15.1: frozen where it was last
	AlarmDuplicateIP   AlarmKind = "duplicate-ip"       // RFC 9161 §3.7: frozen with the MAC it had last
	AlarmMACLimit      AlarmKind = "mac-limit"          // local MACs beyond the limit are not announced
	AlarmIPLimit       AlarmKind = "ip-limit"           // addresses of a local MAC beyond the limit are not announced
	AlarmPeerLimit     AlarmKind = "peer-limit"         // a peer sends more routes than it may, and no more are taken
	AlarmStale         AlarmKind = "stale-routes"       // routes are used although the session that brought them is down
	AlarmTargetTooWide AlarmKind = "target-as-too-wide" // RFC 8365 §5.1.2.1 targets need a 2-byte AS
)

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
