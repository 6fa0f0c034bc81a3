package dataplane_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// audit runs one with what the routes want, and returns its findings as
// lines.
func (r *rig) audit(routes evpn.Delta) (*dataplane.Audit, string) {
	r.t.Helper()
	a, err := r.p.Audit(context.Background(), 0, func(_ context.Context, vni evpn.VNI) (evpn.Delta, error) {
		if vni != 200 {
			r.t.Errorf("asked for VNI %d", vni)
		}
		return routes, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range a.Findings {
		key := f.IP.String()
		if f.Kind == dataplane.KindMAC {
			key = f.MAC.String()
		}
		fmt.Fprintf(&b, "%s %s %s [%s] [%s] [%s] foreign %v: %s\n", f.Kind, f.Device, key, f.Routes, f.Desired, f.Kernel, f.Foreign, f.Reason)
	}
	return a, b.String()
}

// testAudit has each of the three, routes, wishes and kernel, say something
// that the others do not.
func testAudit(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.p.Sweep()
	want := evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}, {VNI: 200, MAC: mac(2), Via: vtep(2), Sticky: true, Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}, {VNI: 200, IP: addr("2001:db8::11"), MAC: mac(1), Router: true, Want: true}},
	}
	r.wish(want)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 5 })
	if a, lines := r.audit(want); lines != "" || a.Differences != 0 || a.Foreign != 0 || a.Entries != 5 {
		t.Errorf("all is as it should be, and the audit says %+v\n%s", a, lines)
	}

	// A local host is no finding, nor is a device's own address.
	w.frame("p0", mac(30))
	r.knows(200, mac(30))
	// Somebody else's entries are listed, and are no difference. One is in
	// the way of a wish.
	vx, br := r.index("vx0"), r.index("br0")
	foreign := kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, State: kernel.NoARP | kernel.Reachable, MAC: mac(3), IP: addr("172.30.0.8")}
	inTheWay := foreign
	inTheWay.MAC = mac(4)
	static := kernel.Entry{Family: kernel.IPv4, Ifindex: br, State: kernel.Permanent, MAC: mac(9), IP: addr("172.18.0.99")}
	for _, e := range []kernel.Entry{foreign, inTheWay, static} {
		r.write(kernel.Op{Verb: kernel.Replace, Entry: e})
	}
	r.untilTrue("the foreign entries are seen", func() bool { return r.p.Devices()[0].Foreign == 3 })
	r.wishMAC(200, mac(4), vtep(2))
	want.FDB = append(want.FDB, evpn.FDB{VNI: 200, MAC: mac(4), Via: vtep(2), Want: true})
	r.untilTrue("the wish fails", func() bool { st, _ := r.p.Entry(200, mac(4)); return st == dataplane.FailedNow })
	// The routes say more than was wished, and less.
	routes := want
	routes.FDB = append(routes.FDB[1:len(routes.FDB):len(routes.FDB)], evpn.FDB{VNI: 200, MAC: mac(5), Via: vtep(3), Want: true})
	// The kernel holds one with our mark that nobody wishes and nobody told
	// the Plane of, because it was writing.
	r.wish(evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(3), Want: true}}})
	routes.Flood = append(routes.Flood, evpn.Flood{VNI: 200, Via: vtep(3), Want: true})
	r.untilTrue("it is written", func() bool { return r.p.EchoMuted() && r.p.Stats().Installed == 6 })
	left := foreign
	left.MAC, left.Flags, left.IP = mac(6), kernel.Self|kernel.ExtLearned, vtep(2).VTEP
	r.write(kernel.Op{Verb: kernel.Replace, Entry: left})

	a, lines := r.audit(routes)
	const wantLines = `mac vx0 02:42:ac:00:00:01 [] [172.30.0.2] [172.30.0.2] foreign false: the writer has not taken over what the routes say
mac vx0 02:42:ac:00:00:03 [] [] [172.30.0.8] foreign true: an entry of the VXLAN device that evpnd did not make
mac vx0 02:42:ac:00:00:04 [172.30.0.2] [172.30.0.2] [] foreign false: an entry that evpnd did not make holds it in the VXLAN device: remove that one (bridge fdb del) or have it announced nowhere else
mac vx0 02:42:ac:00:00:04 [] [] [172.30.0.8] foreign true: an entry of the VXLAN device that evpnd did not make
mac vx0 02:42:ac:00:00:05 [172.30.0.3] [] [] foreign false: the writer has not taken over what the routes say
mac vx0 02:42:ac:00:00:06 [] [] [172.30.0.2 (in the VXLAN device alone)] foreign false: nobody wishes it any more, and it was not removed
neighbor br0 172.18.0.99 [] [] [02:42:ac:00:00:09] foreign true: a static neighbor that evpnd did not make
`
	if lines != wantLines || a.Differences != 4 || a.Foreign != 3 {
		t.Errorf("%d differences and %d foreign entries:\n%s\nwant\n%s", a.Differences, a.Foreign, lines, wantLines)
	}
	// To read again removes what is left over.
	r.p.Reread(200)
	r.until("what nobody wishes is gone", func() string {
		if got := r.dump("br0"); strings.Contains(got, mac(6).String()) {
			return got
		}
		return ""
	})
}
