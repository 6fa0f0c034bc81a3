package api

import (
	"context"
	"fmt"
	"strings"

	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func (s *Server) explainMAC(x *evpndv1.Explanation, m *evpn.MACExplanation) {
	x.Holds = holds(m.Holds)
	if l := m.Local; l != nil {
		x.Candidates = append(x.Candidates, &evpndv1.Candidate{
			Local:  &evpndv1.LocalHost{Present: l.Present, Interface: s.portName(l.Port), Sequence: l.Seq, Sticky: l.Static},
			Chosen: l.Chosen, Reason: l.Reason, Steps: comparisons(l.Steps),
		})
	}
	x.Candidates = append(x.Candidates, candidates(m.Routes)...)
	x.Known = m.Found || len(x.Candidates) > 0
	p := &m.Place
	switch {
	case m.Found && p.Local:
		x.Verdict = fmt.Sprintf("it is on this host, behind port %s, with the mobility sequence %d: %s", s.portName(p.Port), p.Seq, chosenReason(x))
	case m.Found:
		x.Verdict = fmt.Sprintf("it is behind VTEP %s, with the mobility sequence %d: %s", p.Via.Text(m.VNI), p.Seq, chosenReason(x))
	case len(m.Routes) > 0:
		x.Verdict = "it is nowhere: no route for it can be used, and no local port has it"
	case m.Local != nil:
		x.Verdict = "it is nowhere: no route for it is kept, and no local port has it now"
	default:
		x.Verdict = fmt.Sprintf("it is not known in VNI %d: no route for it is kept, and no local port has it", m.VNI)
	}
	var wanted string
	if w := &m.Want; w.Want {
		device, _ := s.devicesOf(m.VNI)
		wanted = fdbText(w, device)
	}
	h, err := s.kernel.InspectMAC(m.VNI, m.MAC)
	state, failure := s.macState(false, m.MACKey)
	addHeld(x, &evpndv1.HeldEntry{Wanted: wanted, State: state, Error: failure}, h, err)
}

func (s *Server) portName(ifindex int) string {
	if ifindex == 0 {
		return ""
	}
	return s.kernel.PortName(ifindex)
}

// chosenReason returns why the chosen one is.
func chosenReason(x *evpndv1.Explanation) string {
	for _, c := range x.GetCandidates() {
		if c.GetChosen() {
			return c.GetReason()
		}
	}
	return "it is held"
}

func (s *Server) explainIP(x *evpndv1.Explanation, n *evpn.IPExplanation) {
	x.Holds = holds(n.Holds)
	if l := n.Local; l != nil {
		x.Candidates = append(x.Candidates, &evpndv1.Candidate{
			Local:  &evpndv1.LocalHost{Present: true, Mac: l.MAC.String()},
			Chosen: l.Chosen, Reason: l.Reason, Steps: comparisons(l.Steps),
		})
	}
	x.Candidates = append(x.Candidates, candidates(n.Routes)...)
	x.Known = n.Found || len(x.Candidates) > 0
	switch p := &n.Place; {
	case n.Found && p.Local:
		x.Verdict = fmt.Sprintf("it belongs to MAC %s on this host: %s", p.MAC, chosenReason(x))
	case n.Found:
		x.Verdict = fmt.Sprintf("it belongs to MAC %s behind VTEP %s: %s", p.MAC, p.VTEP, chosenReason(x))
	case x.Known:
		x.Verdict = "it belongs to nobody: nothing that says whose it is counts"
	default:
		x.Verdict = fmt.Sprintf("it is not known in VNI %d: no route that is kept has it, and no local host was heard to have it", n.VNI)
	}
	var wanted string
	if w := &n.Want; w.Want {
		_, bridge := s.devicesOf(n.VNI)
		wanted = neighText(w, bridge)
	}
	h, err := s.kernel.InspectNeigh(n.VNI, n.IP)
	state, failure := s.neighState(false, n.IPKey)
	addHeld(x, &evpndv1.HeldEntry{Wanted: wanted, State: state, Error: failure}, h, err)
}

func (s *Server) explainVTEP(x *evpndv1.Explanation, t *evpn.VTEPExplanation) {
	x.Holds, x.Candidates = holds(t.Holds), candidates(t.Routes)
	x.Known = len(t.Flood) > 0 || len(t.Routes) > 0 || t.MACRoutes > 0
	not := ""
	if len(t.Flood) == 0 {
		not = "not "
	}
	x.Verdict = fmt.Sprintf("it is %sflooded to in VNI %d: %s", not, t.VNI, t.Reason)
	x.Facts = append(x.Facts,
		&evpndv1.Fact{Name: "macs behind it", Value: fmt.Sprintf("%d, by %d type 2 routes", t.MACs, t.MACRoutes)})
	if len(t.RouterMACs) > 0 {
		macs := strings.Join(texts(t.RouterMACs), ", ")
		if len(t.RouterMACs) == evpn.MaxRouterMACs {
			macs += ", and perhaps more"
		}
		x.Facts = append(x.Facts, &evpndv1.Fact{Name: "router mac", Value: macs})
	}
	if len(t.RouterMACs) > 1 {
		x.Advice = append(x.Advice, "its routes carry different router MACs, and a VTEP has one: another router uses its address, or it was changed lately")
	}
	device, _ := s.devicesOf(t.VNI)
	for _, d := range t.Flood {
		known, err := s.kernel.FloodEntry(t.VNI, d)
		state, failure := entryState(false, known, err)
		x.Kernel = append(x.Kernel, &evpndv1.HeldEntry{
			Wanted: fmt.Sprintf("00:00:00:00:00:00 dev %s dst %s", device, d.Text(t.VNI)), State: state, Error: failure,
		})
	}
}

func (s *Server) explainVNI(ctx context.Context, x *evpndv1.Explanation, e *explained) error {
	all, err := s.vnis(ctx)
	if err != nil {
		return err
	}
	fact := func(name, value string) {
		if value != "" {
			x.Facts = append(x.Facts, &evpndv1.Fact{Name: name, Value: value})
		}
	}
	for _, v := range all {
		if v.GetVni() != x.GetVni() {
			continue
		}
		fact("device", v.GetDevice())
		fact("bridge", v.GetBridge())
		x.Advice = append(x.Advice, v.GetNotes()...)
		if v.GetServed() {
			break
		}
	}
	if !e.served {
		x.Verdict = s.whyNotServed(evpn.VNI(x.GetVni()))
		return nil
	}
	v := &e.vni
	x.Known, x.Holds = true, holds(v.Holds)
	x.Verdict = fmt.Sprintf("it is served, with the VTEP address %s", v.VTEP)
	rd, export, imports := sentence.Sources(v)
	fact("rd", v.RD.String()+" ("+rd+")")
	fact("export targets", strings.Join(texts(v.Export), ", ")+" ("+export+")")
	fact("import targets", strings.Join(texts(v.Import), ", ")+" ("+imports+")")
	fact("routes", fmt.Sprintf("%d announced, %d received and kept", v.Advertised, v.Received))
	fact("macs", fmt.Sprintf("%d local, %d remote", v.LocalMACs, v.RemoteMACs))
	fact("addresses", fmt.Sprintf("%d local, %d remote", v.LocalIPs, v.RemoteIPs))
	flood := "off (vnis.flood)"
	if v.Flood {
		flood = fmt.Sprintf("to %d VTEPs", v.VTEPs)
	}
	fact("flooding", flood)
	if v.Frozen > 0 {
		fact("frozen", fmt.Sprintf("%d MACs and addresses, as duplicates", v.Frozen))
	}
	if v.Received == 0 {
		x.Advice = append(x.Advice, "no route is kept for it: compare its import targets with what the other VTEPs export, and see evpnctl explain vtep of one of them")
	}
	for _, p := range s.kernelProblems() {
		if p.VNI == v.VNI {
			x.Advice = append(x.Advice, p.Text)
		}
	}
	return nil
}

func holds(list []evpn.Hold) (out []string) {
	for i := range list {
		out = append(out, sentence.Hold(&list[i]))
	}
	return out
}

func candidates(routes []evpn.RouteVerdict) (out []*evpndv1.Candidate) {
	for i := range routes {
		r := &routes[i]
		c := &evpndv1.Candidate{
			Route: receivedRoute(&r.RouteStatus), Chosen: r.Chosen, Reason: r.Reason, Steps: comparisons(r.Steps),
		}
		if r.Target != (evpn.RT{}) {
			c.Target, c.ImportedBy = r.Target.String(), r.By.String()
		}
		out = append(out, c)
	}
	return out
}

func comparisons(steps []evpn.Step) (out []*evpndv1.Comparison) {
	words := map[evpn.Outcome]string{evpn.Equal: "equal", evpn.Wins: "wins", evpn.Loses: "loses"}
	for _, s := range steps {
		out = append(out, &evpndv1.Comparison{Rule: s.Rule, This: s.This, Other: s.Other, Outcome: words[s.Outcome]})
	}
	return out
}

// addHeld puts what is wanted, how far that has come, and what is there side by
// side, and says what to do where they differ. It adds nothing when there is
// nothing of it.
func addHeld(x *evpndv1.Explanation, e *evpndv1.HeldEntry, h dataplane.KernelView, err error) {
	e.Held = h.Entries
	switch {
	case e.GetWanted() != "":
	case len(h.Entries) == 0:
		return
	default:
		x.Kernel = append(x.Kernel, &evpndv1.HeldEntry{Held: h.Entries})
		return
	}
	x.Kernel = append(x.Kernel, e)
	e.Differs = h.Differs
	switch {
	case err != nil:
		e.Differs = fmt.Sprintf("the kernel could not be read: %v", err)
	case h.Advice != "":
		x.Advice = append(x.Advice, h.Advice)
	case h.Differs != "":
		x.Advice = append(x.Advice, fmt.Sprintf("evpnd puts its entry back within a second or two; if it does not: evpnctl audit --vni %d --repair", x.GetVni()))
	}
}
