package api

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// maxAlarms bounds what Status and Watch carry.
const maxAlarms = 1000

// GetStatus implements evpnd.v1.AdminService.
func (s *Server) GetStatus(ctx context.Context, _ *evpndv1.GetStatusRequest) (*evpndv1.GetStatusResponse, error) {
	var (
		synced bool
		vnis   []evpn.BDStatus
		vteps  int
		peers  []evpn.PeerStatus
		alarms []evpn.Alarm
	)
	err := s.look(ctx, func(v view) {
		synced, vnis, vteps, peers, alarms = v.Synced(), v.BDs(), len(v.VTEPs()), v.Peers(), v.Alarms()
	})
	if err != nil {
		return nil, lookErr(err)
	}
	info, stats := s.deps.Info(), s.kernel.Stats()
	all := s.alarms(alarms)
	st := &evpndv1.Status{
		Version:     info.Version,
		Started:     timestamppb.New(info.Started),
		Uptime:      durationpb.New(since(info.Started)),
		RouterId:    text(info.RouterID),
		Asn:         info.AS,
		Vteps:       localVTEPs(vnis),
		Ready:       s.Ready(),
		Synced:      synced,
		InSync:      stats.Pending == 0 && stats.Failed == 0,
		Counts:      s.counts(vnis, peers),
		Alarms:      all[:min(len(all), maxAlarms)],
		AlarmsTotal: uint32(len(all)),
		Repaired:    stats.Repaired,
		Resyncs:     stats.Resyncs,
		Process:     process(),
	}
	if s.deps.Auditor != nil {
		st.Audit = auditSummary(s.deps.Auditor.Last(), nil)
	}
	st.Counts.Vteps = uint32(vteps)
	st.Counts.KernelEntries = uint64(stats.Entries)
	st.Counts.KernelPending = uint64(stats.Pending)
	st.Counts.KernelFailed = uint64(stats.Failed)
	return &evpndv1.GetStatusResponse{Status: st}, nil
}

func (s *Server) counts(vnis []evpn.BDStatus, known []evpn.PeerStatus) *evpndv1.Counts {
	c := &evpndv1.Counts{Vnis: uint32(len(vnis))}
	for i := range vnis {
		c.LocalMacs += uint64(vnis[i].LocalMACs)
		c.RemoteMacs += uint64(vnis[i].RemoteMACs)
		c.LocalNeighbors += uint64(vnis[i].LocalIPs)
		c.RemoteNeighbors += uint64(vnis[i].RemoteIPs)
	}
	for _, d := range s.kernel.Devices() {
		if !d.Served {
			c.VnisNotServed++
		}
	}
	for i := range known {
		c.RoutesReceived += uint64(known[i].Routes)
	}
	peers := s.sessions.Peers()
	c.Peers = uint32(len(peers))
	for i := range peers {
		if peers[i].State == "established" {
			c.PeersEstablished++
		}
		// Every peer is told the same; the most that one has is what there is.
		c.RoutesAdvertised = max(c.RoutesAdvertised, uint64(peers[i].Advertised))
	}
	return c
}

func localVTEPs(vnis []evpn.BDStatus) []string {
	var addrs []netip.Addr
	for i := range vnis {
		if a := vnis[i].VTEP; a.IsValid() && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return texts(addrs)
}

// alarms puts together what the engine, the sessions and the kernel say is
// wrong, the engine's first.
func (s *Server) alarms(engine []evpn.Alarm) []*evpndv1.Alarm {
	var all []*evpndv1.Alarm
	for i := range engine {
		all = append(all, alarmOf(&engine[i]))
	}
	for _, p := range s.problems() {
		all = append(all, problem(p))
	}
	return all
}

// problems returns what is wrong outside of the engine.
func (s *Server) problems() []Problem {
	all := slices.Concat(s.sessions.Problems(), s.kernel.Problems())
	if s.deps.Problems != nil {
		all = append(all, s.deps.Problems()...)
	}
	return all
}

func problem(p Problem) *evpndv1.Alarm {
	return &evpndv1.Alarm{
		Kind:      p.Kind,
		Object:    cmp.Or(p.Object, object(p)),
		Text:      p.Text,
		Vni:       uint32(p.VNI),
		Mac:       macText(p.MAC),
		Address:   text(p.Addr),
		Interface: p.Device,
	}
}

// object says for a person what a problem is about.
func object(p Problem) string {
	var parts []string
	if p.VNI != 0 {
		parts = append(parts, fmt.Sprintf("vni %d", p.VNI))
	}
	if !p.MAC.IsZero() {
		parts = append(parts, "mac "+p.MAC.String())
	}
	if p.Device != "" {
		parts = append(parts, "device "+p.Device)
	}
	if p.Addr.IsValid() {
		parts = append(parts, "address "+p.Addr.String())
	}
	return strings.Join(parts, " ")
}

func texts[T fmt.Stringer](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.String()
	}
	return out
}
