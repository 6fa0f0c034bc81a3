package dataplane

import (
	"errors"
	"slices"
	"syscall"
	"time"
)

// leave has all of ours removed from a device that is selected no more. What is
// desired stays, for the day that it is again.
func (p *Plane) leave(d *domain) {
	kinds := d.kinds()
	for _, k := range slices.Backward(kinds[:]) {
		p.left = k.removals(d, p.left)
	}
}

// leaveBridge has our neighbors removed from a bridge that d's device is no
// port of any more: the kernel removed its MACs, but not those.
func (p *Plane) leaveBridge(d *domain) { p.left = d.neigh.removals(d, p.left) }

// forgetLeft drops what need not be removed any more.
func (p *Plane) forgetLeft() { p.left = slices.DeleteFunc(p.left, p.needless) }

// needless tells whether a deletion must not be made any more: its device is
// gone, and its number may be another's; it serves a VNI, and is read before
// anything is written; or a VNI of the same bridge wishes the neighbor.
func (p *Plane) needless(op Op) bool {
	return p.gone[op.Ifindex] || p.topo.Link(op.Ifindex) == nil ||
		slices.ContainsFunc(p.index.Of(&op.Entry), func(d *domain) bool {
			e, _ := d.neigh.Get(op.IP)
			return op.Family == Bridge || e.Desired
		})
}

// clean removes the next of what was left in devices that are served no
// more.
func (p *Plane) clean(now time.Time) {
	n := min(len(p.left), writeBatch)
	if wished := slices.DeleteFunc(p.left[:n:n], p.needless); len(wished) < n {
		p.left = slices.Delete(p.left, len(wished), n)
		return
	}
	ops, errs := p.left[:n], make([]error, n)
	err := p.put(ops, errs)
	p.stats.Writes += uint64(n)
	if err == nil && refused(errs) {
		err = p.probe()
	}
	if err != nil {
		p.refusedWrites(err, now)
		return
	}
	p.hold = 0
	p.clearTrouble(ProblemWrite, 0, "")
	for i, err := range errs {
		if k := opKind(&ops[i]); err == nil {
			p.written.count(k, true)
		} else if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENODEV) {
			p.stats.countRefused(k, 1, err)
		}
		if err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENODEV) {
			p.log.Warn("cannot remove an entry from a device that is served no more", "mac", ops[i].MAC, "ip", ops[i].IP, "err", err)
		}
	}
	if p.left = p.left[n:]; len(p.left) == 0 {
		p.left = nil
	}
}
