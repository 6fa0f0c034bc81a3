package evpn

import (
	"cmp"
	"net/netip"
	"strconv"
)

// rule is one step of a comparison of two candidates of type P. A table of
// rules is all there is to a comparison: deciding, explaining, the reason that
// goes with a MAC and the page docs/explain.md come from the same rows.
type rule[P any] struct {
	name string // which of two candidates wins
	rfc  string // the section that says so; empty: a choice of evpnd

	between func(a, b P) bool // whether the rule applies to the two; nil: always
	compare func(a, b P) int  // positive: a wins; negative: b wins; 0: the next rule decides
	trait   func(P) string    // what the rule compares, for a person

	// lost says in a sentence why a candidate lost to a winner. nil: there is
	// none of its own.
	lost func(this, other, winner string) string
}

func (r *rule[P]) String() string { return r.name + cite(r.rfc) }

func cite(rfc string) string {
	if rfc == "" {
		return ""
	}
	return " (" + rfc + ")"
}

// rules is a comparison: rules in the order in which they are taken. The first
// one that tells the two candidates apart decides.
type rules[P any] []rule[P]

// compare returns a positive number when a wins over b, a negative one when b
// wins, and 0 when no rule tells them apart.
func (rs rules[P]) compare(a, b P) int {
	c, _ := rs.decide(a, b)
	return c
}

// decide is compare, and returns the rule that decided; nil when none did.
func (rs rules[P]) decide(a, b P) (int, *rule[P]) {
	for i := range rs {
		r := &rs[i]
		if r.between != nil && !r.between(a, b) {
			continue
		}
		if c := r.compare(a, b); c != 0 {
			return c, r
		}
	}
	return 0, nil
}

// steps returns the comparison of a with b rule by rule, down to the one that
// decided.
func (rs rules[P]) steps(a, b P) (out []Step) {
	c, last := rs.decide(a, b)
	for i := range rs {
		r := &rs[i]
		if r.between != nil && !r.between(a, b) {
			continue
		}
		s := Step{Rule: r.String(), This: r.trait(a), Other: r.trait(b)}
		if r == last {
			s.Outcome = outcome(c > 0)
			return append(out, s)
		}
		out = append(out, s)
	}
	return out
}

// Step is one rule that two candidates were compared by.
type Step struct {
	Rule        string // which of two wins, and the RFC that says so
	This, Other string // what the two have
	Outcome     Outcome
}

// Outcome is how a Step ended.
type Outcome uint8

// The outcomes. All steps of a comparison but the last are Equal.
const (
	Equal Outcome = iota
	Wins
	Loses
)

func outcome(wins bool) Outcome {
	if wins {
		return Wins
	}
	return Loses
}

// candidate is a place where a MAC, or the owner of an IP address, may be: a
// local port, or the VTEP of a route.
type candidate struct {
	local     bool
	static    bool // local: a static entry of the bridge, or configured as sticky
	stale     bool
	gateway   bool // the route has the default gateway community
	sticky    bool
	immutable bool
	seq       uint32
	vtep      netip.Addr // that of the route; local: the own one
	mac       MAC        // of an IP address: the MAC it is paired with
}

func candidateOf(x *path) candidate {
	a := x.attrs
	return candidate{
		stale: x.stale(), gateway: a.DefaultGateway, sticky: a.Mobility.Sticky, immutable: a.ND.Immutable,
		seq: a.Mobility.Seq, vtep: a.NextHop,
	}
}

// of returns c as a candidate for an address that is paired with mac.
func (c candidate) of(mac MAC) candidate {
	c.mac = mac
	return c
}

func oneIsLocal(a, b candidate) bool { return a.local != b.local }

// The rules that more than one comparison has.
var (
	freshRule = rule[candidate]{
		name: "fresh before stale", rfc: "RFC 4724 §4.2",
		compare: func(a, b candidate) int { return bit(b.stale) - bit(a.stale) },
		trait:   func(c candidate) string { return either(c.local, "here", freshness(c.stale)) },
		lost: func(_, _, winner string) string {
			return "it is stale, and " + winner + " is fresh: the session that brought it is down, here or at a reflector"
		},
	}
	stickyRule = rule[candidate]{
		name: "sticky before not sticky", rfc: "RFC 7432 §15.2",
		compare: func(a, b candidate) int { return bit(a.sticky) - bit(b.sticky) },
		trait:   func(c candidate) string { return either(c.sticky, "sticky", "not sticky") },
		lost:    func(_, _, winner string) string { return winner + " is sticky and it is not" },
	}
	sequenceRule = rule[candidate]{
		name: "higher mobility sequence", rfc: "RFC 7432 §15",
		compare: func(a, b candidate) int { return cmp.Compare(a.seq, b.seq) },
		trait:   func(c candidate) string { return decimal(c.seq) },
		lost: func(this, other, winner string) string {
			return "its mobility sequence " + this + " is lower than " + other + " of " + winner
		},
	}
	vtepRule = rule[candidate]{
		name: "lower VTEP address", rfc: "RFC 7432 §15",
		compare: func(a, b candidate) int { return b.vtep.Compare(a.vtep) },
		trait:   func(c candidate) string { return c.vtep.String() },
		lost: func(this, other, _ string) string {
			return "with the same sequence the lower VTEP address wins, and " + other + " is lower than " + this
		},
	}
)

// macRules say where a MAC is, of all the places that are told of.
var macRules = rules[candidate]{
	{
		// A static entry stands in the kernel by an operator's hand.
		name: "static on this host before any route", between: oneIsLocal,
		compare: func(a, b candidate) int { return bit(a.static) - bit(b.static) },
		trait:   func(c candidate) string { return either(!c.local, "a route", either(c.static, "static", "not static")) },
	},
	freshRule,
	{
		// A default gateway may be in several places at once.
		name: "this host before a default gateway elsewhere", rfc: "RFC 7432 §10.1", between: oneIsLocal,
		compare: func(a, b candidate) int { return bit(b.gateway) - bit(a.gateway) },
		trait: func(c candidate) string {
			return either(c.local, "here", either(c.gateway, "default gateway", "no gateway"))
		},
	},
	stickyRule,
	sequenceRule,
	vtepRule,
}

// ipRules say which MAC an IP address belongs to, of all the bindings that
// are told of.
var ipRules = rules[candidate]{
	{
		name: "this host before a stale route", rfc: "RFC 4724 §4.2", between: oneIsLocal,
		compare: func(a, b candidate) int { return bit(b.stale) - bit(a.stale) },
		trait:   freshRule.trait,
	},
	{
		name: "immutable before what may change", rfc: "RFC 9047 §2",
		compare: func(a, b candidate) int { return bit(a.immutable) - bit(b.immutable) },
		trait:   func(c candidate) string { return either(c.immutable, "immutable", "may change") },
		lost:    func(_, _, winner string) string { return winner + " says that its binding cannot be changed" },
	},
	{
		// The kernel knows a local host by itself.
		name: "this host before any route", between: oneIsLocal,
		compare: func(a, b candidate) int { return bit(a.local) - bit(b.local) },
		trait:   func(c candidate) string { return either(c.local, "here", "a route") },
	},
	freshRule,
	stickyRule,
	sequenceRule,
	vtepRule,
	{
		name:    "lower MAC",
		compare: func(a, b candidate) int { return b.mac.Compare(a.mac) },
		trait:   func(c candidate) string { return c.mac.String() },
		lost: func(_, other, _ string) string {
			return "it is as good as the route for MAC " + other + ", and the lower MAC counts"
		},
	},
}

// copyRules say which copy of one route is used, of those that several peers
// sent: a fresh one before a stale one, then by the BGP decision process.
var copyRules = rules[*path]{
	{
		name: freshRule.name, rfc: freshRule.rfc,
		compare: func(a, b *path) int { return bit(b.stale()) - bit(a.stale()) },
		trait:   func(x *path) string { return freshness(x.stale()) },
	},
	{
		name: "higher local preference", rfc: "RFC 4271 §9.1.1",
		compare: func(a, b *path) int { return cmp.Compare(a.attrs.LocalPref, b.attrs.LocalPref) },
		trait:   func(x *path) string { return decimal(x.attrs.LocalPref) },
	},
	{
		name: "shorter AS path", rfc: "RFC 4271 §9.1.2.2",
		compare: func(a, b *path) int { return cmp.Compare(b.attrs.ASPathLen, a.attrs.ASPathLen) },
		trait:   func(x *path) string { return strconv.Itoa(x.attrs.ASPathLen) },
	},
	{
		name: "lower origin", rfc: "RFC 4271 §9.1.2.2",
		compare: func(a, b *path) int { return cmp.Compare(b.attrs.Origin, a.attrs.Origin) },
		trait:   func(x *path) string { return strconv.Itoa(int(x.attrs.Origin)) },
	},
	{
		name: "lower MED", rfc: "RFC 4271 §9.1.2.2",
		compare: func(a, b *path) int { return cmp.Compare(b.attrs.MED, a.attrs.MED) },
		trait:   func(x *path) string { return decimal(x.attrs.MED) },
	},
	{
		name: "external before internal peer", rfc: "RFC 4271 §9.1.2.2",
		compare: func(a, b *path) int { return bit(b.peer.internal) - bit(a.peer.internal) },
		trait:   func(x *path) string { return either(x.peer.internal, "internal", "external") },
	},
	{
		name: "lower ORIGINATOR_ID", rfc: "RFC 4456 §9",
		compare: func(a, b *path) int { return b.attrs.OriginatorID.Compare(a.attrs.OriginatorID) },
		trait: func(x *path) string {
			return either(x.attrs.OriginatorID.IsValid(), x.attrs.OriginatorID.String(), "none")
		},
	},
	{
		name: "shorter CLUSTER_LIST", rfc: "RFC 4456 §9",
		compare: func(a, b *path) int { return cmp.Compare(b.attrs.ClusterLen, a.attrs.ClusterLen) },
		trait:   func(x *path) string { return strconv.Itoa(x.attrs.ClusterLen) },
	},
	{
		name: "lower peer address", rfc: "RFC 4271 §9.1.2.2",
		compare: func(a, b *path) int { return b.peer.addr.Compare(a.peer.addr) },
		trait:   func(x *path) string { return x.peer.addr.String() },
	},
}

func freshness(stale bool) string { return either(stale, "stale", "fresh") }

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
