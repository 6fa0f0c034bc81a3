package dataplane

import (
	"context"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// Kernel is what a Plane needs of the operating system. dataplane/linux
// speaks netlink; dataplane/fake keeps tables in memory.
//
// Only the Plane's own goroutine calls these methods, one at a time, save
// that Watch's channel is fed by a goroutine of the Kernel. Errors unwrap to
// a syscall.Errno where the kernel gave one.
type Kernel interface {
	// Watch subscribes to changes and returns the channel they come on. It
	// is subscribed when Watch returns, so that a read after it misses
	// nothing. The channel is bounded; when notices were lost a NoticeLost
	// comes in their place. It is closed once ctx is done and the feeding
	// goroutine is gone.
	Watch(ctx context.Context) (<-chan []Notice, error)

	// MuteEcho has notices of new and changed entries with the extern-learned
	// mark left out, or let in again: of FDB entries all, of neighbors those
	// that this Kernel writes itself. So the Plane does not hear the echo of
	// what it writes, but hears what others do to its entries: to neighbors
	// always, to FDB entries while it is silent. Deletions and all other
	// notices come always. Watch begins hushed.
	MuteEcho(on bool) error

	// Links returns all devices, by index.
	Links() ([]Link, error)
	// Addrs returns the addresses of all devices.
	Addrs() ([]Addr, error)
	// FDB calls yield for each entry of a bridge's table and of the own
	// tables of its ports. On an error yield may have been called already.
	FDB(bridge int, yield func(*Entry)) error
	// Neighbors calls yield for each IPv4 and IPv6 neighbor entry of all
	// devices.
	Neighbors(yield func(*Entry)) error
	// Second returns a reader of the same tables, which one other goroutine
	// may use beside the Plane's.
	Second() Tables
	// Lookup reads one entry: of family Bridge, e.MAC and e.VLAN in the table
	// of the bridge e.Ifindex, or e.MAC and e.SrcVNI in that of the VXLAN
	// device; of another family, the neighbor e.IP of the device e.Ifindex.
	// The error is ENOENT when there is none.
	Lookup(e Entry) (Entry, error)

	// Find reads many entries at once, in place: errs[i] is what Lookup would
	// say of entries[i], which is what it would return when that is nil. The
	// error is of the reading as a whole; then neither means anything.
	Find(entries []Entry, errs []error) error
	// Port calls yield for each entry of a bridge's table that is behind one
	// port of it, or of those that are behind none when port is the bridge;
	// and of the port's own table. There is none of a device that is not there.
	Port(port int, yield func(*Entry)) error

	// Write carries out ops in order and sets errs[i] to what the kernel
	// said of ops[i], nil for success. The kernel goes on after a failure.
	// The error is of the writing as a whole; then errs means nothing.
	Write(ops []Op, errs []error) error

	// Snoop opens a listener for what hosts say of their addresses, which
	// hears nothing before Listen, and returns the channel it comes on. The
	// channel is bounded; what comes too fast is lost. It is closed once ctx
	// is done and the feeding goroutine is gone.
	Snoop(ctx context.Context) (<-chan hosts.Snooped, error)
	// SnoopPorts sets the ports that are heard. The error joins those of the
	// ports that cannot be; the others are heard.
	SnoopPorts(ports []int) error
	// SendProbe puts a question to a host, out of a port that is heard. An answer
	// is a Claim. It does not wait.
	SendProbe(q hosts.ProbeRequest) error

	// SetPort sets the flags of a bridge port.
	SetPort(ifindex int, learning, neighSuppress bool) error
	// SetVXLANLearning sets whether a VXLAN device learns by itself.
	SetVXLANLearning(ifindex int, learning bool) error
	// MakeBridge and MakeVXLAN make a device, down and with its alias. The
	// device is enslaved when l.Master is set.
	MakeBridge(l Link) error
	MakeVXLAN(l Link) error
	// Remove deletes a device.
	Remove(ifindex int) error
	// SetUp brings a device up.
	SetUp(ifindex int) error
	// SetMaster makes a device a port of a bridge.
	SetMaster(ifindex, bridge int) error
	// SetMTU sets a device's MTU.
	SetMTU(ifindex, mtu int) error
}

// Tables reads entries, as the methods of Kernel of the same names do.
type Tables interface {
	FDB(bridge int, yield func(*Entry)) error
	Neighbors(yield func(*Entry)) error
	Lookup(e Entry) (Entry, error)
}

// The objects of the kernel, under the names of package kernel.
type (
	Family = kernel.Family
	State  = kernel.State
	Flags  = kernel.Flags
	Entry  = kernel.Entry
	Verb   = kernel.Verb
	Op     = kernel.Op
	Link   = kernel.Link
	VXLAN  = kernel.VXLAN
	Port   = kernel.Port
	Addr   = kernel.Addr
)

// The families, states, flags and verbs of package kernel.
const (
	IPv4   = kernel.IPv4
	Bridge = kernel.Bridge
	IPv6   = kernel.IPv6

	Incomplete = kernel.Incomplete
	Reachable  = kernel.Reachable
	Stale      = kernel.Stale
	Delay      = kernel.Delay
	Probe      = kernel.Probe
	Failed     = kernel.Failed
	NoARP      = kernel.NoARP
	Permanent  = kernel.Permanent

	Self       = kernel.Self
	Master     = kernel.Master
	ExtLearned = kernel.ExtLearned
	Offloaded  = kernel.Offloaded
	Sticky     = kernel.Sticky
	Router     = kernel.Router
	Locked     = kernel.Locked

	Replace = kernel.Replace
	Append  = kernel.Append
	Delete  = kernel.Delete
)

// NoticeKind says what a Notice is about.
type NoticeKind uint8

// The kinds of Notice.
const (
	NoticeEntry     NoticeKind = iota + 1 // Entry is new or changed
	NoticeEntryGone                       // Entry is deleted
	NoticeLink                            // device or address Ifindex is new or changed
	NoticeLinkGone                        // device Ifindex is deleted
	NoticeLost                            // notices were lost: read again
)

// Notice is one change that the kernel reported.
type Notice struct {
	Kind    NoticeKind
	Entry   Entry
	Ifindex int
}
