// Package doctor looks at what a host's VXLAN rests on and says what is wrong
// with it: what that causes, and a command that mends it.
//
//	kernel (netlink, /proc) --Read--> Host --Examine--> []Finding
//	evpnd.yaml --LoadExpected-----> Expected --^
//
// It needs no evpnd: most of what goes wrong is wrong before evpnd runs, and
// evpnd can be down because of it. It only reads. What it finds it has the
// operator mend, by a command that can be pasted as it is; every check has a
// test that breaks a namespace, pastes the command, and sees the finding gone.
//
// A check is a function from facts to findings, listed in Checks. Read has all
// the facts, so that a check can be tried on a host that nobody has.
package doctor

import "slices"

// Severity is how bad a finding is.
type Severity string

// The severities. A note is for information: nothing need be done.
const (
	Note    Severity = "note"
	Warning Severity = "warning" // works now or in part, or only some frames are lost
	Error   Severity = "error"   // hosts cannot be reached
)

// Finding is one thing that is wrong.
type Finding struct {
	Check    string // its name, stable
	Severity Severity
	Object   string // "device vxlan200"; empty: the host as a whole
	Text     string // what is so
	Effect   string // what comes of it
	// Fix are commands for a shell, for root, in the order to be run; empty: there is
	// no one way, and Text says what to look at.
	Fix []string
}

// Check looks for one kind of fault.
type Check struct {
	Name  string
	Looks string // what for, as the page for users has it
	run   func(*Host, func(Finding))
}

// Examine runs all checks.
func Examine(h *Host) []Finding {
	var out []Finding
	for _, c := range Checks {
		c.run(h, func(f Finding) {
			f.Check = c.Name
			out = append(out, f)
		})
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return rank(a.Severity) - rank(b.Severity) })
	return out
}

func rank(s Severity) int { return slices.Index([]Severity{Error, Warning, Note}, s) }
