package dataplane

import (
	"fmt"
	"maps"
	"slices"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// Config says what a Plane serves. It must not be changed once handed over.
type Config struct {
	// Topology says which broadcast domains are served, and which devices are
	// made for them.
	Topology topology.Config
	// Hosts is how addresses of local hosts are found, in each VNI that
	// VNIHosts does not name. Its ProbeRate bounds the node as well.
	Hosts    hosts.Config
	VNIHosts map[evpn.VNI]hosts.Config
}

// hosts returns how the hosts of a VNI are found.
func (c *Config) hosts(vni evpn.VNI) hosts.Config {
	if h, ok := c.VNIHosts[vni]; ok {
		return h
	}
	return c.Hosts
}

// Validate returns the first thing that is wrong with c.
func (c *Config) Validate() error {
	if err := c.Topology.Validate(); err != nil {
		return err
	}
	if err := c.Hosts.Validate(); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	for _, vni := range slices.Sorted(maps.Keys(c.VNIHosts)) {
		if h := c.VNIHosts[vni]; !vni.Valid() {
			return fmt.Errorf("hosts of VNI %d: want a number from 1 to %d", vni, evpn.MaxVNI)
		} else if err := h.Validate(); err != nil {
			return fmt.Errorf("hosts of VNI %d: %w", vni, err)
		}
	}
	return nil
}
