package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// daemon answers as an evpnd would that has one local and two remote hosts.
type daemon struct {
	evpndv1.UnimplementedAdminServiceServer
}

var start = timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func macs() []*evpndv1.MAC {
	return []*evpndv1.MAC{
		{
			Vni: 200, Mac: "02:42:ac:12:00:0a", Ips: []string{"172.18.0.10", "fd00::10"}, Origin: evpndv1.Origin_ORIGIN_LOCAL,
			Interface: "veth0", State: evpndv1.EntryState_ENTRY_STATE_LOCAL, Reason: "local",
		},
		{
			Vni: 200, Mac: "02:42:ac:12:00:0b", Ips: []string{"172.18.0.11"}, Origin: evpndv1.Origin_ORIGIN_REMOTE,
			Vtep: "172.30.0.2", Sequence: 3, Sticky: true, State: evpndv1.EntryState_ENTRY_STATE_INSTALLED, Paths: 2, Reason: "sticky",
		},
		{
			Vni: 300, Mac: "02:42:ac:12:00:0c", Origin: evpndv1.Origin_ORIGIN_REMOTE,
			Vtep: "172.30.0.3", State: evpndv1.EntryState_ENTRY_STATE_FAILED, Error: "no space left on device", Paths: 1,
		},
		{
			Vni: 300, Mac: "02:42:ac:12:00:0d", Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.3", Esi: "00:01:02:03:04:05:06:07:08:09", Sequence: 5, Sticky: true,
			Frozen: true, FrozenSince: start, Moves: 5, State: evpndv1.EntryState_ENTRY_STATE_INSTALLED, Paths: 1,
			LastMove: moves()[1], Ips: []string{"172.18.0.13", "172.18.0.14", "172.18.0.15", "172.18.0.16"},
		},
	}
}

// moves are those of a MAC that first was local.
func moves() []*evpndv1.Move {
	here := &evpndv1.Place{Origin: evpndv1.Origin_ORIGIN_LOCAL, Interface: "veth0", InterfaceIndex: 7}
	there := &evpndv1.Place{Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.3"}
	return []*evpndv1.Move{
		{Time: start, From: &evpndv1.Place{}, To: here, Sequence: 4, Cause: "seen on a local port"},
		{Time: timestamppb.New(start.AsTime().Add(1250 * time.Millisecond)), From: here, To: there, Sequence: 5, Cause: "higher mobility sequence"},
	}
}

func (*daemon) GetStatus(context.Context, *evpndv1.GetStatusRequest) (*evpndv1.GetStatusResponse, error) {
	return &evpndv1.GetStatusResponse{Status: &evpndv1.Status{
		Version: "1.2.3", Started: start, Uptime: durationpb.New(26 * time.Hour), RouterId: "172.30.0.1", Asn: 65000,
		Vteps: []string{"172.30.0.1"}, Ready: true, Synced: true,
		Counts: &evpndv1.Counts{
			Peers: 2, PeersEstablished: 1, Vnis: 1, VnisNotServed: 1, Vteps: 2, LocalMacs: 1, RemoteMacs: 2,
			LocalNeighbors: 2, RemoteNeighbors: 1, RoutesReceived: 4, RoutesAdvertised: 3,
			KernelEntries: 5, KernelPending: 1, KernelFailed: 1,
		},
		Alarms: []*evpndv1.Alarm{{
			Kind: "no-bridge", Object: "device vxlan300", Text: "put it into a bridge", Vni: 300, Interface: "vxlan300",
		}},
		AlarmsTotal: 1,
		Audit:       summary(3), Repaired: 7, Resyncs: 1,
		Process: &evpndv1.Process{Goroutines: 40, HeapLiveBytes: 5 << 20, GcCycles: 9, OpenFiles: 21, ResidentBytes: 30 << 20},
	}}, nil
}

func (*daemon) CheckFabric(context.Context, *evpndv1.CheckFabricRequest) (*evpndv1.CheckFabricResponse, error) {
	return &evpndv1.CheckFabricResponse{Faults: []*evpndv1.Fault{
		{
			Check: "routes-ignored", Severity: evpndv1.Severity_SEVERITY_NOTE, Object: "peer 10.90.1.254", Text: "7 routes are not imported", Effect: "none",
		},
		{
			Check: "next-hop-is-peer", Severity: evpndv1.Severity_SEVERITY_ERROR, Object: "peer 10.90.1.254",
			Text: "it passes on routes with itself as next hop", Effect: "frames go to the peer", Fix: []string{"vtysh -c 'x'"}, FixOn: "the peer",
		},
	}}, nil
}

func summary(left uint64) *evpndv1.AuditSummary {
	return &evpndv1.AuditSummary{At: start, Took: durationpb.New(1500 * time.Millisecond), Entries: 9, Differences: 3, Left: left, Foreign: 1}
}

func findings() []*evpndv1.Finding {
	return []*evpndv1.Finding{
		{Vni: 200, Interface: "vxlan200", Kind: evpndv1.EntryKind_ENTRY_KIND_FLOOD, Ip: "172.30.0.2", Routes: "172.30.0.2", Wished: "172.30.0.2", Reason: "it is missing in the kernel"},
		{Vni: 200, Interface: "vxlan200", Kind: evpndv1.EntryKind_ENTRY_KIND_MAC, Mac: "02:42:ac:12:00:0b", Routes: "172.30.0.2 sticky", Reason: "the writer has not taken over what the routes say"},
		{Vni: 200, Interface: "vxlan200", Kind: evpndv1.EntryKind_ENTRY_KIND_MAC, Mac: "02:42:ac:12:00:0f", Kernel: "172.30.0.8", Reason: "an entry of the VXLAN device that evpnd did not make", Foreign: true},
		{Vni: 300, Interface: "br300", Kind: evpndv1.EntryKind_ENTRY_KIND_NEIGHBOR, Ip: "fd00::9", Kernel: "02:42:ac:12:00:0c", Reason: "nobody wishes it any more, and it was not removed"},
	}
}

func (*daemon) Audit(req *evpndv1.AuditRequest, out grpc.ServerStreamingServer[evpndv1.AuditResponse]) error {
	if req.GetVni() == 300 { // all is well there
		return out.Send(&evpndv1.AuditResponse{Summary: &evpndv1.AuditSummary{At: start, Took: durationpb.New(time.Millisecond), Entries: 4}})
	}
	_ = out.Send(&evpndv1.AuditResponse{}) // it is still busy
	_ = out.Send(&evpndv1.AuditResponse{Findings: findings()})
	return out.Send(&evpndv1.AuditResponse{Summary: summary(3)})
}

// Repair leaves a difference in the one VNI, and none in the other.
func (*daemon) Repair(req *evpndv1.RepairRequest, out grpc.ServerStreamingServer[evpndv1.RepairResponse]) error {
	list, left := findings(), uint64(1)
	list[0].Repaired, list[3].Repaired = true, true
	if req.GetVni() == 300 {
		list, left = list[3:], 0
	}
	_ = out.Send(&evpndv1.RepairResponse{Findings: list})
	return out.Send(&evpndv1.RepairResponse{Summary: summary(left)})
}

func peers() []*evpndv1.Peer {
	return []*evpndv1.Peer{
		{
			Address: "10.90.1.2", Asn: 65001, State: evpndv1.PeerState_PEER_STATE_ACTIVE, LastError: "connection refused",
		},
		{
			Address: "10.90.1.254", Port: 179, Asn: 65000, LocalAsn: 65000, RouterId: "10.90.1.254", LocalAddress: "10.90.1.1",
			State: evpndv1.PeerState_PEER_STATE_ESTABLISHED, Since: start, Uptime: durationpb.New(62 * time.Second),
			HoldTime: durationpb.New(9 * time.Second), EndOfRib: true, RoutesReceived: 4, RoutesAdvertised: 3,
			RoutesDiscarded: map[string]uint64{"bad-mac": 2, "as-path-loop": 1}, EstablishedCount: 1,
			MaxRoutes: 5, RoutesRefused: 7,
			RoutesStale: 2, StaleUntil: start,
		},
	}
}

func (*daemon) ListPeers(_ *evpndv1.ListPeersRequest, out grpc.ServerStreamingServer[evpndv1.ListPeersResponse]) error {
	return out.Send(&evpndv1.ListPeersResponse{Peers: peers()})
}

func (*daemon) GetPeer(_ context.Context, req *evpndv1.GetPeerRequest) (*evpndv1.GetPeerResponse, error) {
	for _, p := range peers() {
		if p.GetAddress() == req.GetAddress() {
			return &evpndv1.GetPeerResponse{Peer: p}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no peer %s", req.GetAddress())
}

func (*daemon) ResetPeer(_ context.Context, req *evpndv1.ResetPeerRequest) (*evpndv1.ResetPeerResponse, error) {
	if req.GetSoft() {
		return nil, status.Error(codes.FailedPrecondition, "the peer does not know ROUTE-REFRESH")
	}
	return &evpndv1.ResetPeerResponse{}, nil
}

func vnis() []*evpndv1.VNI {
	return []*evpndv1.VNI{
		{
			Vni: 200, Served: true, Device: "vxlan200", Bridge: "br200", Vtep: "172.30.0.1", Rd: "172.30.0.1:200",
			ExportTargets: []string{"65000:200"}, ImportTargets: []string{"*:200"}, LocalMacs: 1, RemoteMacs: 2, Vteps: 2,
			Mtu: 1450, Port: 4789, Notes: []string{"the MTU is small"},
		},
		{Vni: 300, Device: "vxlan300", Reason: "it is in no bridge"},
	}
}

func (*daemon) ListVNIs(_ *evpndv1.ListVNIsRequest, out grpc.ServerStreamingServer[evpndv1.ListVNIsResponse]) error {
	return out.Send(&evpndv1.ListVNIsResponse{Vnis: vnis()})
}

func (*daemon) GetVNI(_ context.Context, req *evpndv1.GetVNIRequest) (*evpndv1.GetVNIResponse, error) {
	for _, v := range vnis() {
		if v.GetVni() == req.GetVni() {
			return &evpndv1.GetVNIResponse{Vni: v}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no VNI %d", req.GetVni())
}

func (*daemon) ListVTEPs(req *evpndv1.ListVTEPsRequest, out grpc.ServerStreamingServer[evpndv1.ListVTEPsResponse]) error {
	vteps := []*evpndv1.VTEP{{Address: "172.30.0.2", Vnis: []uint32{200}, Macs: 1}, {Address: "172.30.0.3", Macs: 1}}
	if req.GetVni() == 200 {
		vteps = vteps[:1]
	}
	return out.Send(&evpndv1.ListVTEPsResponse{Vteps: vteps})
}

func (*daemon) ListMACs(req *evpndv1.ListMACsRequest, out grpc.ServerStreamingServer[evpndv1.ListMACsResponse]) error {
	switch req.GetVtep() {
	case "spine1":
		return status.Error(codes.InvalidArgument, `VTEP "spine1": want an IP address`)
	case "172.30.0.99": // one that answers too late
		<-out.Context().Done()
		return nil
	case "172.30.0.98": // one that breaks in the middle
		_ = out.Send(&evpndv1.ListMACsResponse{Macs: macs()[:1]})
		return status.Error(codes.Unavailable, "evpnd is stopping")
	case "172.30.0.97": // a crowd
		for page := range 30 {
			var macs []*evpndv1.MAC
			for i := range 1000 {
				macs = append(macs, &evpndv1.MAC{Vni: 200, Mac: fmt.Sprintf("02:42:00:00:%02x:%02x", page, i&255), Origin: evpndv1.Origin_ORIGIN_REMOTE})
			}
			if err := out.Send(&evpndv1.ListMACsResponse{Macs: macs}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, m := range macs() {
		if (req.GetVni() == 0 || req.GetVni() == m.GetVni()) && (req.GetVtep() == "" || req.GetVtep() == m.GetVtep()) &&
			(req.GetOrigin() == 0 || req.GetOrigin() == m.GetOrigin()) {
			if err := out.Send(&evpndv1.ListMACsResponse{Macs: []*evpndv1.MAC{m}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (*daemon) GetMAC(_ context.Context, req *evpndv1.GetMACRequest) (*evpndv1.GetMACResponse, error) {
	switch fmt.Sprintf("%d %s", req.GetVni(), req.GetMac()) {
	case "200 02:42:ac:12:00:0b":
		other := routes()[1]
		other.NextHop, other.Chosen, other.Reason = "172.30.0.9", false, "the other one is sticky"
		return &evpndv1.GetMACResponse{
			Mac: macs()[1], Received: []*evpndv1.Route{routes()[1], other},
			Kernel: []*evpndv1.KernelEntry{
				{Wanted: "02:42:ac:12:00:0b dev vxlan200 dst 172.30.0.2 extern_learn sticky", State: evpndv1.EntryState_ENTRY_STATE_INSTALLED},
				{
					Wanted: "172.18.0.11 dev br200 lladdr 02:42:ac:12:00:0b extern_learn",
					State:  evpndv1.EntryState_ENTRY_STATE_FAILED, Error: "no space left on device",
				},
			},
		}, nil
	case "300 02:42:ac:12:00:0d":
		return &evpndv1.GetMACResponse{
			Mac: macs()[3], History: moves(),
			Neighbors: []*evpndv1.Neighbor{
				{Vni: 300, Ip: "172.18.0.13", Mac: "02:42:ac:12:00:0d", Frozen: true},
				{Vni: 300, Ip: "172.18.0.14", Mac: "02:42:ac:12:00:0e", Frozen: true},
				{Vni: 300, Ip: "172.18.0.15", Mac: "02:42:ac:12:00:0e"},
				{Vni: 300, Ip: "172.18.0.16", Mac: "02:42:ac:12:00:0d"},
			},
			Alarms: []*evpndv1.Alarm{{
				Kind: "duplicate-mac", Object: "vni 300 mac 02:42:ac:12:00:0d", Text: "two hosts use it", Vni: 300, Mac: "02:42:ac:12:00:0d",
			}},
		}, nil
	case "200 02:42:ac:12:00:0d":
		useless := routes()[1]
		useless.Chosen, useless.Reason = false, "not used: its encapsulation is not VXLAN"
		return &evpndv1.GetMACResponse{
			Mac:      &evpndv1.MAC{Vni: 200, Mac: "02:42:ac:12:00:0d", Reason: "no route for it is usable"},
			Received: []*evpndv1.Route{useless},
		}, nil
	}
	return nil, status.Errorf(codes.NotFound, "MAC %s is not known in VNI %d", req.GetMac(), req.GetVni())
}

func (*daemon) FindMAC(_ context.Context, req *evpndv1.FindMACRequest) (*evpndv1.FindMACResponse, error) {
	switch req.GetMac() {
	case "02:42:ac:12:00:0b":
		return &evpndv1.FindMACResponse{Vnis: []uint32{200}}, nil
	case "02:42:ac:12:00:0d":
		return &evpndv1.FindMACResponse{Vnis: []uint32{200, 300}}, nil
	case "web1":
		return nil, status.Error(codes.InvalidArgument, `MAC "web1": want the form 02:42:ac:12:00:0a`)
	}
	return &evpndv1.FindMACResponse{}, nil
}

func (*daemon) GetMACHistory(_ context.Context, req *evpndv1.GetMACHistoryRequest) (*evpndv1.GetMACHistoryResponse, error) {
	if req.GetVni() == 300 && req.GetMac() == "02:42:ac:12:00:0d" {
		return &evpndv1.GetMACHistoryResponse{Moves: moves()}, nil
	}
	return &evpndv1.GetMACHistoryResponse{}, nil
}

func (*daemon) Unfreeze(_ context.Context, req *evpndv1.UnfreezeRequest) (*evpndv1.UnfreezeResponse, error) {
	switch {
	case req.GetVni() == 300 && req.GetMac() == "02:42:ac:12:00:0d" && req.GetIp() == "",
		req.GetVni() == 300 && req.GetIp() == "172.18.0.13" && req.GetMac() == "":
		return &evpndv1.UnfreezeResponse{}, nil
	case req.GetMac() == "02:42:ac:12:00:0b":
		return nil, status.Errorf(codes.FailedPrecondition, "MAC %s is not frozen in VNI %d", req.GetMac(), req.GetVni())
	}
	return nil, status.Errorf(codes.NotFound, "%s%s is not known in VNI %d", req.GetMac(), req.GetIp(), req.GetVni())
}

func (*daemon) ListNeighbors(_ *evpndv1.ListNeighborsRequest, out grpc.ServerStreamingServer[evpndv1.ListNeighborsResponse]) error {
	return out.Send(&evpndv1.ListNeighborsResponse{Neighbors: []*evpndv1.Neighbor{
		{Vni: 200, Ip: "172.18.0.10", Mac: "02:42:ac:12:00:0a", Origin: evpndv1.Origin_ORIGIN_LOCAL, State: evpndv1.EntryState_ENTRY_STATE_LOCAL},
		{
			Vni: 200, Ip: "fe80::1", Mac: "02:42:ac:12:00:0b", Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.2", Router: true,
			State: evpndv1.EntryState_ENTRY_STATE_STALE,
		},
		{
			Vni: 300, Ip: "172.18.0.13", Mac: "02:42:ac:12:00:0d", Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.3", Router: true,
			Frozen: true, State: evpndv1.EntryState_ENTRY_STATE_INSTALLED,
		},
	}})
}

func routes() []*evpndv1.Route {
	return []*evpndv1.Route{
		{
			Direction: evpndv1.Direction_DIRECTION_ADVERTISED, Type: 3, Vni: 200, Nlri: "172.30.0.1:200 [3]:[0]:[32]:[172.30.0.1]",
			NextHop: "172.30.0.1", Targets: []string{"65000:200"}, Pmsi: &evpndv1.PMSITunnel{Type: 6, Label: 200, Endpoint: "172.30.0.1"},
			Encapsulations: []string{"vxlan"}, NeighborFlags: &evpndv1.NeighborFlags{Override: true}, Origin: "igp", LocalPref: 100,
			OtherCommunities: []string{"0300000000000001"},
		},
		{
			Direction: evpndv1.Direction_DIRECTION_RECEIVED, Type: 2, Vni: 200, Nlri: "172.30.0.2:200 [2]:[0]:[48]:[02:42:ac:12:00:0b]",
			NextHop: "172.30.0.2", Label: 200, Sequence: 3, Sticky: true, Peer: "10.90.1.254", Chosen: true,
		},
	}
}

func (*daemon) ListRoutes(req *evpndv1.ListRoutesRequest, out grpc.ServerStreamingServer[evpndv1.ListRoutesResponse]) error {
	for _, r := range routes() {
		if (req.GetType() == 0 || req.GetType() == r.GetType()) && (req.GetDirection() == 0 || req.GetDirection() == r.GetDirection()) {
			if err := out.Send(&evpndv1.ListRoutesResponse{Routes: []*evpndv1.Route{r}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (*daemon) Watch(req *evpndv1.WatchRequest, out grpc.ServerStreamingServer[evpndv1.WatchResponse]) error {
	if req.GetResumeToken() == "quiet" { // nothing more happens
		_ = out.Send(&evpndv1.WatchResponse{ResumeToken: "quiet"})
		<-out.Context().Done()
		return nil
	}
	if req.GetResumeToken() == "kinds" { // one of each
		_ = out.Send(&evpndv1.WatchResponse{Events: []*evpndv1.Event{
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Peer{Peer: peers()[1]}},
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Vni{Vni: vnis()[0]}},
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Vtep{Vtep: &evpndv1.VTEP{Address: "172.30.0.3", Macs: 1}}},
			{Type: evpndv1.EventType_EVENT_TYPE_DELETED, Object: &evpndv1.Event_Neighbor{Neighbor: &evpndv1.Neighbor{Vni: 200, Ip: "fe80::1"}}},
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Neighbor{Neighbor: &evpndv1.Neighbor{
				Vni: 300, Ip: "172.18.0.13", Mac: "02:42:10:12:00:13", Error: "a\x7fdevice", Vtep: "no", // what YAML could take for something else
			}}},
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Alarms{Alarms: &evpndv1.Alarms{Alarms: []*evpndv1.Alarm{
				{Kind: "no-bridge", Object: "device <vxlan300>", Text: "put it into a bridge", Vni: 300, Interface: "vxlan300"},
				{Kind: "peer-down", Object: "peer 10.90.1.2", Text: "no", Address: "10.90.1.2"},
			}, Total: 2}}},
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Alarms{Alarms: &evpndv1.Alarms{}}},
		}})
		return status.Error(codes.Unavailable, "evpnd is stopping")
	}
	if req.GetResumeToken() == "frozen" {
		_ = out.Send(&evpndv1.WatchResponse{ResumeToken: "abc.3", Events: []*evpndv1.Event{
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Mac{Mac: macs()[3]}},
		}})
		return status.Error(codes.Unavailable, "evpnd is stopping")
	}
	if req.GetResumeToken() == "" {
		_ = out.Send(&evpndv1.WatchResponse{SnapshotBegin: true})
		_ = out.Send(&evpndv1.WatchResponse{Events: []*evpndv1.Event{
			{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Mac{Mac: macs()[1]}},
		}})
		_ = out.Send(&evpndv1.WatchResponse{SnapshotEnd: true, ResumeToken: "abc.1"})
	}
	_ = out.Send(&evpndv1.WatchResponse{ResumeToken: "abc.2", Events: []*evpndv1.Event{{
		Type:   evpndv1.EventType_EVENT_TYPE_DELETED,
		Object: &evpndv1.Event_Mac{Mac: &evpndv1.MAC{Vni: 200, Mac: "02:42:ac:12:00:0b"}},
	}}})
	return status.Error(codes.Unavailable, "evpnd is stopping")
}

func (*daemon) ReloadConfig(context.Context, *evpndv1.ReloadConfigRequest) (*evpndv1.ReloadConfigResponse, error) {
	return &evpndv1.ReloadConfigResponse{
		Changes: []string{"peer 10.90.1.3 added"}, RestartNeeded: []string{"api.listen changed"},
	}, nil
}

func (*daemon) Shutdown(_ context.Context, req *evpndv1.ShutdownRequest) (*evpndv1.ShutdownResponse, error) {
	if req.GetWithdraw() {
		return &evpndv1.ShutdownResponse{Warning: "a peer could not be told goodbye in time"}, nil
	}
	return nil, status.Error(codes.PermissionDenied, "uid 1000 may only read: Shutdown is for root")
}

// Explain knows one MAC; for others the peers are asked.
func (*daemon) Explain(req *evpndv1.ExplainRequest, out grpc.ServerStreamingServer[evpndv1.ExplainResponse]) error {
	peers := []*evpndv1.PeerAnswer{
		{Address: "10.90.1.2", State: evpndv1.PeerState_PEER_STATE_ACTIVE, Error: "connection refused"},
		{Address: "10.90.1.254", State: evpndv1.PeerState_PEER_STATE_ESTABLISHED, Kept: 4, Ignored: 6, Discarded: map[string]uint64{"bad-mac": 2, "as-path-loop": 1}},
	}
	switch {
	case req.GetMac() == "web1":
		return status.Error(codes.InvalidArgument, `MAC "web1": want the form 02:42:ac:12:00:0a`)
	case req.GetMac() == "02:42:ac:12:00:0b" && req.GetRefresh() != evpndv1.Refresh_REFRESH_ALWAYS:
		best, other := routes()[1], routes()[1]
		other.NextHop, other.Nlri, other.Chosen, other.Sticky = "172.30.0.9", "172.30.0.9:200 [2]:[0]:[48]:[02:42:ac:12:00:0b]", false, false
		return out.Send(&evpndv1.ExplainResponse{Peers: peers, Explanations: []*evpndv1.Explanation{{
			Vni: 200, Mac: req.GetMac(), Known: true, Verdict: "it is behind VTEP 172.30.0.2: it is sticky",
			Candidates: []*evpndv1.Candidate{
				{Local: &evpndv1.LocalHost{Interface: "veth0", Sequence: 2}, Reason: "no local port has it now"},
				{Route: best, Target: "65000:200", ImportedBy: "*:200", Chosen: true, Reason: "it is sticky"},
				{
					Route: other, Target: "65000:200", ImportedBy: "*:200", Reason: "the route of 172.30.0.2 is sticky and it is not",
					Steps: []*evpndv1.Comparison{
						{Rule: "fresh before stale", This: "fresh", Other: "fresh", Outcome: "equal"},
						{Rule: "sticky before not sticky", This: "not sticky", Other: "sticky", Outcome: "loses"},
					},
				},
			},
			Kernel: []*evpndv1.HeldEntry{{
				Wanted: "02:42:ac:12:00:0b dev vxlan200 dst 172.30.0.2 extern_learn sticky", State: evpndv1.EntryState_ENTRY_STATE_INSTALLED,
				Held: []string{"02:42:ac:12:00:0b dev vxlan200 dst 172.30.0.8 self permanent"}, Differs: "the VXLAN device sends it to 172.30.0.8",
			}},
			Holds: []string{"stale routes are used until then"}, Advice: []string{"evpnd puts it back"},
		}}})
	case req.GetVtep() != "":
		return out.Send(&evpndv1.ExplainResponse{Explanations: []*evpndv1.Explanation{{
			Vni: 200, Vtep: req.GetVtep(), Known: true, Verdict: "it is flooded to in VNI 200",
			Facts: []*evpndv1.Fact{{Name: "macs behind it", Value: "3, by 6 type 2 routes"}},
		}}})
	case req.GetMac() == "" && req.GetIp() == "":
		return out.Send(&evpndv1.ExplainResponse{Explanations: []*evpndv1.Explanation{{Vni: req.GetVni(), Verdict: "VNI 300 is not served here: it is in no bridge"}}})
	}
	res := &evpndv1.ExplainResponse{Peers: peers, Explanations: []*evpndv1.Explanation{{Vni: req.GetVni(), Mac: req.GetMac(), Ip: req.GetIp(), Verdict: "it is not known"}}}
	if req.GetRefresh() != evpndv1.Refresh_REFRESH_NEVER {
		_ = out.Send(&evpndv1.ExplainResponse{Progress: "asking the peers"})
		r := routes()[1]
		r.Chosen, r.Targets = false, []string{"65000:999"}
		res.Refreshed, res.UnkeptMore = true, 3
		res.Unkept = []*evpndv1.UnkeptRoute{{Route: r, Reasons: []string{"VNI 200 imports *:200, and the route has 65000:999"}}}
		peers[0].Note = "the session is not established"
		peers[1].Asked, peers[1].Answered = true, 10
	}
	return out.Send(res)
}

// DiffConfig finds a difference in every text but "same".
func (*daemon) DiffConfig(req *evpndv1.DiffConfigRequest, out grpc.ServerStreamingServer[evpndv1.DiffConfigResponse]) error {
	switch string(req.GetText()) {
	case "same\n":
		return out.Send(&evpndv1.DiffConfigResponse{Diff: &evpndv1.ConfigDiff{}})
	case "wrong\n":
		return status.Errorf(codes.FailedPrecondition, "the configuration would not be taken: %s:1: not YAML", req.GetName())
	}
	_ = out.Send(&evpndv1.DiffConfigResponse{Progress: "VNI 200, 1 of 1"})
	v := &evpndv1.VNIChange{
		Vni: 200, Change: "goes", Reason: "no device would have VNI 200",
		Routes: &evpndv1.Effect{Go: 2}, Flood: &evpndv1.Effect{Go: 1}, Macs: &evpndv1.Effect{Change: 1}, Neighbors: &evpndv1.Effect{},
		Notes: []string{"not all is known"},
	}
	if req.GetEntries() > 0 {
		v.Entries = []*evpndv1.EntryChange{
			{Kind: "route", Entry: "172.30.0.1:200 [3]:[0]:[32]:[172.30.0.1]", Old: "next hop 172.30.0.1"},
			{Kind: "mac", Entry: "02:42:ac:12:00:0b", Old: "172.30.0.2", New: "172.30.0.3"},
		}
	}
	return out.Send(&evpndv1.DiffConfigResponse{Diff: &evpndv1.ConfigDiff{
		Settings: []*evpndv1.SettingChange{
			{Key: "bgp.asn", Old: "65000", New: "65001"},
			{Key: "api.group", New: "wheel", Restart: true},
			{Key: "bgp.peers[10.90.1.2]", Old: "there"},
			{Key: "bgp.peers[10.90.1.3]", New: "there"},
		},
		Sessions: []*evpndv1.SessionChange{{Peer: "10.90.1.2", Change: "removed", Reason: "it is configured no more"}},
		Vnis:     []*evpndv1.VNIChange{v},
	}})
}
