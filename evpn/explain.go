package evpn

import (
	"fmt"
	"strings"
)

// Verdict is what the decision made of one of several candidates for where a
// MAC is, which MAC an address belongs to, or where to flood to.
type Verdict struct {
	// Chosen says that what is wanted of the kernel follows from it. Of the
	// candidates for one place exactly one is chosen, none when there is none.
	Chosen bool
	Reason string // why, or why not, for a person: one sentence, never empty
	// Steps are the rules by which it was compared with the one that decided
	// about it, in their order, down to the rule that did. They are empty when
	// it was compared with none, and in a RouteStatus that is no explanation.
	Steps []Step
}

// RouteVerdict is a received route that is kept in a VNI, what the decision
// made of it, and why it is kept.
type RouteVerdict struct {
	RouteStatus
	Target RT     // which of the route's targets the VNI imports
	By     Target // by which of the VNI's
}

func (v *bd) routeStatus(x *path, t RouteType, addr MAC, what Verdict) RouteStatus {
	return RouteStatus{Route: x.route(t, addr), Attrs: x.attrs, Peer: x.peer.addr, VNI: v.vni, Stale: x.stale(), Verdict: what}
}

func (v *bd) routeVerdict(x *path, t RouteType, addr MAC, what Verdict) RouteVerdict {
	r := RouteVerdict{RouteStatus: v.routeStatus(x, t, addr, what)}
	r.Target, r.By, _ = v.importedBy(x.attrs.Targets)
	return r
}

// explanation has the verdicts of comparisons made, with Steps or without.
type explanation struct{ steps bool }

// won is the verdict on x, which won over second, the best route of another
// place; nil: there is none.
func (e explanation) won(rs rules[candidate], x candidate, second *candidate) Verdict {
	if second == nil {
		return Verdict{Chosen: true, Reason: "no other VTEP has a usable route for it"}
	}
	v := Verdict{Chosen: true}
	switch c, r := rs.decide(x, *second); {
	case c > 0:
		v.Reason = "it wins over the route of " + second.vtep.String() + ": " + r.String()
	case c == 0:
		v.Reason = "no route of another place is better, and this one comes first"
	default:
		return Verdict{Chosen: true, Reason: "another place is better by now, and is about to be followed"}
	}
	v.Steps = stepsIf(e, rs, x, *second)
	return v
}

// lost is the verdict on x, which lost to winner. While a job is under way
// winner may be chosen still although x is better by now.
func (e explanation) lost(rs rules[candidate], x, winner candidate) Verdict {
	c, r := rs.decide(x, winner)
	if c > 0 {
		return Verdict{Reason: aboutToBeFollowed}
	}
	v := Verdict{Steps: stepsIf(e, rs, x, winner)}
	name := "the route of " + winner.vtep.String()
	switch {
	case c == 0:
		v.Reason = sameAsChosen
	case winner.local:
		v.Reason = "this host has it: " + r.String()
	case winner.vtep == x.vtep:
		v.Reason = r.lost(r.trait(x), r.trait(winner), "another route of this VTEP") + cite(r.rfc)
	default:
		v.Reason = r.lost(r.trait(x), r.trait(winner), name) + cite(r.rfc)
	}
	return v
}

// lostCopy is the verdict on x, which lost to another peer's copy of the route.
func (e explanation) lostCopy(x, winner *path) Verdict {
	_, r := copyRules.decide(x, winner)
	return Verdict{
		Reason: fmt.Sprintf("peer %v sent a better copy of the same route: %v, %s against %s", winner.peer.addr, r, r.trait(winner), r.trait(x)),
		Steps:  stepsIf(e, copyRules, x, winner),
	}
}

func stepsIf[P any](e explanation, rs rules[P], a, b P) []Step {
	if !e.steps {
		return nil
	}
	return rs.steps(a, b)
}

// Texts that several verdicts have.
const (
	sameAsChosen = "it says the same as the chosen one"
	frozenText   = "frozen as a duplicate (RFC 7432 §15.1)"
	frozenIPText = "frozen as a duplicate (RFC 9161 §3.7)"
	restoring    = "was frozen as a duplicate before evpnd started, and is compared when all peers have sent their routes"
	// aboutToBeFollowed is said while a job is under way.
	aboutToBeFollowed = "it is better by now, and is about to be followed"
)

// importedBy returns which of a route's targets v imports, and by which of its
// import targets.
func (v *bd) importedBy(targets []RT) (RT, Target, bool) {
	for _, rt := range targets {
		for _, t := range v.evi.imports {
			if t.Matches(rt) {
				return rt, t, true
			}
		}
	}
	return RT{}, Target{}, false
}

// Import says what a served VNI makes of a route with some targets.
type Import struct {
	VNI    VNI
	Takes  bool
	Target RT     // of the route
	By     Target // of the VNI
	Reason string // why it does not take it
}

// Imports tells whether a VNI would take a route, kept or not, by which target,
// and why not. With vni 0 it tells so of each VNI that imports a target of the
// route, and of no other.
func (e *Engine) Imports(vni VNI, r *Route, a *Attrs) (out []Import) {
	asked := e.bdsOf(vni)
	if vni == 0 {
		asked = e.importingBDs(a.Targets)
	}
	for _, v := range asked {
		i := Import{VNI: v.vni}
		var match bool
		i.Target, i.By, match = v.importedBy(a.Targets)
		switch {
		case !match:
			i.Reason = fmt.Sprintf("VNI %v imports %s, and the route has %s", v.vni, list(v.evi.imports), list(a.Targets))
		case !r.usable():
			i.Reason = "routes of type " + r.Type.String() + " are not used, or its MAC is none that a host can have"
		case v.evi.isOwn(a):
			i.Reason = fmt.Sprintf("its next hop %v is this host's own VTEP address: it is a route of this host that came back", a.NextHop)
		default:
			i.Takes = true
		}
		out = append(out, i)
	}
	return out
}

func list[T fmt.Stringer](l []T) string {
	if len(l) == 0 {
		return "none"
	}
	s := make([]string, len(l))
	for i, x := range l {
		s[i] = x.String()
	}
	return strings.Join(s, ", ")
}
