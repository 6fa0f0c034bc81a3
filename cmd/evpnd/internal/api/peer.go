package api

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/evpnd/evpnd/bgp"
	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// ListPeers implements evpnd.v1.AdminService.
func (s *Server) ListPeers(_ *evpndv1.ListPeersRequest, out grpc.ServerStreamingServer[evpndv1.ListPeersResponse]) error {
	peers, err := s.peers(out.Context())
	if err != nil {
		return err
	}
	return sendAll(peers, func(page []*evpndv1.Peer) error { return out.Send(&evpndv1.ListPeersResponse{Peers: page}) })
}

// GetPeer implements evpnd.v1.AdminService.
func (s *Server) GetPeer(ctx context.Context, req *evpndv1.GetPeerRequest) (*evpndv1.GetPeerResponse, error) {
	addr, err := addrOf("peer", req.GetAddress())
	if err != nil {
		return nil, err
	}
	peers, err := s.peers(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if p.GetAddress() == addr.String() {
			return &evpndv1.GetPeerResponse{Peer: p}, nil
		}
	}
	return nil, noPeer(addr)
}

// ResetPeer implements evpnd.v1.AdminService.
func (s *Server) ResetPeer(_ context.Context, req *evpndv1.ResetPeerRequest) (*evpndv1.ResetPeerResponse, error) {
	addr, err := addrOf("peer", req.GetAddress())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.sessions.Peers(), func(p bgp.PeerStatus) bool { return p.Address == addr }) {
		return nil, noPeer(addr)
	}
	if err := s.sessions.Reset(addr, req.GetSoft()); err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "peer %s was not reset: %v", addr, err)
	}
	s.log.Info("peer reset by an operator", "peer", addr, "soft", req.GetSoft())
	return &evpndv1.ResetPeerResponse{}, nil
}

func noPeer(addr netip.Addr) error {
	return notFound("there is no peer %s: evpnctl peer list shows those there are", addr)
}

// peers returns all peers by address, what the sessions and what the engine
// know of them put together.
func (s *Server) peers(ctx context.Context) ([]*evpndv1.Peer, error) {
	var known []evpn.PeerStatus
	if err := s.ask(ctx, func(v view) { known = v.Peers() }); err != nil {
		return nil, askErr(err)
	}
	routes := make(map[netip.Addr]evpn.PeerStatus, len(known))
	for _, k := range known {
		routes[k.Peer] = k
	}
	sessions := slices.SortedFunc(slices.Values(s.sessions.Peers()), func(a, b bgp.PeerStatus) int { return a.Address.Compare(b.Address) })
	out := make([]*evpndv1.Peer, len(sessions))
	for i := range sessions {
		out[i] = peer(&sessions[i], routes[sessions[i].Address])
	}
	return out, nil
}

// peer puts together what the session and what the engine know of a peer.
func peer(p *bgp.PeerStatus, k evpn.PeerStatus) *evpndv1.Peer {
	out := &evpndv1.Peer{
		Address:          p.Address.String(),
		Port:             uint32(p.Port),
		Asn:              p.AS,
		LocalAsn:         p.LocalAS,
		RouterId:         text(p.RouterID),
		LocalAddress:     text(p.LocalAddress.Addr()),
		State:            peerState(p.State),
		Since:            timestamp(p.Since),
		Dynamic:          p.Dynamic,
		EndOfRib:         k.EndOfRIB,
		RoutesReceived:   uint64(k.Routes),
		RoutesAdvertised: uint64(p.Advertised),
		RoutesIgnored:    k.Ignored,
		RoutesRefused:    k.Refused,
		MaxRoutes:        uint64(p.MaxRoutes),
		RoutesStale:      uint64(k.Stale),
		StaleUntil:       timestamp(k.StaleUntil),
		RoutesDiscarded:  discarded(p),
		MessagesReceived: messages(&p.Received),
		MessagesSent:     messages(&p.Sent),
		LastError:        sentence.LastError(p),
		LastErrorTime:    timestamp(p.LastErrorAt),
		EstablishedCount: p.Established,
	}
	if p.HoldTime > 0 {
		out.HoldTime = durationpb.New(p.HoldTime)
	}
	if p.State == bgp.Established {
		out.Uptime = durationpb.New(since(p.Since))
	}
	return out
}

func peerState(s bgp.State) evpndv1.PeerState {
	return evpndv1.PeerState(evpndv1.PeerState_value["PEER_STATE_"+strings.ToUpper(string(s))])
}

// discarded counts the routes of a peer that could not be used, by reason.
func discarded(p *bgp.PeerStatus) map[string]uint64 {
	out := make(map[string]uint64)
	for reason, n := range p.Routes.Discarded {
		if n > 0 {
			out[bgp.Discard(reason).String()] = n
		}
	}
	return out
}

func messages(m *bgp.Messages) *evpndv1.Messages {
	return &evpndv1.Messages{
		Open: m.Open, Update: m.Update, Notification: m.Notification, Keepalive: m.Keepalive, RouteRefresh: m.RouteRefresh,
	}
}
