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
	NotSelected ProblemKind = "not-selected"
	NoBridge    ProblemKind = "no-bridge"
	External    ProblemKind = "external"
	VLAN        ProblemKind = "vlan"
	Duplicate   ProblemKind = "duplicate-vni"
	Down        ProblemKind = "down"
	NoLocal     ProblemKind = "no-local-address"

	DefaultDest ProblemKind = "default-destination"
	OtherPort   ProblemKind = "port" // for information
	MTU         ProblemKind = "mtu"

	// NotMade says that what is declared cannot be made, or what was made
	// cannot be removed.
	NotMade ProblemKind = "declare"
)
