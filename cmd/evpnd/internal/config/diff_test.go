package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	parsed := func(text string) *Config {
		t.Helper()
		c, err := Parse("/etc/evpnd/evpnd.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := parsed(`
bgp:
  asn: 65000
  peers:
    - {address: 10.0.0.2, asn: 65000, password: one}
    - {address: 10.0.0.3, asn: 65000}
vnis:
  select: [200, 300-310]
  settings:
    - {vni: 200, import: ["65000:1"]}
`)
	b := parsed(`
bgp:
  asn: 65001
  peers:
    - {address: 10.0.0.4, asn: 65000}
    - {address: 10.0.0.2, asn: 65000, password: two, hold-time: 9s}
vnis:
  select: [200, "vx*"]
  targets: rfc8365
  flood: false
  settings:
    - {vni: 200, import: ["65000:1", "*:7"], rd: "10.0.0.1:9"}
api: {group: wheel}
`)
	want := []Change{
		{"bgp.asn", "65000", "65001"},
		{"bgp.peers[10.0.0.2].password", "(hidden)", "(hidden), another one"},
		{"bgp.peers[10.0.0.3]", "there", ""},
		{"bgp.peers[10.0.0.4]", "", "there"},
		{"vnis.select", "200, 300-310", "200, vx*"},
		{"vnis.targets", "auto", "rfc8365"},
		{"vnis.flood", "true", "false"},
		{"vnis.settings[200].rd", "", "10.0.0.1:9"},
		{"vnis.settings[200].import", "65000:1", "65000:1, *:7"},
		{"api.group", "", "wheel"},
	}
	got := map[Change]bool{}
	for _, c := range Diff(a, b) {
		got[c] = true
		if strings.Contains(fmt.Sprint(c), "one\"") || strings.Contains(c.New, "two") {
			t.Errorf("a secret is shown: %+v", c)
		}
	}
	for _, c := range want {
		if !got[c] {
			t.Errorf("%+v is not told; all: %v", c, Diff(a, b))
		}
	}
	if d := Diff(a, a); len(d) != 0 {
		t.Errorf("the same differs: %v", d)
	}
}

// TestDiffKnowsEveryKey changes each field of a configuration that has every
// key, one at a time: the difference must name it, and show other text for it.
func TestDiffKnowsEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/every.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() *Config {
		c, err := Parse("testdata/every.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := fresh()
	var walk func(path string, at func(*Config) reflect.Value)
	walk = func(path string, at func(*Config) reflect.Value) {
		for _, f := range fieldsOf(at(a).Type()) {
			key := join(path, f.key)
			field := func(c *Config) reflect.Value { return at(c).FieldByIndex(f.index) }
			if isSection(f.typ) {
				walk(key, field)
				continue
			}
			b := fresh()
			if field(b).IsZero() {
				continue // there is no other value at hand
			}
			field(b).SetZero()
			d := Diff(a, b)
			if len(d) == 0 || !strings.HasPrefix(d[0].Key, key) || cmp.Equal(d[0].Old, d[0].New) {
				t.Errorf("%s was cleared, and the difference is %v", key, d)
			}
		}
	}
	walk("", func(c *Config) reflect.Value { return reflect.ValueOf(c).Elem() })
}
