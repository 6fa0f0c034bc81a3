package daemon

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

const (
	diffHead = "bgp: {asn: 65000}\nvtep: {address: 10.0.0.1}\nvnis:\n"
	diffBase = diffHead + "  settings: [{vni: 200, create: {}}, {vni: 300, create: {}, import: ['65000:300']}]\n"
)

// populated runs a daemon with two VNIs, remote hosts in both, and local ones
// in the first.
func populated(t *testing.T) *Daemon {
	d := newDaemon(t, diffBase)
	until(t, "both VNIs are served", func() (ok bool) {
		do(t, d, func(e *evpn.Engine) { ok = len(e.BDs()) == 2 })
		return ok
	})
	peer := netip.MustParseAddr("10.9.9.9")
	host := func(i byte) evpn.MAC { return evpn.MAC{2, 0, 0, 0, 0, i} }
	route := func(vni evpn.VNI, to string, targets ...evpn.RT) *evpn.Routes {
		vtep := netip.MustParseAddr(to)
		rd := evpn.NewRD(vtep, uint16(vni))
		a := &evpn.Attrs{NextHop: vtep, Encap: evpn.EncapVXLAN, Targets: targets, LocalPref: 100}
		flood := *a
		flood.PMSI = evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: vni, Endpoint: vtep}
		r := &evpn.Routes{Peer: peer, Updates: []evpn.Update{
			{Attrs: &flood, Reach: []evpn.Route{{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: rd, IP: vtep}}}},
			{Attrs: a},
		}}
		for i := range byte(3) {
			n := evpn.NLRI{Type: evpn.MACIP, RD: rd, MAC: host(byte(vni) + 10*vtep.As4()[3] + i)}
			n.IP = netip.AddrFrom4([4]byte{172, 18, byte(vni), n.MAC[5]})
			r.Updates[1].Reach = append(r.Updates[1].Reach, evpn.Route{NLRI: n, Label: vni})
		}
		return r
	}
	do(t, d, func(e *evpn.Engine) {
		for _, ev := range []evpn.Event{
			&evpn.PeerUp{Peer: peer, RouterID: peer, Internal: true},
			route(200, "10.0.0.2", evpn.NewRT(65000, 200)),
			route(200, "10.0.0.3", evpn.NewRT(65000, 200), evpn.NewRT(65000, 777)),
			route(300, "10.0.0.2", evpn.NewRT(65000, 300)),
			&evpn.LocalMAC{VNI: 200, MAC: host(1), Port: 77},
			&evpn.LocalIP{VNI: 200, MAC: host(1), IP: netip.MustParseAddr("172.18.0.1")},
		} {
			e.Step(ev)
		}
	})
	return d
}

func do(t *testing.T, d *Daemon, f func(*evpn.Engine)) {
	t.Helper()
	if err := d.core.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// TestDiffIsWhatReloadDoes foretells what several files would change, then has
// them reloaded: entries and routes must change as foretold, and nothing
// before.
func TestDiffIsWhatReloadDoes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		vnis       int // in which something changes
		// What must be foretold at the least, so that nothing is compared
		// with nothing.
		goes, routes, flood uint64
		change              string
	}{
		{"nothing", diffBase, 0, 0, 0, 0, ""},
		{"VNI not created any more", diffHead + "  settings: [{vni: 300, create: {}, import: ['65000:300']}]\n", 1, 6, 3, 2, "goes"},
		{"import target", strings.Replace(diffBase, "{vni: 200, create: {}}", "{vni: 200, create: {}, import: ['*:777']}", 1), 1, 3, 0, 1, ""},
		{"import target of another VNI", strings.Replace(diffBase, "'65000:300'", "'65000:300', '65000:777'", 1), 1, 0, 0, 0, ""},
		{"export target", strings.Replace(diffBase, "{vni: 200, create: {}}", "{vni: 200, create: {}, export: ['65000:5']}", 1), 1, 0, 3, 0, ""},
		{"rd", strings.Replace(diffBase, "{vni: 200, create: {}}", "{vni: 200, create: {}, rd: '10.0.0.1:9'}", 1), 1, 0, 6, 0, ""},
		{"flood off", diffBase + "  flood: false\n", 2, 0, 1, 2, ""},
		{"AS", strings.Replace(diffBase, "65000}", "65001}", 1), 2, 0, 3, 0, ""},
		{"sticky", strings.Replace(diffBase, "{vni: 200, create: {}}", "{vni: 200, create: {}, sticky: ['02:00:00:00:00:01']}", 1), 1, 0, 2, 0, ""},
		{"a VNI comes", strings.Replace(diffBase, "settings: [", "settings: [{vni: 400, create: {}, import: ['*:777']}, ", 1), 1, 0, 1, 0, "comes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := populated(t)
			before := snapshots(t, d)
			got, err := d.diff(t.Context(), []byte(c.text), "new.yaml", 1000, func(string) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if len(got.GetVnis()) != c.vnis {
				t.Fatalf("%d VNIs change, want %d: %v", len(got.GetVnis()), c.vnis, got)
			}
			foretold := map[evpn.VNI]*evpndv1.VNIChange{}
			for i, v := range got.GetVnis() {
				foretold[evpn.VNI(v.GetVni())] = v
				if n := v.GetRoutes(); i == 0 && (v.GetMacs().GetGo() != c.goes || n.GetCome()+n.GetGo()+n.GetChange() != c.routes || v.GetFlood().GetGo() != c.flood || v.GetChange() != c.change) {
					t.Errorf("foretold %v", v)
				}
			}
			for n, s := range snapshots(t, d) {
				if same := compared(before[n], s); !none(same.Routes) || !none(same.Macs) || !none(same.Flood) {
					t.Fatalf("to foretell changed VNI %d: %v", n, same)
				}
			}
			if err := os.WriteFile(d.opt.Path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := d.reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			var after map[evpn.VNI]snapshot
			until(t, "the VNIs are as foretold", func() bool {
				after = snapshots(t, d)
				_, here := after[400]
				_, gone := after[200]
				return here == (c.change == "comes") && gone == (c.change != "goes")
			})
			if c.name != "nothing" {
				resend(t, d)
				after = snapshots(t, d)
			}
			for n := range before {
				want := compared(before[n], after[n])
				have := foretold[n]
				if have == nil {
					have = compared(snapshot{}, snapshot{})
				}
				for _, x := range [][2]*evpndv1.Effect{
					{have.Routes, want.Routes}, {have.Flood, want.Flood}, {have.Macs, want.Macs}, {have.Neighbors, want.Neighbors},
				} {
					if !proto.Equal(x[0], x[1]) {
						t.Errorf("VNI %d: foretold %v, happened %v", n, have, want)
						break
					}
				}
			}
		})
	}
}

func compared(a, b snapshot) *evpndv1.VNIChange {
	out := &evpndv1.VNIChange{}
	for _, m := range []*map[string]string{&a.flood, &a.macs, &a.neighbor} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	compare(out, a, b, 100)
	return out
}

// snapshots are what is so in the VNIs that are served, by the engine itself.
func snapshots(t *testing.T, d *Daemon) map[evpn.VNI]snapshot {
	out := map[evpn.VNI]snapshot{}
	do(t, d, func(e *evpn.Engine) {
		for _, v := range e.BDs() {
			out[v.VNI] = snapshotOf(e, v.VNI)
		}
	})
	return out
}

// resend does what a peer does that is asked for its routes.
func resend(t *testing.T, d *Daemon) {
	peer := netip.MustParseAddr("10.9.9.9")
	vtep := netip.MustParseAddr("10.0.0.3")
	a := &evpn.Attrs{NextHop: vtep, Encap: evpn.EncapVXLAN, Targets: []evpn.RT{evpn.NewRT(65000, 200), evpn.NewRT(65000, 777)}, LocalPref: 100}
	flood := *a
	flood.PMSI = evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: 200, Endpoint: vtep}
	r := &evpn.Routes{Peer: peer, Updates: []evpn.Update{{Attrs: &flood, Reach: []evpn.Route{{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: evpn.NewRD(vtep, 200), IP: vtep}}}}, {Attrs: a}}}
	for i := range byte(3) {
		m := evpn.MAC{2, 0, 0, 0, 0, 200 + 30 + i}
		r.Updates[1].Reach = append(r.Updates[1].Reach, evpn.Route{Label: 200, NLRI: evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(vtep, 200), MAC: m, IP: netip.AddrFrom4([4]byte{172, 18, 200, m[5]})}})
	}
	do(t, d, func(e *evpn.Engine) { e.Step(r) })
}

func TestDiffOfAWrongFile(t *testing.T) {
	d := newDaemon(t, small)
	const wrong = "bgp: {asm: 65001}\n"
	_, foretold := d.diff(t.Context(), []byte(wrong), "", 0, nil)
	if err := os.WriteFile(d.opt.Path, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := d.reload(t.Context())
	if err == nil || foretold == nil || err.Error() != foretold.Error() {
		t.Errorf("reload says %v, the difference %v", err, foretold)
	}
	if _, err := d.diff(t.Context(), []byte(wrong), "new.yaml", 0, nil); err == nil || !strings.HasPrefix(err.Error(), "new.yaml:1: ") {
		t.Errorf("with a name: %v", err)
	}
}

func TestDiffCanBeGivenUp(t *testing.T) {
	d := populated(t)
	ended := context.Canceled
	if _, err := d.diff(t.Context(), []byte(diffBase), "", 0, func(string) error { return ended }); err != ended {
		t.Errorf("error %v", err)
	}
}
