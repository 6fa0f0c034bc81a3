package kernel

import (
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

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
