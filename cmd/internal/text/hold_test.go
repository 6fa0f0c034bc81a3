package text

import (
	"slices"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// TestHold holds each sentence against what operators have.
func TestHold(t *testing.T) {
	at, later := time.Unix(0, 0), time.Unix(600, 0)
	var seen []evpn.HoldKind
	for _, c := range []struct {
		hold evpn.Hold
		want string
	}{
		{
			evpn.Hold{Kind: evpn.HoldFrozenMAC, VNI: 200, MAC: mac, Since: at},
			"frozen as a duplicate since 1970-01-01T00:00:00Z, until somebody lets it go: find the second host, then evpnctl mac unfreeze --vni 200 02:42:ac:12:00:0b (RFC 7432 §15.1)",
		},
		{
			evpn.Hold{Kind: evpn.HoldFrozenIP, VNI: 200, MAC: mac, Addr: host, Since: at, Until: later},
			"frozen with 02:42:ac:12:00:0b as a duplicate since 1970-01-01T00:00:00Z, until 1970-01-01T00:10:00Z: find the second host, then evpnctl mac unfreeze --vni 200 172.18.0.11 (RFC 9161 §3.7)",
		},
		{
			evpn.Hold{Kind: evpn.HoldFrozenMACBefore, VNI: 200, MAC: mac, Addr: vtep},
			"it was frozen as a duplicate at VTEP 192.0.2.2 before evpnd was started again, and is to be frozen there again",
		},
		{
			evpn.Hold{Kind: evpn.HoldFrozenMACBefore, VNI: 200, MAC: mac},
			"it was frozen as a duplicate at this host before evpnd was started again, and is to be frozen there again",
		},
		{
			evpn.Hold{Kind: evpn.HoldFrozenIPBefore, VNI: 200, Addr: host, MAC: mac},
			"it was frozen with 02:42:ac:12:00:0b as a duplicate before evpnd was started again, and is to be frozen with it again",
		},
		{
			evpn.Hold{Kind: evpn.HoldUnconfirmed, VNI: 200, Addr: host, Until: later},
			"an earlier run knew it here, and the host has until 1970-01-01T00:10:00Z to answer for it",
		},
		{
			evpn.Hold{Kind: evpn.HoldMACLimit, VNI: 200, MAC: mac, Count: 10},
			"a local port has it, but VNI 200 has 10 local MACs, its limit, so it is not announced: raise the limit (vnis.limits.local-macs)",
		},
		{
			evpn.Hold{Kind: evpn.HoldMACLimit, VNI: 200, Count: 10},
			"it has 10 local MACs, its limit, and more are not announced: find the host that makes them up, or raise the limit (vnis.limits.local-macs)",
		},
		{
			evpn.Hold{Kind: evpn.HoldNoHost, VNI: 200, Addr: host},
			"172.18.0.11 can be no host's address for the others: it is unspecified, of a group, a loopback or an IPv4 link-local one",
		},
		{
			evpn.Hold{Kind: evpn.HoldGateway, VNI: 200, Addr: host},
			"the address is a configured gateway, which every VTEP has for its own hosts (vnis.settings[].gateways)",
		},
		{
			evpn.Hold{Kind: evpn.HoldStale, Addr: peer, Until: later},
			"stale routes of peer 10.0.0.9 are used until 1970-01-01T00:10:00Z (graceful restart): the session is down",
		},
		{
			evpn.Hold{Kind: evpn.HoldStale, Addr: peer, Until: later, Up: true},
			"stale routes of peer 10.0.0.9 are used until 1970-01-01T00:10:00Z (graceful restart): it came back and has not repeated them",
		},
		{
			evpn.Hold{Kind: evpn.HoldPeerLimit, Addr: peer, Count: 100, Refused: 7},
			"peer 10.0.0.9 is at its limit of 100 routes (max-routes) and 7 were refused: what is missing may be among them",
		},
		{
			evpn.Hold{Kind: evpn.HoldStart, Until: later},
			"evpnd has not heard the End-of-RIB of all its peers since its start: entries of an earlier run stay in the kernel until then, or until 1970-01-01T00:10:00Z",
		},
		{
			evpn.Hold{Kind: evpn.HoldFlood, VNI: 200, Addr: peer, Until: later},
			"peer 10.0.0.9 withdrew its type 3 route; it is still flooded to until 1970-01-01T00:10:00Z (bgp.flood-hold)",
		},
		{
			evpn.Hold{Kind: evpn.HoldNoFlood, VNI: 200},
			"flooding is switched off in VNI 200 (vnis.flood)",
		},
		{
			evpn.Hold{Kind: evpn.HoldNoRD, VNI: 200},
			"it has no route distinguisher (65535 are in use), so nothing of it is announced: serve fewer VNIs",
		},
	} {
		if got := Hold(&c.hold); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.hold.Kind, got, c.want)
		}
		seen = append(seen, c.hold.Kind)
	}
	for _, k := range evpn.HoldKinds {
		if !slices.Contains(seen, k) {
			t.Errorf("no sentence for %s", k)
		}
	}
}

// TestSources wants the key of what is set, and how the rest is made.
func TestSources(t *testing.T) {
	x := &evpn.BDExplanation{Form: evpn.TargetFixed, Config: evpn.BDConfig{Export: []evpn.RT{evpn.NewRT(65000, 200)}}}
	rd, export, imports := Sources(x)
	if rd != "automatic: bgp.router-id and a number of the VNI" || export != "vnis.settings[].export" || imports != "vnis.targets: fixed" {
		t.Errorf("%q, %q, %q", rd, export, imports)
	}
}
