package metrics

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evpnd/evpnd/test/lab"
)

const (
	top       = "../../../../"
	page      = top + "docs/metrics.md"
	dashboard = top + "configs/grafana/evpnd.json"
	rules     = top + "configs/prometheus/alerts.yml"
	ruleTests = top + "configs/prometheus/alerts_test.yml"
)

func file(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The page for users has a row for each metric, with its kind, labels and
// meaning, and no other.
func TestPage(t *testing.T) {
	rows := make(map[string]string)
	for line := range strings.Lines(file(t, page)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 4 && strings.HasPrefix(cells[0], "| `evpnd_") {
			name := strings.Trim(cells[0], "|` ")
			if rows[name] != "" {
				t.Errorf("%s has two rows", name)
			}
			rows[name] = strings.TrimSpace(line)
		}
	}
	for _, m := range table {
		want := row(m)
		if got := rows[m.name]; got != want {
			t.Errorf("the row of %s is\n%s\nwant\n%s", m.name, got, want)
		}
		delete(rows, m.name)
	}
	for name := range rows {
		t.Errorf("%s has a row and is no metric", name)
	}
}

// row is how the page tells of a metric.
func row(m *metric) string {
	kind := map[prometheus.ValueType]string{prometheus.GaugeValue: "gauge", prometheus.CounterValue: "counter", prometheus.UntypedValue: "histogram"}[m.typ]
	labels := "-"
	if len(m.labels) > 0 {
		labels = "`" + strings.Join(m.labels, "`, `") + "`"
	}
	help := regexp.MustCompile(`help: "(.*?)", (?:unit|constLabels): `).FindStringSubmatch(m.desc.String())[1]
	return fmt.Sprintf("| `%s` | %s | %s | %s |", m.name, kind, labels, help)
}

// unknown returns the metrics that a query names and nobody serves.
func unknown(t *testing.T, query string) (names []string) {
	t.Helper()
	served := scrape(t, whole())
	for _, name := range regexp.MustCompile(`\b(?:evpnd|go|process)_[a-z0-9_]+`).FindAllString(query, -1) {
		base := name
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, part)
		}
		if served[name] == nil && served[base] == nil {
			names = append(names, name)
		}
	}
	return names
}

// The dashboard asks for nothing that is not there, each panel for something.
func TestDashboard(t *testing.T) {
	type panel struct {
		Title, Type string
		Targets     []struct{ Expr string }
	}
	var d struct {
		UID, Title string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(file(t, dashboard)), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID != "evpnd" || len(d.Panels) < 20 {
		t.Errorf("dashboard %q has %d panels", d.UID, len(d.Panels))
	}
	variables := regexp.MustCompile(`\$\{?([a-z]\w*)`)
	known := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
		for _, name := range unknown(t, v.Definition) {
			t.Errorf("variable %s asks for %s, which is not served", v.Name, name)
		}
	}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, q := range p.Targets {
			for _, name := range unknown(t, q.Expr) {
				t.Errorf("panel %q asks for %s, which is not served", p.Title, name)
			}
			for _, v := range variables.FindAllStringSubmatch(q.Expr, -1) {
				if !slices.Contains(known, v[1]) {
					t.Errorf("panel %q uses the variable %s, which there is none of", p.Title, v[1])
				}
			}
		}
	}
}

// Each alert rests on what is served, says what it is and what to do, and has
// a test.
func TestAlerts(t *testing.T) {
	var f struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(file(t, rules)), &f); err != nil {
		t.Fatal(err)
	}
	tests, n := file(t, ruleTests), 0
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			n++
			for _, name := range unknown(t, r.Expr+r.Annotations["description"]) {
				t.Errorf("%s rests on %s, which is not served", r.Alert, name)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 50 {
				t.Errorf("%s does not say what happened and what to do: %q", r.Alert, r.Annotations)
			}
			if !strings.Contains(tests, `instance="bad", alertname="`+r.Alert+`"`) {
				t.Errorf("%s has no test in %s", r.Alert, ruleTests)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d alerts", n)
	}
}

// Prometheus's own judge has nothing against rules, their tests and what is
// served.
func TestPromtool(t *testing.T) {
	lab.Need(t, lab.Promtool)
	_, _, text := get(t, handler(Source{Read: read(whole())}, slog.New(slog.DiscardHandler)), "/metrics", "")
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", ruleTests}, {"check", "metrics"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Stdin = strings.NewReader(onlyOurs(text))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader("# TYPE evpnd_x counter\nevpnd_x 1\n")
	if err := cmd.Run(); err == nil {
		t.Error("promtool does not mind a counter without _total: it judges nothing")
	}
}

// onlyOurs leaves out what the Go runtime's collector says, whose names are
// not ours to change.
func onlyOurs(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "evpnd_") {
			b.WriteString(line)
		}
	}
	return b.String()
}
