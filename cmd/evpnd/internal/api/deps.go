package api

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Deps is what the server serves from. Core, Sessions, Kernel, Hub and Info must be
// set.
type Deps struct {
	Core     Core
	Sessions Sessions
	Kernel   Kernel

	// Hub tells Watch what changed. Feed it on the engine's goroutine with
	// Publish(engine.Changes(n)) after each step. What Sessions and Kernel say
	// the server looks at twice a second by itself while it serves; who wants
	// it sooner calls PublishPeers.
	Hub *watch.Hub

	// Info returns what the daemon is, as configured now. Any goroutine.
	Info func() Info

	// Reload reads the configuration file again and applies what changed.
	// Calls do not overlap. Its error is shown to the operator as it is. Nil:
	// reload is refused.
	Reload func(context.Context) (Reloaded, error)

	// Diff says what Reload would do if the file had this text, and does
	// nothing; name is what the operator calls the file. It lists at most so
	// many entries of a kind and VNI, and tells how far it has come: an error of
	// progress ends it. Nil: it is refused.
	Diff func(ctx context.Context, text []byte, name string, entries int, progress func(string) error) (*evpndv1.ConfigDiff, error)

	// Problems returns what is wrong now with the daemon itself. Any
	// goroutine. Nil: there is nothing that could be.
	Problems func() []Problem

	// Auditor compares what should be with what is. Nil: audits are refused.
	Auditor Auditor

	// Shutdown tells the peers goodbye when withdraw is set, then has the
	// daemon end; it returns before that, with what did not go well, for the
	// operator. Nil: shutdown is refused.
	Shutdown func(withdraw bool) (warning string)

	// Access says who is an admin. The zero value: whoever gets to a listener.
	Access Access

	// Log is slog.Default() when nil.
	Log *slog.Logger
}

// Info is what the daemon is.
type Info struct {
	Version  string
	Started  time.Time
	RouterID netip.Addr
	AS       uint32
}

// Reloaded says what a reload did: one line each for the operator.
type Reloaded struct {
	Changes       []string // "bgp.peers[10.90.1.254] added"
	RestartNeeded []string // "api.listen changed: it takes effect when evpnd is started again"
}

// Core lends the engine.
type Core interface {
	// Do runs f on the engine's goroutine and returns nil when f has run. On
	// an error (the context ended, the daemon stops) f's results are not
	// looked at. f is short and keeps nothing of the engine's.
	Do(ctx context.Context, f func(*evpn.Engine)) error
}

// Sessions is the BGP side. Any goroutine may call its methods.
type Sessions interface {
	// Peers returns the peers, configured and dynamic, in any order.
	Peers() []Peer
	// Reset ends the session and begins it anew; with soft it asks for the
	// routes again (RFC 2918). The error is for the operator.
	Reset(peer netip.Addr, soft bool) error
	// Problems returns what is wrong now with sessions.
	Problems() []Problem
	// Look asks the peers for all their routes and returns those that match,
	// kept or not, as (*bgp.Speaker).Look does.
	Look(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(routes int)) (bgp.Capture, error)
}

// Peer is a peer and its session, as the BGP side knows it.
type Peer struct {
	Address  netip.Addr // the peer's own
	Port     uint16
	AS       uint32
	LocalAS  uint32
	RouterID netip.Addr // invalid until the session has been up
	Local    netip.Addr // near end; invalid when there is none
	State    string     // a name of RFC 4271 §8.2.2 in lower case: "idle" to "established"
	Since    time.Time  // of State
	Dynamic  bool
	HoldTime time.Duration // negotiated

	MaxRoutes int // its limit; 0: none

	Advertised  int
	Discarded   map[string]uint64 // routes that could not be used, by reason
	Received    Messages
	Sent        Messages
	LastError   string
	LastErrorAt time.Time
	Established uint64 // how often the session was
}

// Messages counts BGP messages by type (RFC 4271 §4.1, RFC 2918 §3).
type Messages struct {
	Open, Update, Notification, Keepalive, Refresh uint64
}

// Kernel is the dataplane side. Any goroutine may call its methods.
type Kernel interface {
	// Devices returns the VXLAN devices with a VNI, served or not.
	Devices() []Device
	// MAC tells how far a remote MAC has come.
	MAC(evpn.MACKey) Entry
	// Neighbor tells how far the address of a remote host has come.
	Neighbor(evpn.IPKey) Entry
	// Flood tells how far a destination of a flood list has come.
	Flood(evpn.VNI, evpn.Via) Entry
	// HeldMAC and HeldNeighbor read one entry from the kernel.
	HeldMAC(evpn.MACKey) (dataplane.KernelView, error)
	HeldNeighbor(evpn.IPKey) (dataplane.KernelView, error)
	// PortName returns the name of a bridge port; empty: it is gone.
	PortName(ifindex int) string
	Stats() KernelStats
	// Problems returns what is wrong now with devices and writes.
	Problems() []Problem
}

// Device is a VXLAN device with a VNI.
type Device struct {
	VNI     evpn.VNI
	Name    string
	Bridge  string // empty: it is in none
	VTEP    netip.Addr
	Served  bool
	Reason  string   // why it is not, and what to do
	Notes   []string // what is unusual about one that is, and what to do
	Managed bool     // made by evpnd
	MTU     int      // 0: not known
	Port    uint16   // 0: not known
}

// EntryState is how far a remote entry has come into the kernel.
type EntryState uint8

// The states of a remote entry.
const (
	Pending EntryState = iota
	Installed
	Failed
)

// Entry is a remote entry in the kernel.
type Entry struct {
	State EntryState
	Err   string // of Failed
}

// KernelStats counts the remote entries that are wanted in the kernel.
type KernelStats struct {
	Entries int // wanted
	Pending int // of these, to be written
	Failed  int // of these, refused by the kernel

	// Since the start:
	Repaired uint64 // entries that others had removed or changed
	Resyncs  uint64 // times that notices were lost and the tables were looked at again
}

// Problem is something that is wrong now, outside of the engine.
type Problem struct {
	Kind   string     // stable: "peer-down", "no-bridge"
	Object string     // "device vxlan200"; empty: made of the fields below
	Text   string     // what happened and what to do
	VNI    evpn.VNI   // 0: none in particular
	MAC    evpn.MAC   // zero: none in particular
	Addr   netip.Addr // invalid: none in particular
	Device string     // empty: none in particular
}

// view is the part of the engine that the API uses. It is there so that
// tests can stand a view of a million entries in the engine's place.
type view interface {
	// Step is for Unfreeze alone: what else the engine is told comes from
	// the kernel, the peers and the configuration.
	Step(evpn.Event)

	Synced() bool
	BDs() []evpn.BDStatus
	BD(evpn.VNI) (evpn.BDStatus, bool)
	VTEPs() []evpn.VTEPStatus
	MACKeys(evpn.VNI) []evpn.MACKey
	MAC(evpn.VNI, evpn.MAC) (evpn.MACStatus, bool)
	Routes(evpn.VNI, evpn.MAC) []evpn.RouteStatus
	History(evpn.VNI, evpn.MAC) []evpn.Move
	FloodRoutes(evpn.VNI) []evpn.RouteStatus
	NeighKeys(evpn.VNI) []evpn.IPKey
	Neigh(evpn.VNI, netip.Addr) (evpn.NeighStatus, bool)
	Advertised(evpn.VNI, evpn.MAC) []evpn.Advert
	AdvertisedFlood(evpn.VNI) []evpn.Advert
	Peers() []evpn.PeerStatus
	Alarms() []evpn.Alarm

	ExplainMAC(evpn.VNI, evpn.MAC) (evpn.MACExplanation, bool)
	ExplainIP(evpn.VNI, netip.Addr) (evpn.IPExplanation, bool)
	ExplainVTEP(evpn.VNI, netip.Addr) (evpn.VTEPExplanation, bool)
	ExplainBD(evpn.VNI) (evpn.BDExplanation, bool)
	Imports(evpn.VNI, *evpn.Route, *evpn.Attrs) []evpn.Import
}

var _ view = (*evpn.Engine)(nil)
