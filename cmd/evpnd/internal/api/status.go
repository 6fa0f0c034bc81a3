package api

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evpnd/evpnd/bgp"
	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/dataplane/topology"
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
	err := s.ask(ctx, func(v view) {
		synced, vnis, vteps, peers, alarms = v.Synced(), v.BDs(), len(v.VTEPs()), v.Peers(), v.Alarms()
	})
	if err != nil {
		return nil, askErr(err)
	}
	info, stats := s.deps.Info(), s.kernel.Stats()
	pending := max(0, stats.Wanted-stats.Installed-stats.Failed)
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
		InSync:      pending == 0 && stats.Failed == 0,
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
	st.Counts.KernelEntries = uint64(stats.Wanted)
	st.Counts.KernelPending = uint64(pending)
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
	for _, p := range s.sessions.Peers() {
		c.Peers++
		if p.State == bgp.Established {
			c.PeersEstablished++
		}
		// Every peer is told the same; the most that one has is what there is.
		c.RoutesAdvertised = max(c.RoutesAdvertised, uint64(p.Advertised))
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
	all := make([]*evpndv1.Alarm, 0, len(engine))
	for i := range engine {
		all = append(all, alarmOf(&engine[i]))
	}
	return append(all, s.Problems()...)
}

// Problems returns what is wrong now outside of the engine: with the sessions,
// the kernel and the daemon. Any goroutine.
func (s *Server) Problems() (all []*evpndv1.Alarm) {
	for _, p := range s.sessions.Problems() {
		all = append(all, &evpndv1.Alarm{Kind: "bgp", Object: p.Name(), Text: sentence.SessionProblem(&p)})
	}
	for _, p := range s.kernelProblems() {
		all = append(all, withObject(&evpndv1.Alarm{Kind: string(p.Kind), Text: p.Text, Vni: uint32(p.VNI), Interface: p.Device}))
	}
	if s.deps.Problems != nil {
		all = append(all, s.deps.Problems()...)
	}
	return all
}

// kernelProblems returns the problems of the whole and those of the devices, but
// for what is as the operator asked for it or is for information: that is shown
// with the VNI alone.
func (s *Server) kernelProblems() []topology.Problem {
	all := slices.Clone(s.kernel.Problems())
	for _, d := range s.kernel.Devices() {
		all = append(all, d.Problems...)
	}
	return slices.DeleteFunc(all, func(p topology.Problem) bool {
		return p.Kind == topology.NotSelected || p.Kind == topology.OtherPort
	})
}

func alarmOf(a *evpn.Alarm) *evpndv1.Alarm {
	return withObject(&evpndv1.Alarm{
		Kind: string(a.Kind), Text: sentence.Alarm(a), Vni: uint32(a.VNI), Mac: macText(a.MAC), Address: text(a.Addr),
	})
}

// withObject has an alarm say for a person what it is about.
func withObject(a *evpndv1.Alarm) *evpndv1.Alarm {
	var parts []string
	if a.Vni != 0 {
		parts = append(parts, fmt.Sprintf("vni %d", a.Vni))
	}
	for _, p := range []struct{ what, name string }{{"mac", a.Mac}, {"device", a.Interface}, {"address", a.Address}} {
		if p.name != "" {
			parts = append(parts, p.what+" "+p.name)
		}
	}
	a.Object = strings.Join(parts, " ")
	return a
}

func texts[T fmt.Stringer](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.String()
	}
	return out
}
