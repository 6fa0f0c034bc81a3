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
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// runPlane runs a Plane on a fake kernel with one VNI that can be served, one
// whose device is in no bridge, and one that is not selected.
func runPlane(t *testing.T) *dataplane.Plane {
	t.Helper()
	k := fake.New()
	k.Add(dataplane.Link{Name: "br200", Kind: "bridge"})
	k.SetUp("br200", true)
	for name, vni := range map[string]evpn.VNI{"vxlan200": 200, "vxlan300": 300, "vxlan400": 400} {
		k.Add(dataplane.Link{Name: name, Kind: "vxlan", VXLAN: &dataplane.VXLAN{
			VNI: vni, Port: topology.DefaultPort, Local: addr("172.30.0.1"),
		}})
		k.SetUp(name, true)
	}
	k.SetMaster("vxlan200", "br200")
	cfg := dataplane.Config{Topology: topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 1, Last: 399}}}}}
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

func TestDataplaneSide(t *testing.T) {
	plane := runPlane(t)
	side := Dataplane(plane)

	served := map[string]bool{}
	for _, d := range side.Devices() {
		served[d.Name] = d.Served
		if d.Served != (d.Reason == "") {
			t.Errorf("device %s: served %v, reason %q", d.Name, d.Served, d.Reason)
		}
	}
	if d := cmp.Diff(map[string]bool{"vxlan200": true, "vxlan300": false, "vxlan400": false}, served); d != "" {
		t.Errorf("served (-want +got):\n%s", d)
	}
	// A device without a bridge is a problem; one that is not selected is as
	// it was asked for.
	about := map[string]string{}
	for _, p := range side.Problems() {
		about[p.Device] = p.Kind
	}
	if about["vxlan300"] != "no-bridge" || about["vxlan400"] != "" {
		t.Errorf("problems by device: %v, want no-bridge of vxlan300 and none of vxlan400", about)
	}

	key := evpn.MACKey{VNI: 200, MAC: hostMAC(2)}
	if e := side.MAC(key); e.State != Pending {
		t.Errorf("an entry that was not wished yet: %+v, want pending", e)
	}
	plane.Deltas() <- evpn.Delta{FDB: []evpn.FDB{{VNI: 200, MAC: hostMAC(2), Via: evpn.Via{VTEP: addr("172.30.0.2"), VNI: 200}, Want: true}}}
	for deadline := time.Now().Add(20 * time.Second); side.MAC(key).State != Installed; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("entry %+v, want installed", side.MAC(key))
		}
	}
	if d := cmp.Diff(KernelStats{Entries: 1}, side.Stats()); d != "" {
		t.Errorf("stats (-want +got):\n%s", d)
	}
}

func TestEntryOf(t *testing.T) {
	for _, c := range []struct {
		state dataplane.EntryState
		err   error
		want  Entry
	}{
		{dataplane.Absent, nil, Entry{State: Pending}},
		{dataplane.Adopted, nil, Entry{State: Pending}},
		{dataplane.Pending, nil, Entry{State: Pending}},
		{dataplane.Installed, nil, Entry{State: Installed}},
		{dataplane.FailedNow, errors.New("no space"), Entry{State: Failed, Err: "no space"}},
	} {
		if got := entryOf(c.state, c.err); got != c.want {
			t.Errorf("entryOf(%s, %v) = %+v, want %+v", c.state, c.err, got, c.want)
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
	p := bgpPeer(&status)
	want := &evpndv1.Peer{
		Address: "10.90.1.254", State: evpndv1.PeerState_PEER_STATE_ESTABLISHED, LocalAddress: "10.90.1.1", RoutesAdvertised: 7,
	}
	got := peer(&p, evpn.PeerStatus{Refused: 3})
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
	p = bgpPeer(&status)
	if got := peer(&p, evpn.PeerStatus{}); got.GetRoutesAdvertised() != 0 || got.GetUptime() != nil {
		t.Errorf("a peer without a session is told %d routes for %v", got.GetRoutesAdvertised(), got.GetUptime())
	}
}

// Every state that the sessions know has a name in the API.
func TestPeerStates(t *testing.T) {
	for _, s := range []bgp.State{bgp.Idle, bgp.Connect, bgp.Active, bgp.OpenSent, bgp.OpenConfirm, bgp.Established} {
		if got := peerState(string(s)).String(); got != "PEER_STATE_"+strings.ToUpper(string(s)) {
			t.Errorf("state %s is told as %s", s, got)
		}
	}
}
