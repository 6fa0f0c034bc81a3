package dataplane

import (
	"maps"
)

// DryRun tells which VXLAN devices there would be under another
// configuration, which of them would be served, and why others would not, as
// VNIs does of what is. Devices that are to be made are taken as made. It
// changes nothing. Any goroutine may call it.
func (p *Plane) DryRun(cfg Config) ([]DeviceStatus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &Plane{cfg: cfg, links: maps.Clone(p.links), domains: p.domains, under: p.under}
	q.imagine()
	q.choose()
	return q.seen, nil
}

// imagine does in q's own list of devices what declare would do in the kernel.
func (q *Plane) imagine() {
	removed := make(map[int]bool)
	for _, l := range q.orphans() {
		if !q.hasPorts(l, removed) {
			removed[l.Index] = true
		}
	}
	for i := range removed {
		delete(q.links, i)
	}
	next := 0
	add := func(l Link) *Link {
		next--
		l.Index = next
		q.links[l.Index] = &l
		return &l
	}
	for _, d := range q.cfg.Declared {
		d = d.filled(&q.cfg)
		br := q.linkNamed(d.Bridge)
		if br == nil {
			br = add(Link{Name: d.Bridge, Kind: "bridge", Alias: alias(d.VNI), Up: true})
		}
		vx := VXLAN{VNI: d.VNI, Local: d.Local, Port: d.Port}
		l := q.linkNamed(d.Device)
		switch {
		case br.Kind != "bridge":
		case l == nil:
			add(Link{Name: d.Device, Kind: "vxlan", Alias: alias(d.VNI), Master: br.Index, Up: true, VXLAN: &vx})
		case l.Alias == alias(d.VNI) && l.VXLAN != nil:
			again, v := *l, *l.VXLAN
			v.VNI, v.Local, v.Port = vx.VNI, vx.Local, vx.Port
			again.VXLAN, again.Master, again.Up = &v, br.Index, true
			q.links[l.Index] = &again
		}
	}
}
