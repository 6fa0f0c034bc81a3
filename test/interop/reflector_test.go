package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// none is where a route or MAC has no address.
var none netip.Addr

// mixed is a network with an FRR reflector, evpnd on h1 and h3, and FRR on
// h2, with a container on each.
type mixed struct {
	*fabric
	rr         *reflector
	h1, h2, h3 *lab.Node
	c1, c2, c3 *lab.Container
	e1, e3     *lab.Evpnd
	frr        *lab.FRR
}

func newMixed(t *testing.T) *mixed {
	t.Helper()
	f := newFabric(t)
	m := &mixed{fabric: f, h1: f.node(1), h2: f.node(2), h3: f.node(3)}
	// Each host has an address on the container network, by which it learns
	// those of its containers.
	for i, n := range []*lab.Node{m.h1, m.h2, m.h3} {
		n.AddVNI(vni)
		n.Addr(vni.Bridge(), netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", i+1)))
		n.Addr(vni.Bridge(), netip.MustParsePrefix(fmt.Sprintf("fd00:18::%d/64", i+1)))
	}
	m.c1, m.c2, m.c3 = container(m.h1, vni, 11), container(m.h2, vni, 12), container(m.h3, vni, 13)
	m.rr = f.reflector(m.h1.VTEP, m.h2.VTEP, m.h3.VTEP)
	m.frr = frrVTEP(m.h2, 65000, m.rr.addr, 65000)
	m.e1 = m.h1.Evpnd(evpndConfig(m.h1, 65000, m.rr.addr, 65000))
	m.e3 = m.h3.Evpnd(evpndConfig(m.h3, 65000, m.rr.addr, 65000))
	m.rr.Established(3)
	m.e1.Established(1)
	m.e3.Established(1)
	return m
}

// Everybody reaches everybody, and each side's routes and kernel entries are
// those that the other side's daemon would have made.
func TestReflector(t *testing.T) {
	m := newMixed(t)
	f := m.fabric

	// Type 3, from evpnd to FRR and from FRR to evpnd.
	f.wantRoute(m.frr, imet(m.h1.VTEP), m.h1.VTEP, "RT:65000:100", "ET:8")
	m.h2.FloodsTo(vni, m.h1.VTEP, m.h3.VTEP)
	m.h1.FloodsTo(vni, m.h2.VTEP, m.h3.VTEP)
	reachAll(t, m.c1, m.c2, m.c3)

	// Type 2 without an address.
	f.wantRoute(m.frr, macip(m.c1.MAC, none), m.h1.VTEP, "RT:65000:100", "ET:8")
	f.wantFDB(m.h2, vni, m.c1.MAC, m.h1.VTEP)
	f.wantFDB(m.h1, vni, m.c2.MAC, m.h2.VTEP)
	f.wantFDB(m.h1, vni, m.c3.MAC, m.h3.VTEP)
	if got := m.e1.KnowsMAC(100, m.c2.MAC, m.h2.VTEP); got.Sequence != 0 || got.Sticky {
		t.Errorf("evpnd shows %+v, want sequence 0 and not sticky", got)
	}
	if got := m.e1.KnowsMAC(100, m.c1.MAC, none); got.Interface != m.c1.Port {
		t.Errorf("evpnd shows the local MAC on %q, want %q", got.Interface, m.c1.Port)
	}

	// Type 2 with addresses: a host learns those of the containers that
	// speak to it.
	for _, at := range []struct {
		n *lab.Node
		c *lab.Container
	}{{m.h1, m.c1}, {m.h2, m.c2}} {
		at.n.Reach(at.c.IPv4, 5*time.Second)
		at.n.Reach(at.c.IPv6, 5*time.Second)
	}
	for _, ip := range []netip.Addr{m.c1.IPv4, m.c1.IPv6} {
		f.wantRoute(m.frr, macip(m.c1.MAC, ip), m.h1.VTEP, "RT:65000:100", "ET:8")
		f.wantNeighbor(m.h2, vni, ip, m.c1.MAC)
	}
	for _, ip := range []netip.Addr{m.c2.IPv4, m.c2.IPv6} {
		f.wantNeighbor(m.h1, vni, ip, m.c2.MAC)
		f.wantNeighbor(m.h3, vni, ip, m.c2.MAC)
	}
	reachAll(t, m.c1, m.c2, m.c3)

	// RD: type 1, one a VNI, of the router id (RFC 7432 §7.9).
	for _, r := range m.rr.FRR.Routes() {
		if r.NextHop == m.h1.VTEP.String() && !strings.HasPrefix(r.RD, "10.90.1.1:") {
			t.Errorf("evpnd on h1 sent %v, want an RD of its router id", r)
		}
	}
}

// FRR reads the attributes of evpnd's type-3 route as evpnd means them.
func TestInclusiveMulticast(t *testing.T) {
	m := newMixed(t)
	m.wantRoute(m.frr, imet(m.h1.VTEP), m.h1.VTEP)
	var rd string
	for _, r := range m.frr.Routes() {
		if r.Prefix == imet(m.h1.VTEP) {
			rd = r.RD
		}
	}
	out := m.frr.Vtysh("show bgp l2vpn evpn route rd " + rd + " type multicast")
	if !strings.Contains(out, "PMSI Tunnel Type: Ingress Replication, label: 100") {
		t.Errorf("FRR does not read ingress replication with VNI 100 from the PMSI attribute:\n%s", out)
	}
	var v struct {
		VTEPs []string `json:"numRemoteVteps"`
	}
	m.Until(10*time.Second, "FRR counts both evpnds among the VTEPs of the VNI", func() (bool, string) {
		ok, out := m.frr.JSON("show evpn vni 100", &v)
		return ok && slices.Contains(v.VTEPs, m.h1.VTEP.String()) && slices.Contains(v.VTEPs, m.h3.VTEP.String()), out
	})
}

// A container that goes away takes its routes and entries with it.
func TestWithdraw(t *testing.T) {
	m := newMixed(t)
	reachAll(t, m.c1, m.c2)
	m.h2.IP("link", "del", m.c2.Port)
	m.wantNoFDB(m.h1, vni, m.c2.MAC)
	m.wantNoFDB(m.h3, vni, m.c2.MAC)
	m.h1.IP("link", "del", m.c1.Port)
	m.wantNoRoute(m.frr, macip(m.c1.MAC, none), m.h1.VTEP)
	m.wantNoFDB(m.h2, vni, m.c1.MAC)
	m.h1.FloodsTo(vni, m.h2.VTEP, m.h3.VTEP) // the VNI itself stays
}

// A daemon that ends says so: its routes are gone at once, and back when it
// is.
func TestStop(t *testing.T) {
	m := newMixed(t)
	reachAll(t, m.c1, m.c2, m.c3)
	if err := m.e1.Stop(); err != nil {
		t.Errorf("evpnd ended with %v, want exit status 0:\n%s", err, m.e1.Output())
	}
	m.wantNoRoute(m.frr, "[", m.h1.VTEP)
	m.h2.FloodsTo(vni, m.h3.VTEP)
	m.e1.Restart()
	m.h2.FloodsTo(vni, m.h1.VTEP, m.h3.VTEP)
	reachAll(t, m.c1, m.c2, m.c3)
}
