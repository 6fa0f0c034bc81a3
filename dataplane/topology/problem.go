package topology

import "github.com/evpnd/evpnd/evpn"

// Problem is what is wrong with a device, and stands until its cause is gone.
type Problem struct {
	Kind   ProblemKind
	VNI    evpn.VNI // 0: none in particular
	Device string   // empty: none in particular
	Text   string   // what happened and what to do
}

// ProblemKind names a kind of problem; it is stable and shown to users.
type ProblemKind string

// The kinds of Problem that Resolve and Plan find. The first group says why a
// VXLAN device is not served, the second what is unusual about one that is.
const (
	NotSelected ProblemKind = "not-selected"     // Config.Select leaves it out
	NoBridge    ProblemKind = "no-bridge"        // it is no port of a bridge
	External    ProblemKind = "external"         // it has no VNI, or many
	VLAN        ProblemKind = "vlan"             // its bridge filters VLANs
	Duplicate   ProblemKind = "duplicate-vni"    // another device has its VNI
	Down        ProblemKind = "down"             // it or its bridge is not up
	NoLocal     ProblemKind = "no-local-address" // neither it nor Config has a VTEP address

	DefaultDest ProblemKind = "default-destination" // it sends unknown frames to an address of its own as well
	OtherPort   ProblemKind = "port"                // it has another UDP port than DefaultPort; for information
	MTU         ProblemKind = "mtu"                 // the underlay does not carry all that the bridge takes

	// NotMade says that what is declared cannot be made, or what was made
	// cannot be removed.
	NotMade ProblemKind = "declare"
)
