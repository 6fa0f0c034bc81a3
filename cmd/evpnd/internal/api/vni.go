package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// ListVNIs implements evpnd.v1.AdminService.
func (s *Server) ListVNIs(_ *evpndv1.ListVNIsRequest, out grpc.ServerStreamingServer[evpndv1.ListVNIsResponse]) error {
	vnis, err := s.vnis(out.Context())
	if err != nil {
		return err
	}
	return sendAll(vnis, func(page []*evpndv1.VNI) error { return out.Send(&evpndv1.ListVNIsResponse{Vnis: page}) })
}

// GetVNI implements evpnd.v1.AdminService.
func (s *Server) GetVNI(ctx context.Context, req *evpndv1.GetVNIRequest) (*evpndv1.GetVNIResponse, error) {
	vni, err := vniOf(req.GetVni())
	if err != nil {
		return nil, err
	}
	vnis, err := s.vnis(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range vnis {
		if v.GetVni() == uint32(vni) {
			return &evpndv1.GetVNIResponse{Vni: v}, nil
		}
	}
	return nil, notFound("there is no VNI %d: no VXLAN device here has it", vni)
}

// vnis returns what the engine serves and what devices there are, put
// together: ascending, a VNI's served device before others of the same number.
func (s *Server) vnis(ctx context.Context) ([]*evpndv1.VNI, error) {
	var served []evpn.BDStatus
	if err := s.ask(ctx, func(v view) { served = v.BDs() }); err != nil {
		return nil, askErr(err)
	}
	out := make([]*evpndv1.VNI, 0, len(served))
	byNumber := make(map[evpn.VNI]*evpndv1.VNI, len(served))
	for i := range served {
		v := vniText(&served[i])
		byNumber[served[i].VNI] = v
		out = append(out, v)
	}
	devices := s.kernel.Devices()
	for i := range devices {
		d := &devices[i].Device
		v := byNumber[d.VNI]
		if !d.Served || v == nil || v.Device != "" {
			v = &evpndv1.VNI{Vni: uint32(d.VNI)}
			out = append(out, v)
		}
		addDevice(v, d)
	}
	slices.SortStableFunc(out, func(a, b *evpndv1.VNI) int {
		return int(a.GetVni()) - int(b.GetVni())
	})
	return out, nil
}

func vniText(v *evpn.BDStatus) *evpndv1.VNI {
	return &evpndv1.VNI{
		Vni:             uint32(v.VNI),
		Served:          true,
		Vtep:            text(v.VTEP),
		Rd:              v.RD.String(),
		ExportTargets:   texts(v.Export),
		ImportTargets:   texts(v.Import),
		LocalMacs:       uint64(v.LocalMACs),
		RemoteMacs:      uint64(v.RemoteMACs),
		LocalNeighbors:  uint64(v.LocalIPs),
		RemoteNeighbors: uint64(v.RemoteIPs),
		Vteps:           uint32(v.VTEPs),
	}
}

func addDevice(v *evpndv1.VNI, d *topology.Device) {
	var notes []string
	for _, p := range d.Problems {
		notes = append(notes, p.Text)
	}
	v.Device, v.Bridge = d.Name, d.Bridge
	v.Managed, v.Mtu, v.Port = d.Made, uint32(d.MTU), uint32(d.Port)
	v.Vtep = cmp.Or(v.GetVtep(), text(d.Local))
	switch {
	case d.Served && v.GetServed():
		v.Notes = notes
	case d.Served:
		v.Notes, v.Reason = notes, "it is about to be served"
	case !v.GetServed():
		v.Reason = strings.Join(notes, "; ")
	}
}

// ListVTEPs implements evpnd.v1.AdminService.
func (s *Server) ListVTEPs(req *evpndv1.ListVTEPsRequest, out grpc.ServerStreamingServer[evpndv1.ListVTEPsResponse]) error {
	vni, err := vniOr0(req.GetVni())
	if err != nil {
		return err
	}
	var vteps []evpn.VTEPStatus
	if err := s.ask(out.Context(), func(v view) { vteps = v.VTEPs() }); err != nil {
		return askErr(err)
	}
	var all []*evpndv1.VTEP
	for i := range vteps {
		if vni == 0 || slices.Contains(vteps[i].VNIs, vni) {
			all = append(all, vtep(&vteps[i]))
		}
	}
	return sendAll(all, func(page []*evpndv1.VTEP) error { return out.Send(&evpndv1.ListVTEPsResponse{Vteps: page}) })
}

func vtep(v *evpn.VTEPStatus) *evpndv1.VTEP {
	out := &evpndv1.VTEP{Address: v.Addr.String(), Macs: uint64(v.MACs), Vnis: make([]uint32, len(v.VNIs))}
	for i, n := range v.VNIs {
		out.Vnis[i] = uint32(n)
	}
	return out
}
