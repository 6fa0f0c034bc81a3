package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

func loaded(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evpnd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// What the file says of hosts reaches the engine and the dataplane: for all
// VNIs once, for one only where it differs.
func TestRulesReachTheParts(t *testing.T) {
	cfg := loaded(t, `
bgp: {asn: 65000, router-id: 172.30.0.1}
vtep: {address: 172.30.0.1}
vnis:
  duplicates: {moves: 7, window: 60s, recover: 10m}
  limits: {local-macs: 500, ips-per-mac: 16}
  hosts: {listen: false, probe-interval: 30s, probe-rate: 50}
  settings:
    - vni: 200
      sticky: ["02:42:ac:12:00:0a"]
      gateways: [172.18.0.1]
    - vni: 201
      duplicates: {detect: false}
      limits: {ips-per-mac: 0}
      hosts: {listen: true, probe: false}
`)
	e := engineConfig(cfg, cfg.BGP.RouterID)
	if d := cmp.Diff(evpn.DuplicateConfig{Moves: 7, Window: time.Minute, Recover: 10 * time.Minute}, e.Duplicate); d != "" {
		t.Errorf("duplicates (-want +got):\n%s", d)
	}
	if d := cmp.Diff(evpn.Limits{LocalMACs: 500, IPsPerMAC: 16}, e.Limits); d != "" {
		t.Errorf("limits (-want +got):\n%s", d)
	}
	want := map[evpn.VNI]evpn.BDConfig{
		200: {Sticky: []evpn.MAC{{2, 0x42, 0xac, 0x12, 0, 0xa}}, Gateways: []netip.Addr{netip.MustParseAddr("172.18.0.1")}},
		201: {
			Duplicate: &evpn.DuplicateConfig{Off: true, Moves: 7, Window: time.Minute, Recover: 10 * time.Minute},
			Limits:    &evpn.Limits{LocalMACs: 500},
		},
	}
	if d := cmp.Diff(want, e.BDs, addrs); d != "" {
		t.Errorf("VNIs of the engine (-want +got):\n%s", d)
	}

	p := planeConfig(cfg)
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	all := hosts.Config{Off: true, ProbeInterval: 30 * time.Second, ProbeRate: 50}
	if d := cmp.Diff(all, p.Hosts); d != "" {
		t.Errorf("hosts (-want +got):\n%s", d)
	}
	own := all
	own.Off, own.NoProbe = false, true
	if d := cmp.Diff(map[evpn.VNI]hosts.Config{201: own}, p.VNIHosts); d != "" {
		t.Errorf("hosts of VNIs (-want +got):\n%s", d)
	}
}

// The defaults that the file's reference shows are those that the parts have
// by themselves.
func TestDefaultsAgree(t *testing.T) {
	cfg := loaded(t, "bgp: {asn: 65000, router-id: 172.30.0.1}\n")
	e := engineConfig(cfg, cfg.BGP.RouterID)
	if e.Duplicate.Off || e.Duplicate.Recover != 0 ||
		e.Duplicate.Moves != evpn.DefaultDuplicateMoves || e.Duplicate.Window != evpn.DefaultDuplicateWindow {
		t.Errorf("duplicates by default: %+v", e.Duplicate)
	}
	if e.Limits != (evpn.Limits{}) {
		t.Errorf("limits by default: %+v, want none", e.Limits)
	}
	if p := planeConfig(cfg); p.Hosts != (hosts.Config{ProbeRate: hosts.DefaultProbeRate}) {
		t.Errorf("hosts by default: %+v", p.Hosts)
	}
}

// The limit of a peer, and of each peer of a range, reaches its session.
func TestRouteLimitsReachTheSessions(t *testing.T) {
	cfg := loaded(t, `
bgp:
  asn: 65000
  router-id: 172.30.0.1
  peers:
    - {address: 10.0.0.9, asn: 65000, max-routes: 5}
    - {address: 10.0.0.8, asn: 65000}
  dynamic-peers:
    - {range: 10.1.0.0/16, max-routes: 7, max-routes-action: reset}
`)
	b := bgpConfig(cfg, cfg.BGP.RouterID)
	got := []evpn.PeerLimit{b.Peers[0].RouteLimit, b.Peers[1].RouteLimit, b.Dynamic[0].RouteLimit}
	if d := cmp.Diff([]evpn.PeerLimit{{Routes: 5}, {}, {Routes: 7, Reset: true}}, got); d != "" {
		t.Errorf("limits (-want +got):\n%s", d)
	}
}
