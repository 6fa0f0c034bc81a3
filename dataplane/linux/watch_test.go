package linux

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// reader takes notices one by one.
type reader struct {
	t    *testing.T
	ch   <-chan []dataplane.Notice
	rest []dataplane.Notice
}

// watching opens a watch that the test ends with.
func watching(t *testing.T, k *Kernel) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ch, err := k.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		for range ch { // closed once the reader is gone
		}
	})
	return &reader{t: t, ch: ch}
}

// await reads notices until one is as wanted, and returns how many came.
func (r *reader) await(what string, want func(*dataplane.Notice) bool) (n int) {
	r.t.Helper()
	late := time.After(10 * time.Second)
	for {
		for len(r.rest) > 0 {
			x := &r.rest[0]
			r.rest = r.rest[1:]
			if n++; want(x) {
				return n
			}
		}
		select {
		case r.rest = <-r.ch:
		case <-late:
			r.t.Fatalf("%s: not among %d notices", what, n)
		}
	}
}

// TestOverrun has more notices come than the socket holds while nobody reads:
// the kernel says so (ENOBUFS), and drops all that come until the queue is
// empty. What comes when the loss has been told must not be among those.
func TestOverrun(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	s := k.watcher
	if err := s.subscribe(); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10); err != nil {
		t.Fatal(err)
	}
	const n = 10 * batchSize
	ops, errs := make([]kernel.Op, n), make([]error, n)
	for i := range ops {
		ops[i] = benchOp(vx, i+1, 2, kernel.Replace)
	}
	if err := k.Write(ops, errs); err != nil {
		t.Fatal(err)
	}
	r := newReceiver()
	if got := r.read(s.fd); len(got) != 1 || got[0].Kind != dataplane.NoticeLost {
		t.Fatalf("after an overrun %d notices are read, want the one of a loss", len(got))
	}
	last := remote(vx, n+1)
	if err := k.Write([]kernel.Op{last}, errs[:1]); err != nil {
		t.Fatal(err)
	}
	for _, x := range r.read(s.fd) {
		if x.Kind == dataplane.NoticeEntry && x.Entry.MAC == last.MAC {
			return
		}
	}
	t.Error("what came after the loss was told is lost, and nobody says so")
}

// TestHush: entries with the mark are told of when it is off, and not when it
// is on; deletions always are.
func TestHush(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	r := watching(t, k)
	write := func(i int, verb kernel.Verb) kernel.Op {
		t.Helper()
		op, errs := remote(vx, i), make([]error, 1)
		op.Verb = verb
		if err := k.Write([]kernel.Op{op}, errs); err != nil || errs[0] != nil {
			t.Fatal(err, errs[0])
		}
		return op
	}
	for round, on := range []bool{true, false, true, false} {
		if err := k.MuteEcho(on); err != nil {
			t.Fatal(err)
		}
		told := false
		op := write(round+1, kernel.Replace)
		write(round+1, kernel.Delete)
		r.await("the deletion", func(x *dataplane.Notice) bool {
			told = told || x.Kind == dataplane.NoticeEntry && x.Entry.MAC == op.MAC
			return x.Kind == dataplane.NoticeEntryGone && x.Entry.MAC == op.MAC
		})
		if told == on {
			t.Errorf("echo muted %v: told of the addition %v", on, told)
		}
		r.await("the other half's deletion", func(x *dataplane.Notice) bool {
			return x.Kind == dataplane.NoticeEntryGone && x.Entry.MAC == op.MAC
		})
	}
}

// TestHushNeighbors: of neighbors with the mark only our own writes are kept
// from us while it is on.
func TestHushNeighbors(t *testing.T) {
	k, run := inNetns(t)
	br := linkOf(t, k, "br0").Index
	r := watching(t, k)
	ours := kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.IPv4, Ifindex: br, State: kernel.NoARP, Flags: kernel.ExtLearned,
		MAC: evpn.MAC{2, 0, 0, 0, 0, 1}, IP: netip.AddrFrom4([4]byte{172, 18, 0, 11}),
	}}
	errs := make([]error, 1)
	if err := k.Write([]kernel.Op{ours}, errs); err != nil || errs[0] != nil {
		t.Fatal(err, errs[0])
	}
	run("ip", "neigh", "replace", "172.18.0.11", "lladdr", "02:00:00:00:00:02", "dev", "br0", "nud", "noarp", "extern_learn")
	r.await("what another has made of it", func(x *dataplane.Notice) bool {
		if x.Kind != dataplane.NoticeEntry || x.Entry.IP != ours.IP {
			return false
		}
		if x.Entry.MAC == ours.MAC {
			t.Error("our own write is told")
		}
		return x.Entry.MAC == evpn.MAC{2, 0, 0, 0, 0, 2}
	})
}
