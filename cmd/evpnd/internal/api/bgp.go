package api

import (
	"context"
	"net/netip"

	"github.com/evpnd/evpnd/bgp"
	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/evpn"
)

// BGP joins the sessions to the API.
func BGP(s *bgp.Speaker) Sessions { return bgpSide{s} }

type bgpSide struct{ speaker *bgp.Speaker }

func (b bgpSide) Peers() []Peer {
	var out []Peer
	for _, p := range b.speaker.Peers() {
		out = append(out, bgpPeer(&p))
	}
	return out
}

func bgpPeer(p *bgp.PeerStatus) Peer {
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
		LastError:   sentence.LastError(p),
		LastErrorAt: p.LastErrorAt,
		Established: p.Established,
		Advertised:  p.Advertised,
	}
	for reason, n := range p.Routes.Discarded {
		if n == 0 {
			continue
		}
		if out.Discarded == nil {
			out.Discarded = make(map[string]uint64)
		}
		out.Discarded[bgp.Discard(reason).String()] = n
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
		out = append(out, Problem{Kind: "bgp", Object: p.Name(), Text: sentence.SessionProblem(&p)})
	}
	return out
}

func (b bgpSide) Look(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(int)) (bgp.Capture, error) {
	return b.speaker.Capture(ctx, match, progress)
}
