package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/evpn/run"
)

// auditor compares the engine's routes, the desired entries and the kernel's: on
// demand, and in intervals.
type auditor struct {
	core  *run.Runner
	plane *dataplane.Plane
	log   *slog.Logger

	mu    sync.Mutex
	last  *dataplane.Audit
	stats auditStats
}

// auditStats counts since the start, the audits that a repair looks again
// with left out.
type auditStats struct {
	audits, differences, repaired uint64
}

func (a *auditor) counts() auditStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

// count counts an audit, and with left what was put right after it.
func (a *auditor) count(found, left *dataplane.Audit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if left == nil {
		a.stats.audits++
		a.stats.differences += uint64(found.Differences)
		return
	}
	a.stats.repaired += uint64(max(0, found.Differences-left.Differences))
}

// Audit implements api.Auditor.
func (a *auditor) Audit(ctx context.Context, vni evpn.VNI, repair bool) (found, left *dataplane.Audit, err error) {
	if found, err = a.compare(ctx, vni); err != nil {
		return found, nil, err
	}
	a.count(found, nil)
	if !repair {
		return found, nil, nil
	}
	if found.Differences == 0 {
		return found, found, nil
	}
	if err = a.repair(ctx, found); err != nil {
		return nil, nil, err
	}
	if left, err = a.compare(ctx, vni); err == nil {
		a.count(found, left)
	}
	return found, left, err
}

func (a *auditor) compare(ctx context.Context, vni evpn.VNI) (*dataplane.Audit, error) {
	found, err := a.plane.Audit(ctx, vni, func(ctx context.Context, n evpn.VNI) (d evpn.Delta, err error) {
		err = a.core.Do(ctx, func(e *evpn.Engine) { d = e.Wanted(n) })
		return d, err
	})
	if err == nil && vni == 0 {
		a.mu.Lock()
		a.last = found
		a.mu.Unlock()
	}
	return found, err
}

// Last implements api.Auditor.
func (a *auditor) Last() *dataplane.Audit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// repair has the engine say again what the writer has not taken over, and
// the VNIs read again whose kernel entries differ.
func (a *auditor) repair(ctx context.Context, found *dataplane.Audit) error {
	again := make(map[evpn.VNI]*evpn.Reassert)
	for _, f := range found.Findings {
		if f.Foreign {
			continue
		}
		ev := again[f.VNI]
		if ev == nil {
			ev = &evpn.Reassert{VNI: f.VNI}
			again[f.VNI] = ev
		}
		switch f.Kind {
		case dataplane.KindFlood:
			ev.Dests = append(ev.Dests, evpn.Via{VTEP: f.IP, VNI: f.Label})
		case dataplane.KindMAC:
			ev.MACs = append(ev.MACs, f.MAC)
		case dataplane.KindNeighbor:
			ev.IPs = append(ev.IPs, f.IP)
		}
	}
	err := a.core.Do(ctx, func(e *evpn.Engine) {
		for _, ev := range again {
			e.Step(ev)
		}
	})
	for vni := range again {
		a.plane.Reread(vni)
	}
	return err
}

// auditShare bounds how much of the time audits take by themselves: one part
// of so many. A dump of one VXLAN device takes longer than its entries are
// more.
const auditShare = 200

// run audits, and repairs, in intervals that every may change; none while it
// is 0.
func (a *auditor) run(ctx context.Context, every func() time.Duration) error {
	const look = time.Second // how soon a change of the interval is followed
	tick := time.NewTicker(look)
	defer tick.Stop()
	ended, took := time.Now(), time.Duration(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if d := every(); d == 0 || time.Since(ended) < max(d, auditShare*took) {
			continue
		}
		found, left, err := a.Audit(ctx, 0, true)
		if ended = time.Now(); err == nil {
			took = found.Took // to wait for differences to last costs nothing
		}
		a.report(found, left, err)
	}
}

func (a *auditor) report(found, left *dataplane.Audit, err error) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, run.ErrStopped):
	case err != nil:
		a.log.Warn("the audit of the kernel's entries failed; it is tried again", "err", err)
	case found.Differences > 0:
		a.log.Warn("the audit found entries that were not as wished: evpnctl audit shows those that are left",
			"entries", found.Entries, "differences", found.Differences, "left", left.Differences)
	default:
		a.log.Debug("the audit found nothing", "entries", found.Entries, "foreign", found.Foreign, "took", found.Took)
	}
}
