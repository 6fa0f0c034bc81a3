package topology_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// The devices of the tests: lo, an underlay device with an IPv4 and an IPv6
// address, bridge br0 and VXLAN device vx0 with VNI 200 in it.
const (
	lo = iota + 1
	eth0
	br0
	vx0
	br1
	vx1
)

var (
	local4 = netip.MustParseAddr("172.30.0.1")
	local6 = netip.MustParseAddr("2001:db8::1")
)

// setup is what a case changes.
type setup struct {
	links  []kernel.Link
	addrs  []kernel.Addr
	cfg    topology.Config
	before *topology.Topology
}

func plain(local netip.Addr) *setup {
	return &setup{
		links: []kernel.Link{
			{Index: lo, Name: "lo", MTU: 65536, Up: true, Loopback: true},
			{Index: eth0, Name: "eth0", MTU: 1600, Up: true},
			{Index: br0, Name: "br0", Kind: "bridge", MTU: 1500, Up: true},
			vxlan(vx0, "vx0", 200, local),
		},
		addrs: []kernel.Addr{{Ifindex: eth0, IP: local4}, {Ifindex: eth0, IP: local6}},
	}
}

func vxlan(index int, name string, vni evpn.VNI, local netip.Addr) kernel.Link {
	return kernel.Link{
		Index: index, Name: name, Kind: "vxlan", MTU: 1500, Up: true, Master: br0,
		Port:  &kernel.Port{NeighSuppress: true},
		VXLAN: &kernel.VXLAN{VNI: vni, Local: local, Port: topology.DefaultPort},
	}
}

func (s *setup) link(index int) *kernel.Link {
	i := slices.IndexFunc(s.links, func(l kernel.Link) bool { return l.Index == index })
	return &s.links[i]
}

func (s *setup) view() *topology.View { return topology.NewView(s.links, s.addrs) }

func (s *setup) resolve() *topology.Topology {
	return topology.Resolve(s.view(), &s.cfg, s.before)
}

// problems renders the problems of a device, each as kind: text.
func problems(d *topology.Device) []string {
	var out []string
	for _, p := range d.Problems {
		out = append(out, string(p.Kind)+": "+p.Text)
	}
	return out
}

// TestResolve changes one thing of a device that is served, for IPv4 and IPv6.
func TestResolve(t *testing.T) {
	const (
		served   = "served"   // and forwards
		attached = "attached" // entries are written, and it cannot forward
		left     = "left"     // no entries are written
	)
	for _, c := range []struct {
		name   string
		change func(*setup)
		want   string
		says   []string // the problems of vx0, each in part
	}{
		{"as it should be", func(*setup) {}, served, nil},
		{"external", func(s *setup) { s.link(vx0).VXLAN.External = true }, left, []string{"external: device vx0 takes its VNI from metadata"}},
		{"vnifilter", func(s *setup) { s.link(vx0).VXLAN.VNIFilter = true }, left, []string{"external: device vx0 takes its VNI from metadata"}},
		{"no VNI", func(s *setup) { s.link(vx0).VXLAN.VNI = 0 }, left, []string{"external: device vx0 has no VNI"}},
		{"other VNIs selected", func(s *setup) { s.cfg.Select.Ranges = []topology.Range{{First: 1, Last: 199}} }, left, []string{"not-selected: VNI 200 of device vx0"}},
		{"other names selected", func(s *setup) { s.cfg.Select.Devices = []string{"vxlan*"} }, left, []string{"not-selected: VNI 200 of device vx0"}},
		{"its VNI selected", func(s *setup) {
			s.cfg.Select = topology.Select{Ranges: []topology.Range{{First: 200, Last: 200}}, Devices: []string{"other"}}
		}, served, nil},
		{"its name selected", func(s *setup) { s.cfg.Select.Devices = []string{"vx?"} }, served, nil},
		{"declared beside others selected", func(s *setup) {
			s.cfg.Select.Devices = []string{"other"}
			s.cfg.Declared = []topology.Declared{{VNI: 200}}
		}, served, nil},
		{"in no bridge", func(s *setup) { s.link(vx0).Master = 0 }, left, []string{"no-bridge: device vx0 is no port of a bridge: ip link set vx0 master"}},
		{"in a VRF", func(s *setup) { s.link(br0).Kind = "vrf" }, left, []string{"no-bridge: device vx0"}},
		{"bridge filters VLANs", func(s *setup) { s.link(br0).VLANFiltering = true }, left, []string{"vlan: bridge br0 filters VLANs"}},
		{"device down", func(s *setup) { s.link(vx0).Up = false }, attached, []string{"down: device vx0 is down: ip link set vx0 up"}},
		{"bridge down", func(s *setup) { s.link(br0).Up = false }, attached, []string{"down: bridge br0 is down: ip link set br0 up"}},
		{"both down", func(s *setup) { s.link(br0).Up, s.link(vx0).Up = false, false }, attached, []string{"down: device vx0", "down: bridge br0"}},
		{"no local address", func(s *setup) { s.link(vx0).VXLAN.Local = netip.Addr{} }, attached, []string{"no-local-address: device vx0"}},
		{"local address configured", func(s *setup) {
			s.cfg.VTEP = s.link(vx0).VXLAN.Local
			s.link(vx0).VXLAN.Local = netip.Addr{}
		}, served, nil},
		{"default destination", func(s *setup) { s.link(vx0).VXLAN.Remote = netip.MustParseAddr("192.0.2.7") }, served, []string{"default-destination: device vx0 sends all unknown frames to 192.0.2.7"}},
		{"other port", func(s *setup) { s.link(vx0).VXLAN.Port = 8472 }, served, []string{"port: device vx0 uses UDP port 8472, not 4789"}},
		{"underlay device named", func(s *setup) {
			s.links = append(s.links, kernel.Link{Index: 9, Name: "eth1", MTU: 1500, Up: true})
			s.link(vx0).VXLAN.Lower = 9
		}, served, []string{"mtu: bridge br0 has MTU 1500, but the underlay carries no more than"}},
		{"address on the loopback", func(s *setup) {
			s.addrs, s.link(br0).MTU = []kernel.Addr{{Ifindex: lo, IP: local4}, {Ifindex: lo, IP: local6}}, 65536
		}, served, nil},
		{"address unknown", func(s *setup) { s.addrs, s.link(br0).MTU = nil, 9000 }, served, nil},
		{"same VNI twice, the other first", func(s *setup) {
			s.links = append([]kernel.Link{vxlan(0, "vx9", 200, local4)}, s.links...)
		}, left, []string{"duplicate-vni: VNI 200 is served by device vx9 already"}},
		{"same VNI twice, the other later", func(s *setup) { s.links = append(s.links, vxlan(vx1, "vx1", 200, local4)) }, served, nil},
		{"same VNI twice, the other had it", func(s *setup) {
			s.links = append(s.links, vxlan(vx1, "vx1", 200, local4))
			had := *s
			had.links = slices.DeleteFunc(slices.Clone(s.links), func(l kernel.Link) bool { return l.Index == vx0 })
			s.before = had.resolve()
		}, left, []string{"duplicate-vni: VNI 200 is served by device vx1 already"}},
		{"same VNI twice, the other cannot have it", func(s *setup) {
			other := vxlan(0, "vx9", 200, local4)
			other.Master = 0
			s.links = append([]kernel.Link{other}, s.links...)
		}, served, nil},
		{"another VNI in its bridge", func(s *setup) { s.links = append(s.links, vxlan(vx1, "vx1", 300, local4)) }, served, nil},
	} {
		for _, local := range []netip.Addr{local4, local6} {
			name := c.name + ", IPv4"
			if local.Is6() {
				name = c.name + ", IPv6"
			}
			t.Run(name, func(t *testing.T) {
				s := plain(local)
				c.change(s)
				topo := s.resolve()
				i := slices.IndexFunc(topo.Devices, func(d topology.Device) bool { return d.Name == "vx0" })
				d := &topo.Devices[i]
				got := left
				switch {
				case d.Served:
					got = served
				case d.Attachable():
					got = attached
				}
				if got != c.want {
					t.Errorf("it is %s, want %s; problems: %q", got, c.want, problems(d))
				}
				if d.Attachable() != (topo.Attached[200] == d) {
					t.Errorf("Attached has %v, and the device's attachment is %+v", topo.Attached[200], d.At)
				}
				has := problems(d)
				for i := range max(len(has), len(c.says)) {
					if i >= len(has) || i >= len(c.says) || !strings.HasPrefix(has[i], c.says[i]) {
						t.Fatalf("problems %q, want %q", has, c.says)
					}
				}
				for _, p := range d.Problems {
					if p.VNI != d.VNI || p.Device != "vx0" {
						t.Errorf("the problem is of VNI %d and device %q", p.VNI, p.Device)
					}
				}
			})
		}
	}
}

// TestInnerMTU has an MTU that just fits, and one that is too big by one.
func TestInnerMTU(t *testing.T) {
	for _, c := range []struct {
		local netip.Addr
		most  int // with 1600 in the underlay
	}{{local4, 1550}, {local6, 1530}} {
		for _, over := range []int{0, 1} {
			s := plain(c.local)
			s.link(br0).MTU = c.most + over
			if got := len(s.resolve().Devices[0].Problems); got != over {
				t.Errorf("%v: %d problems with MTU %d, want %d", c.local, got, c.most+over, over)
			}
		}
	}
}

// TestDevice has all that is told of a device and where its entries are.
func TestDevice(t *testing.T) {
	s := plain(local4)
	s.link(vx0).Alias = topology.Alias(200)
	s.link(vx0).VXLAN.Remote = netip.MustParseAddr("192.0.2.7")
	topo := s.resolve()
	d := topo.Devices[0]
	d.Problems = nil
	want := topology.Device{
		VNI: 200, Name: "vx0", Ifindex: vx0, Bridge: "br0", Local: local4, Port: 4789, MTU: 1500, Made: true, Served: true,
		At: topology.Attachment{VNI: 200, Bridge: br0, VXLAN: vx0, SVI: br0, DefaultDest: netip.MustParseAddr("192.0.2.7")},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

// TestUnselected tells a device that is selected no more from one that went, and
// from one whose VNI another has by now.
func TestUnselected(t *testing.T) {
	s := plain(local4)
	at := s.resolve().Devices[0].At
	if s.resolve().Unselected(at) {
		t.Error("a device that is attached counts as not selected")
	}
	s.cfg.Select.Devices = []string{"other"}
	if !s.resolve().Unselected(at) {
		t.Error("a device that is not selected any more counts as selected")
	}
	s.links = append(s.links, vxlan(vx1, "other", 200, local4))
	if s.resolve().Unselected(at) {
		t.Error("another device has the VNI, and the old one counts as not selected")
	}
	s.links = s.links[:3]
	if s.resolve().Unselected(at) {
		t.Error("a device that went counts as not selected")
	}
}

// TestWrongFlags has each flag by itself.
func TestWrongFlags(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(*kernel.Link)
		port, learning bool
	}{
		{"right", func(*kernel.Link) {}, false, false},
		{"port learns", func(l *kernel.Link) { l.Port.Learning = true }, true, false},
		{"no suppression", func(l *kernel.Link) { l.Port.NeighSuppress = false }, true, false},
		{"device learns", func(l *kernel.Link) { l.VXLAN.Learning = true }, false, true},
		{"not known", func(l *kernel.Link) { l.Port = nil }, false, false},
	} {
		s := plain(local4)
		c.change(s.link(vx0))
		topo := s.resolve()
		if port, learning := topo.WrongFlags(&topo.Devices[0]); port != c.port || learning != c.learning {
			t.Errorf("%s: port %v, learning %v", c.name, port, learning)
		}
	}
}

func TestAgeing(t *testing.T) {
	s := plain(local4)
	s.link(br0).Ageing = 300 * time.Second
	topo := s.resolve()
	if got := topo.Ageing(topo.Devices[0].At); got != 300*time.Second {
		t.Errorf("MACs age for %v, want 5m0s", got)
	}
	if got := topo.Ageing(topology.Attachment{}); got != 0 {
		t.Errorf("nowhere MACs age for %v, want 0", got)
	}
}
