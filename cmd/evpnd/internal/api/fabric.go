package api

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// fabricCheck looks for one kind of fault in what the peers say.
type fabricCheck struct {
	name, looks string // looks is what for, as the page for users has it
}

// The checks of the fabric, in the order of the page for users.
var (
	checkNextHop = fabricCheck{"next-hop-is-peer", "a reflector that puts itself in the next hop of others' routes"}
	checkPMSI    = fabricCheck{"pmsi-differs", "a type 3 route whose PMSI tunnel endpoint is not its next hop"}
	checkRMAC    = fabricCheck{"router-mac", "routes of one VTEP with different router's MACs"}
	checkEncap   = fabricCheck{"encapsulation", "routes for a VNI here whose encapsulation is not VXLAN"}
	checkExport  = fabricCheck{"export-not-imported", "a VNI whose own import targets do not match what it exports"}
	checkIgnored = fabricCheck{"routes-ignored", "routes that no VNI here imports"}

	fabricChecks = []fabricCheck{checkNextHop, checkPMSI, checkRMAC, checkEncap, checkExport, checkIgnored}
)

// maxFaults bounds an answer; maxRMACs of how many router's MACs of one VTEP
// each is kept.
const (
	maxFaults = 1000
	maxRMACs  = 4
)

// CheckFabric implements evpnd.v1.AdminService.
func (s *Server) CheckFabric(ctx context.Context, _ *evpndv1.CheckFabricRequest) (*evpndv1.CheckFabricResponse, error) {
	var (
		alarms []evpn.Alarm
		vnis   []evpn.BDStatus
		peers  []evpn.PeerStatus
	)
	if err := s.ask(ctx, func(v view) { alarms, vnis, peers = v.Alarms(), v.BDs(), v.Peers() }); err != nil {
		return nil, askErr(err)
	}
	near := s.nearEnds()
	var out []*evpndv1.Fault
	for i := range alarms {
		if f := alarmFault(&alarms[i], near[alarms[i].Addr]); f != nil {
			out = append(out, f)
		}
	}
	seen := survey{rmacs: make(map[netip.Addr][]evpn.MAC), foreign: make(map[place]int)}
	keys, err := s.routeKeys(ctx, &routeFilter{received: true})
	if err != nil {
		return nil, err
	}
	get := func(v view, dst []evpn.RouteStatus, k evpn.MACKey) []evpn.RouteStatus {
		if k.MAC.IsZero() {
			return append(dst, v.FloodRoutes(k.VNI)...)
		}
		return append(dst, v.Routes(k.VNI, k.MAC)...)
	}
	err = inSteps(ctx, s, keys, get, func(routes []evpn.RouteStatus) error {
		for i := range routes {
			seen.add(&routes[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out = slices.Concat(out, seen.faults(), targetFaults(vnis), ignoredFaults(peers))
	slices.SortStableFunc(out, func(a, b *evpndv1.Fault) int { return cmp.Compare(b.GetSeverity(), a.GetSeverity()) })
	return &evpndv1.CheckFabricResponse{Faults: out[:min(len(out), maxFaults)]}, nil
}

func (c fabricCheck) fault(severity evpndv1.Severity, object, text, effect string) *evpndv1.Fault {
	return &evpndv1.Fault{Check: c.name, Severity: severity, Object: object, Text: text, Effect: effect}
}

// nearEnds returns the addresses by which the peers know this host, by those of
// the peers.
func (s *Server) nearEnds() map[netip.Addr]netip.Addr {
	near := make(map[netip.Addr]netip.Addr)
	for _, p := range s.sessions.Peers() {
		near[p.Address] = p.LocalAddress.Addr()
	}
	return near
}

// alarmFault returns the fault that an alarm of the engine tells of, nil when
// it is none of the fabric. To the peer that it is about this host is self;
// invalid: it has no session just now.
func alarmFault(a *evpn.Alarm, self netip.Addr) *evpndv1.Fault {
	switch a.Kind {
	case evpn.AlarmNextHop:
		f := checkNextHop.fault(evpndv1.Severity_SEVERITY_ERROR, "peer "+a.Addr.String(), sentence.Alarm(a),
			"frames for the hosts of other VTEPs go to this peer, which drops them")
		if !self.IsValid() {
			return f
		}
		f.Fix = []string{fmt.Sprintf("vtysh -c 'configure terminal' -c 'router bgp' -c 'address-family l2vpn evpn' "+
			"-c 'neighbor %v attribute-unchanged next-hop'", self.WithZone(""))}
		f.FixOn = "the peer, where it runs FRR and has this host as a neighbor by address"
		return f
	case evpn.AlarmPMSI:
		return checkPMSI.fault(evpndv1.Severity_SEVERITY_ERROR, fmt.Sprintf("vni %d vtep %v", a.VNI, a.Addr), sentence.Alarm(a),
			"frames to all go to one address and those to known hosts to another: one of the two does not arrive")
	}
	return nil
}

// place is a VTEP in a VNI.
type place struct {
	vni  evpn.VNI
	vtep netip.Addr
}

// survey gathers what only all routes together show.
type survey struct {
	rmacs   map[netip.Addr][]evpn.MAC
	foreign map[place]int // routes of another encapsulation
}

func (s *survey) add(r *evpn.RouteStatus) {
	a := r.Attrs
	if macs := s.rmacs[a.NextHop]; !a.RouterMAC.IsZero() && len(macs) < maxRMACs && !slices.Contains(macs, a.RouterMAC) {
		s.rmacs[a.NextHop] = append(macs, a.RouterMAC)
	}
	if a.Encap != evpn.EncapNone && a.Encap&evpn.EncapVXLAN == 0 {
		s.foreign[place{r.VNI, a.NextHop}]++
	}
}

func (s *survey) faults() (out []*evpndv1.Fault) {
	for vtep, macs := range s.rmacs {
		if len(macs) < 2 {
			continue
		}
		slices.SortFunc(macs, evpn.MAC.Compare)
		out = append(out, checkRMAC.fault(evpndv1.Severity_SEVERITY_WARNING, fmt.Sprintf("vtep %v", vtep),
			"its routes name the router's MACs "+strings.Join(texts(macs), ", ")+": two hosts have this VTEP address, or one has a router's MAC for each VRF; evpnctl route list --peer shows which route has which",
			"a VTEP that keeps one router's MAC for each VTEP address, as most do, sends routed frames to the wrong one"))
	}
	for at, n := range s.foreign {
		out = append(out, checkEncap.fault(evpndv1.Severity_SEVERITY_ERROR, fmt.Sprintf("vni %d vtep %v", at.vni, at.vtep),
			fmt.Sprintf("%d of its routes are for a tunnel that is not VXLAN: let it announce VXLAN (encapsulation vxlan), or keep its route targets from this VNI", n),
			"they are not used: what is behind it is not reached"))
	}
	slices.SortFunc(out, func(a, b *evpndv1.Fault) int {
		return cmp.Or(cmp.Compare(a.GetCheck(), b.GetCheck()), cmp.Compare(a.GetObject(), b.GetObject()))
	})
	return out
}

// targetFaults holds what each VNI exports against what it imports: the other
// VTEPs are mostly configured alike.
func targetFaults(vnis []evpn.BDStatus) (out []*evpndv1.Fault) {
	for i := range vnis {
		v := &vnis[i]
		match := func(rt evpn.RT) bool {
			return slices.ContainsFunc(v.Import, func(t evpn.Target) bool { return t.Matches(rt) })
		}
		if len(v.Export) == 0 || slices.ContainsFunc(v.Export, match) {
			continue
		}
		out = append(out, checkExport.fault(evpndv1.Severity_SEVERITY_WARNING, fmt.Sprintf("vni %d", v.VNI),
			fmt.Sprintf("it exports %s and imports %s: unless that is meant so (hub and spoke), set vnis.targets, or import and export in vnis.settings[]",
				strings.Join(texts(v.Export), ", "), strings.Join(texts(v.Import), ", ")),
			"a VTEP with the same settings does not take the routes of this one, nor this one its"))
	}
	return out
}

func ignoredFaults(peers []evpn.PeerStatus) (out []*evpndv1.Fault) {
	for i := range peers {
		if p := &peers[i]; p.Ignored > 0 {
			out = append(out, checkIgnored.fault(evpndv1.Severity_SEVERITY_NOTE, "peer "+p.Peer.String(),
				fmt.Sprintf("%d routes that it sent since it is known are imported by no VNI here, or are our own come back", p.Ignored),
				"none, when they are of VNIs that are not on this host; when hosts are missing, evpnctl vni list shows the import targets"))
		}
	}
	return out
}
