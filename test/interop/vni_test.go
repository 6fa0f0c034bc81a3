package interop

import (
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// A VNI that is removed on either side leaves nothing on the other one, and
// works again when it is back.
func TestVNIRemovedAndAdded(t *testing.T) {
	m := newMixed(t)
	reachAll(t, m.c1, m.c2, m.c3)

	m.h1.DelVNI(vni)
	m.wantNoRoute(m.frr, "[", m.h1.VTEP)
	for _, n := range []*lab.Node{m.h2, m.h3} {
		m.wantNoFDB(n, vni, m.c1.MAC)
	}
	m.h2.FloodsTo(vni, m.h3.VTEP)
	m.h3.FloodsTo(vni, m.h2.VTEP)
	m.h1.AddVNI(vni)
	m.c1.Plug(vni)
	reachAll(t, m.c1, m.c2, m.c3)

	m.h2.DelVNI(vni)
	m.wantNoFDB(m.h1, vni, m.c2.MAC)
	m.h1.FloodsTo(vni, m.h3.VTEP)
	m.h2.AddVNI(vni)
	m.c2.Plug(vni)
	reachAll(t, m.c1, m.c2, m.c3)
}

// A second VNI is followed while evpnd runs, and is apart from the first.
func TestSecondVNI(t *testing.T) {
	m := newMixed(t)
	second := lab.VNI{VNI: 16777215} // the highest there is
	m.h1.AddVNI(second)
	m.h2.AddVNI(second)
	c4, c5 := container(m.h1, second, 14), container(m.h2, second, 15)
	m.h1.FloodsTo(second, m.h2.VTEP)
	m.h2.FloodsTo(second, m.h1.VTEP)
	reachAll(t, c4, c5)
	// FRR's automatic target holds the VNI as it is.
	m.wantRoute(m.frr, macip(c4.MAC, none), m.h1.VTEP, "RT:65000:16777215")
	m.wantNoFDB(m.h1, vni, c5.MAC)
	m.h3.FloodsTo(vni, m.h1.VTEP, m.h2.VTEP)
}

// Targets that are set by hand on both sides are all that counts.
func TestManualTargets(t *testing.T) {
	f := newFabric(t)
	h1, h2 := f.node(1), f.node(2)
	h1.AddVNI(vni)
	h2.AddVNI(vni)
	c1, c2 := container(h1, vni, 11), container(h2, vni, 12)
	rr := f.reflector(h1.VTEP, h2.VTEP)
	frr := frrVTEP(h2, 65000, rr.addr, 65000, "vni 100", " route-target import 65000:1001", " route-target export 65000:2002", "exit-vni")
	base := evpndConfig(h1, 65000, rr.addr, 65000)
	e := h1.Evpnd(base + `vnis:
  settings:
    - vni: 100
      import: ["65000:2002"]
      export: ["65000:1001"]
`)
	e.Established(1)
	f.wantRoute(frr, imet(h1.VTEP), h1.VTEP, "RT:65000:1001")
	reachAll(t, c1, c2)

	// A wildcard takes the value from any AS.
	e.Reload(base + `vnis:
  settings:
    - vni: 100
      import: ["*:2002"]
      export: ["65000:1001", "65000:1003"]
`)
	f.wantRoute(frr, imet(h1.VTEP), h1.VTEP, "RT:65000:1001", "RT:65000:1003")
	reachAll(t, c1, c2)

	// FRR says something else now, which nobody imports.
	frr.Configure("router bgp 65000", "address-family l2vpn evpn", "vni 100",
		"no route-target export 65000:2002", "route-target export 65000:3003")
	h1.FloodsTo(vni)
	f.wantNoFDB(h1, vni, c2.MAC)

	// And evpnd imports that, from routes that it has not kept.
	e.Reload(base + `vnis:
  settings:
    - vni: 100
      import: ["*:2002", "65000:3003"]
      export: ["65000:1001"]
`)
	h1.FloodsTo(vni, h2.VTEP)
	reachAll(t, c1, c2)
}
