package dataplane_test

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

const benchEntries = 100_000

func remoteOp(vx, i, to int, verb kernel.Verb) kernel.Op {
	op := kernel.Op{Verb: verb, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: vx, State: kernel.NoARP | kernel.Reachable,
		Flags: kernel.Self | kernel.Master | kernel.ExtLearned, MAC: mac(i), IP: vtep(to).VTEP,
	}}
	if verb == kernel.Delete {
		op.Entry = kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self | kernel.Master, MAC: mac(i)}
	}
	return op
}

func benchReal(b *testing.B) (*real, int) {
	w := newReal(b)
	plain(w)
	w.ip("link set vx0 type vxlan nolearning")
	w.portFlags("vx0", false, true)
	vx := 0
	w.inside(func() error {
		ifi, err := net.InterfaceByName("vx0")
		if err == nil {
			vx = ifi.Index
		}
		return err
	})
	return w, vx
}

// report gives the time an entry takes in each phase.
func report(b *testing.B, phase string, d time.Duration) {
	b.ReportMetric(float64(d.Nanoseconds())/float64(b.N)/benchEntries, phase+"-ns/entry")
}

// BenchmarkPlane has the Plane make 100,000 wishes true, move them and take
// them back: wish to kernel, with all bookkeeping.
func BenchmarkPlane(b *testing.B) {
	w, _ := benchReal(b)
	r := start(b, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	phase := func(to int, want bool) time.Duration {
		deltas := make([]evpn.Delta, 0, benchEntries/1000)
		for i := 0; i < benchEntries; i += 1000 {
			d := evpn.Delta{FDB: make([]evpn.FDB, 0, 1000)}
			for j := range 1000 {
				d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + j + 1), Via: vtep(to), Want: want})
			}
			deltas = append(deltas, d)
		}
		n := uint64(benchEntries) + r.p.Stats().Writes
		start := time.Now()
		for _, d := range deltas {
			r.wish(d)
		}
		for {
			if st := r.p.Stats(); st.Writes >= n && (st.Installed == benchEntries) == want {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return time.Since(start)
	}
	var ta, tr, td time.Duration
	var before, after runtime.MemStats
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		ta += phase(2, true)
		b.StopTimer()
		runtime.GC()
		if runtime.ReadMemStats(&after); i == 0 {
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchEntries, "heap-B/entry")
		}
		b.StartTimer()
		tr += phase(3, true)
		td += phase(3, false)
	}
	report(b, "add", ta)
	report(b, "replace", tr)
	report(b, "delete", td)
}

// BenchmarkRestart measures the start with 100,000 entries in the kernel.
func BenchmarkRestart(b *testing.B) {
	w, vx := benchReal(b)
	k := w.open(b)
	ops := make([]kernel.Op, benchEntries)
	for i := range ops {
		ops[i] = remoteOp(vx, i+1, 2, kernel.Replace)
	}
	if err := k.Write(ops, make([]error, len(ops))); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r := start(b, w, nil, dataplane.Config{})
		if st, _ := r.p.Entry(200, mac(benchEntries)); st != dataplane.Adopted {
			b.Fatal(st)
		}
		r.stop()
	}
}

// BenchmarkLoss measures how long it takes from the loss of notices with
// 100,000 entries until the engine knows of a new host, and what others
// deleted is there again. The 100 ms that the Plane waits before it looks are in it.
func BenchmarkLoss(b *testing.B) {
	for _, most := range []int{1 << 20, 20_000} {
		name := "checked"
		if most > benchEntries {
			name = "read"
		}
		b.Run(name, func(b *testing.B) {
			w, vx := benchReal(b)
			k := newLossy(w.open(b))
			r := startWith(b, w, k, dataplane.Config{}, func(p *dataplane.Plane) { p.SetDumpMost(most) })
			r.serves(200, addr(local))
			for i := 0; i < benchEntries; i += 1000 {
				d := evpn.Delta{FDB: make([]evpn.FDB, 0, 1000)}
				for j := range 1000 {
					d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + j + 1), Via: vtep(2), Want: true})
				}
				r.wish(d)
			}
			r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == benchEntries })
			var took time.Duration
			b.ResetTimer()
			for i := range b.N {
				host, repaired := mac(benchEntries+1+i), r.p.Stats().Repaired
				k.miss(r, func() {
					r.write(remoteOp(vx, i+1, 2, kernel.Delete), staticAt(r, "p0", host))
				})
				time.Sleep(r.p.Rest()) // after the loss before
				begin := time.Now()
				k.Overrun()
				for {
					r.mu.Lock()
					known := r.ever[evpn.MACKey{VNI: 200, MAC: host}]
					r.mu.Unlock()
					if st := r.p.Stats(); known && st.Repaired > repaired && st.Installed == benchEntries {
						break
					}
					time.Sleep(time.Millisecond)
				}
				took += time.Since(begin)
			}
			b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/loss")
		})
	}
}
