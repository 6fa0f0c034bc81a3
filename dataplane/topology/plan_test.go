package topology_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

func declared(vni evpn.VNI, local netip.Addr) topology.Declared {
	return topology.Declared{
		VNI: vni, Bridge: "br" + vni.String(), Device: "vxlan" + vni.String(), Local: local, Port: topology.DefaultPort,
	}
}

// namespace is a network namespace in which steps are taken as the kernel does.
type namespace struct {
	setup
	next int
}

func empty() *namespace {
	n := &namespace{setup: *plain(local4), next: 100}
	n.links = slices.DeleteFunc(n.links, func(l kernel.Link) bool { return l.Index == br0 || l.Index == vx0 })
	return n
}

func (n *namespace) take(s *topology.Step) {
	l := s.Link
	switch s.Action {
	case topology.Remove:
		n.links = slices.DeleteFunc(n.links, func(o kernel.Link) bool { return o.Index == l.Index })
		return
	case topology.MakeBridge, topology.MakeVXLAN:
		n.next++
		l.Index = n.next
		n.links = append(n.links, l)
		return
	case topology.SetUp:
		n.link(l.Index).Up = true
	case topology.SetMaster:
		n.link(l.Index).Master = l.Master
	case topology.SetMTU:
		n.link(l.Index).MTU = l.MTU
	}
}

// settle takes steps until there are none, and returns them and the problems
// that are left.
func (n *namespace) settle(t *testing.T) (steps []string, problems []topology.Problem) {
	t.Helper()
	for range 10 {
		some, left := topology.Plan(n.copied(), &n.cfg)
		if len(some) == 0 {
			return steps, left
		}
		for i := range some {
			steps = append(steps, some[i].String())
			n.take(&some[i])
		}
	}
	t.Fatalf("there is always a step more: %q", steps)
	return nil, nil
}

// copied is a view that the steps do not change.
func (n *namespace) copied() *topology.View {
	return topology.NewView(slices.Clone(n.links), n.addrs)
}

func (n *namespace) named(t *testing.T, name string) *kernel.Link {
	t.Helper()
	l := n.copied().Named(name)
	if l == nil {
		t.Fatalf("there is no device %s", name)
	}
	return l
}

func (n *namespace) add(l kernel.Link) int {
	n.next++
	l.Index = n.next
	n.links = append(n.links, l)
	return n.next
}

// shape renders the bridges and VXLAN devices without their indexes.
func shape(v *topology.View) []string {
	var out []string
	for _, l := range v.Links() {
		master := ""
		if m := v.Link(l.Master); m != nil {
			master = m.Name
		}
		s := fmt.Sprintf("%s up %v mtu %d master %q alias %q", l.Name, l.Up, l.MTU, master, l.Alias)
		if l.VXLAN != nil {
			s += fmt.Sprintf(" vni %d local %v port %d", l.VXLAN.VNI, l.VXLAN.Local, l.VXLAN.Port)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// TestPlan has what is made, changed and removed in several places to begin
// from. Each time the view that DryRun would have (Planned) must be that which
// the steps lead to.
func TestPlan(t *testing.T) {
	made := func(vni evpn.VNI, name string, vx *kernel.VXLAN, master int) kernel.Link {
		kind := "bridge"
		if vx != nil {
			kind = "vxlan"
		}
		return kernel.Link{Name: name, Kind: kind, Alias: topology.Alias(vni), MTU: 1550, Up: true, Master: master, VXLAN: vx}
	}
	vx := func(local netip.Addr) *kernel.VXLAN {
		return &kernel.VXLAN{VNI: 200, Local: local, Port: topology.DefaultPort}
	}
	for _, c := range []struct {
		name  string
		begin func(*namespace)
		steps []string
		says  []string // problems, in part
	}{
		{"nothing", func(*namespace) {}, nil, nil},
		{
			"new, IPv4", func(n *namespace) { n.cfg.Declared = []topology.Declared{declared(200, local4)} },
			[]string{"make bridge br200", "make VXLAN device vxlan200", "bring device br200 up", "bring device vxlan200 up"},
			nil,
		},
		{
			"new, IPv6", func(n *namespace) { n.cfg.Declared = []topology.Declared{declared(200, local6)} },
			[]string{"make bridge br200", "make VXLAN device vxlan200", "bring device br200 up", "bring device vxlan200 up"},
			nil,
		},
		{"ports", func(n *namespace) {
			d := declared(200, local4)
			d.Ports = []string{"p0", "absent"}
			n.cfg.Declared = []topology.Declared{d}
			n.add(kernel.Link{Name: "p0", Kind: "veth"})
		}, []string{"make bridge br200", "make VXLAN device vxlan200", "bring device br200 up", "make p0 a port of bridge br200", "bring device vxlan200 up"}, nil},
		{
			"a port of another bridge", func(n *namespace) {
				d := declared(200, local4)
				d.Ports = []string{"p0"}
				n.cfg.Declared = []topology.Declared{d}
				n.add(kernel.Link{Name: "p0", Kind: "veth", Master: n.add(kernel.Link{Name: "other", Kind: "bridge"})})
			},
			[]string{"make bridge br200", "make VXLAN device vxlan200", "bring device br200 up", "bring device vxlan200 up"},
			[]string{"declared VNI 200: device p0 is to be a port of bridge br200 and is one of another"},
		},
		{"an operator's bridge and device, down", func(n *namespace) {
			n.cfg.Declared = []topology.Declared{declared(200, local4)}
			n.add(kernel.Link{Name: "br200", Kind: "bridge"})
			n.add(kernel.Link{Name: "vxlan200", Kind: "vxlan", VXLAN: vx(local6)})
		}, []string{"make vxlan200 a port of bridge br200"}, nil},
		{"the bridge's name is taken", func(n *namespace) {
			n.cfg.Declared = []topology.Declared{declared(200, local4)}
			n.add(kernel.Link{Name: "br200", Kind: "veth"})
		}, nil, []string{"declared VNI 200: device br200 is there and is no bridge"}},
		{"the device's name is taken", func(n *namespace) {
			n.cfg.Declared = []topology.Declared{declared(200, local4)}
			n.add(kernel.Link{Name: "vxlan200", Kind: "vxlan", VXLAN: &kernel.VXLAN{VNI: 300}})
		}, []string{"make bridge br200"}, []string{"declared VNI 200: device vxlan200 is there and is no VXLAN device with this VNI"}},
		{"another local address", func(n *namespace) {
			n.cfg.Declared = []topology.Declared{declared(200, local4)}
			br := n.add(made(200, "br200", nil, 0))
			n.add(made(200, "vxlan200", vx(local6), br))
		}, []string{"remove device vxlan200", "make VXLAN device vxlan200", "bring device vxlan200 up"}, nil},
		{"another MTU", func(n *namespace) {
			d := declared(200, local4)
			d.MTU = 1400
			n.cfg.Declared = []topology.Declared{d}
			br := n.add(made(200, "br200", nil, 0))
			n.add(made(200, "vxlan200", vx(local4), br))
		}, []string{"set the MTU of vxlan200 to 1400"}, nil},
		{"another MTU, and out of its bridge", func(n *namespace) {
			n.cfg.Declared = []topology.Declared{declared(200, local4)}
			n.add(made(200, "br200", nil, 0))
			l := made(200, "vxlan200", vx(local4), 0)
			l.MTU, l.Up = 1000, false
			n.add(l)
		}, []string{"set the MTU of vxlan200 to 1550", "make vxlan200 a port of bridge br200", "bring device vxlan200 up"}, nil},
		{"declared no more", func(n *namespace) {
			br := n.add(made(200, "br200", nil, 0))
			n.add(made(200, "vxlan200", vx(local4), br))
			n.add(kernel.Link{Name: "other", Kind: "bridge", Alias: "an operator's"})
		}, []string{"remove device vxlan200", "remove device br200"}, nil},
		{"declared no more, with a host's port", func(n *namespace) {
			br := n.add(made(200, "br200", nil, 0))
			n.add(made(200, "vxlan200", vx(local4), br))
			n.add(kernel.Link{Name: "p0", Kind: "veth", Master: br})
		}, []string{"remove device vxlan200"}, []string{"bridge br200 was made for VNI 200, which is declared no more, but it has other ports"}},
		{"declared under another name", func(n *namespace) {
			d := declared(200, local4)
			d.Device = "vx"
			n.cfg.Declared = []topology.Declared{d}
			br := n.add(made(200, "br200", nil, 0))
			n.add(made(200, "vxlan200", vx(local4), br))
		}, []string{"remove device vxlan200", "make VXLAN device vx", "bring device vx up"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := empty()
			c.begin(n)
			imagined := topology.Planned(n.copied(), &n.cfg)
			steps, left := n.settle(t)
			if !slices.Equal(steps, c.steps) {
				t.Errorf("steps %q, want %q", steps, c.steps)
			}
			for i := range max(len(left), len(c.says)) {
				if i >= len(left) || i >= len(c.says) || !strings.HasPrefix(left[i].Text, c.says[i]) || left[i].Kind != topology.NotMade || left[i].VNI != 200 {
					t.Errorf("problems %v, want %q", left, c.says)
					break
				}
			}
			if got, want := shape(imagined), shape(n.copied()); !slices.Equal(got, want) {
				t.Errorf("a dry run has\n%s\nand the kernel\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// TestMadeMTU has both devices as big as the underlay lets frames be.
func TestMadeMTU(t *testing.T) {
	for local, want := range map[netip.Addr]int{local4: 1550, local6: 1530, netip.MustParseAddr("192.0.2.1"): 0} {
		n := empty()
		n.cfg.Declared = []topology.Declared{declared(200, local)}
		n.settle(t)
		if br, vx := n.named(t, "br200"), n.named(t, "vxlan200"); br.MTU != want || vx.MTU != want || vx.Master != br.Index {
			t.Errorf("%v: bridge with MTU %d, device with %d in %d, want %d", local, br.MTU, vx.MTU, vx.Master, want)
		}
	}
}

// TestConfig has every mistake of a configuration.
func TestConfig(t *testing.T) {
	with := func(f func(*topology.Declared)) topology.Config {
		d := declared(200, local4)
		f(&d)
		return topology.Config{Declared: []topology.Declared{d}}
	}
	for _, c := range []struct {
		cfg  topology.Config
		says string // empty: it is right
	}{
		{topology.Config{}, ""},
		{with(func(*topology.Declared) {}), ""},
		{with(func(d *topology.Declared) { d.VNI = 0 }), "declared VNI 0"},
		{with(func(d *topology.Declared) { d.Local = netip.Addr{} }), "no local address"},
		{with(func(d *topology.Declared) { d.Port = 0 }), "no UDP port"},
		{with(func(d *topology.Declared) { d.Bridge = "" }), "need a name each"},
		{with(func(d *topology.Declared) { d.Device = "" }), "need a name each"},
		{with(func(d *topology.Declared) { d.Device = d.Bridge }), "used twice"},
		{with(func(d *topology.Declared) { d.Bridge = "a-name-of-16-byt" }), "longer than 15"},
		{topology.Config{Declared: []topology.Declared{declared(200, local4), declared(200, local4)}}, "declared twice"},
		{topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 0, Last: 2}}}}, "VNI range 0-2"},
		{topology.Config{Select: topology.Select{Ranges: []topology.Range{{First: 3, Last: 2}}}}, "VNI range 3-2"},
		{topology.Config{Select: topology.Select{Devices: []string{"vx[1"}}}, "vx[1"},
	} {
		err := c.cfg.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: says %v, want something about %q", c.cfg, err, c.says)
		}
	}
}
