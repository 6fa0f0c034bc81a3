package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type routeView struct {
	Direction     string     `json:"direction" yaml:"direction"`
	Type          uint32     `json:"type" yaml:"type"`
	VNI           uint32     `json:"vni" yaml:"vni"`
	NLRI          string     `json:"nlri" yaml:"nlri"`
	RD            string     `json:"rd" yaml:"rd"`
	Tag           uint32     `json:"ethernet_tag" yaml:"ethernet_tag"`
	MAC           string     `json:"mac" yaml:"mac"`
	IP            string     `json:"ip" yaml:"ip"`
	ESI           string     `json:"esi" yaml:"esi"`
	Label         uint32     `json:"label" yaml:"label"`
	L3Label       uint32     `json:"l3_label" yaml:"l3_label"`
	NextHop       string     `json:"next_hop" yaml:"next_hop"`
	Targets       []string   `json:"targets" yaml:"targets"`
	Encaps        []string   `json:"encapsulations" yaml:"encapsulations"`
	Sequence      uint32     `json:"sequence" yaml:"sequence"`
	Sticky        bool       `json:"sticky" yaml:"sticky"`
	PMSI          *pmsiView  `json:"pmsi" yaml:"pmsi"`
	Gateway       bool       `json:"default_gateway" yaml:"default_gateway"`
	RouterMAC     string     `json:"router_mac" yaml:"router_mac"`
	NeighborFlags *flagsView `json:"neighbor_flags" yaml:"neighbor_flags"`
	Origin        string     `json:"origin" yaml:"origin"`
	ASPathLength  uint32     `json:"as_path_length" yaml:"as_path_length"`
	LocalPref     uint32     `json:"local_pref" yaml:"local_pref"`
	MED           uint32     `json:"med" yaml:"med"`
	OriginatorID  string     `json:"originator_id" yaml:"originator_id"`
	ClusterLength uint32     `json:"cluster_length" yaml:"cluster_length"`
	Other         []string   `json:"other_communities" yaml:"other_communities"`
	Peer          string     `json:"peer" yaml:"peer"`
	Stale         bool       `json:"stale" yaml:"stale"`
	// LongLivedStale is the mark of RFC 9494 §3.2.
	LongLivedStale bool   `json:"long_lived_stale" yaml:"long_lived_stale"`
	Chosen         bool   `json:"chosen" yaml:"chosen"`
	Reason         string `json:"reason" yaml:"reason"`
}

type pmsiView struct {
	Flags    uint32 `json:"flags" yaml:"flags"`
	Type     uint32 `json:"type" yaml:"type"`
	Label    uint32 `json:"label" yaml:"label"`
	Endpoint string `json:"endpoint" yaml:"endpoint"`
}

type flagsView struct {
	Router    bool `json:"router" yaml:"router"`
	Override  bool `json:"override" yaml:"override"`
	Immutable bool `json:"immutable" yaml:"immutable"`
}

var routeColumns = []column[routeView]{
	{name: "VNI", text: func(r *routeView) string { return number(r.VNI) }},
	{name: "DIRECTION", text: func(r *routeView) string { return r.Direction }},
	{name: "ROUTE", text: func(r *routeView) string { return r.NLRI }},
	{name: "NEXT HOP", text: func(r *routeView) string { return r.NextHop }},
	{name: "SEQ", text: func(r *routeView) string { return number(r.Sequence) }},
	{name: "LABEL", wide: true, text: func(r *routeView) string { return number(r.Label) }},
	{name: "TARGETS", wide: true, text: func(r *routeView) string { return strings.Join(r.Targets, ",") }},
	{name: "LOCAL PREF", wide: true, text: func(r *routeView) string { return number(r.LocalPref) }},
	{name: "FLAGS", text: routeFlags},
	{name: "PEER", text: func(r *routeView) string { return r.Peer }},
	{name: "STATE", text: routeState},
}

func routeFlags(r *routeView) string {
	var flags []string
	add := func(on bool, name string) {
		if on {
			flags = append(flags, name)
		}
	}
	add(r.Sticky, "sticky")
	add(r.Gateway, "gateway")
	add(r.NeighborFlags != nil && r.NeighborFlags.Router, "router")
	return strings.Join(flags, ",")
}

// routeState says what became of a route.
func routeState(r *routeView) string {
	var state string
	switch {
	case r.Direction == "advertised":
		return "advertised"
	case r.Chosen:
		state = "chosen"
	case r.Reason != "":
		state = "not used: " + strings.TrimPrefix(r.Reason, "not used: ")
	default:
		state = "not used"
	}
	switch {
	case r.LongLivedStale:
		state += " (stale: the peer keeps it, though whom it has it from is gone)"
	case r.Stale:
		state += " (stale: not repeated since the session fell)"
	}
	return state
}

func (a *app) routeCommand() *cobra.Command {
	var typ, vni, mac, peer string
	var received, advertised bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List the EVPN routes received and advertised",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &evpndv1.ListRoutesRequest{Mac: mac, Peer: peer}
			var err error
			if req.Vni, err = parseVNIFlag(cmd, vni); err != nil {
				return err
			}
			if req.Type, err = parseType(typ); err != nil {
				return err
			}
			switch {
			case received && !advertised:
				req.Direction = evpndv1.Direction_DIRECTION_RECEIVED
			case advertised && !received:
				req.Direction = evpndv1.Direction_DIRECTION_ADVERTISED
			}
			return a.with(func(c *client) error {
				p := newPrinter(a, routeColumns)
				err := each(cmd.Context(), c, c.ListRoutes, req, func(page *evpndv1.ListRoutesResponse) error {
					return addAll(p, page.GetRoutes(), viewRoute)
				})
				if err != nil {
					return err
				}
				return p.close()
			})
		},
	}
	f := list.Flags()
	f.StringVar(&typ, "type", "", "only routes of this type: 2 or macip, 3 or multicast")
	f.StringVar(&vni, "vni", "", "only routes of this VNI")
	f.StringVar(&mac, "mac", "", "only type 2 routes of this MAC")
	f.StringVar(&peer, "peer", "", "only routes received from this peer")
	f.BoolVar(&received, "received", false, "only what the peers told evpnd")
	f.BoolVar(&advertised, "advertised", false, "only what evpnd tells the peers")
	_ = list.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"macip", "multicast"}, cobra.ShellCompDirectiveNoFileComp))
	return group("route", "EVPN routes", list)
}

// parseType reads a route type by number or name.
func parseType(s string) (evpndv1.RouteType, error) {
	if s == "" {
		return 0, nil
	}
	var names []string
	for n := range len(evpndv1.RouteType_name) - 1 {
		t := evpndv1.RouteType(n + 1)
		name := typeWord(t)
		if s == name || s == strconv.Itoa(n+1) || s == "type-"+strconv.Itoa(n+1) {
			return t, nil
		}
		names = append(names, name)
	}
	return 0, usagef("--type %s: want a number from 1 to %d, or one of %s", s, len(names), strings.Join(names, ", "))
}

func viewRoute(r *evpndv1.Route) routeView {
	v := routeView{
		Direction: directionWord(r.GetDirection()), Type: uint32(r.GetType()), VNI: r.GetVni(),
		NLRI: r.GetNlri(), RD: r.GetRd(), Tag: r.GetEthernetTag(), MAC: r.GetMac(), IP: r.GetIp(),
		ESI: r.GetEsi(), Label: r.GetLabel(), L3Label: r.GetL3Label(), NextHop: r.GetNextHop(),
		Targets: orEmpty(r.GetTargets()), Encaps: orEmpty(r.GetEncapsulations()),
		Sequence: r.GetSequence(), Sticky: r.GetSticky(), Gateway: r.GetDefaultGateway(), RouterMAC: r.GetRouterMac(),
		Origin: r.GetOrigin(), ASPathLength: r.GetAsPathLength(), LocalPref: r.GetLocalPref(), MED: r.GetMed(),
		OriginatorID: r.GetOriginatorId(), ClusterLength: r.GetClusterLength(),
		Other: orEmpty(slices.Clone(r.GetOtherCommunities())),
		Peer:  r.GetPeer(), Stale: r.GetStale(), LongLivedStale: r.GetLongLivedStale(), Chosen: r.GetChosen(), Reason: r.GetReason(),
	}
	if p := r.GetPmsi(); p != nil {
		v.PMSI = &pmsiView{Flags: p.GetFlags(), Type: p.GetType(), Label: p.GetLabel(), Endpoint: p.GetEndpoint()}
	}
	if n := r.GetNeighborFlags(); n != nil {
		v.NeighborFlags = &flagsView{Router: n.GetRouter(), Override: n.GetOverride(), Immutable: n.GetImmutable()}
	}
	return v
}
