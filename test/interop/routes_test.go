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

// imet is the prefix of a type-3 route.
func imet(vtep netip.Addr) string { return fmt.Sprintf("[3]:[0]:[%d]:[%v]", vtep.BitLen(), vtep) }

// macip is the prefix of a type-2 route, with or without an address.
func macip(mac string, ip netip.Addr) string {
	if !ip.IsValid() {
		return fmt.Sprintf("[2]:[0]:[48]:[%s]", mac)
	}
	return fmt.Sprintf("[2]:[0]:[48]:[%s]:[%d]:[%v]", mac, ip.BitLen(), ip)
}

// wantRoute waits until FRR has a path for the prefix with the next hop and
// all of the communities.
func (f *fabric) wantRoute(frr *lab.FRR, prefix string, nexthop netip.Addr, communities ...string) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("FRR has %s via %v with %q", prefix, nexthop, communities), func() (bool, string) {
		rs := frr.Routes()
		return slices.ContainsFunc(rs, func(r lab.Route) bool {
			has := strings.Fields(r.Communities)
			return r.Prefix == prefix && r.NextHop == nexthop.String() &&
				!slices.ContainsFunc(communities, func(c string) bool { return !slices.Contains(has, c) })
		}), show(rs)
	})
}

// wantNoRoute waits until FRR has no path with the next hop any more for any
// prefix that begins so.
func (f *fabric) wantNoRoute(frr *lab.FRR, prefix string, nexthop netip.Addr) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("FRR has no %s via %v", prefix, nexthop), func() (bool, string) {
		rs := frr.Routes()
		return !slices.ContainsFunc(rs, func(r lab.Route) bool {
			return strings.HasPrefix(r.Prefix, prefix) && r.NextHop == nexthop.String()
		}), show(rs)
	})
}

func show(rs []lab.Route) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// wantFDB waits until the kernel of n sends frames for the MAC to the VTEP,
// with both of its entries: that of the VXLAN device, and that of the bridge.
func (f *fabric) wantFDB(n *lab.Node, v lab.VNI, mac string, vtep netip.Addr) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("%s has %s behind %v in its kernel", n.Short, mac, vtep), func() (bool, string) {
		var self, bridge bool
		for _, e := range n.FDB(v.Device()) {
			mine := e.MAC == mac && slices.Contains(e.Flags, "extern_learn")
			self = self || mine && e.Dst == vtep.String()
			bridge = bridge || mine && e.Master == v.Bridge()
		}
		return self && bridge, n.Bridge("fdb", "show", "dev", v.Device())
	})
}

// wantNoFDB waits until the kernel of n has no entry for the MAC on the VXLAN
// device.
func (f *fabric) wantNoFDB(n *lab.Node, v lab.VNI, mac string) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("%s has no %s on %s", n.Short, mac, v.Device()), func() (bool, string) {
		fdb := n.FDB(v.Device())
		return !slices.ContainsFunc(fdb, func(e lab.FDBEntry) bool { return e.MAC == mac }), fmt.Sprint(fdb)
	})
}

// wantNeighbor waits until the kernel of n knows the address by a control
// plane.
func (f *fabric) wantNeighbor(n *lab.Node, v lab.VNI, ip netip.Addr, mac string) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("%s knows %v at %s", n.Short, ip, mac), func() (bool, string) {
		return slices.ContainsFunc(n.Neighbors(v.Bridge()), func(e lab.Neighbor) bool {
			return e.IP == ip && e.MAC == mac && e.ExternLearned()
		}), n.IP("neigh", "show", "dev", v.Bridge())
	})
}

// The readers of FRR's and the kernel's output find what is there and do not
// find what is not, so that the waits above can fail.
func TestReaders(t *testing.T) {
	if got, want := macip("02:00:00:00:00:01", netip.MustParseAddr("fd00::1")), "[2]:[0]:[48]:[02:00:00:00:00:01]:[128]:[fd00::1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := imet(netip.MustParseAddr("10.0.0.1")), "[3]:[0]:[32]:[10.0.0.1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
