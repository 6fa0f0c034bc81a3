package dataplane_test

import (
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// testDrift has others delete entries of ours: they are back at once.
func testDrift(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}, {VNI: 200, MAC: mac(2), Via: vtep(2), Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}},
	})
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 4 })
	before := r.dump("br0")
	vx, br := r.index("vx0"), r.index("br0")
	del := func(e kernel.Entry) {
		t.Helper()
		n := r.p.Stats().Repaired
		r.write(kernel.Op{Verb: kernel.Delete, Entry: e})
		r.untilTrue("repair is counted", func() bool { return r.p.Stats().Repaired > n })
		r.until("repair", func() string {
			if got := r.dump("br0"); got != before {
				return "kernel has\n" + got + "\nwant\n" + before
			}
			return ""
		})
	}
	del(kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, MAC: mac(1)})
	del(kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Master, MAC: mac(1)})
	del(kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, IP: vtep(2).VTEP})
	del(kernel.Entry{Family: kernel.IPv4, Ifindex: br, IP: addr("172.18.0.11")})
	if n := r.p.Stats().Repaired; n != 4 {
		t.Errorf("%d repairs, want 4", n)
	}
}

// testChanged has others change entries of ours, with and without our mark,
// while the Plane is silent: they are back within a second. One that somebody
// makes with our mark goes.
func testChanged(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.p.Sweep()
	r.wish(evpn.Delta{
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}, {VNI: 200, MAC: mac(2), Via: vtep(2), Sticky: true, Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}},
	})
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 3 })
	before := r.dump("br0")
	vx, br, p0 := r.index("vx0"), r.index("br0"), r.index("p0")
	device := kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, State: kernel.NoARP | kernel.Reachable, MAC: mac(1), IP: vtep(9).VTEP}
	neigh := kernel.Entry{Family: kernel.IPv4, Ifindex: br, State: kernel.Permanent, MAC: mac(9), IP: addr("172.18.0.11")}
	marked := func(e kernel.Entry) kernel.Entry { e.Flags |= kernel.ExtLearned; return e }
	markedNeigh := marked(neigh)
	markedNeigh.State = kernel.NoARP
	markedSticky := marked(device)
	markedSticky.MAC = mac(2)
	for name, e := range map[string]kernel.Entry{
		"another VTEP":                    device,
		"another VTEP, with the mark":     marked(device),
		"sticky to another VTEP":          markedSticky,
		"another port, with the mark":     {Family: kernel.Bridge, Ifindex: p0, Flags: kernel.Master | kernel.ExtLearned, State: kernel.Reachable, MAC: mac(1)},
		"a neighbor's MAC":                neigh,
		"a neighbor's MAC, with the mark": markedNeigh,
	} {
		// While it writes, the Plane does not hear of changes.
		r.untilTrue("the Plane listens", func() bool { return !r.p.EchoMuted() })
		n, began := r.p.Stats().Repaired, time.Now()
		r.write(kernel.Op{Verb: kernel.Replace, Entry: e})
		r.untilTrue(name+": counted", func() bool { return r.p.Stats().Repaired > n })
		r.until(name+": put back", func() string {
			if got := r.dump("br0"); got != before {
				return "kernel has\n" + got + "\nand not\n" + before
			}
			return ""
		})
		if d := time.Since(began); d > time.Second {
			t.Errorf("%s: back after %v, want at most a second", name, d)
		}
	}
	r.untilTrue("the Plane listens", func() bool { return !r.p.EchoMuted() })
	stray := marked(device)
	stray.MAC = mac(7)
	strayNeigh := markedNeigh
	strayNeigh.IP = addr("172.18.0.77")
	r.write(
		kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Master | kernel.ExtLearned, State: kernel.Reachable, MAC: mac(7)}},
		kernel.Op{Verb: kernel.Replace, Entry: stray},
		kernel.Op{Verb: kernel.Replace, Entry: strayNeigh},
	)
	r.until("what nobody wishes goes", func() string {
		if got := r.dump("br0"); got != before {
			return "kernel has\n" + got + "\nand not\n" + before
		}
		return ""
	})
}
