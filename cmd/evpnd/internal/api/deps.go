package api

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Deps is what the server serves from. Core, Sessions, Kernel, Hub and Info must be
// set.
type Deps struct {
	Core     Core
	Sessions Sessions
	Kernel   Kernel

	// Hub tells Watch what changed in the engine: what is published to it after
	// each step. What Sessions, Kernel and Problems say the server polls while it
	// serves, and publishes what changed.
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
	Problems func() []*evpndv1.Alarm

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

// Sessions is the BGP side: a *bgp.Speaker, or what stands for one that is not
// there yet. Any goroutine may call its methods.
type Sessions interface {
	// Peers returns the peers, configured and dynamic, in any order.
	Peers() []bgp.PeerStatus
	// Reset ends the session and begins it anew; with soft it asks for the
	// routes again (RFC 2918). The error is for the operator.
	Reset(peer netip.Addr, soft bool) error
	// Problems returns what is wrong now with sessions.
	Problems() []bgp.Problem
	// Capture asks the peers for all their routes and returns those that match,
	// kept or not.
	Capture(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(routes int)) (bgp.Capture, error)
}

// Kernel is the dataplane side: a *dataplane.Plane. Any goroutine may call its
// methods.
type Kernel interface {
	// Devices returns the VXLAN devices with a VNI, served or not.
	Devices() []dataplane.DeviceStatus
	// Reader tells how one entry stands. Read has f told of many at once; f is
	// short and calls nothing of the Kernel's.
	dataplane.Reader
	Read(f func(dataplane.Reader))
	// InspectMAC and InspectNeigh read one entry from the kernel.
	InspectMAC(evpn.VNI, evpn.MAC) (dataplane.KernelView, error)
	InspectNeigh(evpn.VNI, netip.Addr) (dataplane.KernelView, error)
	Stats() dataplane.Stats
	// Problems returns what is wrong now with writes, and with devices besides
	// what Devices says.
	Problems() []topology.Problem
}

var (
	_ Sessions = (*bgp.Speaker)(nil)
	_ Kernel   = (*dataplane.Plane)(nil)
)

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
