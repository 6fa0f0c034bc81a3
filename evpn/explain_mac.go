package evpn

import (
	"fmt"
)

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
	Holds  []Hold // what keeps the decision from following the routes
}

// ExplainMAC explains the place of a MAC. ok is false when the VNI is not
// served. It changes nothing.
func (e *Engine) ExplainMAC(vni VNI, addr MAC) (x MACExplanation, ok bool) {
	v := e.bds[vni]
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
	verdicts := v.macVerdicts(m, explanation{steps: true})
	if l := m.loc; l != nil {
		x.Local = &LocalVerdict{Verdict: verdicts.local(), Present: l.present, Port: int(l.port), Seq: l.seq, Static: l.static}
	}
	for i := range m.paths {
		p := &m.paths[i]
		x.Routes = append(x.Routes, v.routeVerdict(p, MACIP, addr, verdicts.path(p)))
	}
	return x, true
}

// macVerdicts tells what the decision made of all that says where a MAC is.
type macVerdicts struct {
	explanation
	v      *bd
	m      *macEntry
	best   *path // the route that wins over all others; nil: none can be used
	chosen *path // the route that the place of m follows; nil: m is local, or nowhere
}

func (v *bd) macVerdicts(m *macEntry, e explanation) macVerdicts {
	x := macVerdicts{explanation: e, v: v, m: m, best: m.best(v.vtep, nil)}
	if m.place.Remote() {
		x.chosen = x.best
		if vtep := m.place.Via.VTEP; x.best == nil || x.best.attrs.NextHop != vtep {
			x.chosen = m.best(v.vtep, &pathFilter{via: vtep}) // frozen there
		}
	}
	return x
}

// reason says why m is where it is.
func (x *macVerdicts) reason() string {
	if x.chosen == nil {
		return x.local().Reason
	}
	return x.whyChosen().Reason
}

// local is the verdict on the local host.
func (x *macVerdicts) local() Verdict {
	l := x.m.loc
	switch {
	case x.m.place.Local && x.m.frozen():
		return Verdict{Chosen: true, Reason: frozenText + ": it stays here until it is let go"}
	case x.m.place.Local && x.best == nil:
		return Verdict{Chosen: true, Reason: "a local port has it, and no route for it from elsewhere can be used"}
	case x.m.place.Local:
		a, b := l.candidate(x.v.vtep), candidateOf(x.best)
		_, r := macRules.decide(a, b)
		return Verdict{Chosen: true, Reason: "a local port has it: " + r.String(), Steps: stepsIf(x.explanation, macRules, a, b)}
	case l.present:
		return Verdict{Reason: "the MAC " + restoring}
	case l.port == 0:
		return Verdict{Reason: "no local port has it, only its addresses were heard of here"}
	}
	return Verdict{Reason: fmt.Sprintf("no local port has it now; it was here with the mobility sequence %d", l.seq)}
}

// path is the verdict on p, one of m's paths.
func (x *macVerdicts) path(p *path) Verdict {
	m, own := x.m, x.v.vtep
	if p == x.chosen {
		return x.whyChosen()
	}
	if why := p.unusableMAC(own); why != "" {
		return Verdict{Reason: why}
	}
	if o := m.bestCopyOf(own, p); o != p {
		return x.lostCopy(p, o)
	}
	switch {
	case m.place.Nowhere():
		return Verdict{Reason: "the MAC " + restoring}
	case m.frozen() && m.place.Remote() && p.attrs.NextHop == m.place.Via.VTEP:
		return Verdict{Reason: sameAsChosen}
	case m.frozen() && m.place.Remote():
		return Verdict{Reason: "the MAC is " + frozenText + " at " + m.place.Via.VTEP.String() + ", so no other place counts until it is let go"}
	case p != x.best:
		return x.lost(macRules, candidateOf(p), candidateOf(x.best))
	case m.frozen():
		return Verdict{Reason: "the MAC is " + frozenText + " on this host"}
	case m.place.Local:
		return x.lost(macRules, candidateOf(p), m.loc.candidate(own))
	}
	return Verdict{Reason: aboutToBeFollowed}
}

func (x *macVerdicts) whyChosen() Verdict {
	if x.m.frozen() {
		return Verdict{Chosen: true, Reason: frozenText + ": it stays at this VTEP until it is let go"}
	}
	var second *candidate
	if p := x.m.best(x.v.vtep, &pathFilter{except: x.chosen.attrs.NextHop}); p != nil {
		c := candidateOf(p)
		second = &c
	}
	return x.won(macRules, candidateOf(x.chosen), second)
}
