package dataplane_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

const local = "172.30.0.1"

// suite is what must hold in every world.
func suite(t *testing.T, fresh func(*testing.T) world) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, world)
	}{
		{"keys", testKeys},
		{"write", testWrite},
		{"local", testLocal},
		{"local to remote and back", testMoves},
		{"sticky", testSticky},
		{"device made again", testRemade},
		{"device goes, bridge stays", testBridgeStays},
		{"device states", testStates},
		{"down and up", testFlap},
		{"adopt and sweep", testAdopt},
		{"adopted entries change", testAdoptedChanges},
		{"foreign", testForeign},
		{"foreign halves", testForeignHalves},
		{"drift", testDrift},
		{"changed", testChanged},
		{"audit", testAudit},
		{"held", testHeld},
		{"notices lost, all read", func(t *testing.T, w world) { testLost(t, w, 1<<20) }},
		{"notices lost, known checked", func(t *testing.T, w world) { testLost(t, w, -1) }},
		{"notices lost, two VNIs in one bridge", testLostTwoInOne},
		{"answers lost", testAnswersLost},
		{"flags", testFlags},
		{"neighbors", testNeighbors},
		{"declared", testDeclared},
		{"select", testSelect},
		{"IPv6", testIPv6},
		{"two VNIs in one bridge", testTwoInOne},
		{"heard", testHeard},
		{"two sources", testTwoSources},
		{"no hosts", testNotHosts},
		{"silence", testSilence},
		{"moved here", testMovedHere},
		{"doubt", testDoubt},
		{"bounds", testBounds},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

// plain makes br0 with VNI 200 on vx0 and the ports p0 and p1.
func plain(w world) {
	w.addBridge("br0")
	w.addVXLAN("vx0", 200, local, "br0")
	w.addPort("p0", "br0")
	w.addPort("p1", "br0")
}

func remoteLines(m evpn.MAC, dst string) []string {
	return []string{
		fmt.Sprintf("%s dev vx0 dst %s self extern_learn static", m, dst),
		fmt.Sprintf("%s dev vx0 extern_learn master br0", m),
	}
}

// testKeys holds the keys of the kernel's tables: a VXLAN device of many VNIs
// has an entry a MAC and source VNI, which one of a single VNI need not be given,
// and a bridge has one a MAC and VLAN that the port is in.
func testKeys(t *testing.T, w world) {
	w.addExternal("vxe")
	plain(w)
	k := w.open(t)
	links, err := k.Links()
	if err != nil {
		t.Fatal(err)
	}
	names, index := make(map[int]string), make(map[string]int)
	for _, l := range links {
		names[l.Index], index[l.Name] = l.Name, l.Index
	}
	const dynamic = kernel.NoARP | kernel.Reachable
	unicast := func(dev string, m, to int, src evpn.VNI) kernel.Entry {
		return kernel.Entry{
			Family: kernel.Bridge, Ifindex: index[dev], State: dynamic, Flags: kernel.Self | kernel.ExtLearned,
			MAC: mac(m), IP: vtep(to).VTEP, SrcVNI: src,
		}
	}
	flood := func(to int, src evpn.VNI) kernel.Entry {
		return kernel.Entry{
			Family: kernel.Bridge, Ifindex: index["vxe"], State: kernel.Permanent | kernel.NoARP, Flags: kernel.Self,
			IP: vtep(to).VTEP, SrcVNI: src,
		}
	}
	tagged := kernel.Entry{
		Family: kernel.Bridge, Ifindex: index["p0"], State: dynamic, Flags: kernel.Master | kernel.ExtLearned, MAC: mac(9), VLAN: 10,
	}
	for _, c := range []struct {
		what  string
		verb  kernel.Verb
		entry kernel.Entry
		err   error
	}{
		{"a MAC in one VNI", kernel.Replace, unicast("vxe", 1, 2, 10010), nil},
		{"the same MAC in another", kernel.Replace, unicast("vxe", 1, 3, 10020), nil},
		{"the same MAC in a third", kernel.Replace, unicast("vxe", 1, 4, 10030), nil},
		{"a MAC that moves in its VNI", kernel.Replace, unicast("vxe", 1, 5, 10010), nil},
		{"a deletion in one VNI", kernel.Delete, unicast("vxe", 1, 3, 10020), nil},
		{"a deletion once more", kernel.Delete, unicast("vxe", 1, 3, 10020), syscall.ENOENT},
		{"a flood entry in one VNI", kernel.Append, flood(2, 10010), nil},
		{"the same in another", kernel.Append, flood(2, 10020), nil},
		{"the same again", kernel.Append, flood(2, 10010), nil},
		{"another destination", kernel.Append, flood(3, 10010), nil},
		{"a deletion of one destination", kernel.Delete, flood(2, 10010), nil},
		{"the source VNI of a device of one VNI", kernel.Replace, unicast("vx0", 1, 2, 200), nil},
		{"the same MAC without it", kernel.Replace, unicast("vx0", 1, 3, 0), nil},
		{"a VLAN that the port is not in", kernel.Replace, tagged, syscall.EINVAL},
	} {
		errs := make([]error, 1)
		if err := k.Write([]kernel.Op{{Verb: c.verb, Entry: c.entry}}, errs); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(errs[0], c.err) || c.err == nil && errs[0] != nil {
			t.Errorf("%s: %v, want %v", c.what, errs[0], c.err)
		}
	}
	var lines []string
	for _, dev := range []string{"vxe", "vx0"} {
		err := k.Port(index[dev], func(e *kernel.Entry) {
			if e.Bridge == 0 {
				lines = append(lines, fdbLine(e, names))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(lines)
	want := []string{
		"00:00:00:00:00:00 dev vxe dst 172.30.0.2 src_vni 10020 self permanent",
		"00:00:00:00:00:00 dev vxe dst 172.30.0.3 src_vni 10010 self permanent",
		mac(1).String() + " dev vx0 dst 172.30.0.3 self extern_learn static",
		mac(1).String() + " dev vxe dst 172.30.0.4 src_vni 10030 self extern_learn static",
		mac(1).String() + " dev vxe dst 172.30.0.5 src_vni 10010 self extern_learn static",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the kernel has\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	for _, c := range []struct {
		dev  string
		src  evpn.VNI
		dest int // 0: ENOENT
	}{{"vxe", 10010, 5}, {"vxe", 10020, 0}, {"vxe", 10030, 4}, {"vx0", 0, 3}, {"vx0", 200, 3}} {
		e, err := k.Lookup(kernel.Entry{Family: kernel.Bridge, Ifindex: index[c.dev], MAC: mac(1), SrcVNI: c.src})
		switch {
		case c.dest == 0 && !errors.Is(err, syscall.ENOENT):
			t.Errorf("look-up in %s, source VNI %d: %+v, %v, want ENOENT", c.dev, c.src, e, err)
		case c.dest != 0 && (err != nil || e.IP != vtep(c.dest).VTEP):
			t.Errorf("look-up in %s, source VNI %d: %+v, %v, want VTEP %s", c.dev, c.src, e, err, vtep(c.dest).VTEP)
		}
	}
}

func testWrite(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}, {VNI: 200, Via: vtep(3), Want: true}},
		FDB: []evpn.FDB{
			{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true},
			{VNI: 200, MAC: mac(2), Via: evpn.Via{VTEP: vtep(3).VTEP, VNI: 777}, Want: true},
		},
		Neigh: []evpn.Neigh{
			{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true},
			{VNI: 200, IP: addr("2001:db8::11"), MAC: mac(1), Router: true, Want: true},
		},
	})
	all := []string{
		"00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent",
		"00:00:00:00:00:00 dev vx0 dst 172.30.0.3 self permanent",
		"02:42:ac:00:00:01 dev vx0 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:01 dev vx0 extern_learn master br0",
		"02:42:ac:00:00:02 dev vx0 dst 172.30.0.3 vni 777 self extern_learn static",
		"02:42:ac:00:00:02 dev vx0 extern_learn master br0",
		"172.18.0.11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn NOARP",
		"2001:db8::11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn router NOARP",
	}
	r.holds("br0", all...)
	r.untilTrue("the entry is installed", func() bool {
		st, err := r.p.Entry(200, mac(1))
		return st == dataplane.Installed && err == nil
	})
	r.untilTrue("stats", func() bool {
		st := r.p.Stats()
		return st.Wanted == 6 && st.Installed == 6 && st.Failures == 0
	})
	// A VTEP leaves; a MAC moves, back to the device's own VNI.
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(3)}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(2), Via: vtep(2), Want: true}},
	})
	r.holds("br0",
		all[0], all[2], all[3],
		"02:42:ac:00:00:02 dev vx0 dst 172.30.0.2 self extern_learn static", all[5], all[6], all[7])
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2)}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1)}, {VNI: 200, MAC: mac(2)}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11")}, {VNI: 200, IP: addr("2001:db8::11")}},
	})
	r.holds("br0")
	r.untilTrue("stats", func() bool {
		st := r.p.Stats()
		return st.Wanted == 0 && st.Installed == 0 && st.Repaired == 0
	})
}

func testLocal(t *testing.T, w world) {
	plain(w)
	w.frame("p0", mac(1))
	r := start(t, w, nil, dataplane.Config{})
	r.knows(200, mac(1))
	w.frame("p0", mac(2))
	r.knows(200, mac(1), mac(2))
	// A host moves between ports, a port goes down, a static entry is set.
	w.frame("p1", mac(2))
	r.untilTrue("the port of a MAC that moved", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.p.PortName(r.macs[evpn.MACKey{VNI: 200, MAC: mac(2)}].Port) == "p1"
	})
	w.setUp("p0", false)
	r.knows(200, mac(2))
	static := kernel.Entry{
		Family: kernel.Bridge, Ifindex: r.index("p1"), Flags: kernel.Master,
		State: kernel.NoARP | kernel.Reachable, MAC: mac(3),
	}
	r.write(kernel.Op{Verb: kernel.Replace, Entry: static})
	r.knows(200, mac(2), mac(3))
	r.untilTrue("a static entry is sticky", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.macs[evpn.MACKey{VNI: 200, MAC: mac(3)}].Static && !r.macs[evpn.MACKey{VNI: 200, MAC: mac(2)}].Static
	})
	r.write(kernel.Op{Verb: kernel.Delete, Entry: static})
	r.knows(200, mac(2))
	w.del("p1")
	r.knows(200)
}

func testMoves(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	// The host speaks here: told at once; the device's own entry stays
	// until the engine takes its wish back.
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	r.unwishMAC(200, mac(1))
	r.holds("br0", mac(1).String()+" dev p0 master br0")
	r.knows(200, mac(1))
	// And goes again: one replace, and it is not local any more.
	r.wishMAC(200, mac(1), vtep(3))
	r.holds("br0", remoteLines(mac(1), "172.30.0.3")...)
	r.knows(200)
	// The engine insists on its remote place.
	w.frame("p1", mac(1))
	r.knows(200, mac(1))
	r.wishMAC(200, mac(1), vtep(3))
	r.holds("br0", remoteLines(mac(1), "172.30.0.3")...)
	r.knows(200)
	// The engine says nothing: after a pause the wish is made true again.
	w.frame("p1", mac(1))
	r.knows(200, mac(1))
	r.holds("br0", remoteLines(mac(1), "172.30.0.3")...)
	r.knows(200)
}

func testSticky(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	wish := func(d evpn.Via, sticky bool) {
		r.wish(evpn.Delta{FDB: []evpn.FDB{{VNI: 200, MAC: mac(1), Via: d, Sticky: sticky, Want: true}}})
	}
	stuck := func(dst string) []string {
		return []string{
			"02:42:ac:00:00:01 dev vx0 dst " + dst + " self extern_learn static",
			"02:42:ac:00:00:01 dev vx0 extern_learn sticky master br0 static",
		}
	}
	wish(vtep(2), true)
	r.holds("br0", stuck("172.30.0.2")...)
	w.frame("p0", mac(1))
	w.frame("p0", mac(9)) // told after the other frame was seen
	r.knows(200, mac(9))
	more := mac(9).String() + " dev p0 master br0"
	r.holds("br0", append(stuck("172.30.0.2"), more)...)
	wish(vtep(3), true)
	r.holds("br0", append(stuck("172.30.0.3"), more)...)
	wish(vtep(3), false)
	r.holds("br0", append(remoteLines(mac(1), "172.30.0.3"), more)...)
	w.frame("p0", mac(1)) // and is moved by a frame again
	r.knows(200, mac(1), mac(9))
	wish(vtep(2), true)
	r.holds("br0", append(stuck("172.30.0.2"), more)...)
	r.knows(200, mac(9))
	r.unwishMAC(200, mac(1))
	r.holds("br0", more)
}

func testRemade(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	var d evpn.Delta
	lines := []string{"00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent"}
	d.Flood = []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}}
	for i := 1; i <= 300; i++ {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
	}
	r.wish(d)
	r.holds("br0", lines...)
	w.frame("p0", mac(1000))
	r.knows(200, mac(1000))
	w.del("vx0")
	r.serves(200, netip.Addr{})
	r.knows(200)
	host := mac(1000).String() + " dev p0 master br0"
	r.holds("br0", host)
	// Wishes change while there is no device.
	r.unwishMAC(200, mac(300))
	w.addVXLAN("vx0", 200, "172.30.0.9", "br0")
	r.serves(200, addr("172.30.0.9"))
	r.holds("br0", append(lines[:len(lines)-2:len(lines)-2], host)...)
	r.knows(200, mac(1000))
	// Out of the bridge and in again; another name; another VNI and back.
	w.setMaster("vx0", "")
	r.serves(200, netip.Addr{})
	w.setMaster("vx0", "br0")
	r.serves(200, addr("172.30.0.9"))
	r.holds("br0", append(lines[:len(lines)-2:len(lines)-2], host)...)
	w.del("vx0")
	w.addVXLAN("vx0", 300, local, "br0")
	r.serves(300, addr(local))
	r.serves(200, netip.Addr{})
	r.holds("br0", host)
	w.del("br0")
	r.serves(300, netip.Addr{})
}

func testStates(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	w.setUp("vx0", false)
	r.serves(200, netip.Addr{})
	w.setUp("vx0", true)
	r.serves(200, addr(local))
	w.setUp("br0", false)
	r.serves(200, netip.Addr{})
	w.setUp("br0", true)
	r.serves(200, addr(local))
	w.setUp("vx0", false)
	w.rename("vx0", "other0")
	w.setUp("other0", true)
	r.serves(200, addr(local))
	r.untilTrue("the new name", func() bool { s := r.p.Devices(); return len(s) == 1 && s[0].Name == "other0" && s[0].Served })
	// A second device with the VNI cannot be had on one kernel, another VNI
	// without local address can.
	w.addVXLAN("vx1", 201, "", "br0")
	w.addVXLAN("vx2", 202, local, "")
	r.untilTrue("reasons", func() bool {
		kinds := map[evpn.VNI]topology.ProblemKind{}
		for _, s := range r.p.Devices() {
			if !s.Served && len(s.Problems) > 0 {
				kinds[s.VNI] = s.Problems[0].Kind
			}
		}
		return kinds[201] == topology.NoLocal && kinds[202] == topology.NoBridge
	})
}

// testFlap takes each device down and up: the kernel loses some entries by
// itself, and all are there afterwards.
func testFlap(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
		FDB: []evpn.FDB{
			{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true},
			{VNI: 200, MAC: mac(2), Via: vtep(2), Sticky: true, Want: true},
		},
		Neigh: []evpn.Neigh{
			{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true},
			{VNI: 200, IP: addr("2001:db8::11"), MAC: mac(1), Want: true},
		},
	})
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 5 })
	before := r.dump("br0")
	for _, dev := range []string{"vx0", "br0"} {
		w.setUp(dev, false)
		r.serves(200, netip.Addr{})
		w.setUp(dev, true)
		r.serves(200, addr(local))
		r.until(dev+" was down", func() string {
			if got := r.dump("br0"); got != before {
				return "kernel has\n" + got + "\nwant\n" + before
			}
			return ""
		})
	}
	r.untilTrue("nothing fails", func() bool { return len(r.p.Problems()) == 0 && r.p.Stats().Installed == 5 })
}

func testAdopt(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	delta := evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}, {VNI: 200, Via: vtep(3), Want: true}},
		FDB: []evpn.FDB{
			{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true},
			{VNI: 200, MAC: mac(2), Via: vtep(2), Want: true},
			{VNI: 200, MAC: mac(3), Via: vtep(2), Sticky: true, Want: true},
			{VNI: 200, MAC: mac(4), Via: vtep(2), Sticky: true, Want: true},
		},
		Neigh: []evpn.Neigh{
			{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true},
			{VNI: 200, IP: addr("172.18.0.12"), MAC: mac(2), Want: true},
		},
	}
	r.wish(delta)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 8 })
	before := r.dump("br0")
	r.stop()
	if got := r.dump("br0"); got != before {
		t.Fatalf("stopping changed the kernel from\n%s\nto\n%s", before, got)
	}

	r = start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	if st, _ := r.p.Entry(200, mac(1)); st != dataplane.Adopted {
		t.Errorf("MAC found at the start is %v, want adopted", st)
	}
	// Half of it is wished again, as it was: nothing is written.
	r.wish(evpn.Delta{Flood: delta.Flood[:1], FDB: []evpn.FDB{delta.FDB[0], delta.FDB[2]}, Neigh: delta.Neigh[:1]})
	r.untilTrue("adopted entries count as installed", func() bool { return r.p.Stats().Installed == 4 })
	if st := r.p.Stats(); st.Writes != 0 {
		t.Errorf("%d writes for what was there already", st.Writes)
	}
	if got := r.dump("br0"); got != before {
		t.Fatalf("a restart changed the kernel from\n%s\nto\n%s", before, got)
	}
	r.p.Sweep()
	r.p.Sweep()
	r.holds("br0",
		"00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent",
		"02:42:ac:00:00:01 dev vx0 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:01 dev vx0 extern_learn master br0",
		"02:42:ac:00:00:03 dev vx0 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:03 dev vx0 extern_learn sticky master br0 static",
		"172.18.0.11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn NOARP")
}

func testFlags(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	good := func() bool {
		links, err := r.k.Links()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if l.Name == "vx0" {
				return !l.VXLAN.Learning && !l.Port.Learning && l.Port.NeighSuppress
			}
		}
		return false
	}
	r.untilTrue("flags are set", good)
	w.portFlags("vx0", true, false)
	r.untilTrue("flags are mended", func() bool { return r.p.Stats().Mended >= 2 && good() })
}

func testNeighbors(t *testing.T, w world) {
	plain(w)
	w.addAddr("br0", "172.18.0.1/16")
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	br := r.index("br0")
	set := func(ip string, m evpn.MAC, st kernel.State, fl kernel.Flags) {
		e := kernel.Entry{Family: kernel.IPv4, Ifindex: br, IP: addr(ip), MAC: m, State: st, Flags: fl}
		if e.IP.Is6() {
			e.Family = kernel.IPv6
		}
		r.write(kernel.Op{Verb: kernel.Replace, Entry: e})
	}
	set("172.18.0.10", mac(1), kernel.Stale, 0)
	set("2001:db8::10", mac(1), kernel.Stale, kernel.Router)
	set("169.254.1.1", mac(1), kernel.Stale, 0)
	has := func(want map[string]evpn.LocalIP) {
		t.Helper()
		r.until("local addresses", func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			for ip, w := range want {
				if got := r.ips[evpn.IPKey{VNI: 200, IP: addr(ip)}]; got.MAC != w.MAC || got.Router != w.Router {
					return fmt.Sprintf("%s is %+v, want %+v", ip, got, w)
				}
			}
			if len(r.ips) != len(want) {
				return fmt.Sprintf("%v, want %v", r.ips, want)
			}
			return ""
		})
	}
	has(map[string]evpn.LocalIP{"172.18.0.10": {MAC: mac(1)}, "2001:db8::10": {MAC: mac(1), Router: true}})
	set("172.18.0.10", mac(2), kernel.Reachable, 0)
	has(map[string]evpn.LocalIP{"172.18.0.10": {MAC: mac(2)}, "2001:db8::10": {MAC: mac(1), Router: true}})
	r.write(kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.IPv6, Ifindex: br, IP: addr("2001:db8::10")}})
	has(map[string]evpn.LocalIP{"172.18.0.10": {MAC: mac(2)}})
	// The address turns out to be remote: ours takes its place.
	r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.10"), MAC: mac(7), Want: true}}})
	has(map[string]evpn.LocalIP{})
	r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.10")}}})
	r.holds("br0", "169.254.1.1 dev br0 lladdr 02:42:ac:00:00:01")
	// A permanent one is an operator's.
	set("172.18.0.20", mac(3), kernel.Permanent, 0)
	has(map[string]evpn.LocalIP{"172.18.0.20": {MAC: mac(3)}})
	r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.20"), MAC: mac(7), Want: true}}})
	r.untilTrue("a permanent neighbor is left alone", func() bool {
		st, err := r.p.NeighEntry(200, addr("172.18.0.20"))
		return st == dataplane.FailedNow && err != nil
	})
	r.write(kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.IPv4, Ifindex: br, IP: addr("172.18.0.20")}})
	r.holds("br0", "169.254.1.1 dev br0 lladdr 02:42:ac:00:00:01",
		"172.18.0.20 dev br0 lladdr 02:42:ac:00:00:07 extern_learn NOARP")
}

func testDeclared(t *testing.T, w world) {
	w.addBridge("br0")
	w.addPort("p0", "br0")
	w.setMaster("p0", "")
	w.addBridge("br9")
	w.addVXLAN("vx209", 209, local, "br9")
	cfg := dataplane.Config{Topology: declared(
		topology.Declared{VNI: 200, Ports: []string{"p0"}},
		topology.Declared{VNI: 201, Bridge: "br0", Device: "vx201", MTU: 1400},
	)}
	r := start(t, w, nil, cfg)
	r.serves(200, addr(local))
	r.serves(201, addr(local))
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	first := r.index("vxlan200")
	made := map[string]bool{"vxlan200": true, "vx201": true, "vx209": false}
	r.madeByEvpnd(made)
	// A restart finds its own.
	r.stop()
	r = start(t, w, nil, cfg)
	r.serves(200, addr(local))
	if got := r.index("vxlan200"); got != first || first == 0 {
		t.Errorf("a restart made vxlan200 anew: index %d, was %d", got, first)
	}
	r.madeByEvpnd(made)
	// One is declared no more; its bridge has a port, and stays until then.
	cfg.Topology.Declared = cfg.Topology.Declared[1:]
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.untilTrue("what was made is removed", func() bool { return r.index("vxlan200") == 0 })
	r.serves(200, netip.Addr{})
	if r.index("br200") == 0 {
		t.Error("a bridge with a host's port was removed")
	}
	w.setMaster("p0", "")
	r.untilTrue("the bridge goes with its last port", func() bool { return r.index("br200") == 0 })
	// The other has a bridge that was there before.
	cfg.Topology.Declared = nil
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.untilTrue("the second device is removed", func() bool { return r.index("vx201") == 0 })
	if r.index("br0") == 0 {
		t.Error("a bridge that evpnd did not make was removed")
	}
}

// madeByEvpnd checks which VXLAN devices there are, and which of them evpnd made.
func (r *rig) madeByEvpnd(want map[string]bool) {
	r.t.Helper()
	got := make(map[string]bool)
	for _, d := range r.p.Devices() {
		got[d.Name] = d.Made
	}
	if !maps.Equal(got, want) {
		r.t.Errorf("devices, and whether evpnd made them: %v, want %v", got, want)
	}
}

func testSelect(t *testing.T, w world) {
	plain(w)
	w.addBridge("br1")
	w.addVXLAN("vx1", 300, local, "br1")
	cfg := dataplane.Config{Topology: topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 100, Last: 200}}}}}
	r := start(t, w, nil, cfg)
	r.serves(200, addr(local))
	r.serves(300, netip.Addr{})
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	events := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.events }
	n := events()
	cfg.Topology.Select.Devices = []string{"vx[1-9]"}
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.serves(300, addr(local))
	if got := events(); got != n+1 {
		t.Errorf("%d events for one more VNI", got-n)
	}
	// 200 is selected no more: ours leaves the kernel, and comes back with it.
	cfg.Topology.Select.Ranges = nil
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.serves(200, netip.Addr{})
	r.holds("br0")
	if err := r.p.Configure(dataplane.Config{}); err != nil {
		t.Fatal(err)
	}
	r.serves(200, addr(local))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
}

func testIPv6(t *testing.T, w world) {
	w.addBridge("br0")
	w.addVXLAN("vx0", 200, "2001:db8:30::1", "br0")
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr("2001:db8:30::1"))
	d := evpn.Via{VTEP: addr("2001:db8:30::2"), VNI: 200}
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: d, Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: d, Want: true}},
	})
	r.holds("br0",
		"00:00:00:00:00:00 dev vx0 dst 2001:db8:30::2 self permanent",
		"02:42:ac:00:00:01 dev vx0 dst 2001:db8:30::2 self extern_learn static",
		"02:42:ac:00:00:01 dev vx0 extern_learn master br0")
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: d}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1)}},
	})
	r.holds("br0")
}

func testTwoInOne(t *testing.T, w world) {
	plain(w)
	w.addVXLAN("vx1", 201, local, "br0")
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.serves(201, addr(local))
	r.wishMAC(200, mac(1), vtep(2))
	r.wishMAC(201, mac(2), vtepIn(201, 2))
	w.frame("p0", mac(3))
	r.knows(200, mac(3))
	r.knows(201, mac(3))
	r.holds("br0",
		"02:42:ac:00:00:01 dev vx0 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:01 dev vx0 extern_learn master br0",
		"02:42:ac:00:00:02 dev vx1 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:02 dev vx1 extern_learn master br0",
		"02:42:ac:00:00:03 dev p0 master br0")
	r.stop()
	r = start(t, w, nil, dataplane.Config{})
	r.knows(200, mac(3))
	r.knows(201, mac(3))
}
