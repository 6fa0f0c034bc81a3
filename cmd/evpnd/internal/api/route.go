package api

import (
	"context"
	"encoding/hex"
	"net/netip"

	"google.golang.org/grpc"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// routeFilter is what a list of routes can be narrowed by.
type routeFilter struct {
	typ        evpn.RouteType // 0: all
	vni        evpn.VNI
	mac        evpn.MAC
	peer       netip.Addr
	received   bool
	advertised bool
}

func routeFilterOf(req *evpndv1.ListRoutesRequest) (f routeFilter, err error) {
	if _, ok := evpndv1.RouteType_name[int32(req.GetType())]; !ok {
		return f, invalid("route type %d is not known: want 1 to 5", req.GetType())
	}
	f.typ = evpn.RouteType(req.GetType())
	if f.vni, err = vniOr0(req.GetVni()); err != nil {
		return f, err
	}
	if f.mac, err = macOrZero(req.GetMac()); err != nil {
		return f, err
	}
	if f.peer, err = addrOrNone("peer", req.GetPeer()); err != nil {
		return f, err
	}
	switch req.GetDirection() {
	case evpndv1.Direction_DIRECTION_UNSPECIFIED:
		f.received, f.advertised = true, !f.peer.IsValid()
	case evpndv1.Direction_DIRECTION_RECEIVED:
		f.received = true
	case evpndv1.Direction_DIRECTION_ADVERTISED:
		if f.peer.IsValid() {
			return f, invalid("every peer is told the same routes: leave out the peer %s", f.peer)
		}
		f.advertised = true
	default:
		return f, invalid("direction %d is not known", req.GetDirection())
	}
	if !f.mac.IsZero() && f.typ != 0 && f.typ != evpn.MACIP {
		return f, invalid("only type 2 routes have a MAC: leave out the type or the MAC %s", f.mac)
	}
	return f, nil
}

// wants tells whether routes of type t can be in the list.
func (f *routeFilter) wants(t evpn.RouteType) bool { return f.typ == 0 || f.typ == t }

// ListRoutes implements evpnd.v1.AdminService.
func (s *Server) ListRoutes(req *evpndv1.ListRoutesRequest, out grpc.ServerStreamingServer[evpndv1.ListRoutesResponse]) error {
	f, err := routeFilterOf(req)
	if err != nil {
		return err
	}
	if f.peer.IsValid() && !s.knowsPeer(f.peer) {
		return noPeer(f.peer)
	}
	ctx := out.Context()
	keys, err := s.routeKeys(ctx, &f)
	if err != nil {
		return err
	}
	pages := pager[*evpndv1.Route]{send: func(page []*evpndv1.Route) error {
		return out.Send(&evpndv1.ListRoutesResponse{Routes: page})
	}}
	return pages.end(inSteps(ctx, s, keys, f.collect, func(routes []placedRoute) error {
		for i := range routes {
			if err := pages.add(routes[i].text()); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *Server) knowsPeer(addr netip.Addr) bool {
	for _, p := range s.sessions.Peers() {
		if p.Address == addr {
			return true
		}
	}
	return false
}

// routeKeys returns the places where routes are, type 3 first; a zero MAC
// stands for a VNI's type 3 routes.
func (s *Server) routeKeys(ctx context.Context, f *routeFilter) ([]evpn.MACKey, error) {
	var keys []evpn.MACKey
	if f.wants(evpn.InclusiveMulticast) && f.mac.IsZero() {
		floods, err := keysOf(ctx, s, f.vni, func(_ view, n evpn.VNI) []evpn.MACKey { return []evpn.MACKey{{VNI: n}} })
		if err != nil {
			return nil, err
		}
		keys = floods
	}
	if !f.wants(evpn.MACIP) {
		return keys, nil
	}
	take := view.MACKeys
	if !f.mac.IsZero() {
		take = func(_ view, n evpn.VNI) []evpn.MACKey { return []evpn.MACKey{{VNI: n, MAC: f.mac}} }
	}
	macs, err := keysOf(ctx, s, f.vni, take)
	return append(keys, macs...), err
}

// placedRoute is a route, one of the two, and the VNI it is of.
type placedRoute struct {
	vni        evpn.VNI
	received   evpn.RouteStatus
	advertised evpn.Advert
	out        bool // advertised
}

func (r *placedRoute) text() *evpndv1.Route {
	if r.out {
		return advertisedRoute(r.vni, &r.advertised)
	}
	return receivedRoute(&r.received)
}

// collect appends the routes at k that pass.
func (f *routeFilter) collect(v view, dst []placedRoute, k evpn.MACKey) []placedRoute {
	if f.received {
		var routes []evpn.RouteStatus
		if k.MAC.IsZero() {
			routes = v.FloodRoutes(k.VNI)
		} else {
			routes = v.Routes(k.VNI, k.MAC)
		}
		for i := range routes {
			if !f.peer.IsValid() || routes[i].Peer == f.peer {
				dst = append(dst, placedRoute{vni: k.VNI, received: routes[i]})
			}
		}
	}
	if f.advertised {
		routes := v.Advertised(k.VNI, k.MAC)
		if k.MAC.IsZero() {
			routes = v.AdvertisedFlood(k.VNI)
		}
		for _, a := range routes {
			dst = append(dst, placedRoute{vni: k.VNI, advertised: a, out: true})
		}
	}
	return dst
}

func receivedRoute(r *evpn.RouteStatus) *evpndv1.Route {
	out := route(&r.Route, r.Attrs)
	out.Direction = evpndv1.Direction_DIRECTION_RECEIVED
	out.Vni = uint32(r.VNI)
	out.Peer = text(r.Peer)
	if out.Stale, out.Chosen = r.Stale, r.Chosen; !r.Chosen {
		out.Reason = r.Reason
	}
	out.LongLivedStale = r.Attrs.LongLivedStale
	return out
}

func advertisedRoute(vni evpn.VNI, a *evpn.Advert) *evpndv1.Route {
	out := route(&a.Route, a.Attrs)
	out.Direction = evpndv1.Direction_DIRECTION_ADVERTISED
	out.Vni = uint32(vni)
	return out
}

func route(r *evpn.Route, a *evpn.Attrs) *evpndv1.Route {
	out := &evpndv1.Route{
		Type:        evpndv1.RouteType(r.Type),
		Nlri:        r.NLRI.String(),
		Rd:          r.RD.String(),
		EthernetTag: r.Tag,
		Mac:         macText(r.MAC),
		Ip:          text(r.IP),
		Label:       uint32(r.Label),
		L3Label:     uint32(r.L3Label),
		Esi:         esiText(r.ESI),
	}
	if a != nil {
		addAttrs(out, a)
	}
	return out
}

func addAttrs(out *evpndv1.Route, a *evpn.Attrs) {
	out.NextHop = text(a.NextHop)
	out.Targets = texts(a.Targets)
	if a.Encap&evpn.EncapVXLAN != 0 {
		out.Encapsulations = append(out.Encapsulations, "vxlan")
	}
	if a.Encap&evpn.EncapOther != 0 {
		out.Encapsulations = append(out.Encapsulations, "other")
	}
	out.Sequence, out.Sticky = a.Mobility.Seq, a.Mobility.Sticky
	if p := a.PMSI; p.Present {
		out.Pmsi = &evpndv1.PMSITunnel{
			Flags: uint32(p.Flags), Type: uint32(p.Type), Label: uint32(p.Label), Endpoint: text(p.Endpoint),
		}
	}
	if n := a.ND; n.Present {
		out.NeighborFlags = &evpndv1.NeighborFlags{Router: n.Router, Override: n.Override, Immutable: n.Immutable}
	}
	out.DefaultGateway, out.RouterMac = a.DefaultGateway, macText(a.RouterMAC)
	out.Origin = originText(a.Origin)
	out.AsPathLength, out.LocalPref, out.Med = uint32(a.ASPathLen), a.LocalPref, a.MED
	out.OriginatorId, out.ClusterLength = text(a.OriginatorID), uint32(a.ClusterLen)
	for _, c := range a.Other {
		out.OtherCommunities = append(out.OtherCommunities, hex.EncodeToString(c[:]))
	}
}

// originText names the ORIGIN attribute (RFC 4271 §5.1.1).
func originText(o uint8) string {
	switch o {
	case 0:
		return "igp"
	case 1:
		return "egp"
	}
	return "incomplete"
}
