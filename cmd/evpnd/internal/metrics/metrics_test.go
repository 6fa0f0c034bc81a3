package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/state"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// whole returns a state in which every metric has a value.
func whole() *State {
	peer, at := netip.MustParseAddr("fe80::1%eth0"), time.Unix(1_700_000_000, 500_000_000)
	p := bgp.PeerStatus{
		Address: peer, AS: 4200000000, Description: "spine \"one\"\n\x1b[31m", MaxRoutes: 5,
		State: bgp.Established, Since: at, Established: 3, Downs: map[bgp.DownReason]uint64{bgp.DownClosed: 2},
		Received: bgp.Messages{Open: 3, Update: 7},
	}
	p.Routes.Reach[evpn.MACIP], p.Routes.Withdrawn[5], p.Routes.Discarded[wire.DiscardMAC] = 40, 1, 4
	s := &State{
		Version: "1.2.3", AS: 65000, RouterID: netip.MustParseAddr("192.0.2.1"), Ready: true, Alarms: map[string]int{"no-bridge": 2},
		Sessions: []bgp.PeerStatus{p}, Peers: []evpn.PeerStatus{{Peer: peer, Routes: 30, Stale: 2, Refused: 9, EndOfRIB: true}}, Advertised: 8,
		VNIs:     []evpn.BDStatus{{VNI: 200, LocalMACs: 1, RemoteMACs: 2, LocalIPs: 3, RemoteIPs: 4}},
		Counters: []evpn.Counters{{VNI: 200, Dests: 5, FrozenMACs: 6, Moves: 7}}, VTEPs: 5,
		Devices: []dataplane.DeviceStatus{
			{Device: topology.Device{VNI: 200, Name: "vxlan200", Bridge: "br200", Served: true}, Wanted: 11, Held: 10},
			{Device: topology.Device{VNI: 200, Name: "other", Problems: []topology.Problem{{Kind: topology.Duplicate}}}},
			{Device: topology.Device{VNI: 300, Name: "vxlan300", Problems: []topology.Problem{{Kind: topology.NotSelected}}}},
		},
		Kernel: dataplane.Stats{
			Wanted: 11, Installed: 8, Failed: 2,
			Written: map[dataplane.Writing]uint64{{Kind: dataplane.KindMAC}: 20, {Kind: dataplane.KindMAC, Removed: true}: 1},
			Refused: map[dataplane.Refusal]uint64{{Kind: dataplane.KindMAC, Error: "ENOSPC"}: 2},
			Batch:   dataplane.Histogram{Count: 4, Sum: 90 * time.Second}, Lag: 1500 * time.Millisecond,
		},
		Audits: Audits{Done: 3, Last: &dataplane.Audit{At: at, Took: 20 * time.Millisecond, Entries: 11}},
		Saves:  state.Stats{Saved: 2, Last: at},
	}
	s.Kernel.Batch.Buckets[0], s.Kernel.Batch.Buckets[3] = 2, 1 // and one longer than all bounds
	return s
}

func read(s *State) func(context.Context) (*State, error) {
	return func(context.Context) (*State, error) { return s, nil }
}

// get asks the handler, and returns what it answers.
func get(t *testing.T, h http.Handler, path, accept string) (int, string, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Content-Type"), w.Body.String()
}

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("the exposition is not right: %v\n%s", err, text)
	}
	return families
}

func scrape(t *testing.T, s *State) map[string]*dto.MetricFamily {
	t.Helper()
	code, _, text := get(t, handler(Source{Read: read(s)}, slog.New(slog.DiscardHandler)), "/metrics", "")
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, text)
	}
	return parse(t, text)
}

// sample returns the value of a metric with these labels, as in a query:
// name{a="b"}.
func sample(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	f := families[name]
	for _, m := range f.GetMetric() {
		same := len(m.GetLabel()) == len(labels)/2
		for i := 0; i+1 < len(labels) && same; i += 2 {
			same = false
			for _, l := range m.GetLabel() {
				same = same || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			}
		}
		if same {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	t.Errorf("no %s with %q in %v", name, labels, f)
	return -1
}

// All metrics are there, with the values of the state, named as Prometheus
// wants it.
func TestValues(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collector{read(whole())})
	if _, err := r.Gather(); err != nil {
		t.Errorf("what is collected is not what is described: %v", err)
	}
	f := scrape(t, whole())
	for _, m := range table {
		if f[m.name] == nil {
			t.Errorf("%s has no value in a state that has everything", m.name)
		}
	}
	const peer = "fe80::1%eth0"
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "evpnd_bgp_info", []string{"asn", "65000", "router_id", "192.0.2.1"}},
		{2, "evpnd_alarms", []string{"kind", "no-bridge"}},
		{1, "evpnd_peer_info", []string{"peer", peer, "asn", "4200000000", "description", `spine "one"[31m`, "dynamic", "false"}},
		{1, "evpnd_peer_state", []string{"peer", peer, "state", "established"}},
		{0, "evpnd_peer_state", []string{"peer", peer, "state", "idle"}},
		{1_700_000_000.5, "evpnd_peer_state_timestamp_seconds", []string{"peer", peer}},
		{2, "evpnd_peer_sessions_lost_total", []string{"peer", peer, "reason", "closed"}},
		{7, "evpnd_peer_messages_received_total", []string{"peer", peer, "type", "update"}},
		{40, "evpnd_peer_routes_received_total", []string{"peer", peer, "type", "2"}},
		{0, "evpnd_peer_routes_received_total", []string{"peer", peer, "type", "3"}},
		{1, "evpnd_peer_withdrawals_received_total", []string{"peer", peer, "type", "5"}},
		{4, "evpnd_peer_routes_discarded_total", []string{"peer", peer, "reason", "bad-mac"}},
		{5, "evpnd_peer_routes_limit", []string{"peer", peer}},
		{4, "evpnd_vni_neighbors", []string{"vni", "200", "origin", "remote"}},
		{1, "evpnd_vni_served", []string{"vni", "200", "device", "vxlan200"}},
		{0, "evpnd_vni_served", []string{"vni", "200", "device", "other"}},
		{1, "evpnd_kernel_entries_pending", nil},
		{20, "evpnd_kernel_writes_total", []string{"kind", "mac", "op", "add"}},
		{2, "evpnd_kernel_write_errors_total", []string{"kind", "mac", "error", "ENOSPC"}},
		{1.5, "evpnd_kernel_lag_seconds", nil},
		{0.02, "evpnd_audit_last_duration_seconds", nil},
	} {
		if got := sample(t, f, c.name, c.labels...); got != c.want {
			t.Errorf("%s%q is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if n := len(f["evpnd_vni_served"].GetMetric()); n != 2 {
		t.Errorf("%d devices are served or not, want 2: the third is not meant to be", n)
	}
	h := f["evpnd_kernel_batch_seconds"].GetMetric()[0].GetHistogram()
	last := h.GetBucket()[len(h.GetBucket())-1]
	// The format has a bucket for all (+Inf) at the end; the counts add up.
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 90 || h.GetBucket()[0].GetCumulativeCount() != 2 ||
		h.GetBucket()[3].GetCumulativeCount() != 3 || last.GetCumulativeCount() != 4 {
		t.Errorf("histogram %v", h)
	}
	_, _, text := get(t, handler(Source{Read: read(whole())}, slog.New(slog.DiscardHandler)), "/metrics", "")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "evpnd_") {
			t.Errorf("promlint: %s: %s", p.Metric, p.Text)
		}
	}
}

// TestNamesOfAnyBytes: the kernel takes any bytes for the name of an interface,
// and a scrape takes only UTF-8.
func TestNamesOfAnyBytes(t *testing.T) {
	s := whole()
	peer := netip.MustParseAddr("fe80::1").WithZone("eth\xff")
	s.Sessions[0].Address, s.Peers[0].Peer, s.Devices[0].Bridge = peer, peer, "br\xff"
	if v := sample(t, scrape(t, s), "evpnd_peer_routes", "peer", "fe80::1%eth?"); v != 30 {
		t.Errorf("the peer has %v routes, want 30", v)
	}
}

// A daemon that has just begun has metrics too.
func TestNothingYet(t *testing.T) {
	f := scrape(t, &State{})
	for _, name := range []string{"evpnd_build_info", "evpnd_ready", "evpnd_kernel_batch_seconds", "go_goroutines", "process_resident_memory_bytes"} {
		if f[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for _, name := range []string{"evpnd_audit_last_timestamp_seconds", "evpnd_state_last_write_timestamp_seconds"} {
		if f[name] != nil {
			t.Errorf("%s has a value before there is one: %v", name, f[name])
		}
	}
}

// Who wants OpenMetrics is given it: its names of counters, and its end.
func TestOpenMetrics(t *testing.T) {
	h := handler(Source{Read: read(whole())}, slog.New(slog.DiscardHandler))
	code, typ, text := get(t, h, "/metrics", "application/openmetrics-text;version=1.0.0")
	if code != http.StatusOK || !strings.HasPrefix(typ, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("status %d, type %q", code, typ)
	}
	for _, want := range []string{"# TYPE evpnd_drift_repaired counter\n", "\nevpnd_drift_repaired_total 0", "evpnd_kernel_batch_seconds_bucket{le=\"+Inf\"} 4\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if !strings.HasSuffix(text, "\n# EOF\n") {
		t.Errorf("it ends with %q", text[max(0, len(text)-40):])
	}
	if _, typ, _ := get(t, h, "/metrics", ""); !strings.HasPrefix(typ, "text/plain; version=0.0.4") {
		t.Errorf("who wants nothing in particular gets %q", typ)
	}
}

// When the daemon does not answer, the scrape fails: old values would be a lie.
func TestNoAnswer(t *testing.T) {
	h := handler(Source{Read: func(context.Context) (*State, error) { return nil, errors.New("evpnd is shutting down") }}, slog.New(slog.DiscardHandler))
	if code, _, text := get(t, h, "/metrics", ""); code != http.StatusInternalServerError || !strings.Contains(text, "evpnd is shutting down") {
		t.Errorf("status %d: %s", code, text)
	}
}

// engineWith returns an engine that knows n remote MACs in one VNI.
func engineWith(n int) *evpn.Engine {
	here, there, peer := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.9.9.9")
	cfg := evpn.DefaultConfig(65000, here)
	cfg.ConfiguredPeers = []netip.Addr{peer}
	e := evpn.New(cfg)
	e.Step(&evpn.Tick{Now: time.Unix(1, 0)})
	e.Step(&evpn.BDUp{VNI: 200, VTEP: here})
	e.Step(&evpn.PeerUp{Peer: peer, RouterID: peer, Internal: true})
	attrs := &evpn.Attrs{NextHop: there, Targets: []evpn.RT{evpn.NewRT(65000, 200)}}
	for i := range n {
		mac := evpn.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		nlri := evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(there, 200), MAC: mac}
		e.Step(&evpn.Routes{Peer: peer, Updates: []evpn.Update{{Reach: []evpn.Route{{NLRI: nlri, Label: 200}}, Attrs: attrs}}})
	}
	return e
}

// What a scrape asks of the engine does not grow with the MACs: it allocates
// as much for 100,000 as for 10.
func TestScrapeCost(t *testing.T) {
	cost := func(n int) float64 {
		e := engineWith(n)
		look := func() *State {
			return &State{Peers: e.Peers(), VNIs: e.BDs(), Counters: e.Counters(), VTEPs: e.CountVTEPs(), Synced: e.Synced()}
		}
		if got := look().VNIs[0].RemoteMACs; got != n {
			t.Fatalf("%d MACs, want %d", got, n)
		}
		h := handler(Source{Read: func(context.Context) (*State, error) { return look(), nil }}, slog.New(slog.DiscardHandler))
		allocs := testing.AllocsPerRun(10, func() { look(); e.AlarmCounts() })
		began := time.Now()
		code, _, text := get(t, h, "/metrics", "")
		t.Logf("%d MACs: %v allocations in the engine, a scrape of %d bytes in %v", n, allocs, len(text), time.Since(began))
		if want := fmt.Sprintf("evpnd_vni_macs{origin=\"remote\",vni=\"200\"} %d\n", n); code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("status %d, no %q", code, want)
		}
		return allocs
	}
	if few, many := cost(10), cost(100_000); many > few {
		t.Errorf("%v allocations with 100,000 MACs, %v with 10", many, few)
	}
}

func BenchmarkScrape(b *testing.B) {
	e := engineWith(100_000)
	h := handler(Source{Read: func(context.Context) (*State, error) {
		s := whole()
		s.VNIs, s.Counters, s.VTEPs = e.BDs(), e.Counters(), e.CountVTEPs()
		return s, nil
	}}, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		_, _ = io.Copy(io.Discard, w.Body)
	}
}
