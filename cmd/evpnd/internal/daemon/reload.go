package daemon

import (
	"context"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/api"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/evpn"
)

// reloads applies the file again at each signal.
func (d *Daemon) reloads(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.opt.Reload:
			r, err := d.reload(ctx)
			if err != nil {
				d.log.Error("the configuration was not changed", "err", err)
				continue
			}
			d.log.Info("configuration read again", "changes", r.Changes, "restart_needed", r.RestartNeeded)
		}
	}
}

// reload reads the file and applies what is different. Every part checks its
// configuration before the first applies one, so that a bad file changes
// nothing. The caller may go away meanwhile: what has begun is done in full.
func (d *Daemon) reload(ctx context.Context) (api.Reloaded, error) {
	next, err := config.Load(d.opt.Path)
	if err != nil {
		return api.Reloaded{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return api.Reloaded{}, err
	}
	ctx = context.WithoutCancel(ctx)
	id := nextID(d.sessions.routerID(), d.cfg, next, d.plane.Devices())
	plane := planeConfig(next)
	if err := plane.Validate(); err != nil {
		return api.Reloaded{}, err
	}
	if sp := d.sessions.get(); sp != nil {
		if err := sp.Configure(bgpConfig(next, id)); err != nil {
			return api.Reloaded{}, err
		}
		d.sessions.set(sp, id)
	}
	if err := d.plane.Configure(plane); err != nil {
		return api.Reloaded{}, err
	}
	if err := d.core.Do(ctx, func(e *evpn.Engine) { e.Step(&evpn.Configure{Config: engineConfig(next, id)}) }); err != nil {
		return api.Reloaded{}, err
	}
	d.sessions.setSecrets(secretFiles(d.opt.Path, next))
	d.metrics.Listen(next.Metrics.Listen.AddrPort)
	d.opt.Level.Set(next.Log.Level)
	r := reloaded(config.Diff(d.cfg, next))
	d.cfg = next
	return r, nil
}

// reloaded says in an operator's words what a reload did with changes.
func reloaded(changes []config.Change) (r api.Reloaded) {
	for _, c := range changes {
		if c.Restart {
			r.RestartNeeded = append(r.RestartNeeded, c.String()+": it takes effect when evpnd is started again")
		} else {
			r.Changes = append(r.Changes, c.String())
		}
	}
	return r
}
