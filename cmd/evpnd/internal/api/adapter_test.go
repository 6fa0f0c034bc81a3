package api

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// runPlane runs a Plane on a fake kernel with one VNI that can be served, one
// whose device is in no bridge, one that is not selected, and one that evpnd makes.
func runPlane(t *testing.T) *dataplane.Plane {
	t.Helper()
	k := fake.New()
	k.Add(kernel.Link{Name: "br200", Kind: "bridge"})
	k.SetUp("br200", true)
	for name, vni := range map[string]evpn.VNI{"vxlan200": 200, "vxlan300": 300, "vxlan400": 400} {
		k.Add(kernel.Link{Name: name, Kind: "vxlan", VXLAN: &kernel.VXLAN{
			VNI: vni, Port: topology.DefaultPort, Local: addr("172.30.0.1"),
		}})
		k.SetUp(name, true)
	}
	k.SetMaster("vxlan200", "br200")
	cfg := dataplane.Config{Topology: topology.Config{
		Select:   topology.Select{Ranges: []topology.Range{{First: 1, Last: 399}}},
		Declared: []topology.Declared{{VNI: 250, Bridge: "br250", Device: "vxlan250", Local: addr("172.30.0.1"), Port: topology.DefaultPort}},
	}}
	p := dataplane.New(k.Open(), cfg, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-p.Events():
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-p.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the Plane is not ready")
	}
	return p
}

// serverOf is a server, which does not serve, with a dataplane of its own.
func serverOf(plane *dataplane.Plane) *Server {
	hub := watch.New(1)
	return New(Deps{Core: newEngine(hub), Sessions: &sessions{}, Kernel: plane, Hub: hub, Info: func() Info { return Info{} }})
}

func TestDataplaneSide(t *testing.T) {
	plane := runPlane(t)
	s := serverOf(plane)

	vnis, err := s.vnis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	about := "it is about to be served"
	told := map[string]string{}
	managed := map[string]bool{}
	for _, v := range vnis {
		told[v.GetDevice()], managed[v.GetDevice()] = v.GetReason(), v.GetManaged()
	}
	if told["vxlan200"] != about || told["vxlan250"] != about || !strings.Contains(told["vxlan300"], "bridge") || told["vxlan400"] == "" || len(told) != 4 {
		t.Errorf("reasons not to serve devices: %q", told)
	}
	if d := cmp.Diff(map[string]bool{"vxlan200": false, "vxlan250": true, "vxlan300": false, "vxlan400": false}, managed); d != "" {
		t.Errorf("made by evpnd (-want +got):\n%s", d)
	}
	// A device without a bridge is a problem; one that is not selected is as
	// it was asked for.
	kinds := map[string]string{}
	for _, a := range s.Problems() {
		kinds[a.GetInterface()] = a.GetKind()
	}
	if kinds["vxlan300"] != "no-bridge" || kinds["vxlan400"] != "" {
		t.Errorf("problems by device: %v, want no-bridge of vxlan300 and none of vxlan400", kinds)
	}

	key := evpn.MACKey{VNI: 200, MAC: hostMAC(2)}
	if state, text := s.macState(false, key); state != evpndv1.EntryState_ENTRY_STATE_PENDING {
		t.Errorf("an entry that was not wished yet: %v %q, want pending", state, text)
	}
	plane.Deltas() <- evpn.Delta{FDB: []evpn.FDB{{VNI: 200, MAC: hostMAC(2), Via: evpn.Via{VNI: 200, VTEP: addr("172.30.0.2")}, Want: true}}}
	installed := func() bool {
		state, _ := s.macState(false, key)
		return state == evpndv1.EntryState_ENTRY_STATE_INSTALLED
	}
	for deadline := time.Now().Add(20 * time.Second); !installed(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the entry is not installed")
		}
	}
	res, err := s.GetStatus(t.Context(), &evpndv1.GetStatusRequest{})
	if c := res.GetStatus().GetCounts(); err != nil || c.GetKernelEntries() != 1 || c.GetKernelPending() != 0 || c.GetKernelFailed() != 0 {
		t.Errorf("counts %v (%v), want one entry, none pending or failed", c, err)
	}
}

func TestEntryState(t *testing.T) {
	for _, c := range []struct {
		state dataplane.EntryState
		err   error
		want  evpndv1.EntryState
		text  string
	}{
		{dataplane.Absent, nil, evpndv1.EntryState_ENTRY_STATE_PENDING, ""},
		{dataplane.Adopted, nil, evpndv1.EntryState_ENTRY_STATE_PENDING, ""},
		{dataplane.Pending, nil, evpndv1.EntryState_ENTRY_STATE_PENDING, ""},
		{dataplane.Installed, nil, evpndv1.EntryState_ENTRY_STATE_INSTALLED, ""},
		{dataplane.FailedNow, errors.New("no space"), evpndv1.EntryState_ENTRY_STATE_FAILED, "no space"},
	} {
		if got, text := entryState(false, c.state, c.err); got != c.want || text != c.text {
			t.Errorf("entryState(%s, %v) = %v, %q, want %v, %q", c.state, c.err, got, text, c.want, c.text)
		}
	}
}

func TestBGPPeer(t *testing.T) {
	status := bgp.PeerStatus{
		Address: addr("10.90.1.254"), Port: 179, AS: 65000, LocalAS: 65001, State: bgp.Established,
		Since: time.Now().Add(-time.Minute), LocalAddress: netip.MustParseAddrPort("10.90.1.1:34567"),
		RouterID: addr("10.0.0.9"), HoldTime: 9 * time.Second, MaxRoutes: 5, Received: bgp.Messages{Update: 4}, Established: 2, Advertised: 7,
	}
	status.Routes.Discarded[wire.DiscardASLoop] = 3
	want := &evpndv1.Peer{
		Address: "10.90.1.254", State: evpndv1.PeerState_PEER_STATE_ESTABLISHED, LocalAddress: "10.90.1.1", RoutesAdvertised: 7,
	}
	got := peer(&status, evpn.PeerStatus{Refused: 3})
	if got.GetMaxRoutes() != 5 || got.GetRoutesRefused() != 3 {
		t.Errorf("limit %d, %d refused, want 5 and 3", got.GetMaxRoutes(), got.GetRoutesRefused())
	}
	if got.GetAddress() != want.GetAddress() || got.GetState() != want.GetState() || got.GetLocalAddress() != want.GetLocalAddress() ||
		got.GetRoutesAdvertised() != want.GetRoutesAdvertised() || got.GetMessagesReceived().GetUpdate() != 4 {
		t.Errorf("established peer: %v", got)
	}
	if d := cmp.Diff(map[string]uint64{"as-path-loop": 3}, got.GetRoutesDiscarded()); d != "" {
		t.Errorf("discarded (-want +got):\n%s", d)
	}

	status.State, status.Advertised = bgp.Active, 0
	if got := peer(&status, evpn.PeerStatus{}); got.GetRoutesAdvertised() != 0 || got.GetUptime() != nil {
		t.Errorf("a peer without a session is told %d routes for %v", got.GetRoutesAdvertised(), got.GetUptime())
	}
}

// Every state that the sessions know has a name in the API.
func TestPeerStates(t *testing.T) {
	for _, s := range []bgp.State{bgp.Idle, bgp.Connect, bgp.Active, bgp.OpenSent, bgp.OpenConfirm, bgp.Established} {
		if got := peerState(s).String(); got != "PEER_STATE_"+strings.ToUpper(string(s)) {
			t.Errorf("state %s is told as %s", s, got)
		}
	}
}
