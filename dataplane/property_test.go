package dataplane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// TestKernelEqualsWishes does to a Plane, in any order, what engine, hosts,
// operators and accidents do, and then lets it rest: the kernel must have
// what is wished and no more, and the engine must know what is local.
func TestKernelEqualsWishes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newPretend()
		plain(w)
		h := w.Open()
		k := newLossy(h)
		most := rapid.SampledFrom([]int{-1, 1 << 20}).Draw(rt, "MACs that are read in full")
		r := startWith(t, w, k, dataplane.Config{}, func(p *dataplane.Plane) { p.SetDumpMost(most) })
		defer r.stop()
		m := &wishes{macs: map[int]evpn.FDB{}, flood: map[int]bool{}, ips: map[int]int{}}
		r.fatal = rt
		steps := rapid.SliceOfN(rapid.IntRange(0, 13), 1, 40).Draw(rt, "steps")
		for _, s := range steps {
			m.step(rt, r, s)
		}
		if k.drop(nil) {
			k.setDeaf(false)
			k.Overrun()
		}
		// The engine answers what it was told of hosts that took a MAC.
		r.wish(m.delta())
		r.p.Sweep()
		r.until("kernel equals wishes", func() string {
			if got, want := remoteOnly(r.dump("br0")), m.lines(); got != want {
				return fmt.Sprintf("kernel has\n%s\nwant\n%s", got, want)
			}
			return ""
		})
		r.until("engine knows what is local", func() string {
			var want, got []string
			for line := range strings.Lines(r.dump("br0")) {
				if f := strings.Fields(line); len(f) > 4 && f[3] == "master" && f[2] != "vx0" {
					want = append(want, f[0]+" "+f[2])
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, l := range r.macs {
				got = append(got, l.MAC.String()+" "+r.p.PortName(l.Port))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				return fmt.Sprintf("engine knows %v, kernel has %v", got, want)
			}
			return ""
		})
		if st := r.p.Stats(); st.Wanted != len(m.macs)+len(m.flood)+len(m.ips) {
			rt.Fatalf("%d wishes counted, %+v made", st.Wanted, m)
		}
	})
}

// wishes is the naive model: the last word on each key.
type wishes struct {
	macs  map[int]evpn.FDB
	flood map[int]bool
	ips   map[int]int // address to MAC
}

func hostIP(i int) string { return fmt.Sprintf("172.18.0.%d", i) }

func (m *wishes) step(t *rapid.T, r *rig, what int) {
	k := rapid.IntRange(1, 5).Draw(t, "key")
	to := rapid.IntRange(2, 4).Draw(t, "vtep")
	vx := r.index("vx0")
	switch what {
	case 0, 1:
		f := evpn.FDB{VNI: 200, MAC: mac(k), Via: vtep(to), Sticky: what == 1 && to == 2, Want: true}
		m.macs[k] = f
		r.wish(evpn.Delta{FDB: []evpn.FDB{f}})
	case 2:
		delete(m.macs, k)
		r.unwishMAC(200, mac(k))
	case 3:
		m.flood[to] = true
		r.wish(evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(to), Want: true}}})
	case 4:
		delete(m.flood, to)
		r.wish(evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(to)}}})
	case 5:
		m.ips[k] = to
		r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: addr(hostIP(k)), MAC: mac(to), Want: true}}})
	case 6:
		delete(m.ips, k)
		r.wish(evpn.Delta{Neigh: []evpn.Neigh{{VNI: 200, IP: addr(hostIP(k))}}})
	case 7:
		r.frame([]string{"p0", "p1"}[k%2], mac(k))
	case 8: // somebody deletes
		ops := []kernel.Op{
			{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, MAC: mac(k)}},
			{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Master, MAC: mac(k)}},
			{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, IP: vtep(to).VTEP}},
			{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.IPv4, Ifindex: r.index("br0"), IP: addr(hostIP(k))}},
		}
		_ = r.k.Write(ops[k%4:k%4+1], make([]error, 1))
	case 9:
		switch to {
		case 2:
			r.del("vx0")
			r.addVXLAN("vx0", 200, local, "br0")
		case 3:
			r.setMaster("vx0", "")
			r.setMaster("vx0", "br0")
		case 4:
			r.setUp("vx0", false)
			r.setUp("vx0", true)
		}
	case 10:
		r.plane.(*lossy).Overrun() // for nothing
	case 12: // notices are lost, and it is told later, or all goes on
		k := r.plane.(*lossy)
		if k.drop(nil) {
			k.setDeaf(false)
			k.Overrun()
		} else {
			k.setDeaf(true)
		}
	case 13:
		r.plane.(*lossy).answers.Store(1)
	case 11:
		r.setUp("p0", false)
		r.setUp("p0", true)
	}
}

func (m *wishes) delta() evpn.Delta {
	var d evpn.Delta
	for _, f := range m.macs {
		d.FDB = append(d.FDB, f)
	}
	return d
}

// lines renders the model as dump does.
func (m *wishes) lines() string {
	var out []string
	for _, f := range m.macs {
		out = append(out, fmt.Sprintf("%s dev vx0 dst %s self extern_learn static", f.MAC, f.Via.VTEP))
		if f.Sticky {
			out = append(out, fmt.Sprintf("%s dev vx0 extern_learn sticky master br0 static", f.MAC))
		} else {
			out = append(out, fmt.Sprintf("%s dev vx0 extern_learn master br0", f.MAC))
		}
	}
	for to := range m.flood {
		out = append(out, fmt.Sprintf("00:00:00:00:00:00 dev vx0 dst %s self permanent", vtep(to).VTEP))
	}
	for ip, to := range m.ips {
		out = append(out, fmt.Sprintf("%s dev br0 lladdr %s extern_learn NOARP", hostIP(ip), mac(to)))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func remoteOnly(dump string) string {
	var out []string
	for line := range strings.Lines(dump) {
		if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, "dev vx0") || strings.Contains(line, "extern_learn") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
