package api

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// A MAC has the segment of the route that is chosen, and one route is: not each
// that a VTEP sends with an address, nor each copy by another reflector.
func TestOneRouteIsChosen(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	esi := evpn.ESI{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	reflector := addr("10.90.1.253")
	b.engine.step(&evpn.PeerUp{Peer: reflector, RouterID: reflector, Internal: true})
	for _, ip := range []string{"", "172.18.0.21", "172.18.0.22"} {
		r := remote(200, hostMAC(5), ip, "172.30.0.5", 1)
		r.Updates[0].Reach[0].ESI = esi
		again := *r
		again.Peer = reflector
		b.engine.step(r, &again, remote(200, hostMAC(5), ip, "172.30.0.6", 0))
	}
	got, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: hostMAC(5).String()})
	if err != nil {
		t.Fatal(err)
	}
	if m := got.GetMac(); m.GetVtep() != "172.30.0.5" || m.GetEsi() != "00:01:02:03:04:05:06:07:08:09" {
		t.Errorf("it is behind %s on segment %q", m.GetVtep(), m.GetEsi())
	}
	var chosen []*evpndv1.Route
	for _, r := range got.GetReceived() {
		if r.GetChosen() {
			chosen = append(chosen, r)
		} else if r.GetReason() == "" {
			t.Errorf("%s from %s is not chosen, for no reason", r.GetNlri(), r.GetPeer())
		}
	}
	if len(got.GetReceived()) != 9 || len(chosen) != 1 || chosen[0].GetNextHop() != "172.30.0.5" || chosen[0].GetEsi() == "" {
		t.Errorf("of %d routes these are chosen: %v", len(got.GetReceived()), chosen)
	}
	stream, err := b.ListRoutes(t.Context(), &evpndv1.ListRoutesRequest{Mac: hostMAC(5).String()})
	routes, _ := collect(t, stream, err, (*evpndv1.ListRoutesResponse).GetRoutes)
	if n := len(slices.DeleteFunc(routes, func(r *evpndv1.Route) bool { return !r.GetChosen() })); n != 1 {
		t.Errorf("%d routes are listed as chosen", n)
	}
}

func TestMACs(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	b.kernel.setMAC(evpn.MACKey{VNI: 200, MAC: hostMAC(3)}, dataplane.FailedNow, errors.New("ENOSPC"))
	b.kernel.setMAC(evpn.MACKey{VNI: 200, MAC: hostMAC(4)}, dataplane.Pending, nil)
	b.engine.step(remote(200, hostMAC(3), "", "172.30.0.3", 0), remote(200, hostMAC(4), "", "172.30.0.3", 0))

	local := &evpndv1.MAC{
		Vni: 200, Mac: "02:42:00:00:00:01", Ips: []string{"172.18.0.10"}, Origin: evpndv1.Origin_ORIGIN_LOCAL,
		Interface: "veth7", InterfaceIndex: 7, State: evpndv1.EntryState_ENTRY_STATE_LOCAL,
	}
	behind2 := &evpndv1.MAC{
		Vni: 200, Mac: "02:42:00:00:00:02", Ips: []string{"172.18.0.11"}, Origin: evpndv1.Origin_ORIGIN_REMOTE,
		Vtep: "172.30.0.2", Sequence: 4, State: evpndv1.EntryState_ENTRY_STATE_INSTALLED, Paths: 1,
	}
	failed := &evpndv1.MAC{
		Vni: 200, Mac: "02:42:00:00:00:03", Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.3",
		State: evpndv1.EntryState_ENTRY_STATE_FAILED, Error: "ENOSPC", Paths: 1,
	}
	pending := &evpndv1.MAC{
		Vni: 200, Mac: "02:42:00:00:00:04", Origin: evpndv1.Origin_ORIGIN_REMOTE, Vtep: "172.30.0.3",
		State: evpndv1.EntryState_ENTRY_STATE_PENDING, Paths: 1,
	}
	for name, c := range map[string]struct {
		req  *evpndv1.ListMACsRequest
		want []*evpndv1.MAC
	}{
		"all":       {&evpndv1.ListMACsRequest{}, []*evpndv1.MAC{local, behind2, failed, pending}},
		"vni":       {&evpndv1.ListMACsRequest{Vni: 200}, []*evpndv1.MAC{local, behind2, failed, pending}},
		"other vni": {&evpndv1.ListMACsRequest{Vni: 201}, nil},
		"local":     {&evpndv1.ListMACsRequest{Origin: evpndv1.Origin_ORIGIN_LOCAL}, []*evpndv1.MAC{local}},
		"remote":    {&evpndv1.ListMACsRequest{Origin: evpndv1.Origin_ORIGIN_REMOTE}, []*evpndv1.MAC{behind2, failed, pending}},
		"vtep":      {&evpndv1.ListMACsRequest{Vtep: "172.30.0.3"}, []*evpndv1.MAC{failed, pending}},
	} {
		stream, err := b.ListMACs(t.Context(), c.req)
		got, _ := collect(t, stream, err, (*evpndv1.ListMACsResponse).GetMacs)
		// The reason is the engine's own text.
		if d := cmp.Diff(c.want, got, protocmp.Transform(), protocmp.IgnoreFields(&evpndv1.MAC{}, "reason")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestStaleAfterTheSessionFell(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	b.engine.step(&evpn.PeerDown{Peer: addr("10.90.1.254"), Retain: time.Hour})
	res, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: "02:42:00:00:00:02"})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.GetMac().GetState(); got != evpndv1.EntryState_ENTRY_STATE_STALE {
		t.Errorf("state %v, want stale", got)
	}
	for _, r := range res.GetReceived() {
		if !r.GetStale() {
			t.Errorf("not marked as stale: %v", r)
		}
	}
	if len(res.GetReceived()) == 0 {
		t.Error("the MAC has no route")
	}
	p, err := b.GetPeer(t.Context(), &evpndv1.GetPeerRequest{Address: "10.90.1.254"})
	if err != nil {
		t.Fatal(err)
	}
	got := p.GetPeer()
	if got.GetRoutesStale() == 0 || got.GetRoutesStale() != got.GetRoutesReceived() || !got.GetStaleUntil().IsValid() {
		t.Errorf("%d of %d routes are stale, until %v; want all, for an hour", got.GetRoutesStale(), got.GetRoutesReceived(), got.GetStaleUntil())
	}
	st, err := b.GetStatus(t.Context(), &evpndv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(st.GetStatus().GetAlarms(), func(a *evpndv1.Alarm) bool { return a.GetKind() == "stale-routes" }) {
		t.Errorf("no alarm says so: %v", st.GetStatus().GetAlarms())
	}
}

func TestGetMACKnowsEverything(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	// The same host, announced by two VTEPs: the higher sequence wins (RFC 7432 §15).
	// Its VTEP announces it alone too, as some do: one of its two routes counts.
	b.engine.step(remote(200, hostMAC(2), "", "172.30.0.9", 1), remote(200, hostMAC(2), "", "172.30.0.2", 4))
	res, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: "02-42-00-00-00-02"})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.GetMac().GetVtep(); got != "172.30.0.2" {
		t.Errorf("behind %s, want 172.30.0.2", got)
	}
	chosen := map[string]int{}
	for _, r := range res.GetReceived() {
		n := chosen[r.GetNextHop()]
		if r.GetChosen() {
			n++
		}
		chosen[r.GetNextHop()] = n
		if !r.GetChosen() && r.GetReason() == "" {
			t.Errorf("route %s is not used and does not say why", r.GetNlri())
		}
	}
	if d := cmp.Diff(map[string]int{"172.30.0.2": 1, "172.30.0.9": 0}, chosen); d != "" {
		t.Errorf("chosen by next hop (-want +got):\n%s", d)
	}
	if n := res.GetNeighbors(); len(n) != 1 || n[0].GetIp() != "172.18.0.11" {
		t.Errorf("neighbors %v, want 172.18.0.11", n)
	}

	res, err = b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: "02:42:00:00:00:01"})
	if err != nil {
		t.Fatal(err)
	}
	var nlris []string
	for _, r := range res.GetAdvertised() {
		nlris = append(nlris, r.GetNlri())
	}
	want := []string{
		"172.30.0.1:200 [2]:[0]:[48]:[02:42:00:00:00:01]",
		"172.30.0.1:200 [2]:[0]:[48]:[02:42:00:00:00:01]:[32]:[172.18.0.10]",
	}
	if d := cmp.Diff(want, nlris); d != "" {
		t.Errorf("advertised (-want +got):\n%s", d)
	}
}

func TestRoutes(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	type line struct{ dir, nlri, peer string }
	const (
		in  = "DIRECTION_RECEIVED"
		out = "DIRECTION_ADVERTISED"
	)
	type3 := line{out, "172.30.0.1:200 [3]:[0]:[32]:[172.30.0.1]", ""}
	mac1 := line{out, "172.30.0.1:200 [2]:[0]:[48]:[02:42:00:00:00:01]", ""}
	ip1 := line{out, "172.30.0.1:200 [2]:[0]:[48]:[02:42:00:00:00:01]:[32]:[172.18.0.10]", ""}
	ip2 := line{in, "172.30.0.2:200 [2]:[0]:[48]:[02:42:00:00:00:02]:[32]:[172.18.0.11]", "10.90.1.254"}
	for name, c := range map[string]struct {
		req  *evpndv1.ListRoutesRequest
		want []line
	}{
		"all":        {&evpndv1.ListRoutesRequest{}, []line{type3, mac1, ip1, ip2}},
		"type 3":     {&evpndv1.ListRoutesRequest{Type: 3}, []line{type3}},
		"type 5":     {&evpndv1.ListRoutesRequest{Type: 5}, nil},
		"received":   {&evpndv1.ListRoutesRequest{Direction: evpndv1.Direction_DIRECTION_RECEIVED}, []line{ip2}},
		"advertised": {&evpndv1.ListRoutesRequest{Direction: evpndv1.Direction_DIRECTION_ADVERTISED}, []line{type3, mac1, ip1}},
		"peer":       {&evpndv1.ListRoutesRequest{Peer: "10.90.1.254"}, []line{ip2}},
		"other peer": {&evpndv1.ListRoutesRequest{Peer: "10.90.1.2"}, nil},
		"mac":        {&evpndv1.ListRoutesRequest{Mac: "02:42:00:00:00:01"}, []line{mac1, ip1}},
		"vni":        {&evpndv1.ListRoutesRequest{Vni: 300}, nil},
	} {
		stream, err := b.ListRoutes(t.Context(), c.req)
		routes, _ := collect(t, stream, err, (*evpndv1.ListRoutesResponse).GetRoutes)
		var got []line
		for _, r := range routes {
			got = append(got, line{r.GetDirection().String(), r.GetNlri(), r.GetPeer()})
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(line{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestVNIsVTEPsNeighbors(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	vstream, err := b.ListVNIs(t.Context(), &evpndv1.ListVNIsRequest{})
	vnis, _ := collect(t, vstream, err, (*evpndv1.ListVNIsResponse).GetVnis)
	want := []*evpndv1.VNI{{
		Vni: 200, Served: true, Managed: true, Device: "vxlan200", Bridge: "br200", Vtep: "172.30.0.1", Rd: "172.30.0.1:200",
		ExportTargets: []string{"65000:200"}, ImportTargets: []string{"*:200"},
		LocalMacs: 1, RemoteMacs: 1, LocalNeighbors: 1, RemoteNeighbors: 1, Mtu: 1450, Port: 4789,
	}, {
		Vni: 300, Device: "vxlan300", Reason: "it is in no bridge: ip link set vxlan300 master BRIDGE",
	}}
	if d := cmp.Diff(want, vnis, protocmp.Transform()); d != "" {
		t.Errorf("VNIs (-want +got):\n%s", d)
	}
	tstream, err := b.ListVTEPs(t.Context(), &evpndv1.ListVTEPsRequest{})
	vteps, _ := collect(t, tstream, err, (*evpndv1.ListVTEPsResponse).GetVteps)
	if d := cmp.Diff([]*evpndv1.VTEP{{Address: "172.30.0.2", Macs: 1}}, vteps, protocmp.Transform()); d != "" {
		t.Errorf("VTEPs (-want +got):\n%s", d)
	}
	nstream, err := b.ListNeighbors(t.Context(), &evpndv1.ListNeighborsRequest{Origin: evpndv1.Origin_ORIGIN_REMOTE})
	neighbors, _ := collect(t, nstream, err, (*evpndv1.ListNeighborsResponse).GetNeighbors)
	wantN := []*evpndv1.Neighbor{{
		Vni: 200, Ip: "172.18.0.11", Mac: "02:42:00:00:00:02", Origin: evpndv1.Origin_ORIGIN_REMOTE,
		Vtep: "172.30.0.2", State: evpndv1.EntryState_ENTRY_STATE_INSTALLED,
	}}
	if d := cmp.Diff(wantN, neighbors, protocmp.Transform()); d != "" {
		t.Errorf("neighbors (-want +got):\n%s", d)
	}
}

func TestStatusAndPeers(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	res, err := b.GetStatus(t.Context(), &evpndv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	st := res.GetStatus()
	if st.GetUptime().AsDuration() < time.Hour {
		t.Errorf("uptime %v, want an hour", st.GetUptime().AsDuration())
	}
	want := &evpndv1.Status{
		Version: "1.2.3", RouterId: "172.30.0.1", Asn: 65000, Vteps: []string{"172.30.0.1"},
		Counts: &evpndv1.Counts{
			Peers: 2, PeersEstablished: 1, Vnis: 1, VnisNotServed: 1, Vteps: 1, LocalMacs: 1, RemoteMacs: 1,
			LocalNeighbors: 1, RemoteNeighbors: 1, RoutesReceived: 1, RoutesAdvertised: 3, KernelEntries: 5, KernelPending: 1,
		},
		Alarms: []*evpndv1.Alarm{{
			Kind: "no-bridge", Object: "vni 300 device vxlan300", Text: "it is in no bridge: ip link set vxlan300 master BRIDGE", Vni: 300, Interface: "vxlan300",
		}},
		AlarmsTotal: 1,
	}
	if d := cmp.Diff(want, st, protocmp.Transform(), protocmp.IgnoreFields(&evpndv1.Status{}, "started", "uptime", "process")); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}

	if p := st.GetProcess(); p.GetGoroutines() == 0 || p.GetOpenFiles() < 3 || p.GetResidentBytes() < 1<<20 {
		t.Errorf("process: %v", p)
	}

	pstream, err := b.ListPeers(t.Context(), &evpndv1.ListPeersRequest{})
	peers, _ := collect(t, pstream, err, (*evpndv1.ListPeersResponse).GetPeers)
	if len(peers) != 2 || peers[0].GetAddress() != "10.90.1.2" || peers[1].GetAddress() != "10.90.1.254" {
		t.Fatalf("peers are not in order: %v", peers)
	}
	up := peers[1]
	if up.GetState() != evpndv1.PeerState_PEER_STATE_ESTABLISHED || up.GetRoutesReceived() != 1 || up.GetRoutesAdvertised() != 3 ||
		up.GetUptime().AsDuration() < time.Minute || up.GetRoutesDiscarded()["bad-mac"] != 2 {
		t.Errorf("established peer: %v", up)
	}
	if down := peers[0]; down.GetState() != evpndv1.PeerState_PEER_STATE_ACTIVE || down.GetUptime() != nil {
		t.Errorf("peer that is down: %v", down)
	}

	if _, err := b.ResetPeer(t.Context(), &evpndv1.ResetPeerRequest{Address: "10.90.1.254"}); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]string{"10.90.1.254"}, b.sessions.resets); d != "" {
		t.Errorf("resets (-want +got):\n%s", d)
	}
	_, err = b.ResetPeer(t.Context(), &evpndv1.ResetPeerRequest{Address: "10.90.1.254", Soft: true})
	wantError(t, err, codes.FailedPrecondition, "10.90.1.254", "ROUTE-REFRESH")
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	ctx := t.Context()
	_, err := b.GetPeer(ctx, &evpndv1.GetPeerRequest{Address: "10.0.0.1"})
	wantError(t, err, codes.NotFound, "10.0.0.1")
	_, err = b.GetPeer(ctx, &evpndv1.GetPeerRequest{Address: "spine1"})
	wantError(t, err, codes.InvalidArgument, "spine1", "IP address")
	_, err = b.ResetPeer(ctx, &evpndv1.ResetPeerRequest{Address: "10.0.0.1"})
	wantError(t, err, codes.NotFound, "10.0.0.1")
	_, err = b.GetVNI(ctx, &evpndv1.GetVNIRequest{Vni: 1 << 24})
	wantError(t, err, codes.InvalidArgument, "16777216", "16777215")
	_, err = b.GetVNI(ctx, &evpndv1.GetVNIRequest{Vni: 400})
	wantError(t, err, codes.NotFound, "400")
	_, err = b.GetMAC(ctx, &evpndv1.GetMACRequest{Vni: 200, Mac: "0242"})
	wantError(t, err, codes.InvalidArgument, "0242")
	_, err = b.GetMAC(ctx, &evpndv1.GetMACRequest{Vni: 200, Mac: "02:42:00:00:00:99"})
	wantError(t, err, codes.NotFound, "02:42:00:00:00:99", "200")
	_, err = b.GetMAC(ctx, &evpndv1.GetMACRequest{Vni: 300, Mac: "02:42:00:00:00:99"})
	wantError(t, err, codes.NotFound, "300")
	_, err = b.ReloadConfig(ctx, &evpndv1.ReloadConfigRequest{})
	wantError(t, err, codes.FailedPrecondition, "configuration file")

	for _, c := range []struct {
		req   *evpndv1.ListRoutesRequest
		code  codes.Code
		words []string
	}{
		{&evpndv1.ListRoutesRequest{Type: 9}, codes.InvalidArgument, []string{"9"}},
		{&evpndv1.ListRoutesRequest{Mac: "x"}, codes.InvalidArgument, []string{`"x"`}},
		{&evpndv1.ListRoutesRequest{Mac: "00:00:00:00:00:00"}, codes.InvalidArgument, []string{"no host"}},
		{&evpndv1.ListRoutesRequest{Mac: "02:42:00:00:00:01", Type: 3}, codes.InvalidArgument, []string{"type 2"}},
		{&evpndv1.ListRoutesRequest{Peer: "10.0.0.1"}, codes.NotFound, []string{"10.0.0.1"}},
		{&evpndv1.ListRoutesRequest{Peer: "10.90.1.254", Direction: evpndv1.Direction_DIRECTION_ADVERTISED}, codes.InvalidArgument, []string{"every peer"}},
		{&evpndv1.ListRoutesRequest{Direction: 7}, codes.InvalidArgument, []string{"7"}},
	} {
		stream, err := b.ListRoutes(ctx, c.req)
		if err == nil {
			_, err = stream.Recv()
		}
		wantError(t, err, c.code, c.words...)
	}
	stream, err := b.ListMACs(ctx, &evpndv1.ListMACsRequest{Vtep: "172.30.0.2", Origin: evpndv1.Origin_ORIGIN_LOCAL})
	if err == nil {
		_, err = stream.Recv()
	}
	wantError(t, err, codes.InvalidArgument, "172.30.0.2")
}

// crowd is a view of n MACs in VNI 200, all behind one VTEP. It counts what
// it is asked in one step.
type crowd struct {
	view // nil: what is not overridden is not asked for
	n    int
	vnis []evpn.VNI // beside 200

	mu      sync.Mutex
	step    int
	longest int
	asked   []evpn.VNI // for their keys
}

func (c *crowd) look(ctx context.Context, f func(view)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = 0
	f(c)
	c.longest = max(c.longest, c.step)
	return nil
}

func (c *crowd) BDs() []evpn.BDStatus {
	all := []evpn.BDStatus{{VNI: 200}}
	for _, n := range c.vnis {
		all = append(all, evpn.BDStatus{VNI: n})
	}
	return all
}

func (c *crowd) MACKeys(n evpn.VNI) []evpn.MACKey {
	c.asked = append(c.asked, n)
	keys := make([]evpn.MACKey, c.n)
	for i := range keys {
		keys[i] = evpn.MACKey{VNI: 200, MAC: hostMAC(i)}
	}
	return keys
}

func (c *crowd) MAC(vni evpn.VNI, mac evpn.MAC) (evpn.MACStatus, bool) {
	c.step++
	if mac == hostMAC(5) {
		return evpn.MACStatus{}, false // went away since its key was taken
	}
	return evpn.MACStatus{
		MACKey: evpn.MACKey{VNI: vni, MAC: mac}, Via: evpn.Via{VTEP: addr("172.30.0.2"), VNI: vni},
		IPs: []netip.Addr{addr("172.18.0.11")},
	}, true
}

func TestManyMACsComeInPages(t *testing.T) {
	const n = 120_000
	c := &crowd{n: n}
	b := newBed(t, 0, c.look)
	began := time.Now()
	stream, err := b.ListMACs(t.Context(), &evpndv1.ListMACsRequest{})
	macs, largest := collect(t, stream, err, (*evpndv1.ListMACsResponse).GetMacs)
	t.Logf("%d MACs in %v", len(macs), time.Since(began).Round(time.Millisecond))
	if len(macs) != n-1 {
		t.Errorf("%d MACs, want %d: all but the one that went away", len(macs), n-1)
	}
	if largest > pageSize {
		t.Errorf("a page of %d, want at most %d", largest, pageSize)
	}
	if c.longest > stepSize {
		t.Errorf("the engine looked up %d MACs in one step, want at most %d", c.longest, stepSize)
	}
	for i := 1; i < len(macs); i++ {
		if macs[i-1].GetMac() >= macs[i].GetMac() {
			t.Fatalf("%s stands before %s", macs[i-1].GetMac(), macs[i].GetMac())
		}
	}
}

// The first page of a list does not wait for the keys of all VNIs.
func TestFirstPageNeedsOneVNI(t *testing.T) {
	c := &crowd{n: 300_000, vnis: []evpn.VNI{201, 202}}
	b := newBed(t, 0, c.look)
	stream, err := b.ListMACs(t.Context(), &evpndv1.ListMACsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	// Of the first VNI there is more than the connection takes unread.
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := []evpn.VNI{200}; !slices.Equal(c.asked, want) {
		t.Errorf("the keys of VNIs %v were taken for the first page, want %v", c.asked, want)
	}
}

// A client that stops reading leaves the server with the keys and a few
// pages, not with the whole list in messages.
func TestSlowReaderCostsNoMemory(t *testing.T) {
	const n = 300_000
	c := &crowd{n: n}
	b := newBed(t, 0, c.look)
	stream, err := b.ListMACs(t.Context(), &evpndv1.ListMACsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	// The keys take 12 bytes each.
	if m.HeapAlloc > 40<<20 {
		t.Errorf("%d MB are held for a reader that has read one page", m.HeapAlloc>>20)
	}
	got := pageSize
	for {
		res, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got += len(res.GetMacs())
	}
	if got != n-1 {
		t.Errorf("%d MACs, want %d", got, n-1)
	}
}

func TestHealthAndReflection(t *testing.T) {
	b := newBed(t, 0, nil)
	health := healthpb.NewHealthClient(b.conn)
	check := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, name := range []string{"", "evpnd.v1.AdminService"} {
			res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			if err != nil || res.GetStatus() != want {
				t.Errorf("health of %q: %v %v, want %v", name, res.GetStatus(), err, want)
			}
		}
		res, err := b.GetStatus(t.Context(), &evpndv1.GetStatusRequest{})
		if ready := want == healthpb.HealthCheckResponse_SERVING; err != nil || res.GetStatus().GetReady() != ready {
			t.Errorf("status says ready %v (%v), want %v", res.GetStatus().GetReady(), err, ready)
		}
	}
	check(healthpb.HealthCheckResponse_NOT_SERVING)
	b.srv.SetReady(true)
	check(healthpb.HealthCheckResponse_SERVING)

	stream, err := reflectpb.NewServerReflectionClient(b.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectpb.ServerReflectionRequest{
		MessageRequest: &reflectpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "evpnd.v1.AdminService.ListMACs"},
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil || res.GetErrorResponse() != nil {
		t.Errorf("reflection: %v, %v", res.GetErrorResponse(), err)
	}
	_ = stream.CloseSend()
}

// TestListsAskOnceAStep lists many MACs and neighbors, and watches them: the
// dataplane has one request for each step, not one for each of them.
func TestListsAskOnceAStep(t *testing.T) {
	const n = 2*stepSize + 1
	b := newBed(t, 0, nil)
	b.engine.step(
		&evpn.BDUp{VNI: 200, VTEP: addr("172.30.0.1")},
		&evpn.PeerUp{Peer: addr("10.90.1.254"), RouterID: addr("10.90.1.254"), Internal: true},
	)
	for i := range n {
		mac, ip := hostMAC(1), netip.AddrFrom4([4]byte{172, 18, byte(i >> 8), byte(i)})
		mac[3], mac[4] = byte(i>>8), byte(i)
		if i%2 == 0 {
			b.engine.step(&evpn.LocalMAC{VNI: 200, MAC: mac, Port: 7}, &evpn.LocalIP{VNI: 200, MAC: mac, IP: ip})
		} else {
			b.engine.step(remote(200, mac, ip.String(), "172.30.0.2", 0))
		}
	}
	requests := func(what string, most int, list func() int) {
		t.Helper()
		b.kernel.mu.Lock()
		before := b.kernel.asked
		b.kernel.mu.Unlock()
		if got := list(); got < n {
			t.Errorf("%s: %d objects, want %d", what, got, n)
		}
		b.kernel.mu.Lock()
		defer b.kernel.mu.Unlock()
		if asked := b.kernel.asked - before; asked > most {
			t.Errorf("%s: %d requests to the dataplane, want no more than %d", what, asked, most)
		}
	}
	requests("MACs", 3, func() int {
		stream, err := b.ListMACs(t.Context(), &evpndv1.ListMACsRequest{})
		macs, _ := collect(t, stream, err, (*evpndv1.ListMACsResponse).GetMacs)
		return len(macs)
	})
	requests("neighbors", 3, func() int {
		stream, err := b.ListNeighbors(t.Context(), &evpndv1.ListNeighborsRequest{})
		neighs, _ := collect(t, stream, err, (*evpndv1.ListNeighborsResponse).GetNeighbors)
		return len(neighs)
	})
	requests("watch", 6, func() (events int) {
		stream, err := b.Watch(t.Context(), &evpndv1.WatchRequest{})
		for err == nil {
			var res *evpndv1.WatchResponse
			if res, err = stream.Recv(); err != nil || res.GetSnapshotEnd() {
				break
			}
			events += len(res.GetEvents())
		}
		if err != nil {
			t.Fatal(err)
		}
		return events
	})
}
