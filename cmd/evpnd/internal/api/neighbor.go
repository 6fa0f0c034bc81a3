package api

import (
	"google.golang.org/grpc"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// ListNeighbors implements evpnd.v1.AdminService.
func (s *Server) ListNeighbors(req *evpndv1.ListNeighborsRequest, out grpc.ServerStreamingServer[evpndv1.ListNeighborsResponse]) error {
	f, err := filterOf(req.GetVni(), req.GetVtep(), req.GetOrigin())
	if err != nil {
		return err
	}
	ctx := out.Context()
	pages := pager[*evpndv1.Neighbor]{send: func(page []*evpndv1.Neighbor) error {
		return out.Send(&evpndv1.ListNeighborsResponse{Neighbors: page})
	}}
	get := func(v view, dst []evpn.NeighStatus, k evpn.IPKey) []evpn.NeighStatus {
		if n, ok := v.Neigh(k.VNI, k.IP); ok && f.passes(n.Local, n.VTEP) {
			dst = append(dst, n)
		}
		return dst
	}
	err = eachVNI(ctx, s, f.vni, view.NeighKeys, func(keys []evpn.IPKey) error {
		return inPages(ctx, s, &pages, keys, get, renderer.neighbor)
	})
	return pages.end(err)
}

func (s renderer) neighbor(n *evpn.NeighStatus) *evpndv1.Neighbor {
	out := &evpndv1.Neighbor{
		Vni:    uint32(n.VNI),
		Ip:     n.IP.String(),
		Mac:    n.MAC.String(),
		Router: n.Router,
		Frozen: n.Frozen,
	}
	if n.Local {
		out.Origin, out.State = evpndv1.Origin_ORIGIN_LOCAL, evpndv1.EntryState_ENTRY_STATE_LOCAL
		return out
	}
	out.Origin, out.Vtep = evpndv1.Origin_ORIGIN_REMOTE, text(n.VTEP)
	out.State, out.Error = s.neighState(n.Stale, n.IPKey)
	return out
}
