package topology_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// The layouts of a broadcast domain. Resolve makes the first one; the others
// have room.
var (
	plainLayout = topology.Attachment{VNI: 200, Bridge: 2, VXLAN: 3, SVI: 2}
	// One VXLAN device a VNI, in a bridge that filters VLANs.
	vlanLayout = topology.Attachment{VNI: 200, Bridge: 2, VLAN: 10, VXLAN: 3, SVI: 7}
	// One VXLAN device for all VNIs.
	sharedLayout = topology.Attachment{VNI: 200, Bridge: 2, VLAN: 10, VXLAN: 3, SrcVNI: 200, SVI: 7}
)

// TestEntries has every entry that is written, in each layout.
func TestEntries(t *testing.T) {
	mac, ip4, ip6 := evpn.MAC{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	remote := netip.MustParseAddr("172.30.0.2")
	same, other := evpn.Via{VTEP: remote, VNI: 200}, evpn.Via{VTEP: remote, VNI: 300}
	for _, a := range []topology.Attachment{plainLayout, vlanLayout, sharedLayout} {
		key := kernel.Entry{Family: kernel.Bridge, Ifindex: 3, MAC: mac, VLAN: a.VLAN, SrcVNI: a.SrcVNI}
		with := func(e kernel.Entry, f func(*kernel.Entry)) kernel.Entry { f(&e); return e }
		for _, c := range []struct {
			name      string
			got, want kernel.Entry
		}{
			{"MAC", a.RemoteMAC(mac, same), with(key, func(e *kernel.Entry) {
				e.Flags, e.State, e.IP = kernel.Self|kernel.Master|kernel.ExtLearned, kernel.NoARP|kernel.Reachable, remote
			})},
			{"MAC in another VNI", a.RemoteMAC(mac, other), with(key, func(e *kernel.Entry) {
				e.Flags, e.State, e.IP, e.VNI = kernel.Self|kernel.Master|kernel.ExtLearned, kernel.NoARP|kernel.Reachable, remote, 300
			})},
			{"device part", a.DevicePart(mac), with(key, func(e *kernel.Entry) { e.Flags = kernel.Self })},
			{"bridge part", a.BridgePart(mac), with(key, func(e *kernel.Entry) { e.Flags = kernel.Master })},
			{"both parts", a.BothParts(mac), with(key, func(e *kernel.Entry) { e.Flags = kernel.Self | kernel.Master })},
			{"flood", a.FloodDest(same), kernel.Entry{Family: kernel.Bridge, Ifindex: 3, State: kernel.Permanent, Flags: kernel.Self, IP: remote, SrcVNI: a.SrcVNI}},
			{"flood in another VNI", a.FloodDest(other), kernel.Entry{Family: kernel.Bridge, Ifindex: 3, State: kernel.Permanent, Flags: kernel.Self, IP: remote, VNI: 300, SrcVNI: a.SrcVNI}},
			{"neighbor", a.Neighbor(ip4, mac, false), kernel.Entry{Family: kernel.IPv4, Ifindex: a.SVI, State: kernel.NoARP, Flags: kernel.ExtLearned, MAC: mac, IP: ip4}},
			{"router", a.Neighbor(ip6, mac, true), kernel.Entry{Family: kernel.IPv6, Ifindex: a.SVI, State: kernel.NoARP, Flags: kernel.ExtLearned | kernel.Router, MAC: mac, IP: ip6}},
			{"device look-up", a.DeviceKey(mac), kernel.Entry{Family: kernel.Bridge, Ifindex: 3, MAC: mac, SrcVNI: a.SrcVNI}},
			{"bridge look-up", a.BridgeKey(mac), kernel.Entry{Family: kernel.Bridge, Ifindex: 2, MAC: mac, VLAN: a.VLAN}},
			{"neighbor look-up", a.NeighborKey(ip6), kernel.Entry{Family: kernel.IPv6, Ifindex: a.SVI, IP: ip6}},
		} {
			if c.got != c.want {
				t.Errorf("VLAN %d, source VNI %d: %s is\n%+v, want\n%+v", a.VLAN, a.SrcVNI, c.name, c.got, c.want)
			}
		}
		// What was written is read back as what was meant.
		for _, via := range []evpn.Via{same, other} {
			e := a.RemoteMAC(mac, via)
			if got := a.Via(&e); got != via {
				t.Errorf("an entry of %v is read as of %v", via, got)
			}
			e = a.FloodDest(via)
			if got, ok := a.FloodVia(&e); got != via || !ok {
				t.Errorf("a flood entry of %v is read as of %v, %v", via, got, ok)
			}
		}
	}
	a := plainLayout
	a.DefaultDest = remote
	if e := a.FloodDest(same); !a.SameTables(plainLayout) {
		t.Error("a default destination counts as other tables")
	} else if _, ok := a.FloodVia(&e); ok {
		t.Error("the entry of the device's default destination counts as ours")
	}
}

// TestIndex has broadcast domains of every layout, and asks of entries of each
// table. What Index says must be what the attachments say one by one.
func TestIndex(t *testing.T) {
	all := map[string]topology.Attachment{
		"plain":  plainLayout,
		"beside": {VNI: 300, Bridge: 2, VXLAN: 4, SVI: 2}, // another VNI in the same bridge
		"vlan10": {VNI: 10, Bridge: 20, VLAN: 10, VXLAN: 21, SrcVNI: 10, SVI: 22},
		"vlan11": {VNI: 11, Bridge: 20, VLAN: 11, VXLAN: 21, SrcVNI: 11, SVI: 23},
	}
	names := []string{"plain", "beside", "vlan10", "vlan11"}
	var x topology.Index[string]
	for _, n := range names {
		x.Add(all[n], n)
	}
	bridge := func(port, bridge int, vlan uint16) kernel.Entry {
		return kernel.Entry{Family: kernel.Bridge, Ifindex: port, Bridge: bridge, VLAN: vlan}
	}
	device := func(dev int, vni evpn.VNI) kernel.Entry {
		return kernel.Entry{Family: kernel.Bridge, Ifindex: dev, SrcVNI: vni}
	}
	neighbor := func(dev int) kernel.Entry { return kernel.Entry{Family: kernel.IPv4, Ifindex: dev} }
	for _, c := range []struct {
		what string
		e    kernel.Entry
		want []string
	}{
		{"a host's MAC", bridge(9, 2, 0), []string{"plain", "beside"}},
		{"a remote MAC in the bridge", bridge(3, 2, 0), []string{"plain", "beside"}},
		{"a MAC with a VLAN left over", bridge(9, 2, 5), []string{"plain", "beside"}},
		{"a MAC of a VLAN", bridge(9, 20, 10), []string{"vlan10"}},
		{"a MAC of another VLAN", bridge(9, 20, 11), []string{"vlan11"}},
		{"a MAC of a VLAN without a VNI", bridge(9, 20, 12), nil},
		{"a MAC of another bridge", bridge(9, 30, 0), nil},
		{"a VTEP's entry", device(3, 0), []string{"plain"}},
		{"a VTEP's entry of the device beside", device(4, 0), []string{"beside"}},
		{"a VTEP's entry of one VNI", device(21, 11), []string{"vlan11"}},
		{"a VTEP's entry of no VNI", device(21, 0), nil},
		{"an entry of another port's own table", device(9, 0), nil},
		{"a neighbor", neighbor(2), []string{"plain", "beside"}},
		{"a neighbor of a VLAN", neighbor(23), []string{"vlan11"}},
		{"a neighbor of the bridge below", neighbor(20), nil},
		{"a neighbor elsewhere", neighbor(1), nil},
	} {
		if got := x.Of(&c.e); !slices.Equal(got, c.want) {
			t.Errorf("%s is of %v, want %v", c.what, got, c.want)
		}
		var one []string
		for _, n := range names {
			if a := all[n]; a.Table(&c.e) != topology.NoTable {
				one = append(one, n)
			}
		}
		if !slices.Equal(one, c.want) {
			t.Errorf("the attachments that have %s are %v, want %v", c.what, one, c.want)
		}
	}
	for _, c := range []struct {
		got, want []string
	}{
		{x.In(2, 0), []string{"plain", "beside"}},
		{x.In(20, 11), []string{"vlan11"}},
		{x.In(20, 0), nil},
		{x.OnBridge(2), []string{"plain", "beside"}},
		{x.OnBridge(20), []string{"vlan10", "vlan11"}},
		{x.OnBridge(30), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}

// TestTable tells the tables of one broadcast domain apart.
func TestTable(t *testing.T) {
	for want, e := range map[topology.Table]kernel.Entry{
		topology.DeviceTable:   plainLayout.DeviceKey(evpn.MAC{2}),
		topology.BridgeTable:   {Family: kernel.Bridge, Ifindex: 3, Bridge: 2},
		topology.NeighborTable: plainLayout.NeighborKey(netip.MustParseAddr("10.0.0.1")),
		topology.NoTable:       {Family: kernel.Bridge, Ifindex: 3, Bridge: 9},
	} {
		if got := plainLayout.Table(&e); got != want {
			t.Errorf("%s is in table %d, want %d", fmt.Sprintf("%+v", e), got, want)
		}
	}
}

// TestUses has each device of an attachment by itself, and another.
func TestUses(t *testing.T) {
	for index, want := range map[int]bool{2: true, 3: true, 7: true, 4: false} {
		if got := vlanLayout.Uses(map[int]bool{index: true}); got != want {
			t.Errorf("uses device %d: %v, want %v", index, got, want)
		}
	}
}
