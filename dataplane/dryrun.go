package dataplane

import "github.com/evpnd/evpnd/dataplane/topology"

// DryRun tells which VXLAN devices there would be under another
// configuration, which of them would be served, and why others would not, as
// Devices does of what is. Devices that are to be made are taken as made. It
// changes nothing. Any goroutine may call it.
func (p *Plane) DryRun(cfg Config) ([]topology.Device, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var now *topology.Topology
	p.requests.ask(func() { now = p.bds.topo })
	return topology.Resolve(topology.Planned(now.View, &cfg.Topology), &cfg.Topology, now).Devices, nil
}
