package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnit holds the systemd unit against the defaults: what systemd makes
// for the daemon must be what the daemon looks for.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../../../../configs/evpnd.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = strings.TrimSpace(unit[key] + " " + value) // a second line adds to the first
		}
	}
	c := mustParse(t, "bgp: {asn: 65000}")
	const capabilities = "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE"
	for key, want := range map[string]string{
		"Type":                  "notify",
		"Restart":               "on-failure",
		"ExecReload":            "/bin/kill -HUP $MAINPID",
		"User":                  "evpnd",
		"Group":                 "evpnd",
		"NoNewPrivileges":       "yes",
		"AmbientCapabilities":   capabilities,
		"CapabilityBoundingSet": capabilities,
		"RuntimeDirectory":      strings.TrimPrefix(filepath.Dir(c.API.Listen[0].Address), "/run/"),
		"StateDirectory":        strings.TrimPrefix(c.State.Directory, "/var/lib/"),
	} {
		if unit[key] != want {
			t.Errorf("%s=%s, want %s", key, unit[key], want)
		}
	}
	// Link, neighbor and packet sockets, the peers, and the API.
	for _, family := range []string{"AF_NETLINK", "AF_PACKET", "AF_INET", "AF_INET6", "AF_UNIX"} {
		if !strings.Contains(" "+unit["RestrictAddressFamilies"]+" ", " "+family+" ") {
			t.Errorf("RestrictAddressFamilies lacks %s", family)
		}
	}
	for _, key := range []string{"PrivateNetwork", "PrivateUsers", "IPAddressDeny"} {
		if unit[key] != "" {
			t.Errorf("%s keeps evpnd from its work", key)
		}
	}
	sysusers, err := os.ReadFile("../../../../configs/evpnd.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(sysusers), "\nu "+unit["User"]+" ") {
		t.Errorf("evpnd.sysusers does not make the user %s", unit["User"])
	}
}
