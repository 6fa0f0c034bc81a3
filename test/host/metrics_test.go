package host

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/evpnd/evpnd/test/lab"
)

// scrape reads the metrics of an evpnd in a namespace.
func scrape(n *lab.NS, at string) (map[string]*dto.MetricFamily, error) {
	status, text, err := n.Get("http://" + at + "/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	if err != nil {
		return nil, err
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	return p.TextToMetricFamilies(strings.NewReader(text))
}

// value returns that of name with just these labels, -1 when there is none.
func value(families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	for _, m := range families[name].GetMetric() {
		same := len(labels) == len(m.GetLabel())
		for _, l := range m.GetLabel() {
			same = same && labels[l.GetName()] == l.GetValue()
		}
		if same {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// What Prometheus is shown is what evpnctl is, with a peer, hosts on both
// sides, and an entry that somebody took away.
func TestMetricsAreTheAPI(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	under := l.Fabric("underlay")
	var nodes []*lab.Node
	for i := 1; i <= 2; i++ {
		nodes = append(nodes, under.Node(fmt.Sprintf("h%d", i), netip.MustParsePrefix(fmt.Sprintf("10.90.0.%d/24", i))))
	}
	vni := lab.VNI{VNI: 200}
	var daemons []*lab.Evpnd
	var cs []*lab.Container
	for i, n := range nodes {
		n.AddVNI(vni)
		for j := range 3 {
			mac := fmt.Sprintf("02:00:00:00:%02x:%02x", i, j)
			cs = append(cs, n.Container(fmt.Sprintf("c%d%d", i, j), vni, mac, netip.MustParsePrefix(fmt.Sprintf("172.18.%d.%d/16", i, j+1))))
		}
		daemons = append(daemons, n.Evpnd(fmt.Sprintf(
			"bgp:\n  asn: 65000\n  peers:\n    - {address: %v, asn: 65000, max-routes: 50}\nvtep: {address: %v}\nmetrics: {listen: '127.0.0.1:9179'}\n",
			nodes[1-i].VTEP, n.VTEP)))
	}
	n, e, other := nodes[0], daemons[0], nodes[1].VTEP.String()
	e.Established(1)
	l.Until(20*time.Second, "all hosts are known", func() (bool, string) {
		for _, c := range cs {
			c.Announce() // a port that has just come up may drop the first
		}
		c := e.Status().Counts
		return c.RemoteMACs == 3 && len(e.MACs(200)) == 6, e.Ctl("mac", "list")
	})
	n.Bridge("fdb", "del", "02:00:00:00:01:00", "dev", vni.Device(), "self")
	l.Until(10*time.Second, "the entry is back", func() (bool, string) {
		s := e.Status()
		return s.Repaired > 0 && s.InSync, fmt.Sprintf("%+v", s)
	})

	type labels map[string]string
	of := func(v any, args ...string) {
		t.Helper()
		if err := json.Unmarshal([]byte(e.Ctl(append(args, "-o", "json")...)), v); err != nil {
			t.Fatal(err)
		}
	}
	l.Until(10*time.Second, "the metrics are what the API says", func() (bool, string) {
		var status, peer, v map[string]any
		of(&status, "status")
		of(&peer, "peer", "show", other)
		of(&v, "vni", "show", "200")
		counts, received := status["counts"].(map[string]any), peer["messages_received"].(map[string]any)
		f, err := scrape(n.NS, "127.0.0.1:9179")
		if err != nil {
			t.Fatal(err)
		}
		yes := map[any]float64{true: 1, false: 0}
		var wrong []string
		for _, c := range []struct {
			name string
			with labels
			want any
		}{
			{"evpnd_ready", nil, yes[status["ready"]]},
			{"evpnd_synced", nil, yes[status["synced"]]},
			{"evpnd_remote_vteps", nil, counts["vteps"]},
			{"evpnd_routes_advertised", nil, counts["routes_advertised"]},
			{"evpnd_kernel_entries", nil, counts["kernel_entries"]},
			{"evpnd_kernel_entries_pending", nil, counts["kernel_pending"]},
			{"evpnd_kernel_entries_failed", nil, counts["kernel_failed"]},
			{"evpnd_drift_repaired_total", nil, status["repaired"]},
			{"evpnd_kernel_resyncs_total", nil, status["resyncs"]},
			{"evpnd_peer_state", labels{"peer": other, "state": "established"}, 1.0},
			{"evpnd_peer_routes", labels{"peer": other}, peer["received"]},
			{"evpnd_peer_routes_limit", labels{"peer": other}, 50.0},
			{"evpnd_peer_established_total", labels{"peer": other}, peer["established_count"]},
			{"evpnd_peer_messages_received_total", labels{"peer": other, "type": "update"}, received["update"]},
			{"evpnd_vni_macs", labels{"vni": "200", "origin": "local"}, v["local_macs"]},
			{"evpnd_vni_macs", labels{"vni": "200", "origin": "remote"}, v["remote_macs"]},
			{"evpnd_vni_neighbors", labels{"vni": "200", "origin": "remote"}, v["remote_neighbors"]},
			{"evpnd_vni_flood_entries", labels{"vni": "200"}, v["vteps"]},
			{"evpnd_vni_served", labels{"vni": "200", "device": vni.Device()}, yes[v["served"]]},
		} {
			if got := value(f, c.name, c.with); got != c.want {
				wrong = append(wrong, fmt.Sprintf("%s%v is %v, the API says %v", c.name, c.with, got, c.want))
			}
		}
		// What the API does not count is at least what must have happened.
		for name, least := range map[string]float64{
			"evpnd_kernel_batch_seconds": 1, "evpnd_update_to_kernel_seconds": 1, "evpnd_kernel_messages_total": 4, "evpnd_state_writes_total": 1,
		} {
			if got := value(f, name, nil); got < least {
				wrong = append(wrong, fmt.Sprintf("%s is %v, want at least %v", name, got, least))
			}
		}
		if got := value(f, "evpnd_kernel_writes_total", labels{"kind": "mac", "op": "add"}); got < 4 {
			wrong = append(wrong, fmt.Sprintf("%v MACs were written, want the three and the one again", got))
		}
		if got := value(f, "evpnd_kernel_lag_seconds", nil); got != 0 {
			wrong = append(wrong, fmt.Sprintf("the kernel is %v s behind", got))
		}
		return len(wrong) == 0, strings.Join(wrong, "\n")
	})

	// The loss of the session is counted by its reason.
	daemons[1].Ctl("shutdown", "--withdraw")
	l.Until(10*time.Second, "the lost session is counted", func() (bool, string) {
		f, err := scrape(n.NS, "127.0.0.1:9179")
		if err != nil {
			return false, err.Error()
		}
		return value(f, "evpnd_peer_sessions_lost_total", labels{"peer": other, "reason": "notification"}) == 1, f["evpnd_peer_sessions_lost_total"].String()
	})
}

// A reload switches the listener on, elsewhere and off. A port that is taken
// ends nothing, and is told.
func TestMetricsFollowTheFile(t *testing.T) {
	h := newHost(t)
	e := h.Evpnd(minimal)
	answers := func(at string, yes bool) {
		t.Helper()
		h.Until(5*time.Second, fmt.Sprintf("%s answers: %v", at, yes), func() (bool, string) {
			_, err := scrape(h.NS, at)
			return (err == nil) == yes, fmt.Sprint(err)
		})
	}
	answers("127.0.0.1:9179", false)
	e.Reload(minimal + "metrics: {listen: '127.0.0.1:9179'}\n")
	answers("127.0.0.1:9179", true)
	if out, err := e.Try("config", "reload"); err != nil || !strings.Contains(out, "nothing changed") {
		t.Errorf("reload of the same: %v %s", err, out)
	}
	answers("127.0.0.1:9179", true)
	e.Reload(minimal + "metrics: {listen: '172.30.0.1:9180'}\n")
	answers("172.30.0.1:9180", true)
	answers("127.0.0.1:9179", false)

	var other net.Listener
	if err := h.Do(func() (err error) {
		other, err = net.Listen("tcp4", "127.0.0.1:9181")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	e.Reload(minimal + "metrics:\n  listen: '127.0.0.1:9181'\n")
	h.shows(e, "status", "metrics cannot be served on 127.0.0.1:9181", "in use", "metrics.listen")
	h.awaitLog(e.Proc, "metrics cannot be served on 127.0.0.1:9181")
	h.shows(e, "status", "ready:", "yes")
	_ = other.Close()
	answers("127.0.0.1:9181", true)
	h.hides(e, "status", "metrics cannot be served")
	if err := appendTo(e.Config, "  port: 9179\n"); err != nil {
		t.Fatal(err)
	}
	if out, err := e.Try("config", "reload"); err == nil || !strings.Contains(out, "metrics.port") {
		t.Errorf("reload of a bad file: %v %s", err, out)
	}
	answers("127.0.0.1:9181", true)
	e.Reload(minimal)
	answers("127.0.0.1:9181", false)
}
