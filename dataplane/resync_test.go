package dataplane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// lossy is a Kernel that loses what a test wants it to lose, and counts reads.
type lossy struct {
	dataplane.Kernel
	overrun chan struct{}

	dumps   atomic.Int32 // of whole bridges
	answers atomic.Int32 // of writes that are to be lost

	mu   sync.Mutex
	deaf bool
	lost []dataplane.Notice
}

func newLossy(k dataplane.Kernel) *lossy { return &lossy{Kernel: k, overrun: make(chan struct{})} }

func (k *lossy) FDB(bridge int, yield func(*kernel.Entry)) error {
	k.dumps.Add(1)
	return k.Kernel.FDB(bridge, yield)
}

func (k *lossy) Write(ops []kernel.Op, errs []error) error {
	err := k.Kernel.Write(ops, errs)
	if err == nil && k.answers.Add(-1) >= 0 {
		return errors.New("the answer is lost")
	}
	return err
}

func (k *lossy) Watch(ctx context.Context) (<-chan []dataplane.Notice, error) {
	in, err := k.Kernel.Watch(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan []dataplane.Notice)
	pass := func(batch []dataplane.Notice) {
		select {
		case out <- batch:
		case <-ctx.Done():
		}
	}
	go func() {
		defer close(out)
		for {
			select {
			case batch, ok := <-in:
				if !ok {
					return
				}
				if !k.drop(batch) {
					pass(batch)
				}
			case <-k.overrun:
				pass([]dataplane.Notice{{Kind: dataplane.NoticeLost}})
			}
		}
	}()
	return out, nil
}

func (k *lossy) drop(batch []dataplane.Notice) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deaf {
		k.lost = append(k.lost, batch...)
	}
	return k.deaf
}

func (k *lossy) setDeaf(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deaf, k.lost = on, nil
}

// Overrun tells that notices were lost.
func (k *lossy) Overrun() { k.overrun <- struct{}{} }

// lose makes a change whose notices are lost, and tells so.
func (k *lossy) lose(r *rig, change func()) {
	r.t.Helper()
	k.miss(r, change)
	k.Overrun()
}

// miss makes a change whose notices are lost.
func (k *lossy) miss(r *rig, change func()) {
	r.t.Helper()
	k.setDeaf(true)
	change()
	// What was told before this one went is lost when this is.
	last := staticAt(r, "p1", mac(0xffffff))
	r.write(last)
	last.Verb = kernel.Delete
	r.write(last)
	r.untilTrue("the last notice is lost", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return slices.ContainsFunc(k.lost, func(n dataplane.Notice) bool {
			return n.Kind == dataplane.NoticeEntryGone && n.Entry.MAC == last.MAC
		})
	})
	k.setDeaf(false)
}

// staticAt is what `bridge fdb replace MAC dev PORT master static` writes.
func staticAt(r *rig, port string, m evpn.MAC) kernel.Op {
	return kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: r.index(port), Flags: kernel.Master,
		State: kernel.NoARP | kernel.Reachable, MAC: m,
	}}
}

func floodTo(r *rig, to int, verb kernel.Verb) kernel.Op {
	return kernel.Op{Verb: verb, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: r.index("vx0"), Flags: kernel.Self, State: kernel.Permanent, IP: vtep(to).VTEP,
	}}
}

// testLost changes everything while notices are lost: what is ours is put
// back, what is an operator's left alone, the engine told who is local; and
// what is not wished yet is remembered. Up to most MACs are read in full.
func testLost(t *testing.T, w world, most int) {
	plain(w)
	k := newLossy(w.open(t))
	prepare := func(p *dataplane.Plane) { p.SetDumpMost(most) }
	before := &rig{t: t, fatal: t, world: w, k: w.open(t)}
	vx := before.index("vx0")
	// Of an earlier run: 30 and 31 and a VTEP.
	before.write(remoteOp(vx, 30, 5, kernel.Replace), remoteOp(vx, 31, 5, kernel.Replace), floodTo(before, 5, kernel.Append))
	r := startWith(t, w, k, dataplane.Config{}, prepare)
	r.serves(200, addr(local))
	w.frame("p0", mac(20))
	w.frame("p0", mac(21))
	r.knows(200, mac(20), mac(21))
	d := evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}, {VNI: 200, Via: vtep(3), Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}},
	}
	for i := 1; i <= 7; i++ {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Sticky: i == 7, Want: true})
	}
	r.wish(d)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 10 })
	dumps := k.dumps.Load()

	theirs := func(m int) kernel.Op {
		op := remoteOp(vx, m, 9, kernel.Replace)
		op.Flags = kernel.Self
		return op
	}
	k.lose(r, func() {
		w.frame("p0", mac(1)) // a host takes a remote one
		moved := remoteOp(vx, 3, 9, kernel.Replace)
		bridgePart := remoteOp(vx, 6, 2, kernel.Delete)
		bridgePart.Flags = kernel.Master
		gone := staticAt(r, "p0", mac(21)) // a host that goes
		gone.Verb = kernel.Delete
		r.write(
			remoteOp(vx, 2, 2, kernel.Delete), moved, bridgePart,
			remoteOp(vx, 4, 2, kernel.Delete), theirs(4), theirs(8),
			remoteOp(vx, 5, 2, kernel.Delete), staticAt(r, "p1", mac(5)), gone,
			remoteOp(vx, 7, 2, kernel.Delete),
			remoteOp(vx, 31, 5, kernel.Delete), floodTo(r, 3, kernel.Delete),
			kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.IPv4, Ifindex: r.index("br0"), IP: addr("172.18.0.11")}},
		)
		w.frame("p1", mac(22))
		r.untilTrue("the frames are learned", func() bool {
			s := r.dump("br0")
			return strings.Contains(s, mac(22).String()+" dev p1 master") && strings.Contains(s, mac(1).String()+" dev p0 master")
		})
	})
	r.untilTrue("the engine is told of the host that took a MAC", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.ever[evpn.MACKey{VNI: 200, MAC: mac(1)}]
	})
	// This engine does not answer: the wish that stands counts.
	r.knows(200, mac(5), mac(20), mac(22))
	// A MAC that nobody knew of when an operator took it.
	r.wishMAC(200, mac(8), vtep(2))
	r.problem(dataplane.ProblemEntry, mac(4).String()+": an entry that evpnd did not make")
	r.problem(dataplane.ProblemEntry, mac(5).String()+": a static entry of the bridge")
	r.problem(dataplane.ProblemEntry, mac(8).String()+": an entry that evpnd did not make")
	lines := []string{
		"00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent",
		"00:00:00:00:00:00 dev vx0 dst 172.30.0.3 self permanent",
		fmt.Sprintf("%s dev vx0 dst 172.30.0.9 self static", mac(4)),
		fmt.Sprintf("%s dev p1 master br0 static", mac(5)),
		fmt.Sprintf("%s dev vx0 dst 172.30.0.2 self extern_learn static", mac(7)),
		fmt.Sprintf("%s dev vx0 extern_learn sticky master br0 static", mac(7)),
		fmt.Sprintf("%s dev vx0 dst 172.30.0.9 self static", mac(8)),
		fmt.Sprintf("%s dev p0 master br0", mac(20)),
		fmt.Sprintf("%s dev p1 master br0", mac(22)),
		"172.18.0.11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn NOARP",
	}
	for _, i := range []int{1, 2, 3, 6} {
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
	}
	adopted := append(remoteLines(mac(30), "172.30.0.5"), "00:00:00:00:00:00 dev vx0 dst 172.30.0.5 self permanent")
	r.holds("br0", append(lines, adopted...)...)
	if st, _ := r.p.Entry(200, mac(30)); st != dataplane.Adopted {
		t.Errorf("an adopted entry is %v after the loss", st)
	}
	if st, _ := r.p.Entry(200, mac(31)); st == dataplane.Adopted {
		t.Error("an adopted entry that somebody deleted is still known")
	}
	st := r.p.Stats()
	if n := k.dumps.Load() - dumps; st.Resyncs != 1 || n != 0 && most < 0 || n != 1 && most >= 0 {
		t.Errorf("%d losses, %d dumps of all", st.Resyncs, n)
	}
	// Missing were 2, 7 and the neighbor.
	if st.Repaired < 3 {
		t.Errorf("%d entries were put back", st.Repaired)
	}
	// Held no more, they are written.
	back := func(m int) kernel.Op {
		return kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self, MAC: mac(m)}}
	}
	free := staticAt(r, "p1", mac(5))
	free.Verb = kernel.Delete
	r.write(back(4), back(8), free)
	r.p.Sweep()
	lines = slices.DeleteFunc(lines, func(s string) bool {
		return strings.HasPrefix(s, mac(4).String()) || strings.HasPrefix(s, mac(5).String()) || strings.HasPrefix(s, mac(8).String())
	})
	for _, i := range []int{4, 5, 8} {
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
	}
	r.holds("br0", lines...)
	r.healthy()
}

// testLostTwoInOne is a loss with two VNIs in one bridge.
func testLostTwoInOne(t *testing.T, w world) {
	plain(w)
	w.addVXLAN("vx1", 201, local, "br0")
	k := newLossy(w.open(t))
	r := startWith(t, w, k, dataplane.Config{}, func(p *dataplane.Plane) { p.SetDumpMost(-1) })
	r.serves(200, addr(local))
	r.serves(201, addr(local))
	var lines []string
	for i := 1; i <= 6; i++ {
		dev := i % 2 // even ones are VNI 200's
		r.wishMAC(evpn.VNI(200+dev), mac(i), vtepIn(evpn.VNI(200+dev), 2))
		lines = append(lines,
			fmt.Sprintf("%s dev vx%d dst 172.30.0.2 self extern_learn static", mac(i), dev),
			fmt.Sprintf("%s dev vx%d extern_learn master br0", mac(i), dev))
	}
	r.holds("br0", lines...)
	dumps := k.dumps.Load()
	vx := []int{r.index("vx0"), r.index("vx1")}
	k.lose(r, func() {
		w.frame("p0", mac(9))
		half := remoteOp(vx[1], 3, 2, kernel.Delete)
		half.Flags = kernel.Self
		// A MAC of each VNI in the other's device.
		r.write(remoteOp(vx[0], 2, 2, kernel.Delete), half,
			remoteOp(vx[1], 4, 9, kernel.Replace), remoteOp(vx[0], 5, 9, kernel.Replace))
		r.untilTrue("the frame is learned", func() bool {
			return strings.Contains(r.dump("br0"), mac(9).String())
		})
	})
	r.knows(200, mac(9))
	r.knows(201, mac(9))
	r.p.Sweep()
	r.holds("br0", append(lines, mac(9).String()+" dev p0 master br0")...)
	if n := k.dumps.Load() - dumps; n != 0 {
		t.Errorf("%d dumps of all", n)
	}
	// A port's own address is no peer's.
	links, err := r.k.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Index == vx[1] {
			r.wishMAC(201, l.MAC, vtepIn(201, 2))
		}
	}
	r.problem(dataplane.ProblemEntry, "it is the address of a device of the bridge")
	r.holds("br0", append(lines, mac(9).String()+" dev p0 master br0")...)
}

// testAnswersLost has the kernel carry out writes whose answers are lost: what
// is wished ends in the kernel, and what is wished no more by then does not.
func testAnswersLost(t *testing.T, w world) {
	plain(w)
	k := newLossy(w.open(t))
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	wishes := func(want bool) (d evpn.Delta, lines []string) {
		d.Flood = []evpn.Flood{{VNI: 200, Via: vtep(2), Want: want}}
		lines = append(lines, "00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent")
		d.Neigh = []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: want}}
		lines = append(lines, "172.18.0.11 dev br0 lladdr 02:42:ac:00:00:01 extern_learn NOARP")
		for i := 1; i <= 300; i++ {
			f := evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Sticky: i == 100, Want: want}
			d.FDB = append(d.FDB, f)
			if !f.Sticky {
				lines = append(lines, remoteLines(f.MAC, "172.30.0.2")...)
				continue
			}
			lines = append(lines,
				fmt.Sprintf("%s dev vx0 dst 172.30.0.2 self extern_learn static", f.MAC),
				fmt.Sprintf("%s dev vx0 extern_learn sticky master br0 static", f.MAC))
		}
		return d, lines
	}
	all, lines := wishes(true)
	none, _ := wishes(false)
	lost := func(d evpn.Delta) {
		t.Helper()
		// Else the answer may be that of a removal which is tried again, of what
		// is gone already.
		r.untilTrue("the Plane is at rest", r.p.AtRest)
		k.answers.Store(1)
		r.wish(d)
		r.untilTrue("an answer is lost", func() bool { return k.answers.Load() <= 0 && len(r.p.Problems()) > 0 })
	}
	lost(all)
	r.holds("br0", lines...)
	r.healthy()
	lost(none)
	r.holds("br0")
	r.healthy()
	// Taken back before it is tried again; the flood entry, the neighbor and
	// some of the MACs are in the kernel.
	lost(all)
	if !strings.Contains(r.dump("br0"), "vx0 dst 172.30.0.2 self permanent") {
		t.Fatal("nothing was written")
	}
	r.wish(none)
	r.holds("br0")
	r.healthy()
	// And wished otherwise: no longer sticky.
	lost(all)
	all.FDB[99].Sticky = false
	r.wish(evpn.Delta{FDB: all.FDB[99:100]})
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, mac(100).String()) })
	r.holds("br0", append(lines, remoteLines(mac(100), "172.30.0.2")...)...)
	r.healthy()
}
