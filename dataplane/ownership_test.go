package dataplane_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// testBridgeStays takes the VXLAN device away, for good or into another
// bridge: its neighbors must not stay on the bridge that it left.
func testBridgeStays(t *testing.T, w world) {
	plain(w)
	w.addBridge("br1")
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	wish := evpn.Delta{Neigh: []evpn.Neigh{
		{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true},
		{VNI: 200, IP: addr("2001:db8::11"), MAC: mac(1), Want: true},
	}}
	lines := func(br string) []string {
		return []string{
			"172.18.0.11 dev " + br + " lladdr 02:42:ac:00:00:01 extern_learn NOARP",
			"2001:db8::11 dev " + br + " lladdr 02:42:ac:00:00:01 extern_learn NOARP",
		}
	}
	r.wish(wish)
	r.holds("br0", lines("br0")...)
	w.setMaster("vx0", "br1")
	r.holds("br1", lines("br1")...)
	r.holds("br0")
	w.del("vx0")
	r.serves(200, netip.Addr{})
	r.holds("br1")
	w.addVXLAN("vx0", 200, local, "br1")
	r.holds("br1", lines("br1")...)
}

// testForeignHalves has entries that look like ours by half: without the
// mark on the VXLAN device's own entry a MAC is not ours, however the
// bridge's part looks, and without the mark a neighbor is not either.
func testForeignHalves(t *testing.T, w world) {
	plain(w)
	look := w.open(t)
	vx, br := 0, 0
	links, err := look.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		switch l.Name {
		case "vx0":
			vx = l.Index
		case "br0":
			br = l.Index
		}
	}
	neigh := kernel.Entry{Family: kernel.IPv4, Ifindex: br, State: kernel.NoARP, IP: addr("172.18.0.30"), MAC: mac(9)}
	ops := []kernel.Op{
		{Verb: kernel.Replace, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, State: kernel.NoARP | kernel.Reachable, MAC: mac(1), IP: addr("172.30.0.8"),
		}},
		{Verb: kernel.Replace, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Master | kernel.Sticky, State: kernel.NoARP | kernel.Reachable, MAC: mac(1),
		}},
		{Verb: kernel.Replace, Entry: neigh},
	}
	errs := make([]error, len(ops))
	if err := look.Write(ops, errs); err != nil || errs[0] != nil || errs[1] != nil || errs[2] != nil {
		t.Fatal(err, errs)
	}
	theirs := dump(t, look, "br0")
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: neigh.IP, MAC: mac(7), Want: true}}})
	r.p.Sweep()
	r.untilTrue("the neighbor is left alone", func() bool {
		st, _ := r.p.NeighEntry(200, neigh.IP)
		return st == dataplane.FailedNow
	})
	r.wishMAC(200, mac(3), vtep(2)) // written after the sweep
	r.until("theirs stays, ours comes", func() string {
		got := r.dump("br0")
		for _, line := range append(remoteLines(mac(3), "172.30.0.2"), strings.Split(theirs, "\n")...) {
			if !strings.Contains(got, line) {
				return "kernel has\n" + got + "\nand not " + line
			}
		}
		if got, _ := look.Lookup(neigh); got.MAC != mac(9) {
			return fmt.Sprintf("the neighbor is %+v", got)
		}
		return ""
	})
	r.write(kernel.Op{Verb: kernel.Delete, Entry: neigh})
	r.untilTrue("the neighbor is ours once theirs is gone", func() bool {
		st, _ := r.p.NeighEntry(200, neigh.IP)
		return st == dataplane.Installed
	})
}

// testAdoptedChanges has entries of an earlier run deleted, and taken by a
// host here, before anybody wishes them: the wishes are written all the same.
func testAdoptedChanges(t *testing.T, w world) {
	plain(w)
	look := w.open(t)
	links, err := look.Links()
	if err != nil {
		t.Fatal(err)
	}
	vx, br := 0, 0
	for _, l := range links {
		switch l.Name {
		case "vx0":
			vx = l.Index
		case "br0":
			br = l.Index
		}
	}
	both := kernel.Self | kernel.Master
	var lines []string
	neigh := kernel.Entry{
		Family: kernel.IPv4, Ifindex: br, State: kernel.NoARP, Flags: kernel.ExtLearned, IP: addr("172.18.0.11"), MAC: mac(1),
	}
	ops := []kernel.Op{{Verb: kernel.Replace, Entry: neigh}}
	wish := evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: neigh.IP, MAC: mac(1), Want: true}}}
	for i := 1; i <= 2; i++ {
		ops = append(ops, kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: vx, State: kernel.NoARP | kernel.Reachable,
			Flags: both | kernel.ExtLearned, MAC: mac(i), IP: addr("172.30.0.2"),
		}})
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
		wish.FDB = append(wish.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
	}
	errs := make([]error, len(ops))
	if err := errors.Join(append(errs, look.Write(ops, errs))...); err != nil {
		t.Fatal(err)
	}
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	lines = append(lines, "172.18.0.11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn NOARP")
	r.write(
		kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: both, MAC: mac(1)}},
		kernel.Op{Verb: kernel.Delete, Entry: neigh},
	)
	w.frame("p0", mac(2))
	r.knows(200, mac(2)) // and so of what was before
	r.wish(wish)
	r.holds("br0", lines...)
}

func testForeign(t *testing.T, w world) {
	plain(w)
	look := w.open(t)
	vx, p0 := 0, 0
	links, err := look.Links()
	if err != nil {
		t.Fatal(err)
	}
	var own evpn.MAC
	for _, l := range links {
		switch l.Name {
		case "vx0":
			vx = l.Index
		case "p0":
			p0, own = l.Index, l.MAC
		}
	}
	inDevice := kernel.Entry{
		Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, State: kernel.NoARP | kernel.Reachable,
		MAC: mac(1), IP: addr("172.30.0.8"),
	}
	atPort := kernel.Entry{
		Family: kernel.Bridge, Ifindex: p0, Flags: kernel.Master, State: kernel.NoARP | kernel.Reachable, MAC: mac(2),
	}
	errs := make([]error, 2)
	if err := look.Write([]kernel.Op{{Verb: kernel.Replace, Entry: inDevice}, {Verb: kernel.Replace, Entry: atPort}}, errs); err != nil || errs[0] != nil || errs[1] != nil {
		t.Fatal(err, errs)
	}
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.p.Sweep()
	for _, m := range []evpn.MAC{mac(1), mac(2), own, mac(3)} {
		r.wishMAC(200, m, vtep(2))
	}
	theirs := []string{
		"02:42:ac:00:00:01 dev vx0 dst 172.30.0.8 self static",
		"02:42:ac:00:00:02 dev p0 master br0 static",
	}
	r.holds("br0", append(remoteLines(mac(3), "172.30.0.2"), theirs...)...)
	for _, m := range []evpn.MAC{mac(1), mac(2), own} {
		if st, err := r.p.Entry(200, m); st != dataplane.FailedNow || err == nil {
			t.Errorf("MAC %s that others hold is %v, %v", m, st, err)
		}
	}
	if n := len(r.p.Problems()); n != 3 {
		t.Errorf("%d problems, want 3: %v", n, r.p.Problems())
	}
	if s := r.p.Devices(); len(s) != 1 || s[0].Foreign != 1 {
		t.Errorf("foreign entries are not shown: %+v", s)
	}
	// They go: the wishes are made true.
	r.write(kernel.Op{Verb: kernel.Delete, Entry: inDevice}, kernel.Op{Verb: kernel.Delete, Entry: atPort})
	lines := remoteLines(mac(3), "172.30.0.2")
	lines = append(lines, remoteLines(mac(1), "172.30.0.2")...)
	r.holds("br0", append(lines, remoteLines(mac(2), "172.30.0.2")...)...)
	r.unwishMAC(200, own)
	r.untilTrue("no problem is left", func() bool { return len(r.p.Problems()) == 0 })
}
