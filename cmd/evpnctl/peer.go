package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type peerView struct {
	Address      string            `json:"address" yaml:"address"`
	Port         uint32            `json:"port" yaml:"port"`
	ASN          uint32            `json:"asn" yaml:"asn"`
	LocalASN     uint32            `json:"local_asn" yaml:"local_asn"`
	RouterID     string            `json:"router_id" yaml:"router_id"`
	LocalAddress string            `json:"local_address" yaml:"local_address"`
	State        string            `json:"state" yaml:"state"`
	Since        string            `json:"since" yaml:"since"`
	Uptime       int64             `json:"uptime" yaml:"uptime"` // seconds established
	Dynamic      bool              `json:"dynamic" yaml:"dynamic"`
	HoldTime     int64             `json:"hold_time" yaml:"hold_time"` // seconds
	EndOfRIB     bool              `json:"end_of_rib" yaml:"end_of_rib"`
	Received     uint64            `json:"received" yaml:"received"`
	Advertised   uint64            `json:"advertised" yaml:"advertised"`
	Ignored      uint64            `json:"ignored" yaml:"ignored"`
	Refused      uint64            `json:"refused" yaml:"refused"`       // beyond the limit
	MaxRoutes    uint64            `json:"max_routes" yaml:"max_routes"` // 0: no limit
	Stale        uint64            `json:"stale" yaml:"stale"`           // of received
	StaleUntil   string            `json:"stale_until" yaml:"stale_until"`
	Discarded    map[string]uint64 `json:"discarded" yaml:"discarded"`
	MessagesIn   messagesView      `json:"messages_received" yaml:"messages_received"`
	MessagesOut  messagesView      `json:"messages_sent" yaml:"messages_sent"`
	LastError    string            `json:"last_error" yaml:"last_error"`
	LastErrorAt  string            `json:"last_error_time" yaml:"last_error_time"`
	Established  uint64            `json:"established_count" yaml:"established_count"`
}

type messagesView struct {
	Open         uint64 `json:"open" yaml:"open"`
	Update       uint64 `json:"update" yaml:"update"`
	Notification uint64 `json:"notification" yaml:"notification"`
	Keepalive    uint64 `json:"keepalive" yaml:"keepalive"`
	RouteRefresh uint64 `json:"route_refresh" yaml:"route_refresh"`
}

func (m *messagesView) String() string {
	return fmt.Sprintf("%d open, %d update, %d keepalive, %d notification, %d route-refresh",
		m.Open, m.Update, m.Keepalive, m.Notification, m.RouteRefresh)
}

var peerColumns = []column[peerView]{
	{name: "ADDRESS", text: func(p *peerView) string { return p.Address }},
	{name: "AS", text: func(p *peerView) string { return number(p.ASN) }},
	{name: "STATE", text: func(p *peerView) string { return p.State }},
	{name: "UPTIME", text: func(p *peerView) string {
		if p.State != "established" {
			return ""
		}
		return span(p.Uptime)
	}},
	{name: "RECEIVED", text: func(p *peerView) string { return number(p.Received) }},
	{name: "STALE", wide: true, text: func(p *peerView) string { return number(p.Stale) }},
	{name: "ADVERTISED", text: func(p *peerView) string { return number(p.Advertised) }},
	{name: "ROUTER ID", wide: true, text: func(p *peerView) string { return p.RouterID }},
	{name: "LOCAL ADDRESS", wide: true, text: func(p *peerView) string { return p.LocalAddress }},
	{name: "END-OF-RIB", wide: true, text: func(p *peerView) string { return yesNo(p.EndOfRIB) }},
	{name: "DYNAMIC", wide: true, text: func(p *peerView) string { return yesNo(p.Dynamic) }},
	{name: "MAX ROUTES", wide: true, text: func(p *peerView) string {
		if p.MaxRoutes == 0 {
			return ""
		}
		return number(p.MaxRoutes)
	}},
	{name: "REFUSED", wide: true, text: func(p *peerView) string { return number(p.Refused) }},
	{name: "LAST ERROR", text: func(p *peerView) string {
		if p.State == "established" {
			return ""
		}
		return p.LastError
	}},
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
			return a.with(func(c *client) error {
				_, err := call(cmd.Context(), c, c.ResetPeer, &evpndv1.ResetPeerRequest{Address: args[0], Soft: soft})
				return err
			})
		},
	}
	reset.Flags().BoolVar(&soft, "soft", false, "ask for the routes again and keep the session")
	return group("peer", "BGP peers",
		&cobra.Command{
			Use:   "list",
			Short: "List the peers",
			Args:  args(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.with(func(c *client) error {
					p := newPrinter(a, peerColumns)
					err := each(cmd.Context(), c, c.ListPeers, &evpndv1.ListPeersRequest{}, func(page *evpndv1.ListPeersResponse) error {
						return addAll(p, page.GetPeers(), viewPeer)
					})
					if err != nil {
						return err
					}
					return p.close()
				})
			},
		},
		&cobra.Command{
			Use:   "show ADDRESS",
			Short: "Show one peer",
			Args:  args("the peer's address"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.with(func(c *client) error {
					res, err := call(cmd.Context(), c, c.GetPeer, &evpndv1.GetPeerRequest{Address: args[0]})
					if err != nil {
						return err
					}
					return one(a, viewPeer(res.GetPeer()), showPeer)
				})
			},
		},
		reset)
}

// addAll prints a page.
func addAll[P, T any](p *printer[T], page []P, view func(P) T) error {
	for _, o := range page {
		if err := p.add(view(o)); err != nil {
			return err
		}
	}
	return nil
}

func viewPeer(p *evpndv1.Peer) peerView {
	discarded := p.GetRoutesDiscarded()
	if discarded == nil {
		discarded = map[string]uint64{}
	}
	return peerView{
		Address: p.GetAddress(), Port: p.GetPort(), ASN: p.GetAsn(), LocalASN: p.GetLocalAsn(),
		RouterID: p.GetRouterId(), LocalAddress: p.GetLocalAddress(),
		State: peerWord(p.GetState()), Since: when(p.GetSince()), Uptime: seconds(p.GetUptime()),
		Dynamic: p.GetDynamic(), HoldTime: seconds(p.GetHoldTime()), EndOfRIB: p.GetEndOfRib(),
		Received: p.GetRoutesReceived(), Advertised: p.GetRoutesAdvertised(), Ignored: p.GetRoutesIgnored(),
		Refused: p.GetRoutesRefused(), MaxRoutes: p.GetMaxRoutes(),
		Stale: p.GetRoutesStale(), StaleUntil: when(p.GetStaleUntil()),
		Discarded:  discarded,
		MessagesIn: viewMessages(p.GetMessagesReceived()), MessagesOut: viewMessages(p.GetMessagesSent()),
		LastError: p.GetLastError(), LastErrorAt: when(p.GetLastErrorTime()), Established: p.GetEstablishedCount(),
	}
}

func viewMessages(m *evpndv1.Messages) messagesView {
	return messagesView{
		Open: m.GetOpen(), Update: m.GetUpdate(), Notification: m.GetNotification(),
		Keepalive: m.GetKeepalive(), RouteRefresh: m.GetRouteRefresh(),
	}
}

func showPeer(b *block, p *peerView) {
	b.add("address", p.Address)
	b.add("port", number(p.Port))
	b.add("as", number(p.ASN))
	b.add("local as", number(p.LocalASN))
	state := p.State
	if state == "established" {
		state += ", for " + span(p.Uptime)
	}
	b.add("state", state)
	b.add("since", p.Since)
	b.add("router id", p.RouterID)
	b.add("local address", p.LocalAddress)
	b.add("dynamic", yesNo(p.Dynamic))
	if p.HoldTime > 0 {
		b.add("hold time", span(p.HoldTime))
	}
	b.add("end-of-rib", yesNo(p.EndOfRIB))
	b.add("routes", fmt.Sprintf("%d received, %d advertised, %d not wanted", p.Received, p.Advertised, p.Ignored))
	if p.MaxRoutes > 0 {
		b.add("max routes", fmt.Sprintf("%d, %d refused beyond that", p.MaxRoutes, p.Refused))
	}
	if p.Stale > 0 {
		b.add("stale", fmt.Sprintf("%d of those received, until %s", p.Stale, p.StaleUntil))
	}
	var reasons []string
	for r := range p.Discarded {
		reasons = append(reasons, r)
	}
	slices.Sort(reasons)
	for _, r := range reasons {
		b.add("discarded", fmt.Sprintf("%d: %s", p.Discarded[r], r))
	}
	b.add("messages received", p.MessagesIn.String())
	b.add("messages sent", p.MessagesOut.String())
	b.add("sessions so far", number(p.Established))
	if p.LastError != "" {
		b.add("last error", p.LastError)
		b.add("last error at", p.LastErrorAt)
	}
}
