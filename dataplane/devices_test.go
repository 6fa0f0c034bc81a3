package dataplane_test

import (
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
)

// TestRemovalRefused has a declared device that cannot be made anew with
// another local address, since the kernel does not remove the old one: the
// broadcast domain goes on with that, and its entries are not read again.
func TestRemovalRefused(t *testing.T) {
	w := newPretend()
	h := w.Open()
	cfg := dataplane.Config{Topology: declared(topology.Declared{VNI: 300})}
	r := start(t, w, h, cfg)
	r.serves(300, addr(local))
	var reads, syncs atomic.Int64
	h.FailCalls(func(method string) error {
		switch method {
		case "Remove":
			return syscall.EPERM
		case "FDB":
			reads.Add(1)
		case "SnoopPorts": // the last that is done
			syncs.Add(1)
		}
		return nil
	})
	cfg.Topology.Declared = slices.Clone(cfg.Topology.Declared)
	cfg.Topology.Declared[0].Local = addr("172.30.0.9")
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.problem(topology.NotMade, "declared VNI 300: cannot remove device vxlan300")
	r.untilTrue("the devices are read", func() bool { return syncs.Load() > 0 })
	if n := reads.Load(); n > 0 {
		t.Errorf("the entries of a device that did not change were read %d times", n)
	}
	r.serves(300, addr(local))
	h.FailCalls(nil)
	if err := r.p.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.serves(300, addr("172.30.0.9"))
	r.healthy()
}
