package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var peerColumns = []column[*evpndv1.Peer]{
	{name: "ADDRESS", text: (*evpndv1.Peer).GetAddress},
	{name: "AS", text: num((*evpndv1.Peer).GetAsn)},
	{name: "STATE", text: func(p *evpndv1.Peer) string { return word(p.GetState()) }},
	{name: "UPTIME", text: func(p *evpndv1.Peer) string {
		if !established(p) {
			return ""
		}
		return span(p.GetUptime().AsDuration())
	}},
	{name: "RECEIVED", text: num((*evpndv1.Peer).GetRoutesReceived)},
	{name: "STALE", wide: true, text: num((*evpndv1.Peer).GetRoutesStale)},
	{name: "ADVERTISED", text: num((*evpndv1.Peer).GetRoutesAdvertised)},
	{name: "ROUTER ID", wide: true, text: (*evpndv1.Peer).GetRouterId},
	{name: "LOCAL ADDRESS", wide: true, text: (*evpndv1.Peer).GetLocalAddress},
	{name: "END-OF-RIB", wide: true, text: yes((*evpndv1.Peer).GetEndOfRib)},
	{name: "DYNAMIC", wide: true, text: yes((*evpndv1.Peer).GetDynamic)},
	{name: "MAX ROUTES", wide: true, text: func(p *evpndv1.Peer) string {
		if p.GetMaxRoutes() == 0 {
			return ""
		}
		return number(p.GetMaxRoutes())
	}},
	{name: "REFUSED", wide: true, text: num((*evpndv1.Peer).GetRoutesRefused)},
	{name: "LAST ERROR", text: func(p *evpndv1.Peer) string {
		if established(p) {
			return ""
		}
		return p.GetLastError()
	}},
}

func established(p *evpndv1.Peer) bool {
	return p.GetState() == evpndv1.PeerState_PEER_STATE_ESTABLISHED
}

func (a *app) peerCommand() *cobra.Command {
	var soft bool
	reset := &cobra.Command{
		Use:   "reset ADDRESS",
		Short: "End the session to a peer and begin it anew",
		Long: `End the session to a peer and begin it anew. With --soft the session stays, and
the peer is asked for its routes again.`,
		Args: args("the peer's address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd, a, admin.ResetPeer, &evpndv1.ResetPeerRequest{Address: args[0], Soft: soft})
		},
	}
	reset.Flags().BoolVar(&soft, "soft", false, "ask for the routes again and keep the session")
	return group("peer", "BGP peers",
		&cobra.Command{
			Use:   "list",
			Short: "List the peers",
			Args:  args(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return list(cmd, a, peerColumns, admin.ListPeers, &evpndv1.ListPeersRequest{}, (*evpndv1.ListPeersResponse).GetPeers)
			},
		},
		&cobra.Command{
			Use:   "show ADDRESS",
			Short: "Show one peer",
			Args:  args("the peer's address"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return show(cmd, a, admin.GetPeer, &evpndv1.GetPeerRequest{Address: args[0]}, (*evpndv1.GetPeerResponse).GetPeer, showPeer)
			},
		},
		reset)
}

func messagesText(m *evpndv1.Messages) string {
	return fmt.Sprintf("%d open, %d update, %d keepalive, %d notification, %d route-refresh",
		m.GetOpen(), m.GetUpdate(), m.GetKeepalive(), m.GetNotification(), m.GetRouteRefresh())
}

func showPeer(b *block, p *evpndv1.Peer) {
	b.add("address", p.GetAddress())
	b.add("port", number(p.GetPort()))
	b.add("as", number(p.GetAsn()))
	b.add("local as", number(p.GetLocalAsn()))
	state := word(p.GetState())
	if established(p) {
		state += ", for " + span(p.GetUptime().AsDuration())
	}
	b.add("state", state)
	b.add("since", when(p.GetSince()))
	b.add("router id", p.GetRouterId())
	b.add("local address", p.GetLocalAddress())
	b.add("dynamic", yesNo(p.GetDynamic()))
	if hold := p.GetHoldTime().AsDuration(); hold >= time.Second {
		b.add("hold time", span(hold))
	}
	b.add("end-of-rib", yesNo(p.GetEndOfRib()))
	b.add("routes", fmt.Sprintf("%d received, %d advertised, %d not wanted", p.GetRoutesReceived(), p.GetRoutesAdvertised(), p.GetRoutesIgnored()))
	if p.GetMaxRoutes() > 0 {
		b.add("max routes", fmt.Sprintf("%d, %d refused beyond that", p.GetMaxRoutes(), p.GetRoutesRefused()))
	}
	if p.GetRoutesStale() > 0 {
		b.add("stale", fmt.Sprintf("%d of those received, until %s", p.GetRoutesStale(), when(p.GetStaleUntil())))
	}
	for _, reason := range slices.Sorted(maps.Keys(p.GetRoutesDiscarded())) {
		b.add("discarded", fmt.Sprintf("%d: %s", p.GetRoutesDiscarded()[reason], reason))
	}
	b.add("messages received", messagesText(p.GetMessagesReceived()))
	b.add("messages sent", messagesText(p.GetMessagesSent()))
	b.add("sessions so far", number(p.GetEstablishedCount()))
	if p.GetLastError() != "" {
		b.add("last error", p.GetLastError())
		b.add("last error at", when(p.GetLastErrorTime()))
	}
}
