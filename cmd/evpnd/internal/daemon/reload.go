package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/api"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/evpn"
)

// reloads applies the file again whenever it is asked to by a signal.
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

// reload reads the file and applies what is different. All parts judge their
// share before any applies it, so that a bad file changes nothing. Once it is
// applied that is done in full, whether or not who asked is still there.
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
	if sp, _ := d.sessions.get(); sp != nil {
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
	r := difference(d.cfg, next)
	d.cfg = next
	return r, nil
}

// difference says in an operator's words what changed from a to b.
func difference(a, b *config.Config) (r api.Reloaded) {
	changed := func(what string, x, y any) {
		if !reflect.DeepEqual(x, y) {
			r.Changes = append(r.Changes, what+" changed")
		}
	}
	changed("bgp.asn", a.BGP.ASN, b.BGP.ASN)
	changed("bgp.router-id", a.BGP.RouterID, b.BGP.RouterID)
	changed("bgp timers", []any{a.BGP.Retain, a.BGP.RestartTime, a.BGP.EndOfRIBWait, a.BGP.StaleHold}, []any{b.BGP.Retain, b.BGP.RestartTime, b.BGP.EndOfRIBWait, b.BGP.StaleHold})
	changed("bgp.listen", a.BGP.Listen, b.BGP.Listen)
	r.Changes = append(r.Changes, members("peer", byKey(a.BGP.Peers, peerKey), byKey(b.BGP.Peers, peerKey), peerKeys(a, b))...)
	changed("bgp.dynamic-peers", a.BGP.Dynamic, b.BGP.Dynamic)
	changed("vtep.address", a.VTEP, b.VTEP)
	changed("vnis.select", a.VNIs.Select, b.VNIs.Select)
	changed("vnis.audit-interval", a.VNIs.AuditInterval, b.VNIs.AuditInterval)
	changed("vnis.duplicates", a.VNIs.Duplicates, b.VNIs.Duplicates)
	changed("vnis.limits", a.VNIs.Limits, b.VNIs.Limits)
	changed("vnis.hosts", a.VNIs.Hosts, b.VNIs.Hosts)
	changed("vnis.flood", a.VNIs.Flood, b.VNIs.Flood)
	changed("vnis.targets", a.VNIs.Targets, b.VNIs.Targets)
	r.Changes = append(r.Changes, members("VNI", byKey(a.VNIs.Settings, vniKey), byKey(b.VNIs.Settings, vniKey), vniKeys(a, b))...)
	changed("metrics.listen", a.Metrics.Listen, b.Metrics.Listen)
	changed("log.level", a.Log.Level, b.Log.Level)
	restart := func(what string, x, y any) {
		if !reflect.DeepEqual(x, y) {
			r.RestartNeeded = append(r.RestartNeeded, what+" changed: it takes effect when evpnd is started again")
		}
	}
	restart("api", a.API, b.API)
	restart("state.directory", a.State, b.State)
	restart("log.format", a.Log.Format, b.Log.Format)
	return r
}

func peerKey(p config.Peer) netip.Addr { return p.Address }

func vniKey(v config.VNI) evpn.VNI { return v.VNI }

func peerKeys(cs ...*config.Config) (keys []netip.Addr) {
	for _, c := range cs {
		for _, p := range c.BGP.Peers {
			keys = append(keys, p.Address)
		}
	}
	return keys
}

func vniKeys(cs ...*config.Config) (keys []evpn.VNI) {
	for _, c := range cs {
		for _, v := range c.VNIs.Settings {
			keys = append(keys, v.VNI)
		}
	}
	return keys
}

func byKey[K comparable, V any](list []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(list))
	for _, v := range list {
		m[key(v)] = v
	}
	return m
}

// members says which members of a list came, went and changed, in the order
// of keys.
func members[K comparable, V any](what string, a, b map[K]V, keys []K) (out []string) {
	said := make(map[K]bool)
	for _, k := range keys {
		x, was := a[k]
		y, is := b[k]
		if said[k] || was && is && reflect.DeepEqual(x, y) {
			continue
		}
		said[k] = true
		verb := "changed"
		switch {
		case !was:
			verb = "added"
		case !is:
			verb = "removed"
		}
		out = append(out, fmt.Sprintf("%s %v %s", what, k, verb))
	}
	return out
}
