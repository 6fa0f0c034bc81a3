package dataplane_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// slow is a Kernel that a test can stop in the middle of a dump, or of a write.
type slow struct {
	dataplane.Kernel
	stop    chan struct{} // has a value: stop once
	stopped chan struct{}
	goOn    chan struct{}
}

func newSlow(k dataplane.Kernel) *slow {
	return &slow{k, make(chan struct{}, 1), make(chan struct{}), make(chan struct{})}
}

func (k *slow) wait() {
	select {
	case <-k.stop:
		k.stopped <- struct{}{}
		<-k.goOn
	default:
	}
}

func (k *slow) FDB(bridge int, yield func(*kernel.Entry)) error {
	k.wait()
	return k.Kernel.FDB(bridge, yield)
}

func (k *slow) Write(ops []kernel.Op, errs []error) error {
	if len(ops) >= dataplane.WriteBatch {
		k.wait()
	}
	return k.Kernel.Write(ops, errs)
}

// readAll calls everything that any goroutine may call, from several at once.
func readAll(t *testing.T, p *dataplane.Plane) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					p.Devices()
					p.Problems()
					p.Stats()
					p.PortName(1)
					_, _ = p.Entry(200, mac(1))
					_, _ = p.NeighEntry(200, addr("172.18.0.11"))
					_, _ = p.FloodEntry(200, vtep(2))
					p.Read(func(r dataplane.Reader) { _ = r.PortName(1) })
					_, _ = p.InspectMAC(200, mac(1))
					_, _ = p.InspectNeigh(200, addr("172.18.0.11"))
					_, _ = p.DryRun(dataplane.Config{})
				}
			})
		}
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("readers wait")
	}
}

// TestReadersDoNotWait stops the kernel in the middle of a dump, and of a write:
// readers are answered, commands are taken, and deltas wait until it goes on.
func TestReadersDoNotWait(t *testing.T) {
	w := newPretend()
	plain(w)
	k := newSlow(w.Open())
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	var d evpn.Delta
	for i := range 2 * dataplane.WriteBatch {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + 1), Via: vtep(2), Want: true})
	}
	one := evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}}}
	for what, begin := range map[string]func(){
		"dump":  func() { r.p.Reread(200) },
		"write": func() { r.wish(d) },
	} {
		k.stop <- struct{}{}
		begin()
		<-k.stopped
		readAll(t, r.p)
		r.p.Sweep()
		r.p.Reread(200)
		if err := r.p.Configure(dataplane.Config{}); err != nil {
			t.Error(err)
		}
		select {
		case r.p.Deltas() <- one:
			t.Errorf("a delta is taken in the middle of a %s", what)
		case <-time.After(20 * time.Millisecond):
		}
		k.goOn <- struct{}{}
		r.wish(one)
	}
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == len(d.FDB)+1 })
	if st, err := r.p.Entry(200, mac(1)); st != dataplane.Installed || err != nil {
		t.Errorf("the entry is %s, %v", st, err)
	}
	r.p.Read(func(all dataplane.Reader) {
		for i := range d.FDB {
			if st, err := all.Entry(200, mac(i+1)); st != dataplane.Installed || err != nil {
				t.Errorf("of many the entry of %s is %s, %v", mac(i+1), st, err)
			}
		}
		if st, _ := all.FloodEntry(200, vtep(2)); st != dataplane.Installed {
			t.Errorf("the flood entry is %s", st)
		}
		if st, _ := all.NeighEntry(200, addr("172.18.0.11")); st != dataplane.Absent {
			t.Errorf("a neighbor that nobody desires is %s", st)
		}
		if st, _ := all.Entry(201, mac(1)); st != dataplane.Absent {
			t.Errorf("an entry of a VNI that is not there is %s", st)
		}
	})
	readAll(t, r.p)
}

// TestReadersWithoutLoop reads a Plane before it runs and when it has: it knows
// nothing, and what it knew.
func TestReadersWithoutLoop(t *testing.T) {
	w := newPretend()
	p := dataplane.New(w.Open(), dataplane.Config{}, slog.New(slog.DiscardHandler))
	readAll(t, p)
	if n := len(p.Devices()); n != 0 {
		t.Errorf("%d devices before the first read", n)
	}
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	r.wishMAC(200, mac(1), vtep(2))
	r.untilTrue("it is installed", func() bool { return r.p.Stats().Installed == 1 })
	r.stop()
	readAll(t, r.p)
	if st, _ := r.p.Entry(200, mac(1)); st != dataplane.Installed || len(r.p.Devices()) != 1 {
		t.Errorf("afterwards the entry is %s, and devices are %+v", st, r.p.Devices())
	}
}

// counting is a Kernel that counts full batches.
type counting struct {
	dataplane.Kernel
	full atomic.Int64
}

func (k *counting) Write(ops []kernel.Op, errs []error) error {
	if len(ops) >= dataplane.WriteBatch {
		k.full.Add(1)
	}
	return k.Kernel.Write(ops, errs)
}

// TestInputsBetweenRuns desires many entries and then another: the Plane takes it
// before it has written all of them.
func TestInputsBetweenRuns(t *testing.T) {
	const batches = 400
	w := newPretend()
	plain(w)
	k := &counting{Kernel: w.Open()}
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	var d evpn.Delta
	for i := range batches * dataplane.WriteBatch {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + 1), Via: vtep(2), Want: true})
	}
	r.wish(d)
	r.wishMAC(200, mac(len(d.FDB)+1), vtep(2))
	if n := k.full.Load(); n >= batches/2 {
		t.Errorf("a delta is taken after %d of %d batches of the one before it", n, batches)
	}
	r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == len(d.FDB)+1 })
}

// TestReaderPanics has a reader fail: that is for its caller to know, who may
// be serving one call of many. The loop goes on.
func TestReaderPanics(t *testing.T) {
	w := newPretend()
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	func() {
		defer func() {
			if x := recover(); x != "on purpose" {
				t.Errorf("the caller recovers %v", x)
			}
		}()
		r.p.Read(func(dataplane.Reader) { panic("on purpose") })
	}()
	r.wishMAC(200, mac(1), vtep(2))
	r.untilTrue("the Plane writes", func() bool { return r.p.Stats().Installed == 1 })
}
