package api

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// toAndFro has the remote host 2, which is behind 172.30.0.2 with sequence 4,
// announced by two VTEPs in turn, n times, each time with a higher sequence.
func (b *bed) toAndFro(n int) {
	for i := range n {
		b.engine.step(remote(200, hostMAC(2), "172.18.0.11", fmt.Sprintf("172.30.0.%d", 3-i%2), uint32(5+i)))
	}
}

func moveTexts(moves []*evpndv1.Move) (out []string) {
	where := func(p *evpndv1.Place) string {
		if p.GetOrigin() == evpndv1.Origin_ORIGIN_UNSPECIFIED {
			return "nowhere"
		}
		return p.GetInterface() + p.GetVtep()
	}
	for _, m := range moves {
		out = append(out, fmt.Sprintf("%s -> %s seq %d", where(m.GetFrom()), where(m.GetTo()), m.GetSequence()))
	}
	return out
}

// A MAC that moved 5 times within 180 s is frozen where it was before the last
// move (RFC 7432 §15.1), says so everywhere, and goes on when it is let go.
func TestFrozenMAC(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	const name, mac = "mac 200 02:42:00:00:00:02", "02:42:00:00:00:02"
	f := follow(t, b, "", evpndv1.Kind_KIND_MAC)
	want := map[string]string{
		"mac 200 02:42:00:00:00:01": "veth7" + local,
		name:                        "172.30.0.2" + installed,
	}
	f.until(want)
	b.toAndFro(5)
	want[name] = "172.30.0.2" + installed + " frozen"
	f.until(want)

	get := func() *evpndv1.GetMACResponse {
		t.Helper()
		res, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: mac})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := get()
	if m := res.GetMac(); !m.GetFrozen() || m.GetMoves() != 5 || m.GetFrozenSince().AsTime() != time.Unix(1_000_000, 0).UTC() {
		t.Errorf("frozen %v since %v after %d moves, want it after 5 at the engine's time", m.GetFrozen(), m.GetFrozenSince().AsTime(), m.GetMoves())
	}
	moves := []string{
		"172.30.0.2 -> 172.30.0.3 seq 5", "172.30.0.3 -> 172.30.0.2 seq 6",
		"172.30.0.2 -> 172.30.0.3 seq 7", "172.30.0.3 -> 172.30.0.2 seq 8",
	}
	if d := cmp.Diff(moves, moveTexts(res.GetHistory())); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	for _, r := range res.GetReceived() {
		if chosen := r.GetNextHop() == "172.30.0.2"; r.GetChosen() != chosen || chosen == (r.GetReason() != "") {
			t.Errorf("route by %s: chosen %v, reason %q", r.GetNextHop(), r.GetChosen(), r.GetReason())
		}
	}
	if n := len(res.GetReceived()); n != 2 {
		t.Errorf("%d routes, want those of both VTEPs", n)
	}
	// No local frame may take a frozen entry away.
	if k := res.GetKernel(); len(k) == 0 || k[0].GetWanted() != mac+" dev vxlan200 dst 172.30.0.2 extern_learn sticky" {
		t.Errorf("the kernel should hold %v, want the MAC as sticky", k)
	}
	if a := res.GetAlarms(); len(a) != 1 || a[0].GetKind() != string(evpn.AlarmDuplicateMAC) {
		t.Errorf("alarms %v, want %s", a, evpn.AlarmDuplicateMAC)
	}

	if _, err := b.Unfreeze(t.Context(), &evpndv1.UnfreezeRequest{Vni: 200, Mac: mac}); err != nil {
		t.Fatal(err)
	}
	b.engine.step() // a daemon publishes after each call
	want[name] = "172.30.0.3" + installed
	f.until(want)
	if m := get().GetMac(); m.GetFrozen() || m.GetFrozenSince() != nil || m.GetMoves() != 0 {
		t.Errorf("after it was let go: frozen %v since %v, %d moves", m.GetFrozen(), m.GetFrozenSince(), m.GetMoves())
	}
	_, err := b.Unfreeze(t.Context(), &evpndv1.UnfreezeRequest{Vni: 200, Mac: mac})
	wantError(t, err, codes.FailedPrecondition, mac, "200", "not frozen")

	history, err := b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Vni: 200, Mac: mac})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(append(moves, "172.30.0.2 -> 172.30.0.3 seq 9"), moveTexts(history.GetMoves())); d != "" {
		t.Errorf("history after it was let go (-want +got):\n%s", d)
	}
}

// An address that two hosts claim in turn is frozen with one of them (RFC 9161
// §3.7).
func TestFrozenIP(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	const ip = "172.18.0.20"
	b.engine.step(&evpn.LocalMAC{VNI: 200, MAC: hostMAC(5), Port: 7}, &evpn.LocalMAC{VNI: 200, MAC: hostMAC(6), Port: 7})
	for i := range 6 { // once to be there, then five times to move
		b.engine.step(&evpn.LocalIP{VNI: 200, IP: addr(ip), MAC: hostMAC(5 + i%2)})
	}
	frozen := func() map[string]bool {
		stream, err := b.ListNeighbors(t.Context(), &evpndv1.ListNeighborsRequest{})
		list, _ := collect(t, stream, err, (*evpndv1.ListNeighborsResponse).GetNeighbors)
		out := make(map[string]bool)
		for _, n := range list {
			out[n.GetIp()] = n.GetFrozen()
		}
		return out
	}
	if d := cmp.Diff(map[string]bool{ip: true, "172.18.0.10": false, "172.18.0.11": false}, frozen()); d != "" {
		t.Fatalf("frozen (-want +got):\n%s", d)
	}
	if _, err := b.Unfreeze(t.Context(), &evpndv1.UnfreezeRequest{Vni: 200, Ip: ip}); err != nil {
		t.Fatal(err)
	}
	if frozen()[ip] {
		t.Error("it is frozen after it was let go")
	}
	_, err := b.Unfreeze(t.Context(), &evpndv1.UnfreezeRequest{Vni: 200, Ip: ip})
	wantError(t, err, codes.FailedPrecondition, ip, "not frozen")
}

func TestUnfreezeSaysWhatIsWrong(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	for _, c := range []struct {
		req   *evpndv1.UnfreezeRequest
		code  codes.Code
		words []string
	}{
		{&evpndv1.UnfreezeRequest{Vni: 200}, codes.InvalidArgument, []string{"either a MAC or an IP address"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Mac: "02:42:00:00:00:01", Ip: "10.0.0.1"}, codes.InvalidArgument, []string{"either"}},
		{&evpndv1.UnfreezeRequest{Mac: "02:42:00:00:00:01"}, codes.InvalidArgument, []string{"VNI 0"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Mac: "web1"}, codes.InvalidArgument, []string{"web1"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Ip: "web1"}, codes.InvalidArgument, []string{"web1"}},
		{&evpndv1.UnfreezeRequest{Vni: 300, Mac: "02:42:00:00:00:01"}, codes.NotFound, []string{"VNI 300 is not served"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Mac: "02:42:00:00:00:99"}, codes.NotFound, []string{"02:42:00:00:00:99", "200"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Ip: "10.0.0.1"}, codes.NotFound, []string{"10.0.0.1", "200"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Mac: "02:42:00:00:00:01"}, codes.FailedPrecondition, []string{"02:42:00:00:00:01", "not frozen"}},
		{&evpndv1.UnfreezeRequest{Vni: 200, Ip: "172.18.0.10"}, codes.FailedPrecondition, []string{"172.18.0.10", "not frozen"}},
	} {
		_, err := b.Unfreeze(t.Context(), c.req)
		wantError(t, err, c.code, c.words...)
	}
}

// A MAC is found in each VNI that knows anything of it, also when it is not
// there any more.
func TestFindMAC(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	b.engine.step(
		&evpn.BDUp{VNI: 201, VTEP: addr("172.30.0.1")},
		&evpn.LocalMAC{VNI: 201, MAC: hostMAC(2), Port: 7},
	)
	find := func(mac string) []uint32 {
		t.Helper()
		res, err := b.FindMAC(t.Context(), &evpndv1.FindMACRequest{Mac: mac})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetVnis()
	}
	if d := cmp.Diff([]uint32{200, 201}, find("02:42:00:00:00:02")); d != "" {
		t.Errorf("VNIs of a MAC that is in two (-want +got):\n%s", d)
	}
	if got := find("02:42:00:00:00:99"); len(got) != 0 {
		t.Errorf("a MAC that nobody has is in %v", got)
	}
	_, err := b.FindMAC(t.Context(), &evpndv1.FindMACRequest{Mac: "web1"})
	wantError(t, err, codes.InvalidArgument, "web1")

	// A route that cannot be used is something to show too: VXLAN is not what
	// it is for (RFC 8365 §5.1.3).
	r := remote(200, hostMAC(3), "", "172.30.0.3", 0)
	r.Updates[0].Attrs.Encap = evpn.EncapOther
	b.engine.step(r)
	if d := cmp.Diff([]uint32{200}, find("02:42:00:00:00:03")); d != "" {
		t.Errorf("VNIs of a MAC whose route is not used (-want +got):\n%s", d)
	}
	// And so is why it went away.
	b.engine.step(remote(200, hostMAC(4), "", "172.30.0.2", 0))
	moved := remote(200, hostMAC(4), "", "172.30.0.3", 1)
	b.engine.step(moved)
	b.engine.step(withdraw(remote(200, hostMAC(4), "", "172.30.0.2", 0)), withdraw(moved))
	if d := cmp.Diff([]uint32{200}, find("02:42:00:00:00:04")); d != "" {
		t.Errorf("VNIs of a MAC that is gone (-want +got):\n%s", d)
	}
	res, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: "02:42:00:00:00:04"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"172.30.0.2 -> 172.30.0.3 seq 1", "172.30.0.3 -> nowhere seq 0"}, moveTexts(res.GetHistory())); d != "" {
		t.Errorf("history of a MAC that is gone (-want +got):\n%s", d)
	}
	if m := res.GetMac(); m.GetReason() == "" || m.GetVtep() != "" {
		t.Errorf("a MAC that is gone: %v", m)
	}
}

func TestHistorySaysWhatIsWrong(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	_, err := b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Mac: "02:42:00:00:00:01"})
	wantError(t, err, codes.InvalidArgument, "VNI 0")
	_, err = b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Vni: 200, Mac: "x"})
	wantError(t, err, codes.InvalidArgument, `"x"`)
	_, err = b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Vni: 300, Mac: "02:42:00:00:00:01"})
	wantError(t, err, codes.NotFound, "VNI 300")
	_, err = b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Vni: 200, Mac: "02:42:00:00:00:99"})
	wantError(t, err, codes.NotFound, "02:42:00:00:00:99")
	res, err := b.GetMACHistory(t.Context(), &evpndv1.GetMACHistoryRequest{Vni: 200, Mac: "02:42:00:00:00:01"})
	if err != nil || len(res.GetMoves()) != 0 {
		t.Errorf("a MAC that never moved: %v, %v", res.GetMoves(), err)
	}
}

// What the kernel should hold of a MAC and its addresses is said in its own
// words, with how far that is so.
func TestKernelEntries(t *testing.T) {
	b := newBed(t, 0, nil)
	b.serving()
	b.kernel.setMAC(evpn.MACKey{VNI: 200, MAC: hostMAC(2)}, dataplane.FailedNow, errors.New("no space left on device"))
	lines := func(mac string) (out []string) {
		t.Helper()
		res, err := b.GetMAC(t.Context(), &evpndv1.GetMACRequest{Vni: 200, Mac: mac})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range res.GetKernel() {
			out = append(out, k.GetWanted()+": "+k.GetState().String()+" "+k.GetError())
		}
		return out
	}
	want := []string{
		"02:42:00:00:00:02 dev vxlan200 dst 172.30.0.2 extern_learn: ENTRY_STATE_FAILED no space left on device",
		"172.18.0.11 dev br200 lladdr 02:42:00:00:00:02 extern_learn: ENTRY_STATE_INSTALLED ",
	}
	if d := cmp.Diff(want, lines("02:42:00:00:00:02")); d != "" {
		t.Errorf("remote (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"02:42:00:00:00:01 dev veth7 master br200: ENTRY_STATE_LOCAL "}, lines("02:42:00:00:00:01")); d != "" {
		t.Errorf("local (-want +got):\n%s", d)
	}
}
