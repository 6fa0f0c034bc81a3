package dataplane_test

import (
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// testHeld reads single entries as they are now: as wished, of a local host,
// missing, and in the way.
func testHeld(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	ip := addr("172.18.0.11")
	r.wish(evpn.Delta{
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}, {VNI: 200, MAC: mac(2), Via: vtep(3), Sticky: true, Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: ip, MAC: mac(1), Want: true}},
	})
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 3 })
	held := func(h dataplane.KernelView, err error) dataplane.KernelView {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	want := func(h dataplane.KernelView, differs string, entries ...string) {
		t.Helper()
		if got := strings.Join(h.Entries, "\n"); got != strings.Join(entries, "\n") {
			t.Errorf("entries\n%s\nwant\n%s", got, strings.Join(entries, "\n"))
		}
		if differs == "" && h.Differs != "" || !strings.HasPrefix(h.Differs, differs) {
			t.Errorf("differs: %q, want %q", h.Differs, differs)
		}
	}
	m1, m2, m3 := mac(1).String(), mac(2).String(), mac(3).String()
	want(held(r.p.InspectMAC(200, mac(1))), "",
		m1+" dev vx0 dst 172.30.0.2 self extern_learn static", m1+" dev vx0 master br0 extern_learn")
	want(held(r.p.InspectMAC(200, mac(2))), "",
		m2+" dev vx0 dst 172.30.0.3 self extern_learn static", m2+" dev vx0 master br0 extern_learn sticky static")
	want(held(r.p.InspectNeigh(200, ip)), "", "172.18.0.11 dev br0 lladdr "+m1+" extern_learn NOARP")
	r.frame("p0", mac(3))
	r.untilTrue("the host is known", func() bool { return len(held(r.p.InspectMAC(200, mac(3))).Entries) == 1 })
	want(held(r.p.InspectMAC(200, mac(3))), "", m3+" dev p0 master br0")
	want(held(r.p.InspectMAC(200, mac(4))), "")
	want(held(r.p.InspectNeigh(200, addr("fd00::9"))), "")
	if _, err := r.p.InspectMAC(201, mac(1)); err == nil {
		t.Error("a VNI without a device is read")
	}

	// What an operator holds is not ours to change, and is in the way.
	other := addr("172.18.0.12")
	r.write(kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.IPv4, Ifindex: r.index("br0"), State: kernel.Permanent, MAC: mac(9), IP: other,
	}})
	r.untilTrue("the Plane knows of it", func() bool { return r.p.Devices()[0].Foreign == 1 })
	r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: other, MAC: mac(1), Want: true}}})
	r.untilTrue("the wish fails", func() bool { return held(r.p.InspectNeigh(200, other)).Err != nil })
	h := held(r.p.InspectNeigh(200, other))
	want(h, "a static neighbor entry that evpnd did not make", "172.18.0.12 dev br0 lladdr "+mac(9).String()+" PERMANENT")
	if h.State != dataplane.FailedNow {
		t.Errorf("state %v, want failed", h.State)
	}

	// With the Plane gone nobody puts an entry back.
	r.stop()
	vx := r.index("vx0")
	r.write(kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, State: kernel.NoARP | kernel.Reachable, MAC: mac(1), IP: vtep(9).VTEP,
	}})
	want(held(r.p.InspectMAC(200, mac(1))), "the VXLAN device sends it to 172.30.0.9, not to 172.30.0.2",
		m1+" dev vx0 dst 172.30.0.9 self static", m1+" dev vx0 master br0 extern_learn")
	r.write(kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, MAC: mac(1)}})
	want(held(r.p.InspectMAC(200, mac(1))), "the VXLAN device has no entry for it", m1+" dev vx0 master br0 extern_learn")
	r.write(kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.IPv4, Ifindex: r.index("br0"), IP: ip}})
	want(held(r.p.InspectNeigh(200, ip)), "the kernel has no entry for it")
}
