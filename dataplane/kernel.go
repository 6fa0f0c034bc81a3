package dataplane

import (
	"context"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// Kernel is what a Plane needs of the operating system. dataplane/linux
// speaks netlink; dataplane/fake keeps tables in memory.
//
// A Plane calls these methods one at a time, though not all in one goroutine;
// only what Second returns is used beside them. A goroutine of the Kernel feeds
// the channels of Watch and Snoop. Errors unwrap to
// a syscall.Errno where the kernel gave one.
type Kernel interface {
	// Watch subscribes to changes and returns the channel they come on. It
	// is subscribed when Watch returns, so that a read after it misses
	// nothing. The channel is bounded; when notices were lost a NoticeLost
	// comes in their place. It is closed once ctx is done and the feeding
	// goroutine is gone.
	Watch(ctx context.Context) (<-chan []Notice, error)

	// MuteEcho drops notices of new and changed entries that have the
	// extern-learned mark, or lets them pass again: of FDB entries all, of
	// neighbors those that this Kernel writes itself. While the echo is muted
	// the Plane does not get notices of its own writes, nor of what others do
	// to its FDB entries. Deletions and all other notices always pass. Watch
	// begins with the echo muted.
	MuteEcho(on bool) error

	// Links returns all devices, by index.
	Links() ([]kernel.Link, error)
	// Addrs returns the addresses of all devices.
	Addrs() ([]kernel.Addr, error)
	// FDB calls yield for each entry of a bridge's table and of the own
	// tables of its ports. On an error yield may have been called already.
	FDB(bridge int, yield func(*kernel.Entry)) error
	// Neighbors calls yield for each IPv4 and IPv6 neighbor entry of all
	// devices.
	Neighbors(yield func(*kernel.Entry)) error
	// Second returns a reader of the same tables, which one other goroutine
	// may use beside the Plane's.
	Second() Tables
	// Lookup reads one entry: of family Bridge, e.MAC and e.VLAN in the table
	// of the bridge e.Ifindex, or e.MAC and e.SrcVNI in that of the VXLAN
	// device; of another family, the neighbor e.IP of the device e.Ifindex.
	// The error is ENOENT when there is none.
	Lookup(e kernel.Entry) (kernel.Entry, error)

	// Find does what Lookup does for many entries, in place: entries[i] becomes
	// the entry when errs[i] is nil. On an error the reading as a whole failed,
	// and neither entries nor errs mean anything.
	Find(entries []kernel.Entry, errs []error) error
	// Port calls yield for each entry of a bridge's table that is behind one
	// port, and for each entry of the port's own table. When port is the bridge
	// these are the entries that are behind no port. A device that is not there
	// has no entries.
	Port(port int, yield func(*kernel.Entry)) error

	// Write carries out ops in order and sets errs[i] to the error of ops[i], nil
	// for success. The kernel goes on after a failure. On an error the writing
	// as a whole failed, and errs means nothing.
	Write(ops []kernel.Op, errs []error) error

	// Snoop begins to read the ARP and ND of hosts, of no port before SnoopPorts,
	// and returns the channel of their claims. The channel is bounded; claims
	// that come too fast are lost. It is closed once ctx is done and the feeding
	// goroutine is gone.
	Snoop(ctx context.Context) (<-chan hosts.Snooped, error)
	// SnoopPorts sets the ports that are snooped. The error joins those of the
	// ports that cannot be snooped; the others are.
	SnoopPorts(ports []int) error
	// SendProbe sends a probe to a host, out of a port that is snooped, and does
	// not wait: the answer comes as a claim.
	SendProbe(q hosts.ProbeRequest) error

	// SetPort sets the flags of a bridge port.
	SetPort(ifindex int, learning, neighSuppress bool) error
	// SetVXLANLearning sets whether a VXLAN device learns by itself.
	SetVXLANLearning(ifindex int, learning bool) error
	// MakeBridge and MakeVXLAN make a device, down and with its alias. The
	// device is enslaved when l.Master is set.
	MakeBridge(l kernel.Link) error
	MakeVXLAN(l kernel.Link) error
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
	FDB(bridge int, yield func(*kernel.Entry)) error
	Neighbors(yield func(*kernel.Entry)) error
	Lookup(e kernel.Entry) (kernel.Entry, error)
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
	Entry   kernel.Entry
	Ifindex int
}
