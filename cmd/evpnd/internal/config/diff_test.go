package config

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/evpn"
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
api: {group: wheel, tls: {cert: a, key: b, client-ca: c, admins: none}}
metrics: {listen: 127.0.0.1:9179}
`)
	want := []Change{
		{"bgp.asn", "65000", "65001", false},
		{"bgp.peers[10.0.0.2].password", "(hidden)", "(hidden), another one", false},
		{"bgp.peers[10.0.0.3]", "there", "", false},
		{"bgp.peers[10.0.0.4]", "", "there", false},
		{"vnis.select", "200, 300-310", "200, vx*", false},
		{"vnis.targets", "auto", "rfc8365", false},
		{"vnis.flood", "true", "false", false},
		{"vnis.settings[200].rd", "", "10.0.0.1:9", false},
		{"vnis.settings[200].import", "65000:1", "65000:1, *:7", false},
		{"api.group", "", "wheel", true},
		{"api.tls.admins", "", "none", true},
		{"metrics.listen", "", "127.0.0.1:9179", false},
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
// key, one at a time: the difference must name it alone, show other text for
// it, and tell a change that needs a restart.
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
	a, seen := fresh(), make(map[string]bool)
	// at leads to a section in a configuration, path is its path in the schema
	// and named the one with the names of the members of lists.
	var walk func(path, named string, at func(*Config) reflect.Value)
	walk = func(path, named string, at func(*Config) reflect.Value) {
		for _, f := range fieldsOf(at(a).Type()) {
			path, named := join(path, f.key), join(named, f.key)
			field := func(c *Config) reflect.Value { return at(c).FieldByIndex(f.index) }
			seen[path] = true
			switch {
			case hasKeys(f.typ):
				walk(path, named, field)
				if isSection(f.typ) {
					continue
				}
				named = "vnis.targets" // it is one value, whose keys are not told apart
			case f.typ.Kind() == reflect.Pointer:
				walk(path, named, func(c *Config) reflect.Value { return field(c).Elem() })
			case f.typ.Kind() == reflect.Slice && hasKeys(f.typ.Elem()):
				member := fmt.Sprintf("%s[%s]", named, nameOf(f.typ.Elem())(field(a).Index(0)))
				walk(path+"[]", member, func(c *Config) reflect.Value { return field(c).Index(0) })
			}
			b := fresh()
			another(t, field(b))
			d := Diff(a, b)
			if path == "vnis.targets.fixed" {
				named = "vnis.targets"
			}
			if len(d) == 0 {
				t.Errorf("%s was changed, and there is no difference", path)
				continue
			}
			list, _, _ := strings.Cut(path, "[]")
			for _, c := range d {
				if one := c.Key == named || strings.HasPrefix(c.Key, list+"[") && len(d) == 2; !one && !strings.HasPrefix(c.Key, named+"[") {
					t.Errorf("%s was changed, and the difference is %v", path, d)
				}
				if c.Old == c.New || c.String() == "" {
					t.Errorf("%s: the same text for both: %+v", path, c)
				}
				restart := strings.HasPrefix(path, "api") || strings.HasPrefix(path, "state") || path == "log.format"
				if c.Restart != restart {
					t.Errorf("%s: restart %v, want %v", path, c.Restart, restart)
				}
			}
		}
	}
	walk("", "", func(c *Config) reflect.Value { return reflect.ValueOf(c).Elem() })
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if !seen[k.path] {
			t.Errorf("%s was not changed", k.path)
		}
	}
}

// another gives v a value that it has not.
func another(t *testing.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = x.Next()
	case *netip.AddrPort:
		*x = netip.AddrPortFrom(x.Addr(), x.Port()+1)
	case *WebAddress:
		*x = WebAddress{}
	case *netip.Prefix:
		*x = netip.PrefixFrom(x.Addr(), x.Bits()+1)
	case *Secret:
		*x = NewSecret("another " + x.Reveal())
	case *Targets:
		*x = Targets{Form: evpn.TargetRFC8365}
	default:
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32:
			v.SetUint(v.Uint() - 1)
		case reflect.Array:
			v.Index(v.Len() - 1).SetUint(v.Index(v.Len()-1).Uint() + 1)
		case reflect.Slice:
			v.Set(v.Slice(0, v.Len()-1))
		case reflect.Pointer:
			v.SetZero()
		default:
			t.Fatalf("no other value of %v is known", v.Type())
		}
	}
}
