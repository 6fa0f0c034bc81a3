package linux

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// TestBatchesAreFaster holds the writer to what it is for: entries move at
// least twice as fast many a system call as one a call. Both are measured
// in turn, and the medians of many short runs compared, so that a busy
// machine slows both.
func TestBatchesAreFaster(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	ops, errs := make([]kernel.Op, batchSize), make([]error, batchSize)
	to := 0
	move := func(size int) time.Duration {
		to++
		for i := range ops {
			ops[i] = remote(vx, i)
			ops[i].IP = benchVTEP(2 + to%2)
		}
		begin := time.Now()
		for i := 0; i < len(ops); i += size {
			if err := k.Write(ops[i:i+size], errs[i:i+size]); err != nil {
				t.Fatal(err)
			}
		}
		took := time.Since(begin)
		for i, err := range errs {
			if err != nil {
				t.Fatal(ops[i], err)
			}
		}
		return took
	}
	var many, single []time.Duration
	for range 51 {
		many = append(many, move(batchSize))
		single = append(single, move(1))
	}
	m, s := median(many), median(single)
	t.Logf("%d entries: %v in one call, %v in one call each", batchSize, m, s)
	if 2*m > s {
		t.Errorf("%d entries take %v in one call and %v in one call each: want half of it", batchSize, m, s)
	}
}

// TestReceiverAllocates holds the reader of notices to one allocation a
// batch, that of the batch itself, however many notices it has.
func TestReceiverAllocates(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	s := k.watcher
	if err := s.subscribe(); err != nil {
		t.Fatal(err)
	}
	r := newReceiver()
	ops, errs := make([]kernel.Op, batchSize), make([]error, batchSize)
	total := 0
	fill := func(verb kernel.Verb) {
		for i := range ops {
			ops[i] = benchOp(vx, i+1, 2, verb)
		}
		if err := k.Write(ops, errs); err != nil {
			t.Fatal(err)
		}
	}
	n := testing.AllocsPerRun(10, func() {
		fill(kernel.Replace) // whose notices are filtered out
		fill(kernel.Delete)
		for _, x := range r.read(s.fd) {
			if x.Kind == dataplane.NoticeEntryGone && x.Entry.Ifindex == vx {
				total++
			}
		}
	})
	if want := 11 * 2 * batchSize; total != want {
		t.Errorf("%d notices, want %d: two a deletion", total, want)
	}
	if n > 2 {
		t.Errorf("%v allocations a batch of %d notices", n, 2*batchSize)
	}
}

// TestWatchReadsThemAll has more notices come than a read takes at once, and
// none of them lost.
func TestWatchReadsThemAll(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	ctx, cancel := context.WithCancel(context.Background())
	ch, err := k.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5 * batchSize
	ops, errs := make([]kernel.Op, n), make([]error, n)
	for _, verb := range []kernel.Verb{kernel.Replace, kernel.Delete} {
		for i := range ops {
			ops[i] = benchOp(vx, i+1, 2, verb)
		}
		if err := k.Write(ops, errs); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	late := time.After(10 * time.Second)
	for got < 2*n {
		select {
		case batch := <-ch:
			for _, x := range batch {
				switch {
				case x.Kind == dataplane.NoticeLost:
					t.Fatal("notices were lost")
				case x.Kind == dataplane.NoticeEntryGone && x.Entry.Ifindex == vx:
					got++
				}
			}
		case <-late:
			t.Fatalf("%d notices, want %d", got, 2*n)
		}
	}
	cancel()
	for range ch { // closed once the reader is gone
	}
}

// TestWriterIsAsFastAsRaw holds Write to the limit: the same messages, made
// before, handed to the same socket, with nothing looked at but the last
// answer. Both in turn, medians of many; the race detector slows only one of them.
func TestWriterIsAsFastAsRaw(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	ops, errs := make([]kernel.Op, batchSize), make([]error, batchSize)
	to := 0
	fill := func() {
		to++
		for i := range ops {
			ops[i] = remote(vx, i)
			ops[i].IP = benchVTEP(2 + to%2)
		}
	}
	var ours, raws []time.Duration
	for range 101 {
		fill()
		begin := time.Now()
		if err := k.Write(ops, errs); err != nil {
			t.Fatal(err)
		}
		ours = append(ours, time.Since(begin))

		fill()
		var b []byte
		for i := range ops {
			at := len(b)
			b = encodeOp(b, &ops[i], 1+uint32(i))
			if i == len(ops)-1 {
				native.PutUint16(b[at+6:], native.Uint16(b[at+6:])|unix.NLM_F_ACK)
			}
		}
		begin = time.Now()
		err := k.writer.send(b)
		if err == nil {
			_, err = k.writer.recv()
		}
		raws = append(raws, time.Since(begin))
		if err != nil {
			t.Fatal(err)
		}
	}
	o, r := median(ours), median(raws)
	t.Logf("%d entries: %v, the same bytes by a bare system call %v", batchSize, o, r)
	if 2*o > 5*r {
		t.Errorf("%d entries take %v, and %v as a bare system call: want 2.5 times that at most", batchSize, o, r)
	}
}
