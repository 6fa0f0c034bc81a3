package evpn

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// RouteVerdict is a received route that is kept in a VNI, and what the
// decision made of it. Its Chosen and Reason are those of the Verdict.
type RouteVerdict struct {
	RouteStatus
	Verdict
	// By is which of the route's targets the VNI imports, by which of its own.
	Target RT
	By     Target
}

// LocalVerdict is what is known of a MAC on this host.
type LocalVerdict struct {
	Verdict
	Present bool // behind a local port now
	Port    int  // ifindex, of the present or the last
	Seq     uint32
	Static  bool // sticky, by the bridge or by the configuration
}

// MACExplanation is why a MAC is where it is, or nowhere.
type MACExplanation struct {
	MACKey
	Place MACStatus // Found says whether it is anywhere
	Found bool
	Local *LocalVerdict // nil: this host never had it, as far as is known
	// Routes are those that are kept, by NLRI and peer. Exactly one of them and
	// Local is chosen when the MAC is somewhere, and none when it is not.
	Routes []RouteVerdict
	Want   FDB
	Holds  []string // what keeps the decision from following the routes, for a person
}

// ExplainMAC explains the place of a MAC. ok is false when the VNI is not
// served. It changes nothing.
func (e *Engine) ExplainMAC(vni VNI, addr MAC) (x MACExplanation, ok bool) {
	v := e.vnis[vni]
	if v == nil {
		return x, false
	}
	x.MACKey = MACKey{vni, addr}
	x.Place, x.Found = e.MAC(vni, addr)
	x.Want = e.wantFDB(x.MACKey)
	x.Holds = e.holdsOfMAC(v, addr)
	m := v.macs[addr]
	if m == nil {
		return x, true
	}
	best := m.best(v.vtep, netip.Addr{})
	x.Local = v.explainLocal(m, best)
	for i := range m.paths {
		p := &m.paths[i]
		x.Routes = append(x.Routes, v.routeVerdict(p, MACIP, addr, v.explainPath(m, p, best)))
	}
	return x, true
}

func (v *vni) routeVerdict(x *path, t RouteType, addr MAC, what Verdict) RouteVerdict {
	r := RouteVerdict{
		RouteStatus: RouteStatus{
			Route: x.reach(t, addr), Attrs: x.attrs, Peer: x.peer.addr, VNI: v.id,
			Stale: x.stale(), Chosen: what.Chosen, Reason: what.Reason,
		},
		Verdict: what,
	}
	r.Target, r.By, _ = v.importedBy(x.attrs.Targets)
	return r
}

// explainLocal says what became of the local host. It is nil when there is
// none.
func (v *vni) explainLocal(m *macEntry, best *path) *LocalVerdict {
	l := m.loc
	if l == nil {
		return nil
	}
	x := &LocalVerdict{Present: l.present, Port: l.port, Seq: l.seq, Static: l.static}
	switch {
	case m.place.where == here && m.frozen():
		x.Verdict = Verdict{Chosen: true, Reason: ruleFrozen + ": it stays here until it is let go"}
	case m.place.where == here:
		wins, rule := l.beats(v.vtep, best)
		x.Verdict = Verdict{Chosen: true, Reason: "a local port has it: " + rule, Steps: v.localSteps(l, best, wins, rule)}
	case l.port == 0:
		x.Reason = "no local port has it, only its addresses were heard of here"
	default:
		x.Reason = fmt.Sprintf("no local port has it now; it was here with the mobility sequence %d", l.seq)
	}
	return x
}

// localSteps shows the comparison of a local host with the best route.
func (v *vni) localSteps(l *local, x *path, wins bool, rule string) (out []Step) {
	if x == nil {
		return nil
	}
	gateway := map[bool]string{true: "default gateway", false: "no gateway"}
	for _, t := range []struct{ rule, name, this, other string }{
		{ruleStatic, nameStatic, stickiness(l.static), "a route"},
		{ruleFresh, nameFresh, "here", freshness(x)},
		{ruleGateway, nameGateway, "here", gateway[x.attrs.DefaultGateway]},
		{ruleSticky, nameSticky, stickiness(l.static), stickiness(x.attrs.Mobility.Sticky)},
		{ruleSeq, nameSeq, seqText(l.seq), seqText(x.attrs.Mobility.Seq)},
		{ruleVTEP, nameVTEP, v.vtep.String(), x.attrs.NextHop.String()},
	} {
		s := Step{Rule: t.name, This: t.this, Other: t.other}
		if t.rule == rule {
			s.Outcome = outcome(wins)
			return append(out, s)
		}
		out = append(out, s)
	}
	return out
}

// explainPath says what became of p, one of m's paths; best is m's best.
func (v *vni) explainPath(m *macEntry, p, best *path) Verdict {
	if why := p.unusableMAC(v.vtep); why != "" {
		return Verdict{Reason: "it cannot be used: " + why}
	}
	i, _ := m.find(&path{rd: p.rd, ip: p.ip, peer: &peer{}, rest: p.rest})
	if o, _ := m.bestCopy(v.vtep, i); o != p {
		return beaten(p, o, copyTraits, compareCopies)
	}
	switch {
	case m.frozen() && m.place.where == there:
		return v.explainFrozen(m, p)
	case m.place.where == nowhere:
		return Verdict{Reason: "the MAC was frozen as a duplicate before evpnd started, and is judged when all peers have sent their routes"}
	case p != best:
		return beaten(p, best, routeTraits, compareRoutes)
	case m.place.where == there:
		return winner(p, m.runnerUp(v.vtep, netip.Addr{}, p), routeTraits, compareRoutes)
	case m.frozen():
		return Verdict{Reason: "the MAC is " + ruleFrozen + " on this host"}
	}
	wins, rule := m.loc.beats(v.vtep, best)
	s := v.localSteps(m.loc, best, wins, rule)
	for i := range s {
		s[i].This, s[i].Other = s[i].Other, s[i].This
		if s[i].Outcome != Equal {
			s[i].Outcome = Loses
		}
	}
	return Verdict{Reason: "a local port has the MAC: " + rule, Steps: s}
}

// explainFrozen is explainPath for a MAC that is frozen behind a VTEP.
func (v *vni) explainFrozen(m *macEntry, p *path) Verdict {
	if p.attrs.NextHop != m.place.dest.VTEP {
		return Verdict{Reason: "the MAC is " + ruleFrozen + " at " + m.place.dest.VTEP.String() + ", so no other place counts until it is let go"}
	}
	// The first of the VTEP's stands for all: none but the VTEP matters.
	for i := range m.paths {
		o := &m.paths[i]
		if o.attrs.NextHop != p.attrs.NextHop || o.unusableMAC(v.vtep) != "" {
			continue
		}
		j, _ := m.find(&path{rd: o.rd, ip: o.ip, peer: &peer{}, rest: o.rest})
		if b, _ := m.bestCopy(v.vtep, j); b != o {
			continue
		}
		if o != p {
			return Verdict{Reason: "it says the same as the chosen one: " + ruleSame}
		}
		break
	}
	return Verdict{Chosen: true, Reason: ruleFrozen + ": it stays at this VTEP until it is let go"}
}

// importedBy returns which of a route's targets v imports, and by which of its
// import targets.
func (v *vni) importedBy(targets []RT) (RT, Target, bool) {
	for _, rt := range targets {
		for _, t := range v.imports {
			var x importIndex
			x.add(v.id, []Target{t})
			if len(x.match(nil, []RT{rt})) > 0 {
				return rt, t, true
			}
		}
	}
	return RT{}, Target{}, false
}

// holdsOfMAC says what keeps the place of a MAC from following the routes.
func (e *Engine) holdsOfMAC(v *vni, addr MAC) (out []string) {
	m := v.macs[addr]
	if m != nil && m.frozen() {
		out = append(out, fmt.Sprintf("frozen as a duplicate since %s, %s: find the second host, then evpnctl mac unfreeze --vni %v %v (RFC 7432 §15.1)",
			timeText(m.moves.since), recovery(m.moves.since, v.duplicate.Recover), v.id, addr))
	}
	if was, ok := e.memory.before.MACs[MACKey{v.id, addr}]; ok {
		out = append(out, fmt.Sprintf("it was frozen as a duplicate at %s before evpnd was started again, and is to be frozen there again", whereText(was.VTEP)))
	}
	if _, ok := v.refused[addr]; ok {
		out = append(out, fmt.Sprintf("a local port has it, but VNI %v has %d local MACs, its limit, so it is not announced: raise the limit (vnis.limits.local-macs)", v.id, v.limits.LocalMACs))
	}
	if m != nil {
		out = append(out, e.holdsOfPaths(m.paths)...)
	}
	return append(out, e.holdsOfPeers()...)
}

// holdsOfPaths tells until when stale routes are used.
func (e *Engine) holdsOfPaths(paths []path) (out []string) {
	said := make(map[*peer]bool)
	for i := range paths {
		p := paths[i].peer
		if !paths[i].unrepeated() || said[p] {
			continue
		}
		said[p] = true
		why := "the session is down"
		if p.up {
			why = "it came back and has not repeated them"
		}
		out = append(out, fmt.Sprintf("stale routes of peer %v are used until %s (graceful restart): %s", p.addr, timeText(p.expire), why))
	}
	return out
}

// holdsOfPeers tells which peers send more than is taken, and that the start
// is not over.
func (e *Engine) holdsOfPeers() (out []string) {
	for _, p := range e.sortedPeers() {
		if p.full {
			out = append(out, fmt.Sprintf("peer %v is at its limit of %d routes (max-routes) and %d were refused: what is missing may be among them", p.addr, p.limit.Routes, p.refused))
		}
	}
	if !e.synced {
		out = append(out, fmt.Sprintf("evpnd has not heard the End-of-RIB of all its peers since its start: entries of an earlier run stay in the kernel until then, or until %s", timeText(e.start.Add(e.endOfRIBWait()))))
	}
	return out
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func recovery(since time.Time, after time.Duration) string {
	if after <= 0 {
		return "until somebody lets it go"
	}
	return "until " + timeText(since.Add(after))
}

func whereText(vtep netip.Addr) string {
	if vtep.IsValid() {
		return "VTEP " + vtep.String()
	}
	return "this host"
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
	takers := e.takers(nil, a)
	asked := []VNI{vni}
	if vni == 0 {
		asked = e.imports.match(nil, a.Targets)
		slices.Sort(asked)
	}
	for _, n := range asked {
		v := e.vnis[n]
		if v == nil {
			continue
		}
		i := Import{VNI: v.id}
		var match bool
		i.Target, i.By, match = v.importedBy(a.Targets)
		switch {
		case !match:
			i.Reason = fmt.Sprintf("VNI %v imports %s, and the route has %s", v.id, list(v.imports), list(a.Targets))
		case !r.usableType():
			i.Reason = "routes of type " + r.Type.String() + " are not used, or its MAC is none that a host can have"
		case !slices.Contains(takers, v.id):
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
