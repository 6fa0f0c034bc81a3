package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var routeColumns = []column[*evpndv1.Route]{
	{name: "VNI", text: num((*evpndv1.Route).GetVni)},
	{name: "DIRECTION", text: func(r *evpndv1.Route) string { return word(r.GetDirection()) }},
	{name: "ROUTE", text: (*evpndv1.Route).GetNlri},
	{name: "NEXT HOP", text: (*evpndv1.Route).GetNextHop},
	{name: "SEQ", text: num((*evpndv1.Route).GetSequence)},
	{name: "LABEL", wide: true, text: num((*evpndv1.Route).GetLabel)},
	{name: "TARGETS", wide: true, text: commas((*evpndv1.Route).GetTargets)},
	{name: "LOCAL PREF", wide: true, text: num((*evpndv1.Route).GetLocalPref)},
	{name: "FLAGS", text: func(r *evpndv1.Route) string {
		return marks(mark{r.GetSticky(), "sticky"}, mark{r.GetDefaultGateway(), "gateway"}, mark{r.GetNeighborFlags().GetRouter(), "router"})
	}},
	{name: "PEER", text: (*evpndv1.Route).GetPeer},
	{name: "STATE", text: routeState},
}

// routeState says what became of a route.
func routeState(r *evpndv1.Route) string {
	var state string
	switch {
	case r.GetDirection() == evpndv1.Direction_DIRECTION_ADVERTISED:
		return "advertised"
	case r.GetChosen():
		state = "chosen"
	case r.GetReason() != "":
		state = "not used: " + strings.TrimPrefix(r.GetReason(), "not used: ")
	default:
		state = "not used"
	}
	switch {
	case r.GetLongLivedStale():
		state += " (stale: the peer keeps it, though whom it has it from is gone)"
	case r.GetStale():
		state += " (stale: not repeated since the session fell)"
	}
	return state
}

func (a *app) routeCommand() *cobra.Command {
	var typ, vni, mac, peer string
	var received, advertised bool
	cmd := &cobra.Command{
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
			return list(cmd, a, routeColumns, admin.ListRoutes, req, (*evpndv1.ListRoutesResponse).GetRoutes)
		},
	}
	f := cmd.Flags()
	f.StringVar(&typ, "type", "", "only routes of this type: 2 or macip, 3 or multicast")
	f.StringVar(&vni, "vni", "", "only routes of this VNI")
	f.StringVar(&mac, "mac", "", "only type 2 routes of this MAC")
	f.StringVar(&peer, "peer", "", "only routes received from this peer")
	f.BoolVar(&received, "received", false, "only what the peers told evpnd")
	f.BoolVar(&advertised, "advertised", false, "only what evpnd tells the peers")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"macip", "multicast"}, cobra.ShellCompDirectiveNoFileComp))
	return group("route", "EVPN routes", cmd)
}

// parseType reads a route type by number or name.
func parseType(s string) (evpndv1.RouteType, error) {
	if s == "" {
		return 0, nil
	}
	var names []string
	for n := range len(evpndv1.RouteType_name) - 1 {
		t := evpndv1.RouteType(n + 1)
		name := word(t)
		if s == name || s == strconv.Itoa(n+1) || s == "type-"+strconv.Itoa(n+1) {
			return t, nil
		}
		names = append(names, name)
	}
	return 0, usagef("--type %s: want a number from 1 to %d, or one of %s", s, len(names), strings.Join(names, ", "))
}
