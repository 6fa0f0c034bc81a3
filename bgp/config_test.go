package bgp

import (
	"net/netip"
	"strings"
	"testing"
)

// A complete configuration is taken as it is, and a setting that is missing
// is told, not replaced.
func TestConfigIsComplete(t *testing.T) {
	id := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		missing string
		change  func(*Config)
		says    string
	}{
		{"nothing", func(*Config) {}, ""},
		{"router id", func(c *Config) { c.RouterID = netip.Addr{} }, "router id"},
		{"AS", func(c *Config) { c.AS = 0 }, "own AS"},
		{"restart time", func(c *Config) { c.RestartTime = 0 }, "restart time 0s"},
		{"port", func(c *Config) { c.Peers[0].Port = 0 }, "peer 10.0.0.2: the port"},
		{"AS of the peer", func(c *Config) { c.Peers[0].AS = 0 }, "peer 10.0.0.2: its AS"},
		{"hold time", func(c *Config) { c.Peers[0].HoldTime = 0 }, "peer 10.0.0.2: hold time 0s"},
		{"connect retry", func(c *Config) { c.Peers[0].ConnectRetry = 0 }, "peer 10.0.0.2: connect retry 0s"},
		{"limit", func(c *Config) { c.Dynamic[0].Limit = 0 }, "range 10.1.0.0/16: limit of 0"},
		{"hold time of a range", func(c *Config) { c.Dynamic[0].HoldTime = 0 }, "range 10.1.0.0/16: hold time 0s"},
	} {
		cfg := DefaultConfig(65000, id)
		cfg.Peers = []Peer{DefaultPeer(netip.MustParseAddr("10.0.0.2"), 65000)}
		cfg.Dynamic = []Dynamic{DefaultDynamic(netip.MustParsePrefix("10.1.0.0/16"), 0)}
		c.change(&cfg)
		switch err := cfg.Validate(); {
		case c.says == "" && err != nil:
			t.Errorf("without nothing: %v", err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("without %s: error %v, want %q", c.missing, err, c.says)
		}
	}
}
