package evpn

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Verdict is what the decision made of one of several that say where a MAC
// is, whose an address is, or where to flood to.
type Verdict struct {
	// Chosen says that what is wanted of the kernel follows from it. There is
	// at most one.
	Chosen bool
	Reason string // why, or why not, for a person: one sentence, never empty
	// Steps are the rules by which it was compared with the one that decided
	// about it, in their order, down to the rule that did; empty when it was
	// compared with none.
	Steps []Step
}

// Step is one rule that two were compared by.
type Step struct {
	Rule        string // what is compared, which of the two wins, and the RFC that says so
	This, Other string // what the two have
	Outcome     Outcome
}

// Outcome is how a Step ended.
type Outcome uint8

// The outcomes. All steps but the last of a comparison are Equal.
const (
	Equal Outcome = iota
	Wins
	Loses
)

// trait is what a rule looks at in a path.
type trait struct {
	rule string // by which the comparison decides
	name string // as a Step has it
	of   func(*path) string
}

// The names of what routes, and a local host, are compared by.
const (
	nameFresh     = "fresh before stale (RFC 4724 §4.2)"
	nameSticky    = "sticky before not sticky (RFC 7432 §15.2)"
	nameSeq       = "the higher mobility sequence (RFC 7432 §15)"
	nameVTEP      = "the lower VTEP address (RFC 7432 §15)"
	nameStatic    = "static on this host before any route"
	nameGateway   = "this host before a default gateway elsewhere (RFC 7432 §10.1)"
	nameImmutable = "immutable before what may change (RFC 9047 §2)"
)

// Each list has the rules of one comparison in the order in which it takes
// them. What they decided is for the comparison itself to say.
var (
	routeTraits = []trait{
		{ruleFresh, nameFresh, freshness},
		{ruleSticky, nameSticky, func(x *path) string { return stickiness(x.attrs.Mobility.Sticky) }},
		{ruleSeq, nameSeq, func(x *path) string { return seqText(x.attrs.Mobility.Seq) }},
		{ruleVTEP, nameVTEP, func(x *path) string { return x.attrs.NextHop.String() }},
	}
	copyTraits = []trait{
		{ruleFresh, nameFresh, freshness},
		{rulePref, rulePref, func(x *path) string { return strconv.FormatUint(uint64(x.attrs.LocalPref), 10) }},
		{ruleASPath, ruleASPath, func(x *path) string { return strconv.Itoa(x.attrs.ASPathLen) }},
		{ruleOrigin, ruleOrigin, func(x *path) string { return strconv.Itoa(int(x.attrs.Origin)) }},
		{ruleMED, ruleMED, func(x *path) string { return strconv.FormatUint(uint64(x.attrs.MED), 10) }},
		{ruleExternal, ruleExternal, func(x *path) string {
			if x.peer.internal {
				return "internal"
			}
			return "external"
		}},
		{ruleOriginator, ruleOriginator, func(x *path) string {
			if !x.attrs.OriginatorID.IsValid() {
				return "none"
			}
			return x.attrs.OriginatorID.String()
		}},
		{ruleCluster, ruleCluster, func(x *path) string { return strconv.Itoa(x.attrs.ClusterLen) }},
		{rulePeer, rulePeer, func(x *path) string { return x.peer.addr.String() }},
	}
	bindingTraits = append([]trait{{ruleImmutable, nameImmutable, func(x *path) string {
		if x.attrs.ND.Immutable {
			return "immutable"
		}
		return "may change"
	}}}, routeTraits...)
)

func freshness(x *path) string {
	if x.stale() {
		return "stale"
	}
	return "fresh"
}

func stickiness(sticky bool) string {
	if sticky {
		return "sticky"
	}
	return "not sticky"
}

func seqText(seq uint32) string { return strconv.FormatUint(uint64(seq), 10) }

// steps shows a comparison of a with b that rule decided for a (c > 0), against
// it (c < 0), or not at all (c = 0).
func steps(traits []trait, a, b *path, c int, rule string) (out []Step) {
	for _, t := range traits {
		s := Step{Rule: t.name, This: t.of(a), Other: t.of(b)}
		if t.rule == rule && c != 0 {
			s.Outcome = outcome(c > 0)
			return append(out, s)
		}
		out = append(out, s)
	}
	return out
}

func outcome(wins bool) Outcome {
	if wins {
		return Wins
	}
	return Loses
}

// beaten says of a route x that it lost to o, as compare has it.
func beaten(x, o *path, traits []trait, compare func(a, b *path) (int, string)) Verdict {
	c, rule := compare(x, o)
	v := Verdict{Steps: steps(traits, x, o, c, rule)}
	last := v.Steps[len(v.Steps)-1]
	whom := "the route of " + o.attrs.NextHop.String()
	if o.attrs.NextHop == x.attrs.NextHop {
		whom = "another route of this VTEP"
	}
	switch {
	case c == 0:
		v.Reason = "it says the same as the chosen one: " + ruleSame
	case rule == ruleFresh:
		v.Reason = "it is stale, and " + whom + " is fresh: the session that brought it is down, here or at a reflector"
	case rule == ruleSticky:
		v.Reason = whom + " is sticky and it is not (RFC 7432 §15.2)"
	case rule == ruleSeq:
		v.Reason = fmt.Sprintf("its mobility sequence %s is lower than %s of %s (RFC 7432 §15)", last.This, last.Other, whom)
	case rule == ruleVTEP:
		v.Reason = fmt.Sprintf("with the same sequence the lower VTEP address wins, and %s is lower than %s (RFC 7432 §15)", last.Other, last.This)
	case rule == ruleImmutable:
		v.Reason = whom + " says that its binding cannot be changed (RFC 9047 §2)"
	default:
		v.Reason = fmt.Sprintf("peer %v sent a better copy of the same route: %s, %s against %s", o.peer.addr, rule, last.Other, last.This)
	}
	return v
}

// winner says why x, which won, did: over the next best, or over nobody.
func winner(x, second *path, traits []trait, compare func(a, b *path) (int, string)) Verdict {
	if second == nil {
		return Verdict{Chosen: true, Reason: "no other VTEP has a usable route for it"}
	}
	c, rule := compare(x, second)
	if c == 0 {
		return Verdict{Chosen: true, Reason: "no route of another place is better, and this one comes first", Steps: steps(traits, x, second, c, rule)}
	}
	return Verdict{
		Chosen: true, Steps: steps(traits, x, second, c, rule),
		Reason: "it wins over the route of " + second.attrs.NextHop.String() + ": " + rule,
	}
}

// runnerUp returns the best usable route of m that leads to another VTEP than
// best does, to show why best won; nil when there is none.
func (m *macEntry) runnerUp(own, ip netip.Addr, best *path) (second *path) {
	for i := 0; i < len(m.paths); {
		x, next := m.bestCopy(own, i)
		i = next
		if x == nil || x == best || x.attrs.NextHop == best.attrs.NextHop || ip.IsValid() && x.ip != ip {
			continue
		}
		if second == nil {
			second = x
		} else if c, _ := compareRoutes(x, second); c > 0 {
			second = x
		}
	}
	return second
}
