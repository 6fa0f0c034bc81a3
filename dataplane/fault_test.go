package dataplane_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// faulty starts a Plane on a fake kernel whose handle can fail.
func faulty(t *testing.T) (*rig, *fake.Handle) {
	w := newPretend()
	plain(w)
	h := w.Open()
	r := start(t, w, h, dataplane.Config{})
	r.serves(200, addr(local))
	return r, h
}

func (r *rig) problem(kind topology.ProblemKind, words string) {
	r.t.Helper()
	r.untilTrue("a problem that says "+words, func() bool {
		return slices.ContainsFunc(r.p.Problems(), func(p topology.Problem) bool {
			return p.Kind == kind && strings.Contains(p.Text, words)
		})
	})
}

func (r *rig) healthy() {
	r.t.Helper()
	r.until("no problem is left", func() string {
		if p := r.p.Problems(); len(p) > 0 {
			return p[0].Text
		}
		return ""
	})
}

// TestOneEntryFails has the kernel refuse one MAC with each error: the
// others are written, the one is shown and tried again until it works.
func TestOneEntryFails(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EEXIST, syscall.ENOENT, syscall.EINVAL, syscall.EBUSY, syscall.EPERM,
		syscall.ENOBUFS, syscall.ENOMEM, syscall.EAFNOSUPPORT, syscall.EOPNOTSUPP, syscall.ENOSPC,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			r, h := faulty(t)
			h.FailOps(func(op kernel.Op) error {
				if op.MAC == mac(2) {
					return errno
				}
				return nil
			})
			var d evpn.Delta
			for i := 1; i <= 3; i++ {
				d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
			}
			r.wish(d)
			lines := append(remoteLines(mac(1), "172.30.0.2"), remoteLines(mac(3), "172.30.0.2")...)
			r.holds("br0", lines...)
			r.problem(dataplane.ProblemEntry, "MAC 02:42:ac:00:00:02")
			if st, err := r.p.Entry(200, mac(2)); st != dataplane.FailedNow || !errors.Is(err, errno) {
				t.Errorf("the refused entry is %v, %v", st, err)
			}
			h.FailOps(nil)
			r.holds("br0", append(lines, remoteLines(mac(2), "172.30.0.2")...)...)
			r.healthy()
		})
	}
}

// TestOneEntryFailsAlone has the kernel refuse one MAC with EPERM, which
// alone in its batch looks like a missing privilege, and is not taken as one.
func TestOneEntryFailsAlone(t *testing.T) {
	r, h := faulty(t)
	h.FailOps(func(op kernel.Op) error {
		if op.MAC == mac(2) {
			return syscall.EPERM
		}
		return nil
	})
	r.wishMAC(200, mac(2), vtep(2))
	r.problem(dataplane.ProblemEntry, "MAC 02:42:ac:00:00:02")
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	if p := r.p.Problems(); len(p) != 1 {
		t.Errorf("problems %v, want the one entry", p)
	}
}

// TestRemovalFails is the same for a removal.
func TestRemovalFails(t *testing.T) {
	r, h := faulty(t)
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	h.FailOps(func(op kernel.Op) error {
		if op.Verb == kernel.Delete {
			return syscall.EBUSY
		}
		return nil
	})
	r.unwishMAC(200, mac(1))
	r.problem(dataplane.ProblemEntry, "busy")
	h.FailOps(nil)
	r.holds("br0")
	r.healthy()
}

// TestNoPrivilege has the kernel refuse everything: one problem says what is
// missing, and when the right is there all is made as wished.
func TestNoPrivilege(t *testing.T) {
	w := newPretend()
	plain(w)
	h := w.Open()
	h.FailOps(func(kernel.Op) error { return syscall.EPERM })
	h.FailCalls(func(m string) error {
		if strings.HasPrefix(m, "Set") {
			return syscall.EPERM
		}
		return nil
	})
	r := start(t, w, h, dataplane.Config{})
	r.serves(200, addr(local))
	var d evpn.Delta
	for i := range 500 {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + 1), Via: vtep(2), Want: true})
	}
	r.wish(d)
	r.problem(dataplane.ProblemWrite, "CAP_NET_ADMIN")
	r.problem(dataplane.ProblemFlags, "CAP_NET_ADMIN")
	if n := len(r.p.Problems()); n != 2 {
		t.Errorf("%d problems, want one for writing and one for flags", n)
	}
	w.frame("p0", mac(1000))
	r.knows(200, mac(1000)) // reading goes on
	h.FailOps(nil)
	h.FailCalls(nil)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 500 })
	w.setUp("p0", false) // any change has the flags looked at
	r.healthy()
}

// TestOverrun loses notices: what is local and what was removed meanwhile is
// found by reading again.
func TestOverrun(t *testing.T) {
	w := newPretend()
	plain(w)
	h := w.Open()
	h.Buffer = 64
	r := start(t, w, h, dataplane.Config{})
	r.serves(200, addr(local))
	w.frame("p0", mac(5000))
	r.knows(200, mac(5000))
	var d evpn.Delta
	var lines []string
	for i := 1; i <= 200; i++ {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
	}
	r.wish(d)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 200 })
	vx := r.index("vx0")
	var ops []kernel.Op
	for i := 1; i <= 200; i++ {
		ops = append(ops, kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self | kernel.Master, MAC: mac(i),
		}})
	}
	r.write(ops...)
	h.Overrun()
	w.frame("p1", mac(5001))
	w.setUp("p0", false)
	h.Overrun()
	r.knows(200, mac(5001))
	r.holds("br0", append(lines, mac(5001).String()+" dev p1 master br0")...)
	if n := r.p.Stats().Resyncs; n == 0 {
		t.Error("the resync is not counted")
	}
}

// TestReadFails has each read fail for a while, at the start and later.
func TestReadFails(t *testing.T) {
	for _, method := range []string{"Links", "Addrs", "FDB", "Neighbors", "Lookup", "Write", "Reply", "Port", "Find"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			most := 1 << 20
			if method == "Port" || method == "Find" {
				most = -1
			}
			w := newPretend()
			plain(w)
			w.frame("p0", mac(1))
			h := w.Open()
			var left atomic.Int32
			left.Store(3)
			h.FailCalls(func(m string) error {
				if m == method && left.Add(-1) >= 0 {
					return syscall.ENOBUFS
				}
				return nil
			})
			r := startWith(t, w, h, dataplane.Config{}, func(p *dataplane.Plane) { p.SetDumpMost(most) })
			r.knows(200, mac(1))
			r.wishMAC(200, mac(2), vtep(2))
			lines := append(remoteLines(mac(2), "172.30.0.2"), mac(1).String()+" dev p0 master br0")
			r.holds("br0", lines...)
			left.Store(3)
			h.Overrun()
			w.frame("p0", mac(3))
			r.knows(200, mac(1), mac(3))
			r.holds("br0", append(lines, mac(3).String()+" dev p0 master br0")...)
			r.healthy()
		})
	}
}

// TestDeviceVanishes removes the device between composing a batch and
// writing it.
func TestDeviceVanishes(t *testing.T) {
	w := newPretend()
	plain(w)
	h := w.Open()
	r := start(t, w, h, dataplane.Config{})
	r.serves(200, addr(local))
	var once atomic.Bool
	h.FailOps(func(op kernel.Op) error {
		if op.MAC == mac(100) && once.CompareAndSwap(false, true) {
			w.del("vx0")
		}
		return nil
	})
	var d evpn.Delta
	var lines []string
	for i := 1; i <= 300; i++ {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
		lines = append(lines, remoteLines(mac(i), "172.30.0.2")...)
	}
	r.wish(d)
	r.serves(200, netip.Addr{})
	r.healthy()
	w.addVXLAN("vx0", 200, local, "br0")
	r.serves(200, addr(local))
	r.holds("br0", lines...)
	r.healthy()
}

// TestFloodGoesFirst follows the order of writing: additions flood, MAC,
// neighbor; removals the other way round.
func TestFloodGoesFirst(t *testing.T) {
	w := newPretend()
	plain(w)
	h := w.Open()
	r := start(t, w, h, dataplane.Config{})
	r.serves(200, addr(local))
	var order []string
	h.FailOps(func(op kernel.Op) error {
		what := "mac"
		switch {
		case op.Family != kernel.Bridge:
			what = "neighbor"
		case op.MAC.IsZero():
			what = "flood"
		}
		if op.Verb == kernel.Delete {
			what = "-" + what
		}
		order = append(order, what)
		return nil
	})
	d := evpn.Delta{
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}},
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
	}
	r.wish(d)
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 3 })
	// One VTEP takes over from another, and everything else goes.
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2)}, {VNI: 200, Via: vtep(3), Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1)}, {VNI: 200, MAC: mac(2), Via: vtep(3), Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11")}},
	})
	r.untilTrue("all is installed", func() bool { s := r.p.Stats(); return s.Installed == 2 && s.Writes == 8 })
	h.FailOps(nil)
	want := []string{"flood", "mac", "neighbor", "flood", "mac", "-neighbor", "-mac", "-flood"}
	if !slices.Equal(order, want) {
		t.Errorf("order of writes %v, want %v", order, want)
	}
}

// TestSlowEngine takes no events while hosts come and go: what gathers is
// one mark a host, and what is told then is how it is.
func TestSlowEngine(t *testing.T) {
	w := newPretend()
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	r.mu.Lock() // the consumer stops in apply
	n := r.events
	for range 1000 {
		for i := range 20 {
			w.frame("p0", mac(i+1))
		}
		w.setUp("p0", false)
		w.setUp("p0", true)
	}
	w.frame("p1", mac(7))
	time.Sleep(50 * time.Millisecond) // for the Plane to see it all; less only makes the test weaker
	r.mu.Unlock()
	r.knows(200, mac(7))
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.events - n; got > 5000 {
		t.Errorf("%d events for 20 hosts", got)
	}
}

// TestFlagsDoNotStick lets somebody else undo the flags at once, each time:
// it is said, and not fought over without end.
func TestFlagsDoNotStick(t *testing.T) {
	w := newPretend()
	plain(w)
	h := w.Open()
	stop := make(chan struct{})
	h.FailCalls(func(m string) error {
		select {
		case <-stop:
			return nil
		default:
		}
		if m == "Links" {
			w.SetPortFlags("vx0", true, false)
		}
		return nil
	})
	r := start(t, w, h, dataplane.Config{})
	r.problem(dataplane.ProblemFlags, "who else sets them")
	if n := r.p.Stats().Mended; n > 4 {
		t.Errorf("set %d times", n)
	}
	close(stop)
}

// TestProblemsGoWithTheirDevice makes the flags of a device fail, and then
// removes the device: its problem goes with it.
func TestProblemsGoWithTheirDevice(t *testing.T) {
	r, h := faulty(t)
	h.FailCalls(func(m string) error {
		if m == "SetPort" {
			return syscall.EOPNOTSUPP
		}
		return nil
	})
	r.portFlags("vx0", true, false)
	r.problem(dataplane.ProblemFlags, "vx0")
	r.rename("vx0", "vx1")
	r.problem(dataplane.ProblemFlags, "vx1")
	r.untilTrue("one problem is left", func() bool { return len(r.p.Problems()) == 1 })
	r.del("vx1")
	r.healthy()
}

// TestNothingLeftToWrite takes all wishes back while nothing can be written:
// that is no problem any more.
func TestNothingLeftToWrite(t *testing.T) {
	r, h := faulty(t)
	h.FailOps(func(kernel.Op) error { return syscall.EPERM })
	r.wishMAC(200, mac(1), vtep(2))
	r.problem(dataplane.ProblemWrite, "CAP_NET_ADMIN")
	r.unwishMAC(200, mac(1))
	r.healthy()
}

// TestDeclaredAgain has a bridge stay because it has other ports: declared
// again, there is nothing wrong with it.
func TestDeclaredAgain(t *testing.T) {
	w := newPretend()
	cfg := dataplane.Config{Topology: declared(topology.Declared{VNI: 300})}
	r := start(t, w, nil, cfg)
	r.serves(300, addr(local))
	w.addPort("p0", "br300")
	if err := r.p.Configure(dataplane.Config{}); err != nil {
		t.Fatal(err)
	}
	r.problem(topology.NotMade, "br300")
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.serves(300, addr(local))
	r.healthy()
}

// TestVNIsComeAndGo makes a thousand VNIs, in twenty rounds, gives each what
// a VNI has while their flags cannot be set, and removes them: nothing is
// remembered of them.
func TestVNIsComeAndGo(t *testing.T) {
	r, h := faulty(t)
	h.FailCalls(func(m string) error {
		if m == "SetVXLANLearning" {
			return syscall.EOPNOTSUPP
		}
		return nil
	})
	before := r.p.Kept()
	for range 20 {
		var d, none evpn.Delta
		for i := 1; i <= 50; i++ {
			vni := evpn.VNI(1000 + i)
			name := "t" + vni.String()
			r.addBridge("b" + name)
			r.addVXLAN("v"+name, int(vni), local, "b"+name)
			d.FDB = append(d.FDB, evpn.FDB{VNI: vni, MAC: mac(1), Via: vtepIn(vni, 2), Want: true})
			d.Neigh = append(d.Neigh, evpn.Neigh{VNI: vni, IP: addr("172.18.0.11"), MAC: mac(1), Want: true})
			d.Flood = append(d.Flood, evpn.Flood{VNI: vni, Via: vtepIn(vni, 2), Want: true})
			none.FDB = append(none.FDB, evpn.FDB{VNI: vni, MAC: mac(1)})
			none.Neigh = append(none.Neigh, evpn.Neigh{VNI: vni, IP: addr("172.18.0.11")})
			none.Flood = append(none.Flood, evpn.Flood{VNI: vni, Via: vtepIn(vni, 2)})
		}
		r.wish(d)
		r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 150 })
		for i := 1; i <= 50; i++ {
			name := "t" + evpn.VNI(1000+i).String()
			r.del("v" + name)
			r.del("b" + name)
		}
		r.untilTrue("only one VNI is served", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.vnis) == 1 })
		r.wish(none)
	}
	r.portFlags("vx0", false, true) // has the devices read once more
	r.until("nothing is kept", func() string {
		if n := r.p.Kept(); n > before {
			return fmt.Sprintf("%d things, %d before", n, before)
		}
		return ""
	})
}

// TestTakenBeforeTold has a local host take a MAC that is wished as remote
// while the engine takes no events. The wish must not take it back before
// the engine could answer.
func TestTakenBeforeTold(t *testing.T) {
	w := newPretend()
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	r.mu.Lock()
	unlock := sync.OnceFunc(r.mu.Unlock)
	defer unlock()
	w.frame("p1", mac(2)) // the engine has this in hand and takes no more
	r.untilTrue("the engine is busy", func() bool { return r.taken.Load() > r.applied.Load() })
	w.frame("p0", mac(1))
	here := []string{
		"02:42:ac:00:00:01 dev p0 master br0",
		"02:42:ac:00:00:01 dev vx0 dst 172.30.0.2 self extern_learn static",
		"02:42:ac:00:00:02 dev p1 master br0",
	}
	r.holds("br0", here...)
	for range 150 { // three times the pause
		time.Sleep(10 * time.Millisecond)
		if got := r.dump("br0"); got != strings.Join(here, "\n") {
			t.Fatalf("before the engine was told the kernel has\n%s", got)
		}
	}
	unlock()
	// This engine does not answer: the wish that stands counts.
	r.knows(200, mac(2))
	r.holds("br0", append(remoteLines(mac(1), "172.30.0.2"), here[2])...)
}

// TestDeselectedWhileRefused has a VNI deselected while the kernel takes no
// writes: what is ours goes when it does again.
func TestDeselectedWhileRefused(t *testing.T) {
	r, h := faulty(t)
	r.wish(evpn.Delta{
		Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}, {VNI: 200, MAC: mac(2), Via: vtep(2), Sticky: true, Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Want: true}},
	})
	r.untilTrue("all is written", func() bool { return r.p.Stats().Installed == 4 })
	h.FailOps(func(kernel.Op) error { return syscall.EPERM })
	if err := r.p.Configure(dataplane.Config{Topology: topology.Config{Select: topology.Select{Devices: []string{"other"}}}}); err != nil {
		t.Fatal(err)
	}
	r.serves(200, netip.Addr{})
	r.untilTrue("a problem says so", func() bool {
		return slices.ContainsFunc(r.p.Problems(), func(p topology.Problem) bool { return p.Kind == dataplane.ProblemWrite })
	})
	h.FailOps(nil)
	r.holds("br0")
	r.untilTrue("the problem is gone", func() bool {
		return !slices.ContainsFunc(r.p.Problems(), func(p topology.Problem) bool { return p.Kind == dataplane.ProblemWrite })
	})
}

// TestRefusedWaits has the kernel refuse all writes: until the next try the
// Plane sleeps, and hears of changes of its own entries.
func TestRefusedWaits(t *testing.T) {
	r, h := faulty(t)
	h.FailOps(func(kernel.Op) error { return syscall.EPERM })
	r.wishMAC(200, mac(1), vtep(2))
	r.untilTrue("the Plane listens and sleeps", func() bool { return !r.p.EchoMuted() && r.p.Wait() > 60*time.Millisecond })
}

// A kernel that is short of memory is given time: but for the batch that was on
// its way already, nothing is written for a while.
func TestShortOfMemory(t *testing.T) {
	r, h := faulty(t)
	var mu sync.Mutex
	var at []time.Time
	h.FailOps(func(kernel.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if at = append(at, time.Now()); len(at) <= 3*dataplane.WriteBatch {
			return syscall.ENOMEM
		}
		return nil
	})
	var d evpn.Delta
	for i := range 6 * dataplane.WriteBatch {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + 1), Via: vtep(2), Want: true})
	}
	r.wish(d)
	r.untilTrue("all is written", func() bool {
		st := r.p.Stats()
		return st.Installed == len(d.FDB)
	})
	mu.Lock()
	defer mu.Unlock()
	if pause := at[2*dataplane.WriteBatch].Sub(at[0]); pause < 150*time.Millisecond {
		t.Errorf("the third batch followed the first, which failed for want of memory, after %v", pause)
	}
	r.healthy()
}
