package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/bgp"
	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// captured is what the peers sent of what was asked for, and what is not kept of
// it.
type captured struct {
	unkept []*evpndv1.UnkeptRoute
	more   int
	asked  []bgp.PeerRefresh
}

// matches returns the test that a route is about q. It may be called from any
// goroutine.
func (q *question) matches() func(*evpn.Route, *evpn.Attrs) bool {
	mac, ip, vtep := q.mac, q.ip, q.vtep
	return func(r *evpn.Route, a *evpn.Attrs) bool {
		switch {
		case !mac.IsZero():
			return r.Type == evpn.MACIP && r.MAC == mac
		case ip.IsValid():
			return r.Type == evpn.MACIP && r.IP == ip
		case !vtep.IsValid() || r.Type != evpn.InclusiveMulticast:
			return false
		}
		return r.IP == vtep || a != nil && (a.NextHop == vtep || a.PMSI.Endpoint == vtep)
	}
}

// capture has the peers send their routes again, and returns those about q that
// are not kept, each with why.
func (s *Server) capture(ctx context.Context, q *question, progress func(string) error) (out captured, err error) {
	if err := progress("asking the peers for their routes"); err != nil {
		return out, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found, err := s.sessions.Capture(ctx, q.matches(), func(routes int) {
		if err := progress(fmt.Sprintf("asking the peers for their routes: %d came", routes)); err != nil {
			cancel(err)
		}
	})
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return out, status.FromContextError(err).Err()
		}
		return out, askErr(err)
	}
	out.asked, out.more = found.Refreshes, found.More
	err = s.ask(ctx, func(v view) {
		for i := range found.Routes {
			if r := unkept(v, q.vni, &found.Routes[i]); r != nil {
				out.unkept = append(out.unkept, r)
			}
		}
	})
	return out, askErr(err)
}

// unkept says why a route that came is not kept; nil when it is.
func unkept(v view, vni evpn.VNI, r *bgp.CapturedRoute) *evpndv1.UnkeptRoute {
	out := &evpndv1.UnkeptRoute{Route: route(&r.Route, r.Attrs)}
	out.Route.Direction, out.Route.Peer = evpndv1.Direction_DIRECTION_RECEIVED, text(r.Peer)
	if r.Discard != 0 {
		out.Reasons = []string{r.Discard.Reason()}
		return out
	}
	for _, i := range v.Imports(vni, &r.Route, r.Attrs) {
		switch {
		case i.Takes && keeps(v, i.VNI, r):
			return nil
		case i.Takes:
			out.Reasons = append(out.Reasons, fmt.Sprintf("VNI %v imports it by %v, but the peer is at its limit of routes (max-routes)", i.VNI, i.By))
		default:
			out.Reasons = append(out.Reasons, i.Reason)
		}
	}
	if len(out.Reasons) == 0 {
		out.Reasons = []string{"no VNI that is served here imports its targets: " + strings.Join(out.Route.Targets, ", ")}
	}
	return out
}

// keeps tells whether a VNI has a route of a peer.
func keeps(v view, vni evpn.VNI, r *bgp.CapturedRoute) bool {
	routes := v.FloodRoutes
	if r.Route.Type == evpn.MACIP {
		routes = func(n evpn.VNI) []evpn.RouteStatus { return v.Routes(n, r.Route.MAC) }
	}
	return slices.ContainsFunc(routes(vni), func(k evpn.RouteStatus) bool { return k.NLRI == r.Route.NLRI && k.Peer == r.Peer })
}

// tell notes in the answers of the peers what came of asking them.
func (l *captured) tell(peers []*evpndv1.PeerAnswer) {
	for _, p := range peers {
		for _, a := range l.asked {
			if p.Address != a.Peer.String() {
				continue
			}
			p.Asked, p.Answered, p.Note = a.Skipped == "", uint64(a.Routes), sentence.Skipped(&a)
			if a.Open {
				p.Note = "it was still sending when the time was over, so there may be more"
			}
		}
	}
}

// peerAnswers says of each peer how its session stands, and counts what is not
// kept of its routes.
func (s *Server) peerAnswers(ctx context.Context) ([]*evpndv1.PeerAnswer, error) {
	peers, err := s.peers(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*evpndv1.PeerAnswer, len(peers))
	for i, p := range peers {
		out[i] = &evpndv1.PeerAnswer{
			Address: p.GetAddress(), State: p.GetState(), Kept: p.GetRoutesReceived(), Ignored: p.GetRoutesIgnored(),
			Refused: p.GetRoutesRefused(), Discarded: p.GetRoutesDiscarded(),
		}
		if p.GetState() != evpndv1.PeerState_PEER_STATE_ESTABLISHED {
			out[i].Error = p.GetLastError()
		}
	}
	return out, nil
}

// advise says what to do about what is wrong.
func (s *Server) advise(q *question, res *evpndv1.ExplainResponse) {
	down := 0
	for _, p := range res.GetPeers() {
		if p.GetState() != evpndv1.PeerState_PEER_STATE_ESTABLISHED {
			down++
		}
	}
	for _, x := range res.GetExplanations() {
		if x.GetKnown() || x.GetVni() != 0 && !s.serves(evpn.VNI(x.GetVni())) {
			continue
		}
		switch {
		case len(res.GetPeers()) == 0:
			x.Advice = append(x.Advice, "no peer is configured, so nobody tells of other hosts: bgp.peers")
		case down == len(res.GetPeers()):
			x.Advice = append(x.Advice, "no session is established: evpnctl peer list says why")
		case len(res.GetUnkept()) > 0:
			x.Advice = append(x.Advice, targetAdvice(q, res)...)
		case res.GetRefreshed():
			x.Advice = append(x.Advice, "no peer sends it: look at the VTEP that it is behind, or at the reflector between")
		default:
			x.Advice = append(x.Advice, "routes that no VNI imports are not kept: with --refresh always the peers are asked for them")
		}
		if down > 0 && down < len(res.GetPeers()) {
			x.Advice = append(x.Advice, "some sessions are not established, and what these peers know is missing: evpnctl peer list")
		}
	}
}

func (s *Server) serves(n evpn.VNI) bool {
	return slices.ContainsFunc(s.kernel.Devices(), func(d dataplane.DeviceStatus) bool { return d.VNI == n && d.Served })
}

// targetAdvice says what to do about routes that are sent and not kept.
func targetAdvice(q *question, res *evpndv1.ExplainResponse) []string {
	for _, u := range res.GetUnkept() {
		r := u.GetRoute()
		foreign := slices.ContainsFunc(u.GetReasons(), func(s string) bool { return strings.Contains(s, " imports ") })
		if !foreign || len(r.GetTargets()) == 0 {
			continue // its reason says what is wrong
		}
		vni := "the VNI"
		if q.vni != 0 {
			vni = fmt.Sprintf("VNI %d", q.vni)
		}
		if a, err := netip.ParseAddr(r.GetNextHop()); err == nil {
			return []string{fmt.Sprintf("give %s the import target %s (vnis.settings[].import), or have VTEP %v export one that is imported", vni, r.GetTargets()[0], a)}
		}
	}
	return nil
}
