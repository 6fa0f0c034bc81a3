package dataplane

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/kernel"
)

// unserve has all of ours removed from a device that is selected no more. What
// is desired stays, for the day that it is again.
func (w *writer) unserve(d *bdState) {
	kinds := d.kinds()
	for _, k := range slices.Backward(kinds[:]) {
		w.orphans = k.removals(d, w.orphans)
	}
}

// leaveBridge has our neighbors removed from a bridge that d's device is no
// port of any more: the kernel removed its MACs, but not those.
func (w *writer) leaveBridge(d *bdState) { w.orphans = d.neigh.removals(d, w.orphans) }

// forgetOrphans drops what need not be removed any more.
func (w *writer) forgetOrphans() { w.orphans = slices.DeleteFunc(w.orphans, w.needless) }

// needless tells whether a removal must not be made any more: its device is
// gone, and its number may be another's; it serves a broadcast domain again, and
// is read before anything is written; or a broadcast domain of the same bridge
// desires the neighbor.
func (w *writer) needless(op kernel.Op) bool {
	return w.bds.gone[op.Ifindex] || w.bds.topo.Link(op.Ifindex) == nil ||
		slices.ContainsFunc(w.bds.index.Of(&op.Entry), func(d *bdState) bool {
			e, _ := d.neigh.Get(op.IP)
			return op.Family == kernel.Bridge || e.Desired
		})
}

// removeOrphans removes the next entries from devices that are served no more.
func (w *writer) removeOrphans(now time.Time) {
	n := min(len(w.orphans), writeBatch)
	if rest := slices.DeleteFunc(w.orphans[:n:n], w.needless); len(rest) < n {
		w.orphans = slices.Delete(w.orphans, len(rest), n)
		return
	}
	ops, errs := w.orphans[:n], make([]error, n)
	err := w.put(ops, errs)
	w.counters.Writes += uint64(n)
	if err == nil && refused(errs) {
		err = w.testPrivilege()
	}
	if err != nil {
		w.tookNothing(err, now)
		return
	}
	w.tookSome()
	for i, err := range errs {
		switch k := opKind(&ops[i]); {
		case err == nil:
			w.counters.written.count(k, true)
		case !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENODEV):
			w.counters.refused(k, 1, err)
			w.log.Warn("cannot remove an entry from a device that is served no more", "mac", ops[i].MAC, "ip", ops[i].IP, "err", err)
		}
	}
	if w.orphans = w.orphans[n:]; len(w.orphans) == 0 {
		w.orphans = nil
	}
}
