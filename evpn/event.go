package evpn

import (
	"net/netip"
	"time"
)

// Event is an input of the engine: one of the types in this file. Events
// say what is so now, never what changed since, wherever that is possible;
// to repeat one is harmless.
type Event interface{ event() }

// Configure replaces the configuration. VNIs whose part of it did not change
// feel nothing.
type Configure struct{ Config Config }

// Tick tells the time. The engine has no clock: everything that waits is
// judged against the latest Tick. Times must not go backwards.
type Tick struct{ Now time.Time }

// PeerUp says that the session to a peer reached Established.
type PeerUp struct {
	Peer     netip.Addr // the peer's own address, with a zone where it is link-local
	RouterID netip.Addr // its BGP identifier
	Internal bool       // same AS
	Limit    PeerLimit  // of its routes, as configured now
	// Lost says that the peer, which does graceful restart, did not keep
	// forwarding while it was away (RFC 4724 §4.2): its own routes of before
	// are void.
	Lost bool
}

// PeerDown says that the session to a peer is no more. Its routes are kept
// as stale for Retain, then withdrawn; at once when Retain is zero.
type PeerDown struct {
	Peer   netip.Addr
	Retain time.Duration
	// LongLived is how long they are kept after Retain, save those that
	// carry NO_LLGR (RFC 9494 §4.2, §4.3). Not less than zero.
	LongLived time.Duration
	// Goodbye says that the peer will not be back soon, by its own word. What
	// is behind itself goes at once; what it passed on from other VTEPs it
	// said nothing about, and that is kept.
	Goodbye bool
}

// EndOfRIB says that a peer has sent all it had to send after PeerUp
// (RFC 4724 §2).
type EndOfRIB struct{ Peer netip.Addr }

// Routes carries what UPDATE messages of one peer said, in their order.
// The engine keeps parts of Updates; the sender must not touch them again.
type Routes struct {
	Peer    netip.Addr
	Updates []Update
	// At is when they were read, for Delta.Since alone; zero: not known.
	At time.Time
}

// BDUp says that a VNI is served here and can forward, and with which local
// VTEP address. Sent again when the address changes.
type BDUp struct {
	VNI  VNI
	VTEP netip.Addr
}

// BDDown says that a VNI is served no more. All that was local in it is
// gone with it.
type BDDown struct{ VNI VNI }

// LocalMAC says that the bridge of a VNI has the MAC behind a port other than
// its VXLAN device. Sent when the kernel learns it, finds it on another port,
// and when a frame from a local port took an entry away from the VXLAN
// device: that is how a MAC moves here (RFC 7432 §15).
type LocalMAC struct {
	VNI    VNI
	MAC    MAC
	Port   int  // ifindex
	Static bool // configured, not learned: advertised as sticky (RFC 7432 §15.2)
}

// LocalMACGone says that the bridge has the MAC behind none of its local
// ports any more: aged out, deleted, or its port is down or gone.
type LocalMACGone struct {
	VNI VNI
	MAC MAC
}

// LocalIP says that a local host with MAC uses IP. A binding counts while
// MAC is local; it may come before the MAC does. The flags are told to the
// peers as those of RFC 9047 §2; the first two mean something for IPv6 only.
type LocalIP struct {
	VNI       VNI
	IP        netip.Addr
	MAC       MAC
	Router    bool // R: an IPv6 router (NTF_ROUTER, or the flag of its NA)
	Override  bool // O: the flag of its NA
	Immutable bool // I: configured, as a permanent neighbor entry is
}

// LocalIPGone says that nothing local vouches for the binding of IP any more.
type LocalIPGone struct {
	VNI VNI
	IP  netip.Addr
}

// Unfreeze lets a MAC or an IP address go that was frozen as a duplicate,
// and forgets its moves. Exactly one of MAC and IP is set.
type Unfreeze struct {
	VNI VNI
	MAC MAC
	IP  netip.Addr
}

// Reassert has what is wanted of the kernel for some objects handed out
// again, because the two were found to differ.
type Reassert struct {
	VNI   VNI
	Dests []Via
	MACs  []MAC
	IPs   []netip.Addr
}

func (*Configure) event()    {}
func (*Reassert) event()     {}
func (*Unfreeze) event()     {}
func (*Tick) event()         {}
func (*PeerUp) event()       {}
func (*PeerDown) event()     {}
func (*EndOfRIB) event()     {}
func (*Routes) event()       {}
func (*BDUp) event()         {}
func (*BDDown) event()       {}
func (*LocalMAC) event()     {}
func (*LocalMACGone) event() {}
func (*LocalIP) event()      {}
func (*LocalIPGone) event()  {}
