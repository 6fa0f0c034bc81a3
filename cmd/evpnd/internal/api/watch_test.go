package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// follower keeps what a watch tells, as a client would.
type follower struct {
	t         *testing.T
	stream    grpc.ServerStreamingClient[evpndv1.WatchResponse]
	cancel    context.CancelFunc
	objects   map[string]string // what is there, by name
	token     string
	snapshots int
	inside    bool // a snapshot is not at its end
}

func follow(t *testing.T, b *bed, token string, kinds ...evpndv1.Kind) *follower {
	t.Helper()
	// Bounds every wait of the test.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := b.Watch(ctx, &evpndv1.WatchRequest{Kinds: kinds, ResumeToken: token})
	if err != nil {
		t.Fatal(err)
	}
	return &follower{t: t, stream: stream, cancel: cancel, objects: make(map[string]string)}
}

// step takes one message in.
func (f *follower) step() error {
	res, err := f.stream.Recv()
	if err != nil {
		return err
	}
	if res.GetSnapshotBegin() {
		f.snapshots++
		f.inside = true
		clear(f.objects)
	}
	if f.inside && !res.GetSnapshotEnd() && res.GetResumeToken() != "" {
		f.t.Error("a resume token in the middle of a snapshot")
	}
	for _, e := range res.GetEvents() {
		name, text := eventText(e)
		if e.GetType() == evpndv1.EventType_EVENT_TYPE_DELETED {
			delete(f.objects, name)
		} else {
			f.objects[name] = text
		}
	}
	if res.GetSnapshotEnd() {
		f.inside = false
	}
	if res.GetResumeToken() != "" {
		f.token = res.GetResumeToken()
	}
	return nil
}

// until takes messages in until what is known is want.
func (f *follower) until(want map[string]string) {
	f.t.Helper()
	for f.inside || f.token == "" || !cmp.Equal(want, f.objects) {
		if err := f.step(); err != nil {
			f.t.Fatalf("watch ended (%v) before what it told was as it should (-want +got):\n%s", err, cmp.Diff(want, f.objects))
		}
	}
}

func eventText(e *evpndv1.Event) (name, text string) {
	switch o := e.GetObject().(type) {
	case *evpndv1.Event_Mac:
		m := o.Mac
		text := m.GetVtep() + m.GetInterface() + " " + m.GetState().String()
		if m.GetFrozen() {
			text += " frozen"
		}
		return fmt.Sprintf("mac %d %s", m.GetVni(), m.GetMac()), text
	case *evpndv1.Event_Neighbor:
		return fmt.Sprintf("neighbor %d %s", o.Neighbor.GetVni(), o.Neighbor.GetIp()), o.Neighbor.GetMac()
	case *evpndv1.Event_Vni:
		return fmt.Sprintf("vni %d", o.Vni.GetVni()), fmt.Sprintf("served %v", o.Vni.GetServed())
	case *evpndv1.Event_Vtep:
		return "vtep " + o.Vtep.GetAddress(), fmt.Sprintf("%d macs", o.Vtep.GetMacs())
	case *evpndv1.Event_Peer:
		return "peer " + o.Peer.GetAddress(), o.Peer.GetState().String()
	case *evpndv1.Event_Alarms:
		return "alarms", fmt.Sprintf("%d", o.Alarms.GetTotal())
	}
	return "unknown", ""
}

const (
	installed = " ENTRY_STATE_INSTALLED"
	local     = " ENTRY_STATE_LOCAL"
)

func TestWatchSnapshotThenChanges(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	f := follow(t, b, "")
	want := map[string]string{
		"mac 200 02:42:00:00:00:01": "veth7" + local,
		"mac 200 02:42:00:00:00:02": "172.30.0.2" + installed,
		"neighbor 200 172.18.0.10":  "02:42:00:00:00:01",
		"neighbor 200 172.18.0.11":  "02:42:00:00:00:02",
		"vni 200":                   "served true",
		"vni 300":                   "served false",
		"vtep 172.30.0.2":           "1 macs",
		"peer 10.90.1.254":          "PEER_STATE_ESTABLISHED",
		"peer 10.90.1.2":            "PEER_STATE_ACTIVE",
		"alarms":                    "1",
	}
	f.until(want)

	// A MAC moves to another VTEP, its old one is gone.
	b.engine.step(withdraw(remote(200, hostMAC(2), "172.18.0.11", "172.30.0.2", 4)), remote(200, hostMAC(2), "172.18.0.11", "172.30.0.3", 5))
	want["mac 200 02:42:00:00:00:02"] = "172.30.0.3" + installed
	want["vtep 172.30.0.3"] = "1 macs"
	delete(want, "vtep 172.30.0.2")
	f.until(want)

	b.engine.step(&evpn.LocalMACGone{VNI: 200, MAC: hostMAC(1)})
	delete(want, "mac 200 02:42:00:00:00:01")
	delete(want, "neighbor 200 172.18.0.10")
	f.until(want)

	// What the engine does not know of: a session, a problem.
	b.sessions.mu.Lock()
	b.sessions.peers[0].State = "idle"
	b.sessions.problems = []bgp.Problem{{Kind: bgp.ProblemListen, Err: errors.New("port 179 is taken")}}
	b.sessions.mu.Unlock()
	want["peer 10.90.1.254"] = "PEER_STATE_IDLE"
	want["alarms"] = "2"
	f.until(want)
	if f.snapshots != 1 {
		t.Errorf("%d snapshots, want 1", f.snapshots)
	}
}

func TestWatchTellsWhenAnEntryIsWritten(t *testing.T) {
	b := newBed(t, 0, nil)
	b.kernel.setMAC(evpn.MACKey{VNI: 200, MAC: hostMAC(2)}, dataplane.Pending, nil)
	b.serving()
	f := follow(t, b, "", evpndv1.Kind_KIND_MAC)
	want := map[string]string{
		"mac 200 02:42:00:00:00:01": "veth7" + local,
		"mac 200 02:42:00:00:00:02": "172.30.0.2 ENTRY_STATE_PENDING",
	}
	f.until(want)
	b.kernel.setMAC(evpn.MACKey{VNI: 200, MAC: hostMAC(2)}, dataplane.Installed, nil)
	want["mac 200 02:42:00:00:00:02"] = "172.30.0.2" + installed
	f.until(want)
}

func TestWatchResumes(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	kinds := []evpndv1.Kind{evpndv1.Kind_KIND_MAC}
	f := follow(t, b, "", kinds...)
	f.until(map[string]string{
		"mac 200 02:42:00:00:00:01": "veth7" + local,
		"mac 200 02:42:00:00:00:02": "172.30.0.2" + installed,
	})
	f.cancel()

	b.engine.step(remote(200, hostMAC(3), "", "172.30.0.3", 0))
	again := follow(t, b, f.token, kinds...)
	again.until(map[string]string{"mac 200 02:42:00:00:00:03": "172.30.0.3" + installed})
	if again.snapshots != 0 {
		t.Error("a watch that resumes was given a snapshot")
	}

	for name, token := range map[string]string{"of another process": "0000000000000000.8.1", "nonsense": "x"} {
		fresh := follow(t, b, token, kinds...)
		fresh.until(map[string]string{
			"mac 200 02:42:00:00:00:01": "veth7" + local,
			"mac 200 02:42:00:00:00:02": "172.30.0.2" + installed,
			"mac 200 02:42:00:00:00:03": "172.30.0.3" + installed,
		})
		if fresh.snapshots != 1 {
			t.Errorf("token %s: %d snapshots, want 1", name, fresh.snapshots)
		}
	}
}

// A reader that stands still while far more changes than the ring holds is
// given another snapshot, and ends up knowing what is so.
func TestWatchSlowReaderGetsAnotherSnapshot(t *testing.T) {
	b := newBed(t, 64, nil)
	b.serving()
	f := follow(t, b, "", evpndv1.Kind_KIND_MAC)
	for f.token == "" {
		if err := f.step(); err != nil {
			t.Fatal(err)
		}
	}
	// Hosts that move so often would count as duplicates.
	cfg := evpn.DefaultConfig(65000, addr("172.30.0.1"))
	cfg.Duplicate.Off = true
	b.engine.step(&evpn.Configure{Config: cfg})
	// More than gRPC's windows hold, so that the server is stopped as well.
	const hosts, rounds = 2000, 12
	for round := range rounds {
		vtep := fmt.Sprintf("172.30.1.%d", round+1)
		for i := range hosts {
			b.engine.step(remote(200, hostMAC(1000+i), "", vtep, uint32(round)))
		}
	}
	want := map[string]string{
		"mac 200 02:42:00:00:00:01": "veth7" + local,
		"mac 200 02:42:00:00:00:02": "172.30.0.2" + installed,
	}
	for i := range hosts {
		want[fmt.Sprintf("mac 200 %s", hostMAC(1000+i))] = fmt.Sprintf("172.30.1.%d", rounds) + installed
	}
	f.until(want)
	if f.snapshots < 2 {
		t.Errorf("%d snapshots, want another one for the changes that were lost", f.snapshots)
	}
}

func TestWatchRefusesUnknownKinds(t *testing.T) {
	b := newBed(t, 0, nil)
	f := follow(t, b, "", evpndv1.Kind(42))
	wantError(t, f.step(), codes.InvalidArgument, "42")
}

func TestStopEndsWatches(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	f := follow(t, b, "")
	if err := f.step(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.stop()
	if d := time.Since(began); d >= stopGrace {
		t.Errorf("stopping took %v: the watch had to be killed", d)
	}
	var err error
	for err == nil {
		err = f.step()
	}
	if errors.Is(err, io.EOF) {
		t.Fatal("the watch ended as if it were complete")
	}
	wantError(t, err, codes.Unavailable, "stopping")
}
