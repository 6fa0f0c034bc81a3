package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"google.golang.org/grpc"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// question is what a caller wants explained. Without MAC, address and VTEP it is the
// VNI.
type question struct {
	vni  evpn.VNI // 0: in all
	mac  evpn.MAC
	ip   netip.Addr
	vtep netip.Addr
}

func questionOf(req *evpndv1.ExplainRequest) (q question, err error) {
	if q.vni, err = vniOr0(req.GetVni()); err != nil {
		return q, err
	}
	if q.mac, err = macOrZero(req.GetMac()); err != nil {
		return q, err
	}
	if q.ip, err = addrOrNone("address", req.GetIp()); err != nil {
		return q, err
	}
	if q.vtep, err = addrOrNone("VTEP", req.GetVtep()); err != nil {
		return q, err
	}
	named := 0
	for _, there := range []bool{!q.mac.IsZero(), q.ip.IsValid(), q.vtep.IsValid()} {
		if there {
			named++
		}
	}
	switch {
	case named > 1:
		return q, invalid("want one of a MAC, an address and a VTEP, not %d", named)
	case named == 0 && q.vni == 0:
		return q, invalid("want a MAC, an address, a VTEP or a VNI to explain")
	}
	if _, ok := evpndv1.Refresh_name[int32(req.GetRefresh())]; !ok {
		return q, invalid("refresh %d is not known", req.GetRefresh())
	}
	return q, nil
}

// String names what was asked for, for a person.
func (q *question) String() string {
	switch {
	case !q.mac.IsZero():
		return "MAC " + q.mac.String()
	case q.ip.IsValid():
		return "address " + q.ip.String()
	case q.vtep.IsValid():
		return "VTEP " + q.vtep.String()
	}
	return fmt.Sprintf("VNI %d", q.vni)
}

// Explain implements evpnd.v1.AdminService.
func (s *Server) Explain(req *evpndv1.ExplainRequest, out grpc.ServerStreamingServer[evpndv1.ExplainResponse]) error {
	q, err := questionOf(req)
	if err != nil {
		return err
	}
	ctx := out.Context()
	res, err := s.answer(ctx, &q)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(res.Explanations, func(x *evpndv1.Explanation) bool { return x.GetKnown() })
	ask := req.GetRefresh() == evpndv1.Refresh_REFRESH_ALWAYS ||
		req.GetRefresh() == evpndv1.Refresh_REFRESH_UNSPECIFIED && !known && s.mayBeUnkept(ctx, &q)
	if ask {
		seen, err := s.capture(ctx, &q, func(text string) error {
			return out.Send(&evpndv1.ExplainResponse{Progress: text})
		})
		if err != nil {
			return err
		}
		// What was asked for may have come, and been taken, meanwhile.
		if res, err = s.answer(ctx, &q); err != nil {
			return err
		}
		res.Unkept, res.UnkeptMore, res.Refreshed = seen.unkept, uint64(seen.more), true
		seen.tell(res.Peers)
	}
	s.advise(&q, res)
	return out.Send(res)
}

// mayBeUnkept tells whether a route that is not kept could explain why nothing
// is known: not in a VNI that is not served.
func (s *Server) mayBeUnkept(ctx context.Context, q *question) bool {
	if q.mac.IsZero() && !q.ip.IsValid() && !q.vtep.IsValid() {
		return false
	}
	served := q.vni == 0
	err := s.ask(ctx, func(v view) {
		if q.vni != 0 {
			_, served = v.BD(q.vni)
		}
	})
	return err == nil && served
}

// answer explains by what is known without asking anybody.
func (s *Server) answer(ctx context.Context, q *question) (*evpndv1.ExplainResponse, error) {
	res := &evpndv1.ExplainResponse{}
	vnis := []evpn.VNI{q.vni}
	if q.vni == 0 {
		vnis = nil
		if err := s.ask(ctx, func(v view) {
			for _, n := range v.BDs() {
				vnis = append(vnis, n.VNI)
			}
		}); err != nil {
			return nil, askErr(err)
		}
	}
	for _, n := range vnis {
		x, err := s.explain(ctx, q, n)
		if err != nil {
			return nil, err
		}
		if x.GetKnown() || q.vni != 0 {
			res.Explanations = append(res.Explanations, x)
		}
	}
	if len(res.Explanations) == 0 {
		x := q.named(0)
		x.Verdict = fmt.Sprintf("no VNI that is served here knows the %s: no route for it is kept, and no local port has it", q)
		if q.vtep.IsValid() {
			x.Verdict = fmt.Sprintf("no VNI that is served here knows the %s: no route of it is kept", q)
		}
		res.Explanations = append(res.Explanations, x)
	}
	var err error
	res.Peers, err = s.peerAnswers(ctx)
	return res, err
}

// named returns an explanation that says what it is about.
func (q *question) named(n evpn.VNI) *evpndv1.Explanation {
	return &evpndv1.Explanation{Vni: uint32(n), Mac: macText(q.mac), Ip: text(q.ip), Vtep: text(q.vtep)}
}

// explain explains in one VNI.
func (s *Server) explain(ctx context.Context, q *question, n evpn.VNI) (*evpndv1.Explanation, error) {
	var e explained
	if err := s.ask(ctx, func(v view) { e.read(v, q, n) }); err != nil {
		return nil, askErr(err)
	}
	x := q.named(n)
	var err error
	switch {
	case q.mac.IsZero() && !q.ip.IsValid() && !q.vtep.IsValid():
		err = s.explainVNI(ctx, x, &e)
	case !e.served:
		x.Verdict = s.whyNotServed(n)
	case !q.mac.IsZero():
		s.explainMAC(x, &e.mac)
	case q.ip.IsValid():
		s.explainIP(x, &e.ip)
	default:
		s.explainVTEP(x, &e.vtep)
	}
	for i := range e.alarms {
		x.Alarms = append(x.Alarms, alarmOf(&e.alarms[i]))
	}
	return x, err
}

// explained is what the engine says.
type explained struct {
	served bool
	mac    evpn.MACExplanation
	ip     evpn.IPExplanation
	vtep   evpn.VTEPExplanation
	vni    evpn.BDExplanation
	alarms []evpn.Alarm
}

func (e *explained) read(v view, q *question, n evpn.VNI) {
	var about func(evpn.Alarm) bool
	switch {
	case !q.mac.IsZero():
		e.mac, e.served = v.ExplainMAC(n, q.mac)
		about = func(a evpn.Alarm) bool { return a.MAC == q.mac }
	case q.ip.IsValid():
		e.ip, e.served = v.ExplainIP(n, q.ip)
		about = func(a evpn.Alarm) bool { return a.Addr == q.ip }
	case q.vtep.IsValid():
		e.vtep, e.served = v.ExplainVTEP(n, q.vtep)
		about = func(a evpn.Alarm) bool { return a.Addr == q.vtep }
	default:
		e.vni, e.served = v.ExplainBD(n)
		about = func(a evpn.Alarm) bool { return a.VNI == n }
	}
	for _, a := range v.Alarms() {
		if (a.VNI == 0 || a.VNI == n) && about(a) {
			e.alarms = append(e.alarms, a)
		}
	}
}

// whyNotServed says why a VNI is not served.
func (s *Server) whyNotServed(n evpn.VNI) string {
	for _, d := range s.kernel.Devices() {
		if d.VNI != n {
			continue
		}
		if d.Served {
			return fmt.Sprintf("VNI %d is about to be served", n)
		}
		v := &evpndv1.VNI{}
		addDevice(v, &d.Device)
		return fmt.Sprintf("VNI %d is not served here: %s", n, v.GetReason())
	}
	return fmt.Sprintf("VNI %d is not served here: no VXLAN device has it; make one, or have evpnd make it (vnis.settings[].create)", n)
}
