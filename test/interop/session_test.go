package interop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

var vtep1 = netip.MustParseAddr("10.90.1.1")

// pair is evpnd on h1 and FRR on h2 that talk to each other without a
// reflector.
//
// The lines are for the neighbor on either side.
func pair(t *testing.T, frrLines, evpndLines string) (*fabric, *lab.Evpnd, *lab.FRR) {
	t.Helper()
	f := newFabric(t)
	h1, h2 := f.node(1), f.node(2)
	h1.AddVNI(vni)
	frr := h2.FRR(fmt.Sprintf(frrBGP, 65000, h2.VTEP) +
		" neighbor 10.90.1.1 remote-as 65000\n neighbor 10.90.1.1 timers connect 1\n" + frrLines +
		" address-family l2vpn evpn\n  neighbor 10.90.1.1 activate\n exit-address-family\n")
	e := h1.Evpnd("vtep:\n  address: 10.90.1.1\nbgp:\n  asn: 65000\n  router-id: 10.90.1.1\n  peers:\n" +
		"    - address: 10.90.1.2\n      asn: 65000\n" + evpndLines)
	e.Established(1)
	frr.Established(1)
	return f, e, frr
}

// A session comes up whoever may dial, comes up again after FRR's clear
// command and after bgpd was killed, and one that evpnd's operator resets
// does too.
func TestSessionComesBack(t *testing.T) {
	f, e, frr := pair(t, "", "")

	established := func() int {
		var v struct {
			Peers map[string]struct {
				Established int `json:"connectionsEstablished"`
			} `json:"peers"`
		}
		frr.JSON("show bgp l2vpn evpn summary", &v)
		return v.Peers["10.90.1.1"].Established
	}
	again := func(why string, was int) {
		t.Helper()
		start := time.Now()
		f.Until(20*time.Second, "established again after "+why, func() (bool, string) {
			n := established()
			return n > was, fmt.Sprintf("established %d times, before %d\n%s", n, was, e.Ctl("peer", "list"))
		})
		e.Established(1)
		frr.Established(1)
		t.Logf("established again %v after %s", time.Since(start).Round(time.Millisecond), why)
	}
	was := established()
	frr.Vtysh("clear bgp *")
	again("clear bgp", was)
	was = established()
	e.Ctl("peer", "reset", "10.90.1.2")
	again("evpnctl peer reset", was)
	frr.BGPd.Crash()
	frr.StartBGP()
	again("bgpd was killed and started", 0)
}

// FRR's side of what a session may be told: nobody but the right peer gets
// in.
func TestSessionOptions(t *testing.T) {
	for _, tt := range []struct{ name, frr, evpnd string }{
		{"FRR waits", " neighbor 10.90.1.1 passive\n", ""},
		{"evpnd waits", "", "      passive: true\n"},
		{"password", " neighbor 10.90.1.1 password seven-of-nine\n", "      password: seven-of-nine\n"},
		{"password, evpnd waits", " neighbor 10.90.1.1 password seven-of-nine\n", "      password: seven-of-nine\n      passive: true\n"},
		{"TTL security", " neighbor 10.90.1.1 ttl-security hops 1\n", "      ttl-security: 1\n"},
		{"source address", "", "      local-address: 10.90.1.1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, frr := pair(t, tt.frr, tt.evpnd)
			f.wantRoute(frr, imet(vtep1), vtep1)
		})
	}
}

// Peers within a range may connect without being listed.
func TestDynamicPeers(t *testing.T) {
	f := newFabric(t)
	h1, h2 := f.node(1), f.node(2)
	h1.AddVNI(vni)
	h2.AddVNI(vni)
	c1, c2 := container(h1, vni, 11), container(h2, vni, 12)
	frr := frrVTEP(h2, 65000, h1.VTEP, 65000)
	e := h1.Evpnd("vtep:\n  address: 10.90.1.1\nbgp:\n  asn: 65000\n  dynamic-peers:\n    - range: 10.90.1.0/24\n      asn: 65000\n")
	e.Established(1)
	frr.Established(1)
	reachAll(t, c1, c2)
}
