package evpn

import (
	"net/netip"
	"time"
)

// Config is what an operator decides about the routes. The engine does not
// change it, and the caller must not once it has been handed over. It is
// complete: zero is a value like any other, never replaced by a default. Begin
// with DefaultConfig.
type Config struct {
	AS       uint32     // the own autonomous system
	RouterID netip.Addr // IPv4; makes the route distinguishers

	// Targets says how the route targets of a VNI without any of its own are
	// made.
	Targets TargetForm
	// TargetAS is the administrator of Targets == TargetFixed.
	TargetAS uint16

	Duplicate DuplicateConfig
	Limits    Limits
	// NoFlood has frames to all, and to MACs that nobody knows, go to no
	// VTEP: no type 3 route is announced, and those of others are not used.
	// What hosts need to find each other is then what the routes say.
	NoFlood bool

	BDs map[VNI]BDConfig // VNIs that differ from the default

	// EndOfRIBWait bounds how long the engine waits, after it started and
	// after a session came up, for a peer's End-of-RIB before it takes what
	// it knows as all there is. Zero is not at all.
	EndOfRIBWait time.Duration
	// StaleHold is how long after a peer's End-of-RIB the routes are kept
	// that it did not repeat. Zero is not at all.
	StaleHold time.Duration
	// FloodHold is how long a VTEP is still flooded to after its type 3
	// route was withdrawn. Zero is not at all.
	FloodHold time.Duration
	// ConfiguredPeers are those that Synced waits for.
	ConfiguredPeers []netip.Addr
}

// The defaults, each of which stands here alone.
const (
	// DefaultEndOfRIBWait is long enough for a reflector to send a million
	// routes, and for a peer's first connection to be retried several times.
	DefaultEndOfRIBWait = 2 * time.Minute
	// DefaultStaleHold is time enough for the other clients of a reflector that
	// was restarted to come back to it.
	DefaultStaleHold = time.Minute
	// DefaultFloodHold is time enough for a VTEP to come back whose reflector
	// lost it for a moment.
	DefaultFloodHold = 5 * time.Second
	// Five moves in three minutes are those of RFC 7432 §15.1.
	DefaultDuplicateMoves  = 5
	DefaultDuplicateWindow = 180 * time.Second
)

// DefaultConfig returns the configuration of a node for which nobody chose
// anything but who it is: the own AS, and the IPv4 address that makes its route
// distinguishers.
func DefaultConfig(as uint32, routerID netip.Addr) Config {
	return Config{
		AS: as, RouterID: routerID,
		Duplicate:    DuplicateConfig{Moves: DefaultDuplicateMoves, Window: DefaultDuplicateWindow},
		EndOfRIBWait: DefaultEndOfRIBWait, StaleHold: DefaultStaleHold, FloodHold: DefaultFloodHold,
	}
}

// BDConfig is what may be set for one VNI. Zero values mean automatic.
type BDConfig struct {
	RD     RD
	Import []Target
	Export []RT

	Duplicate *DuplicateConfig // nil: that of Config
	Limits    *Limits          // nil: those of Config
	NoFlood   *bool            // nil: that of Config
	// Sticky are MACs that are announced as sticky while they are local
	// (RFC 7432 §15.2).
	Sticky []MAC
	// Gateways are addresses that several VTEPs have on purpose, each for its
	// own hosts: they are nobody's binding, and never a duplicate.
	Gateways []netip.Addr
}

// TargetForm is a way to derive a route target from a VNI.
type TargetForm uint8

const (
	// TargetAuto exports (AS & 0xffff):VNI and imports *:VNI, as FRR and
	// Cumulus do.
	TargetAuto TargetForm = iota
	// TargetRFC8365 exports and imports AS:(0x10000000|VNI)
	// (RFC 8365 §5.1.2.1). It needs a 2-byte AS.
	TargetRFC8365
	// TargetFixed exports and imports N:VNI with one N for the whole
	// fabric, where every node has an AS of its own.
	TargetFixed
)
