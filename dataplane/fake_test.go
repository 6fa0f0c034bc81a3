package dataplane_test

import (
	"net/netip"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// pretend is a world on the fake kernel.
type pretend struct{ *fake.Kernel }

func newPretend() pretend { return pretend{fake.New()} }

func (w pretend) open(testing.TB) dataplane.Kernel { return w.Open() }

func (w pretend) addBridge(name string) {
	w.Add(kernel.Link{Name: name, Kind: "bridge"})
	w.SetUp(name, true)
}

func (w pretend) addVXLAN(name string, vni int, local, bridge string) {
	v := &kernel.VXLAN{VNI: evpn.VNI(vni), Port: topology.DefaultPort, Learning: true}
	if local != "" {
		v.Local = addr(local)
	}
	w.Add(kernel.Link{Name: name, Kind: "vxlan", VXLAN: v})
	if bridge != "" {
		w.Kernel.SetMaster(name, bridge)
	}
	w.SetUp(name, true)
}

func (w pretend) addExternal(name string) {
	w.Add(kernel.Link{Name: name, Kind: "vxlan", VXLAN: &kernel.VXLAN{External: true, VNIFilter: true, Port: 5000}})
	w.SetUp(name, true)
}

func (w pretend) addPort(name, bridge string) {
	w.Add(kernel.Link{Name: name, Kind: "veth"})
	w.Kernel.SetMaster(name, bridge)
	w.SetUp(name, true)
}

func (w pretend) setUp(name string, up bool)              { w.SetUp(name, up) }
func (w pretend) setMaster(name, bridge string)           { w.Kernel.SetMaster(name, bridge) }
func (w pretend) rename(name, to string)                  { w.Rename(name, to) }
func (w pretend) del(name string)                         { w.Del(name) }
func (w pretend) addAddr(dev, prefix string)              { w.AddAddr(dev, netip.MustParsePrefix(prefix).Addr()) }
func (w pretend) portFlags(name string, l, suppress bool) { w.SetPortFlags(name, l, suppress) }
func (w pretend) frame(port string, src evpn.MAC)         { w.Frame(port, src) }

func (w pretend) claim(port string, c hosts.Claim) { w.Claim(port, c) }

func (w pretend) answer(_ string, ip netip.Addr, m evpn.MAC) {
	w.Answers(func(q hosts.ProbeRequest) bool { return q.IP == ip && q.MAC == m })
}

func TestFake(t *testing.T) {
	suite(t, func(*testing.T) world { return newPretend() })
}
