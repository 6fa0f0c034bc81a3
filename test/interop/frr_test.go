package interop

import "testing"

// FRR on both sides shows that the lab is sound and that the checks read
// FRR's and the kernel's output as it is, before evpnd is judged by them.
func TestFRRAlone(t *testing.T) {
	f := newFabric(t)
	h1, h2 := f.node(1), f.node(2)
	h1.AddVNI(vni)
	h2.AddVNI(vni)
	c1, c2 := container(h1, vni, 11), container(h2, vni, 12)
	rr := f.reflector(h1.VTEP, h2.VTEP)
	frrVTEP(h1, 65000, rr.addr, 65000)
	frr := frrVTEP(h2, 65000, rr.addr, 65000)
	rr.Established(2)
	f.wantRoute(frr, imet(h1.VTEP), h1.VTEP, "RT:65000:100", "ET:8")
	reachAll(t, c1, c2)
	f.wantRoute(frr, macip(c1.MAC, none), h1.VTEP, "RT:65000:100", "ET:8")
	f.wantFDB(h1, vni, c2.MAC, h2.VTEP)
	h1.FloodsTo(vni, h2.VTEP)
	h1.DelVNI(vni)
	f.wantNoRoute(frr, "[", h1.VTEP)
	f.wantNoFDB(h2, vni, c1.MAC)
	h2.FloodsTo(vni)
}
