package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/metrics"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/evpn/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file writes a configuration file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evpnd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Load(file(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const small = "bgp: {asn: 65000}\n"

// newDaemon runs the kernel's side, on a fake, and the engine; no session.
func newDaemon(t *testing.T, text string) *Daemon {
	path := file(t, text)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	plane := dataplane.New(fake.New().Open(), planeConfig(cfg), log)
	d := &Daemon{
		opt: Options{Path: path, Level: new(slog.LevelVar), Log: log}, log: log, cfg: cfg, plane: plane, sessions: &sessions{},
		metrics: metrics.New(metrics.Source{}, log),
		core:    run.New(evpn.New(engineConfig(cfg, cfg.BGP.RouterID)), plane, func([]evpn.Change) {}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- plane.Run(ctx) }()
	go func() { ended <- d.core.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// TestReloadIsNeverHalf has who asked for a reload go away when a part of it
// is applied.
func TestReloadIsNeverHalf(t *testing.T) {
	d := newDaemon(t, small)
	const with300 = "bgp: {asn: 65001}\nvtep: {address: 10.0.0.1}\nvnis: {settings: [{vni: 300, create: {}}]}\n"
	if err := os.WriteFile(d.opt.Path, []byte(with300), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, hold, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- d.core.Do(t.Context(), func(*evpn.Engine) { close(busy); <-hold })
	}()
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	reloaded := make(chan error, 1) // its reader may put back what it read
	go func() {
		_, err := d.reload(ctx)
		reloaded <- err
	}()
	until(t, "the kernel's side has the new configuration", func() bool {
		return slices.ContainsFunc(d.plane.Devices(), func(v dataplane.DeviceStatus) bool { return v.VNI == 300 })
	})
	cancel()
	select {
	case err := <-reloaded:
		t.Errorf("half of the configuration was applied, then: %v", err)
		reloaded <- nil
	case <-time.After(50 * time.Millisecond): // it waits for the engine
	}
	close(hold)
	if err := <-reloaded; err != nil {
		t.Errorf("the engine was not configured: %v", err)
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if d.cfg.BGP.ASN != 65001 {
		t.Errorf("AS %d is in force, want 65001", d.cfg.BGP.ASN)
	}
	// A reload that nobody waits for any more when it begins does nothing.
	if err := os.WriteFile(d.opt.Path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.reload(ctx); err == nil || d.cfg.BGP.ASN != 65001 {
		t.Errorf("a reload that was given up: error %v, AS %d", err, d.cfg.BGP.ASN)
	}
}

func TestReloadOfAWrongFileChangesNothing(t *testing.T) {
	d := newDaemon(t, small)
	before := d.cfg
	if err := os.WriteFile(d.opt.Path, []byte("bgp: {asm: 65001}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := d.reload(t.Context()); err == nil || d.cfg != before {
		t.Errorf("reload returned %v, %v", r, err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not so that %s", what)
		}
	}
}

var id1, id2, id3 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")

func TestRouterIDPrecedence(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1")
	device := func(local netip.Addr, served bool) dataplane.DeviceStatus {
		return dataplane.DeviceStatus{Device: topology.Device{VNI: 200, Local: local, Served: served}}
	}
	for _, c := range []struct {
		name     string
		id, vtep netip.Addr
		devices  []dataplane.DeviceStatus
		want     netip.Addr
	}{
		{"configured", id1, id2, []dataplane.DeviceStatus{device(id3, true)}, id1},
		{"VTEP address", netip.Addr{}, id2, []dataplane.DeviceStatus{device(id3, true)}, id2},
		{"device", netip.Addr{}, netip.Addr{}, []dataplane.DeviceStatus{device(id1, false), device(v6, true), device(id3, true)}, id3},
		{"device under an IPv6 VTEP", netip.Addr{}, v6, []dataplane.DeviceStatus{device(id3, true)}, id3},
	} {
		cfg := &config.Config{BGP: config.BGP{RouterID: c.id}, VTEP: config.VTEP{Address: c.vtep}}
		if got := routerID(cfg, c.devices); got != c.want {
			t.Errorf("%s: router id %v, want %v", c.name, got, c.want)
		}
	}
}

// A reload for another reason must not restart every session.
func TestFoundRouterIDStaysOnReload(t *testing.T) {
	found := &config.Config{}
	set := &config.Config{BGP: config.BGP{RouterID: id1}}
	devices := []dataplane.DeviceStatus{{Device: topology.Device{VNI: 100, Local: id3, Served: true}}}
	for _, c := range []struct {
		name      string
		id        netip.Addr
		cfg, next *config.Config
		devices   []dataplane.DeviceStatus
		want      netip.Addr
	}{
		{"found, and another device came", id2, found, found, devices, id2},
		{"found, then set", id2, found, set, devices, id1},
		{"set, then to be found", id1, set, found, devices, id3},
		{"none yet", netip.Addr{}, found, found, devices, id3},
	} {
		if got := nextID(c.id, c.cfg, c.next, c.devices); got != c.want {
			t.Errorf("%s: router id %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDifferenceInWords(t *testing.T) {
	a := load(t, `
bgp:
  asn: 65000
  peers: [{address: 10.9.0.1, asn: 65000}, {address: 10.9.0.2, asn: 65000}, {address: 10.9.0.3, asn: 65000}]
vtep: {address: 10.0.0.1}
vnis: {settings: [{vni: 200, rd: "10.0.0.1:7"}]}
`)
	b := load(t, `
bgp:
  asn: 65000
  retain: 1m
  peers: [{address: 10.9.0.4, asn: 65000}, {address: 10.9.0.3, asn: 65000}, {address: 10.9.0.2, asn: 65000, password: changed}]
vtep: {address: 10.0.0.1}
vnis: {settings: [{vni: 300, rd: "10.0.0.1:7"}]}
log: {format: json, level: debug}
`)
	got := reloaded(config.Diff(a, b))
	if diff := cmp.Diff([]string{
		"bgp.retain changed", "bgp.peers[10.9.0.1] removed", "bgp.peers[10.9.0.2].password changed", "bgp.peers[10.9.0.4] added",
		"vnis.settings[200] removed", "vnis.settings[300] added", "log.level changed",
	}, got.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"log.format changed: it takes effect when evpnd is started again"}, got.RestartNeeded); diff != "" {
		t.Errorf("restart needed (-want +got):\n%s", diff)
	}
	if same := reloaded(config.Diff(a, a)); len(same.Changes)+len(same.RestartNeeded) != 0 {
		t.Errorf("the same configuration differs: %+v", same)
	}
}

// A reload tells of every setting that changed, whichever part it is for.
func TestReloadTellsOfEverySetting(t *testing.T) {
	d := newDaemon(t, small)
	for text, want := range map[string]string{
		"bgp: {asn: 65000, flood-hold: 9s}\n":                                                                 "bgp.flood-hold changed",
		"bgp: {asn: 65000, flood-hold: 9s, long-lived-stale-time: 24h}\n":                                     "bgp.long-lived-stale-time changed",
		"bgp: {asn: 65000, flood-hold: 9s, end-of-rib-wait: 9s}\n":                                            "bgp.end-of-rib-wait changed",
		"bgp: {asn: 65000}\nvnis: {settings: [{vni: 200, create: {mtu: 1400}}]}\nvtep: {address: 10.0.0.1}\n": "vnis.settings[200] added",
	} {
		if err := os.WriteFile(d.opt.Path, []byte(small), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.opt.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := d.reload(t.Context())
		if err != nil || !slices.Contains(r.Changes, want) {
			t.Errorf("%s: the reload says %q, %v, want %q", text, r.Changes, err, want)
		}
	}
}
