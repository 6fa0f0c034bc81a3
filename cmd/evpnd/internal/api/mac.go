package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"google.golang.org/grpc"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// filter is what lists of MACs and of host addresses can be narrowed by.
type filter struct {
	vni    evpn.VNI
	vtep   netip.Addr
	origin evpndv1.Origin
}

func filterOf(vni uint32, vtep string, origin evpndv1.Origin) (f filter, err error) {
	if f.vni, err = vniOr0(vni); err != nil {
		return f, err
	}
	if f.vtep, err = addrOrNone("VTEP", vtep); err != nil {
		return f, err
	}
	if err := originOf(origin); err != nil {
		return f, err
	}
	if f.vtep.IsValid() && origin == evpndv1.Origin_ORIGIN_LOCAL {
		return f, invalid("nothing local is behind the remote VTEP %s: leave out one of the two", f.vtep)
	}
	f.origin = origin
	return f, nil
}

// passes tells whether something local, or behind vtep, is wanted.
func (f *filter) passes(local bool, vtep netip.Addr) bool {
	switch f.origin {
	case evpndv1.Origin_ORIGIN_LOCAL:
		if !local {
			return false
		}
	case evpndv1.Origin_ORIGIN_REMOTE:
		if local {
			return false
		}
	}
	return !f.vtep.IsValid() || (!local && vtep == f.vtep)
}

// ListMACs implements evpnd.v1.AdminService.
func (s *Server) ListMACs(req *evpndv1.ListMACsRequest, out grpc.ServerStreamingServer[evpndv1.ListMACsResponse]) error {
	f, err := filterOf(req.GetVni(), req.GetVtep(), req.GetOrigin())
	if err != nil {
		return err
	}
	ctx := out.Context()
	pages := pager[*evpndv1.MAC]{send: func(page []*evpndv1.MAC) error {
		return out.Send(&evpndv1.ListMACsResponse{Macs: page})
	}}
	get := func(v view, dst []evpn.MACStatus, k evpn.MACKey) []evpn.MACStatus {
		if m, ok := v.MAC(k.VNI, k.MAC); ok && f.passes(m.Local, m.Via.VTEP) {
			dst = append(dst, m)
		}
		return dst
	}
	err = eachVNI(ctx, s, f.vni, view.MACKeys, func(keys []evpn.MACKey) error {
		return inPages(ctx, s, &pages, keys, get, renderer.mac)
	})
	return pages.end(err)
}

// knownMAC is all that the engine knows of a MAC.
type knownMAC struct {
	mac        evpn.MACStatus
	found      bool // it is somewhere
	served     bool // the VNI is
	received   []evpn.RouteStatus
	advertised []evpn.Advert
	neighs     []evpn.NeighStatus
	history    []evpn.Move
	alarms     []evpn.Alarm
}

func (k *knownMAC) read(v view, vni evpn.VNI, mac evpn.MAC) {
	_, k.served = v.BD(vni)
	k.mac, k.found = v.MAC(vni, mac)
	k.mac.MACKey = evpn.MACKey{VNI: vni, MAC: mac}
	k.received, k.advertised, k.history = v.Routes(vni, mac), v.Advertised(vni, mac), v.History(vni, mac)
	for _, ip := range k.mac.IPs {
		if n, ok := v.Neigh(vni, ip); ok {
			k.neighs = append(k.neighs, n)
		}
	}
	for _, a := range v.Alarms() {
		if a.VNI == vni && (a.MAC == mac || a.MAC.IsZero() && slices.Contains(k.mac.IPs, a.Addr)) {
			k.alarms = append(k.alarms, a)
		}
	}
}

// GetMAC implements evpnd.v1.AdminService.
func (s *Server) GetMAC(ctx context.Context, req *evpndv1.GetMACRequest) (*evpndv1.GetMACResponse, error) {
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
	out := &evpndv1.GetMACResponse{}
	switch {
	case !k.served:
		return nil, notServed(vni)
	case k.found:
		out.Mac = s.mac(&k.mac)
		out.Kernel = s.kernelEntries(&k)
	case len(k.received) > 0:
		// Each of them says why it is not used.
		out.Mac = &evpndv1.MAC{Vni: uint32(vni), Mac: mac.String(), Reason: "no route for it is usable"}
	case len(k.history) > 0:
		out.Mac = &evpndv1.MAC{Vni: uint32(vni), Mac: mac.String(), Reason: "it is gone: on no local port, and nobody announces it"}
	default:
		return nil, noMAC(vni, mac)
	}
	for i := range k.received {
		out.Received = append(out.Received, receivedRoute(&k.received[i]))
	}
	for i := range k.advertised {
		out.Advertised = append(out.Advertised, advertisedRoute(vni, &k.advertised[i]))
	}
	for i := range k.neighs {
		out.Neighbors = append(out.Neighbors, s.neighbor(&k.neighs[i]))
	}
	for i := range k.alarms {
		out.Alarms = append(out.Alarms, alarmOf(&k.alarms[i]))
	}
	out.History = s.moves(k.history)
	if n := len(out.History); n > 0 {
		out.Mac.LastMove = out.History[n-1]
	}
	return out, nil
}

func notServed(vni evpn.VNI) error {
	return notFound("VNI %d is not served here: evpnctl vni list says why", vni)
}

func noMAC(vni evpn.VNI, mac evpn.MAC) error {
	return notFound("MAC %s is not known in VNI %d", mac, vni)
}

// kernelEntries says what the kernel should hold for a MAC that is somewhere
// and for its addresses. Those of a local host the kernel knows by itself.
func (s *Server) kernelEntries(k *knownMAC) []*evpndv1.KernelEntry {
	m := &k.mac
	device, bridge := s.devicesOf(m.VNI)
	if m.Local {
		return []*evpndv1.KernelEntry{{
			Wanted: fmt.Sprintf("%s dev %s master %s", m.MAC, s.kernel.PortName(m.Port), bridge),
			State:  evpndv1.EntryState_ENTRY_STATE_LOCAL,
		}}
	}
	wanted := fdbText(&evpn.FDB{VNI: m.VNI, MAC: m.MAC, Via: m.Via, Sticky: m.Sticky}, device)
	state, failure := s.macState(false, m.MACKey)
	out := []*evpndv1.KernelEntry{{Wanted: wanted, State: state, Error: failure}}
	for i := range k.neighs {
		n := &k.neighs[i]
		if n.Local {
			continue
		}
		wanted := neighText(&evpn.Neigh{IP: n.IP, MAC: n.MAC, Router: n.Router}, bridge)
		state, failure := s.neighState(false, n.IPKey)
		out = append(out, &evpndv1.KernelEntry{Wanted: wanted, State: state, Error: failure})
	}
	return out
}

// fdbText is a wish in the words of bridge fdb.
func fdbText(f *evpn.FDB, device string) string {
	s := fmt.Sprintf("%s dev %s dst %s extern_learn", f.MAC, device, f.Via.Text(f.VNI))
	if f.Sticky {
		s += " sticky"
	}
	return s
}

// neighText is a wish in the words of ip neigh.
func neighText(n *evpn.Neigh, bridge string) string {
	s := fmt.Sprintf("%s dev %s lladdr %s", n.IP, bridge, n.MAC)
	if n.Router {
		s += " router"
	}
	return s + " extern_learn"
}

// devicesOf returns the names of the VXLAN device and the bridge of a VNI.
func (s *Server) devicesOf(vni evpn.VNI) (device, bridge string) {
	for _, d := range s.kernel.Devices() {
		if d.VNI == vni && d.Served {
			return d.Name, d.Bridge
		}
	}
	return "vxlan?", "bridge?"
}

func (s renderer) mac(m *evpn.MACStatus) *evpndv1.MAC {
	out := &evpndv1.MAC{
		Vni:      uint32(m.VNI),
		Mac:      m.MAC.String(),
		Ips:      texts(m.IPs),
		Sequence: m.Seq,
		Sticky:   m.Sticky,
		Paths:    uint32(m.Paths),
		Reason:   m.Reason,
		Frozen:   m.Frozen,
		Moves:    uint32(m.Moves),
	}
	if m.Frozen {
		out.FrozenSince = timestamp(m.FrozenSince)
	}
	if m.Local {
		out.Origin, out.State = evpndv1.Origin_ORIGIN_LOCAL, evpndv1.EntryState_ENTRY_STATE_LOCAL
		out.InterfaceIndex = uint32(m.Port)
		out.Interface = s.reader.PortName(m.Port)
		return out
	}
	out.Origin = evpndv1.Origin_ORIGIN_REMOTE
	out.Vtep, out.Esi = text(m.Via.VTEP), esiText(m.ESI)
	if m.Via.VNI != m.VNI {
		out.RemoteVni = uint32(m.Via.VNI)
	}
	out.State, out.Error = s.macState(m.Stale, m.MACKey)
	return out
}

// entryState says how a remote entry stands. A refused write is what the
// operator must see first; that its session is down comes before whether it
// is written, since it was. One that the writer does not know yet is about to
// be written: the engine has it as remote, and tells the writer.
func entryState(stale bool, state dataplane.EntryState, err error) (evpndv1.EntryState, string) {
	switch {
	case state == dataplane.FailedNow && err != nil:
		return evpndv1.EntryState_ENTRY_STATE_FAILED, err.Error()
	case state == dataplane.FailedNow:
		return evpndv1.EntryState_ENTRY_STATE_FAILED, ""
	case stale:
		return evpndv1.EntryState_ENTRY_STATE_STALE, ""
	case state == dataplane.Installed:
		return evpndv1.EntryState_ENTRY_STATE_INSTALLED, ""
	}
	return evpndv1.EntryState_ENTRY_STATE_PENDING, ""
}

func (s renderer) macState(stale bool, k evpn.MACKey) (evpndv1.EntryState, string) {
	state, err := s.reader.Entry(k.VNI, k.MAC)
	return entryState(stale, state, err)
}

func (s renderer) neighState(stale bool, k evpn.IPKey) (evpndv1.EntryState, string) {
	state, err := s.reader.NeighEntry(k.VNI, k.IP)
	return entryState(stale, state, err)
}
