package api

import (
	"context"
	"net/netip"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// BGP joins the sessions to the API.
func BGP(s *bgp.Speaker) Sessions { return bgpSide{s} }

type bgpSide struct{ speaker *bgp.Speaker }

func (b bgpSide) Peers() []Peer {
	standing := b.speaker.Advertised()
	var out []Peer
	for _, p := range b.speaker.Peers() {
		out = append(out, bgpPeer(&p, standing))
	}
	return out
}

func bgpPeer(p *bgp.PeerStatus, standing int) Peer {
	out := Peer{
		Address:     p.Address,
		Port:        p.Port,
		AS:          p.AS,
		LocalAS:     p.LocalAS,
		RouterID:    p.RouterID,
		Local:       p.LocalAddress.Addr(),
		State:       string(p.State),
		Since:       p.Since,
		Dynamic:     p.Dynamic,
		HoldTime:    p.HoldTime,
		MaxRoutes:   p.MaxRoutes,
		Received:    bgpMessages(&p.Received),
		Sent:        bgpMessages(&p.Sent),
		LastError:   p.LastError,
		LastErrorAt: p.LastErrorAt,
		Established: p.Established,
	}
	if p.State == bgp.Established {
		out.Advertised = standing
	}
	for reason, n := range p.Routes.Discarded {
		if n == 0 {
			continue
		}
		if out.Discarded == nil {
			out.Discarded = make(map[string]uint64)
		}
		out.Discarded[wire.Discard(reason).String()] = n
	}
	return out
}

func bgpMessages(m *bgp.Messages) Messages {
	return Messages{
		Open: m.Open, Update: m.Update, Notification: m.Notification, Keepalive: m.Keepalive, Refresh: m.RouteRefresh,
	}
}

func (b bgpSide) Reset(peer netip.Addr, soft bool) error {
	return b.speaker.Reset(peer, soft)
}

func (b bgpSide) Problems() []Problem {
	var out []Problem
	for _, p := range b.speaker.Problems() {
		out = append(out, Problem{Kind: "bgp", Object: p.Name, Text: p.Text})
	}
	return out
}

func (b bgpSide) Look(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(int)) (bgp.Capture, error) {
	return b.speaker.Capture(ctx, match, progress)
}
