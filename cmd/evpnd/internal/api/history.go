package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// FindMAC implements evpnd.v1.AdminService.
func (s *Server) FindMAC(ctx context.Context, req *evpndv1.FindMACRequest) (*evpndv1.FindMACResponse, error) {
	mac, err := macOf(req.GetMac())
	if err != nil {
		return nil, err
	}
	places, err := keysOf(ctx, s, 0, func(v view, n evpn.VNI) []evpn.MACKey {
		_, somewhere := v.MAC(n, mac)
		if !somewhere && len(v.Routes(n, mac)) == 0 && len(v.History(n, mac)) == 0 {
			return nil
		}
		return []evpn.MACKey{{VNI: n, MAC: mac}}
	})
	if err != nil {
		return nil, err
	}
	out := &evpndv1.FindMACResponse{}
	for _, k := range places {
		out.Vnis = append(out.Vnis, uint32(k.VNI))
	}
	return out, nil
}

// GetMACHistory implements evpnd.v1.AdminService.
func (s *Server) GetMACHistory(ctx context.Context, req *evpndv1.GetMACHistoryRequest) (*evpndv1.GetMACHistoryResponse, error) {
	vni, err := vniOf(req.GetVni())
	if err != nil {
		return nil, err
	}
	mac, err := macOf(req.GetMac())
	if err != nil {
		return nil, err
	}
	var k knownMAC
	if err := s.ask(ctx, func(v view) { k.read(v, vni, mac) }); err != nil {
		return nil, askErr(err)
	}
	switch {
	case !k.served:
		return nil, notServed(vni)
	case !k.found && len(k.received)+len(k.history) == 0:
		return nil, noMAC(vni, mac)
	}
	return &evpndv1.GetMACHistoryResponse{Moves: s.moves(k.history)}, nil
}

// Unfreeze implements evpnd.v1.AdminService.
func (s *Server) Unfreeze(ctx context.Context, req *evpndv1.UnfreezeRequest) (*evpndv1.UnfreezeResponse, error) {
	ev, err := unfreezeOf(req)
	if err != nil {
		return nil, err
	}
	var served, known, frozen bool
	err = s.ask(ctx, func(v view) {
		_, served = v.BD(ev.VNI)
		if ev.IP.IsValid() {
			var n evpn.NeighStatus
			n, known = v.Neigh(ev.VNI, ev.IP)
			frozen = n.Frozen
		} else {
			var m evpn.MACStatus
			m, known = v.MAC(ev.VNI, ev.MAC)
			frozen = m.Frozen
		}
		if frozen {
			v.Step(ev)
		}
	})
	what := "MAC " + ev.MAC.String()
	if ev.IP.IsValid() {
		what = "address " + ev.IP.String()
	}
	switch {
	case err != nil:
		return nil, askErr(err)
	case !served:
		return nil, notServed(ev.VNI)
	case !known:
		return nil, notFound("%s is not known in VNI %d", what, ev.VNI)
	case !frozen:
		return nil, status.Errorf(codes.FailedPrecondition, "%s in VNI %d is not frozen: nothing has to be done", what, ev.VNI)
	}
	s.log.Info("no duplicate any more, by command", "vni", ev.VNI, "object", what)
	return &evpndv1.UnfreezeResponse{}, nil
}

func unfreezeOf(req *evpndv1.UnfreezeRequest) (*evpn.Unfreeze, error) {
	if (req.GetMac() == "") == (req.GetIp() == "") {
		return nil, invalid("unfreeze: want either a MAC or an IP address")
	}
	vni, err := vniOf(req.GetVni())
	if err != nil {
		return nil, err
	}
	ev := &evpn.Unfreeze{VNI: vni}
	if ev.MAC, err = macOrZero(req.GetMac()); err != nil {
		return nil, err
	}
	ev.IP, err = addrOrNone("address", req.GetIp())
	return ev, err
}

func (s renderer) moves(list []evpn.Move) []*evpndv1.Move {
	out := make([]*evpndv1.Move, len(list))
	for i := range list {
		out[i] = s.move(&list[i])
	}
	return out
}

func (s renderer) move(m *evpn.Move) *evpndv1.Move {
	return &evpndv1.Move{
		Time: timestamppb.New(m.At), From: s.place(m.From), To: s.place(m.To), Sequence: m.Seq, Cause: m.Cause,
	}
}

func (s renderer) place(w evpn.Location) *evpndv1.Place {
	switch {
	case w.Local:
		return &evpndv1.Place{
			Origin: evpndv1.Origin_ORIGIN_LOCAL, Interface: s.reader.PortName(int(w.Port)), InterfaceIndex: uint32(w.Port),
		}
	case w.Remote():
		return &evpndv1.Place{Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: w.Via.VTEP.String()}
	}
	return &evpndv1.Place{}
}
