package dataplane

import (
	"context"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/evpn"
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
	Snoop(ctx context.Context) (<-chan Snooped, error)
	// SnoopPorts sets the ports that are heard. The error joins those of the
	// ports that cannot be; the others are heard.
	SnoopPorts(ports []int) error
	// SendProbe puts a question to a host, out of a port that is heard. An answer
	// is a Claim. It does not wait.
	SendProbe(q ProbeRequest) error

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

// Family is the address family of an Entry.
type Family uint8

// The families that are read and written; the numbers are the kernel's.
const (
	IPv4   Family = 2
	Bridge Family = 7
	IPv6   Family = 10
)

// State is the state of a neighbor or forwarding entry (NUD_*).
type State uint16

// The states; the numbers are the kernel's (linux/neighbour.h).
const (
	Incomplete State = 0x01
	Reachable  State = 0x02
	Stale      State = 0x04
	Delay      State = 0x08
	Probe      State = 0x10
	Failed     State = 0x20
	NoARP      State = 0x40
	Permanent  State = 0x80
)

// Flags are the flags of an entry (NTF_*, and NTF_EXT_* shifted by 16).
type Flags uint32

// The flags; the numbers are the kernel's (linux/neighbour.h).
const (
	Self       Flags = 0x02
	Master     Flags = 0x04
	ExtLearned Flags = 0x10
	Offloaded  Flags = 0x20
	Sticky     Flags = 0x40
	Router     Flags = 0x80
	Locked     Flags = 0x20000 // NTF_EXT_LOCKED: not authenticated (MAB)
)

// Entry is one neighbor or forwarding entry, as the kernel describes it.
type Entry struct {
	Family  Family
	Ifindex int // the device, or the bridge port
	State   State
	Flags   Flags
	MAC     evpn.MAC
	IP      netip.Addr // Bridge: the VTEP (NDA_DST); else the neighbor's address
	VNI     evpn.VNI   // NDA_VNI: of the outer header, when not the device's
	Bridge  int        // NDA_MASTER: ifindex of the bridge of a bridge entry, 0 of a device's own entry
	VLAN    uint16     // NDA_VLAN: part of the key of a bridge entry; 0: the bridge does not filter VLANs
	SrcVNI  evpn.VNI   // NDA_SRC_VNI: part of the key in a VXLAN device that has many VNIs; 0: it has one
	Nexthop uint32     // NDA_NH_ID: a nexthop group in place of a VTEP
}

// Verb says what an Op does.
type Verb uint8

// The verbs. Append adds a destination beside those an entry has, and is a
// no-op when it is there; Delete of a zero MAC removes one destination.
const (
	Replace Verb = iota + 1
	Append
	Delete
)

// Op is one write.
type Op struct {
	Entry
	Verb Verb
}

// Link is a network device.
type Link struct {
	Index  int
	Name   string
	Alias  string
	Kind   string // "bridge", "vxlan", "veth", ...
	MTU    int
	Master int // ifindex of the bridge it is a port of, or 0
	Lower  int // IFLA_LINK: the device it is stacked on, or 0
	Up     bool
	MAC    evpn.MAC

	Loopback bool

	VLANFiltering bool          // a bridge
	Ageing        time.Duration // a bridge: of the MACs it learned
	VXLAN         *VXLAN        // a VXLAN device
	Port          *Port         // a bridge port
}

// VXLAN is what a Link of that kind has.
type VXLAN struct {
	VNI       evpn.VNI
	Local     netip.Addr
	Remote    netip.Addr // default destination or multicast group
	Lower     int        // underlay device
	Port      uint16
	Learning  bool
	External  bool // collect metadata: one device for all VNIs
	VNIFilter bool
}

// Port is what a bridge port has.
type Port struct {
	Learning      bool
	NeighSuppress bool
}

// Addr is an address of a device.
type Addr struct {
	Ifindex int
	IP      netip.Addr
}

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
