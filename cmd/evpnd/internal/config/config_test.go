package config

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	"github.com/evpnd/evpnd/evpn"
)

var plain = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b WebAddress) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b Secret) bool { return a == b }),
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse(filepath.Join(t.TempDir(), "evpnd.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	got := mustParse(t, `
bgp:
  asn: 65000
  peers: [{address: 10.90.1.254, asn: 65000}]
  dynamic-peers: [{range: 10.91.0.0/16}]
vtep: {address: 172.30.0.1}
vnis: {settings: [{vni: 200, create: {}}]}
`)
	session := Session{LocalASN: 65000, HoldTime: 90 * time.Second, Keepalive: 30 * time.Second, MaxRoutesAction: LimitStop}
	rules := Rules{
		Duplicates: Duplicates{Detect: true, Moves: 5, Window: 180 * time.Second}, // RFC 7432 §15.1
		Hosts:      Hosts{Listen: true, Probe: true, ProbeRate: 100},
		Flood:      true,
	}
	want := &Config{
		BGP: BGP{
			ASN:          65000,
			RouterID:     addr("172.30.0.1"),
			Listen:       []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:179"), netip.MustParseAddrPort("[::]:179")},
			Retain:       2 * time.Hour,
			RestartTime:  2 * time.Minute,
			EndOfRIBWait: 2 * time.Minute,
			StaleHold:    time.Minute,
			FloodHold:    5 * time.Second,
			Peers:        []Peer{{Address: addr("10.90.1.254"), ASN: 65000, Port: 179, ConnectRetry: time.Second, Session: session}},
			Dynamic:      []DynamicPeer{{Range: netip.MustParsePrefix("10.91.0.0/16"), Limit: 100, Session: session}},
		},
		VTEP: VTEP{Address: addr("172.30.0.1")},
		VNIs: VNIs{
			Targets:       Targets{Form: evpn.TargetAuto},
			AuditInterval: 5 * time.Minute,
			Rules:         rules,
			Settings:      []VNI{{VNI: 200, Rules: rules, Create: &Create{Bridge: "br200", Device: "vxlan200", Local: addr("172.30.0.1"), Port: 4789}}},
		},
		API:   API{Listen: []apiaddr.Addr{{Network: "unix", Address: "/run/evpnd/evpnd.sock"}}, Mode: 0o660},
		State: State{Directory: "/var/lib/evpnd"},
		Log:   Log{Level: slog.LevelInfo, Format: FormatText},
	}
	if diff := cmp.Diff(want, got, plain); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
	if want.BGP.EndOfRIBWait != evpn.DefaultEndOfRIBWait {
		t.Errorf("the default of end-of-rib-wait is not that of the engine, %s", evpn.DefaultEndOfRIBWait)
	}
}

// TestEveryKey reads a file that has every key, none with its default, and
// makes sure by reflection that none was forgotten.
func TestEveryKey(t *testing.T) {
	got, err := Load("testdata/every.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := NewSecret("correct horse ") // only the end of the line is not part of it
	want := &Config{
		BGP: BGP{
			ASN:          65000,
			RouterID:     addr("172.30.0.9"),
			Listen:       []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:179"), netip.MustParseAddrPort("[2001:db8::1]:1179")},
			Retain:       time.Second,
			RestartTime:  4095 * time.Second,
			EndOfRIBWait: 90 * time.Second,
			StaleHold:    45 * time.Second,

			LongLivedStaleTime: 24 * time.Hour,
			FloodHold:          9 * time.Second,
			Peers: []Peer{{
				Address: addr("fe80::1%eth0"), ASN: 4200000000, Port: 1790, Passive: true, ConnectRetry: 250 * time.Millisecond,
				Session: Session{
					LocalASN: 65001, Interface: "eth0", Description: "spine: one", Password: NewSecret("0123456789"),
					LocalAddress: addr("fe80::2"), Multihop: 255, HoldTime: 9 * time.Second, Keepalive: 2 * time.Second,
					MaxRoutes: 10_000_000, MaxRoutesAction: LimitReset,
				},
			}, {
				Address: addr("2001:db8::2"), ASN: 65000, Port: 179, ConnectRetry: time.Second,
				Session: Session{
					LocalASN: 65000, Password: file, PasswordFile: "testdata/spine.password", TTLSecurity: 254,
					HoldTime: 90 * time.Second, Keepalive: 30 * time.Second, MaxRoutesAction: LimitStop,
				},
			}},
			Dynamic: []DynamicPeer{{
				Range: netip.MustParsePrefix("10.0.0.0/8"), ASN: 65002, Limit: 65535,
				Session: Session{
					LocalASN: 65003, Interface: "eth7", Description: "leaves", Password: NewSecret("*leaf"),
					LocalAddress: addr("10.0.0.1"), Multihop: 2, HoldTime: 65535 * time.Second, Keepalive: 21845 * time.Second,
					MaxRoutes: 1, MaxRoutesAction: LimitReset,
				},
			}, {
				Range: netip.MustParsePrefix("2001:db8::/32"), ASN: 65002, Limit: 100,
				Session: Session{
					LocalASN: 65000, Password: file, PasswordFile: "testdata/spine.password", TTLSecurity: 1,
					HoldTime: 90 * time.Second, Keepalive: 30 * time.Second, MaxRoutesAction: LimitStop,
				},
			}},
		},
		VTEP: VTEP{Address: addr("2001:db8::9")},
		VNIs: VNIs{
			Select:        []Selector{{First: 200, Last: 200}, {First: 100, Last: 199}, {First: 1, Last: 16777215}, {Device: "vx*"}},
			Targets:       Targets{Form: evpn.TargetFixed, Fixed: 65535},
			AuditInterval: time.Hour,
			Rules: Rules{
				Duplicates: Duplicates{Moves: 1000, Window: time.Second, Recover: 30 * time.Minute},
				Limits:     Limits{LocalMACs: 1_000_000, IPsPerMAC: 16},
				Hosts:      Hosts{ProbeInterval: time.Minute, ProbeRate: 100_000},
			},
			Settings: []VNI{{
				VNI:    200,
				RD:     evpn.RD{0, 2, 0xfa, 0x56, 0xea, 0, 0, 7}, // RFC 4364 §4.2, type 2
				Import: []evpn.Target{evpn.AnyTarget(200), {RT: evpn.NewRT(65001, 200)}},
				Export: []evpn.RT{{1, 2, 192, 0, 2, 1, 0, 200}}, // RFC 4360 §3.2
				Rules: Rules{
					Duplicates: Duplicates{Detect: true, Moves: 2, Window: 24 * time.Hour, Recover: time.Second},
					Limits:     Limits{IPsPerMAC: 1},
					Hosts:      Hosts{Listen: true, Probe: true, ProbeInterval: 24 * time.Hour, ProbeRate: 1},
					Flood:      true,
				},
				Sticky:   []evpn.MAC{{2, 0x42, 0xac, 0x12, 0, 0xa}, {2, 0x42, 0xac, 0x12, 0, 0xb}},
				Gateways: []netip.Addr{addr("172.18.0.1"), addr("fe80::1")},
				Create:   &Create{Bridge: "br-red", Device: "vx-red", Local: addr("192.0.2.9"), Port: 8472, MTU: 1400, Ports: []string{"tap0", "veth1"}},
			}},
		},
		API: API{
			Listen: []apiaddr.Addr{{Network: "unix", Address: "/run/e.sock"}, {Network: "tcp", Address: "[::1]:50051"}},
			Mode:   0o600, Group: "netops", AdminGroup: "wheel",
			TLS: TLS{
				Cert: "testdata/tls/evpnd.pem", Key: "/etc/ssl/evpnd.key", ClientCA: "testdata/ca.pem",
				Admins: []string{"alice", "spiffe://dc1/operator"},
			},
		},
		State: State{Directory: "/var/tmp/evpnd"},
		Log:   Log{Level: slog.LevelDebug, Format: FormatJSON},

		Metrics: Metrics{Listen: WebAddress{netip.MustParseAddrPort("[2001:db8::9]:9179")}},
	}
	if diff := cmp.Diff(want, got, plain); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
	nodes := nodesOf(t, "testdata/every.yaml", nil)
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if len(nodes[k.path]) == 0 {
			t.Errorf("%s does not occur in testdata/every.yaml", k.path)
		}
	}
}

// TestRulesOfOneVNI: what a VNI leaves out is as it is for all, also where
// that comes from the environment; what it sets counts for it alone, also
// where that is the default.
func TestRulesOfOneVNI(t *testing.T) {
	t.Setenv("EVPND_VNIS_HOSTS_PROBE_RATE", "7")
	c := mustParse(t, `
bgp: {asn: 65000}
vnis:
  flood: false
  duplicates: {detect: false, moves: 9}
  limits: {local-macs: 500}
  settings:
    - vni: 200
    - vni: 201
      duplicates: {detect: true, recover: 10m}
      limits: {local-macs: 0}
      hosts: {}
      flood: true
`)
	all := Rules{
		Duplicates: Duplicates{Moves: 9, Window: 180 * time.Second},
		Limits:     Limits{LocalMACs: 500},
		Hosts:      Hosts{Listen: true, Probe: true, ProbeRate: 7},
	}
	own := all
	own.Duplicates.Detect, own.Duplicates.Recover = true, 10*time.Minute
	own.Limits.LocalMACs, own.Flood = 0, true
	got := []Rules{c.VNIs.Rules, c.VNIs.Settings[0].Rules, c.VNIs.Settings[1].Rules}
	if diff := cmp.Diff([]Rules{all, all, own}, got); diff != "" {
		t.Errorf("rules of all, of 200 and of 201 (-want +got):\n%s", diff)
	}
}

// nodesOf finds the values of every key of a file by the paths of the schema.
func nodesOf(t *testing.T, path string, edit func(string) string) map[string][]*yaml.Node {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		text = []byte(edit(string(text)))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	out := make(map[string][]*yaml.Node)
	var walk func(at string, n *yaml.Node)
	walk = func(at string, n *yaml.Node) {
		out[at] = append(out[at], n)
		for i, c := range n.Content {
			switch {
			case n.Kind == yaml.SequenceNode:
				walk(at+"[]", c)
			case n.Kind == yaml.MappingNode && i%2 == 1:
				walk(join(at, n.Content[i-1].Value), c)
			}
		}
	}
	walk("", doc.Content[0])
	return out
}

func TestEnvironment(t *testing.T) {
	t.Setenv("EVPND_LOG_LEVEL", "debug")
	t.Setenv("EVPND_BGP_ROUTER_ID", "192.0.2.7")
	t.Setenv("EVPND_BGP_RETAIN", "90")
	t.Setenv("EVPND_API_MODE", "0600")
	t.Setenv("EVPND_API_TLS_CERT", "/a")
	t.Setenv("EVPND_API_TLS_KEY", "/b")
	t.Setenv("EVPND_API_TLS_CLIENT_CA", "/c")
	t.Setenv("EVPND_STATE_DIRECTORY", "") // empty is as good as unset
	c := mustParse(t, "bgp: {asn: 65000, router-id: 192.0.2.1, retain: 1s}\nlog: {level: error}")
	if c.Log.Level != slog.LevelDebug || c.BGP.RouterID != addr("192.0.2.7") || c.BGP.Retain != 90*time.Second ||
		c.API.Mode != 0o600 || !reflect.DeepEqual(c.API.TLS, TLS{Cert: "/a", Key: "/b", ClientCA: "/c"}) || c.State.Directory != "/var/lib/evpnd" {
		t.Errorf("overrides were not taken: %+v", c)
	}
}

func TestEnvironmentAlone(t *testing.T) {
	t.Setenv("EVPND_BGP_ASN", "65000")
	if c := mustParse(t, "# nothing\n"); c.BGP.ASN != 65000 {
		t.Errorf("got AS %d, want 65000", c.BGP.ASN)
	}
}

func TestBadEnvironment(t *testing.T) {
	t.Setenv("EVPND_LOG_LEVEL", "loud")
	t.Setenv("EVPND_BGP_ROUTER_ID", "::1")
	_, err := parse("evpnd.yaml", []byte("bgp: {asn: 65000}\nlog: {level: info}\n"))
	want := `environment: EVPND_BGP_ROUTER_ID: want an IPv4 address of a host, not "::1"
environment: EVPND_LOG_LEVEL: want debug, info, warn or error, not "loud"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestStrayVariables: a variable that is meant to override a key and does not
// is told with the one that does; one of evpnctl or of somebody else is not.
func TestStrayVariables(t *testing.T) {
	for name, want := range map[string]string{
		"EVPND_BGP_ROUTERID":                 "unknown variable, did you mean EVPND_BGP_ROUTER_ID?",
		"EVPND_BPG_ASN":                      "unknown variable, did you mean EVPND_BGP_ASN?",
		"EVPND_ROUTER_ID":                    "unknown variable, did you mean EVPND_BGP_ROUTER_ID?",
		"EVPND_LOG_LEVLE":                    "unknown variable, did you mean EVPND_LOG_LEVEL?",
		"EVPND_BGP_CONFEDERATION_IDENTIFIER": "unknown variable, the nearest is EVPND_BGP_RESTART_TIME",
		"EVPND_BGP_LISTEN":                   "only the file can set bgp.listen, which has more than one value",
		"EVPND_BGP_PEERS":                    "only the file can set bgp.peers, which has more than one value",
		"EVPND_API":                          "",
		"EVPND_BIN":                          "",
		"EVPND_HOME":                         "",
		"EVPND_PORT":                         "",
		"EVPND_TLS_CERT":                     "",
		"EVPND_SERVICE_HOST":                 "",
		"EVPND_PORT_179_TCP":                 "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "x")
			c, err := parse("evpnd.yaml", []byte("bgp: {asn: 65000}\n"))
			switch {
			case want == "" && err != nil:
				t.Errorf("error %v", err)
			case want != "" && (c != nil || err == nil || err.Error() != "environment: "+name+": "+want):
				t.Errorf("error %v, want %q", err, want)
			}
			t.Setenv(name, "") // as good as unset
			if _, err := parse("evpnd.yaml", []byte("bgp: {asn: 65000}\n")); err != nil {
				t.Errorf("empty: %v", err)
			}
		})
	}
}

// TestServiceVariables: what Kubernetes sets in every pod beside a service is
// not evpnd's, whichever section the name of the service begins as.
func TestServiceVariables(t *testing.T) {
	for name, value := range map[string]string{
		"SERVICE_HOST": "10.96.0.7", "SERVICE_PORT": "9100", "SERVICE_PORT_HTTP_METRICS": "9100", "PORT": "tcp://10.96.0.7:9100",
		"PORT_9100_TCP": "tcp://10.96.0.7:9100", "PORT_9100_TCP_PROTO": "tcp", "PORT_9100_TCP_PORT": "9100", "PORT_9100_TCP_ADDR": "10.96.0.7",
	} {
		for _, service := range []string{"EVPND_", "EVPND_METRICS_", "EVPND_API_", "EVPND_BGP_"} {
			t.Setenv(service+name, value)
		}
	}
	if _, err := parse("evpnd.yaml", []byte("bgp: {asn: 65000}\n")); err != nil {
		t.Error(err)
	}
	t.Setenv("EVPND_METRICS_PORT", "9100")
	if _, err := parse("evpnd.yaml", []byte("bgp: {asn: 65000}\n")); err == nil || !strings.Contains(err.Error(), "EVPND_METRICS_PORT") {
		t.Errorf("EVPND_METRICS_PORT=9100: error %v", err)
	}
}

// TestForms reads values that may be written in more than one way.
func TestForms(t *testing.T) {
	c := mustParse(t, `
bgp:
  asn: 65000
  listen: []
  peers:
    - &first
      address: fe80::1%eth0
      asn: 65000
      hold-time: 3
    - {address: fe80::1, interface: eth1, asn: 65001, multihop: 3}
  dynamic-peers: # all commented out
log:
vnis:
  targets: rfc8365
  select: "10 - 12"
api:
  listen: none
  mode: 0o640
`)
	if n := len(c.BGP.Listen); n != 0 {
		t.Errorf("listen [] gives %d addresses", n)
	}
	if p := c.BGP.Peers[0]; p.HoldTime != 3*time.Second || p.Keepalive != time.Second {
		t.Errorf("hold-time 3 gives %s and keepalive %s", p.HoldTime, p.Keepalive)
	}
	if p := c.BGP.Peers[1]; p.Address != addr("fe80::1%eth1") {
		t.Errorf("interface eth1 gives the address %s", p.Address)
	}
	if c.BGP.RouterID.IsValid() || c.VTEP.Address.IsValid() {
		t.Error("a router id or VTEP address was made up")
	}
	if c.VNIs.Targets.Form != evpn.TargetRFC8365 {
		t.Errorf("targets: got form %d", c.VNIs.Targets.Form)
	}
	if diff := cmp.Diff([]Selector{{First: 10, Last: 12}}, c.VNIs.Select); diff != "" {
		t.Errorf("select differs (-want +got):\n%s", diff)
	}
	if len(c.API.Listen) != 0 || c.API.Mode != 0o640 {
		t.Errorf("api: got %+v", c.API)
	}
}

func TestEmptyPasswordFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "\n", "long": strings.Repeat("x", 81)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "evpnd.yaml")
	_, err := parse(path, []byte(`bgp:
  asn: 65000
  peers:
    - {address: 10.0.0.1, asn: 65000, password-file: empty}
    - {address: 10.0.0.2, asn: 65000, password-file: long}
`))
	want := path + ":4: bgp.peers[0].password-file: the file holds no password\n" +
		path + ":5: bgp.peers[1].password-file: want at most 80 bytes, as many as the kernel takes for TCP MD5, not 81"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
