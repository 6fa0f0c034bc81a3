package dataplane_test

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// What is written and refused is counted, by kind and error, and how long the
// kernel is behind the message is known while it is so and afterwards.
func TestCounts(t *testing.T) {
	r, h := faulty(t)
	var shut atomic.Bool
	h.FailOps(func(op kernel.Op) error {
		switch {
		case shut.Load():
			return syscall.EPERM
		case op.MAC == mac(2):
			return syscall.ENOSPC
		}
		return nil
	})
	before := r.p.Stats()
	if before.Lag != 0 || before.Behind.Count != 0 {
		t.Errorf("behind before there was a message: %+v", before)
	}
	var d evpn.Delta
	d.Since = time.Now().Add(-3 * time.Second)
	for i := 1; i <= 3; i++ {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i), Via: vtep(2), Want: true})
	}
	r.wish(d)
	r.until("the burst is counted", func() string {
		s := r.p.Stats()
		if s.Behind.Count != 1 || s.Behind.Sum < 3*time.Second || s.Lag != 0 {
			return fmt.Sprintf("%+v, lag %v", s.Behind, s.Lag)
		}
		return ""
	})
	s := r.p.Stats()
	added := dataplane.Writing{Kind: dataplane.KindMAC}
	if s.Written[added] != 2 || s.Refused[dataplane.Refusal{Kind: dataplane.KindMAC, Error: "ENOSPC"}] == 0 || s.Batch.Count <= before.Batch.Count {
		t.Errorf("written %v, refused %v, batches %d after %d", s.Written, s.Refused, s.Batch.Count, before.Batch.Count)
	}

	// A kernel that takes nothing is behind until it does.
	shut.Store(true)
	r.wish(evpn.Delta{Since: time.Now().Add(-time.Second), FDB: []evpn.FDB{{VNI: 200, MAC: mac(1)}}})
	r.until("the kernel is behind", func() string {
		if s := r.p.Stats(); s.Lag < time.Second || s.Refused[dataplane.Refusal{Kind: dataplane.KindMAC, Error: "EPERM"}] == 0 {
			return fmt.Sprintf("lag %v, refused %v", s.Lag, s.Refused)
		}
		return ""
	})
	shut.Store(false)
	r.until("it has caught up", func() string {
		if s := r.p.Stats(); s.Lag != 0 || s.Behind.Count != 2 || s.Written[dataplane.Writing{Kind: dataplane.KindMAC, Removed: true}] != 1 {
			return fmt.Sprintf("lag %v, %+v, written %v", s.Lag, s.Behind, s.Written)
		}
		return ""
	})
	// The copies are the caller's.
	s = r.p.Stats()
	s.Written[added] = 99
	if r.p.Stats().Written[added] != 2 {
		t.Error("a copy of the counts changes them")
	}
}

// What was composed while the kernel refused the batch before was not refused:
// the kernel has not seen it.
func TestOnlyWhatWasWrittenIsRefused(t *testing.T) {
	r, h := faulty(t)
	h.FailOps(func(kernel.Op) error { return syscall.EPERM })
	var d evpn.Delta
	for i := range dataplane.WriteBatch + 9 {
		d.FDB = append(d.FDB, evpn.FDB{VNI: 200, MAC: mac(i + 1), Via: vtep(2), Want: true})
	}
	r.wish(d)
	var n uint64
	r.untilTrue("the kernel refuses them", func() bool {
		n = r.p.Stats().Refused[dataplane.Refusal{Kind: dataplane.KindMAC, Error: "EPERM"}]
		return n > 0
	})
	if n%dataplane.WriteBatch != 0 {
		t.Errorf("%d entries are said to be refused, want a multiple of a batch, %d", n, dataplane.WriteBatch)
	}
	h.FailOps(nil)
	r.healthy()
}
