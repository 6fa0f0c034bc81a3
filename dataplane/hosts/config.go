package hosts

import (
	"fmt"
	"time"
)

// Config is how the IP addresses of local hosts are found and kept. The zero
// value snoops and probes.
type Config struct {
	// Off switches off the snooping of local ports, and with it all probes.
	// The neighbor table of a bridge that has addresses is read all the same.
	Off bool
	// NoProbe switches off all probes.
	NoProbe bool
	// ProbeInterval is the silence after which a host is probed. Zero means a
	// third of the bridge's ageing time.
	ProbeInterval time.Duration
	// ProbeRate is how many probes a second are sent at most, of a broadcast
	// domain or of the node. Zero means DefaultProbeRate.
	ProbeRate int
}

// DefaultProbeRate is how many probes a second are sent.
const DefaultProbeRate = 100

// Validate returns what is wrong with c.
func (c *Config) Validate() error {
	switch {
	case c.ProbeInterval < 0:
		return fmt.Errorf("probe interval %v: want a time after which silent hosts are probed, or 0 for a third of the bridge's ageing time", c.ProbeInterval)
	case c.ProbeRate < 0:
		return fmt.Errorf("probe rate %d: want how many probes a second, or 0 for %d", c.ProbeRate, DefaultProbeRate)
	}
	return nil
}

func (c *Config) rate() int {
	if c.ProbeRate == 0 {
		return DefaultProbeRate
	}
	return c.ProbeRate
}

// defaultAgeing is the ageing time that a bridge starts with. A bridge that
// ages nothing (0) is taken to have it.
const defaultAgeing = 300 * time.Second

// interval returns the silence after which a host is probed; 0: never.
func (c *Config) interval(ageing time.Duration) time.Duration {
	switch {
	case c.NoProbe:
		return 0
	case c.ProbeInterval != 0:
		return c.ProbeInterval
	case ageing == 0:
		ageing = defaultAgeing
	}
	return ageing / 3
}
