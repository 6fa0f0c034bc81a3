package daemon

import (
	"context"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/metrics"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/state"
	"github.com/evpnd/evpnd/evpn"
)

// metricsSource joins the parts of the daemon to its metrics.
func (d *Daemon) metricsSource(audit *auditor, saver *state.Saver) metrics.Source {
	read := func(ctx context.Context) (*metrics.State, error) {
		var s metrics.State
		counts := make(map[string]int)
		err := d.core.Do(ctx, func(e *evpn.Engine) {
			s.Synced, s.Peers, s.VNIs, s.Counters, s.VTEPs = e.Synced(), e.Peers(), e.BDs(), e.Counters(), e.CountVTEPs()
			for kind, n := range e.AlarmCounts() {
				counts[string(kind)] = n
			}
		})
		if err != nil {
			return nil, err
		}
		for _, a := range d.server.Problems() {
			counts[a.GetKind()]++
		}
		info := d.info()
		s.Version, s.AS, s.RouterID = info.Version, info.AS, info.RouterID
		s.Ready, s.Alarms = d.server.Ready(), counts
		if sp := d.sessions.get(); sp != nil {
			s.Sessions, s.Advertised = sp.Peers(), sp.Advertised()
		}
		s.Devices, s.Kernel = d.plane.Devices(), d.plane.Stats()
		n := audit.counts()
		s.Audits = metrics.Audits{Done: n.audits, Differences: n.differences, Repaired: n.repaired, Last: audit.Last()}
		s.Saves = saver.Stats()
		return &s, nil
	}
	return metrics.Source{Read: read, Ready: func() bool { return d.server.Ready() }}
}
