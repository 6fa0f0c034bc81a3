package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// leaf is a host of a routed fabric: an AS of its own, a link to the spine
// and a VTEP address on lo.
type leaf struct {
	*lab.Node
	asn   uint32
	spine netip.Addr // the spine's end of the link
	link  netip.Addr // its own end
}

// newSpine makes an FRR spine that forwards packets and hands on routes with
// the next hop left alone, and its leaves.
func newSpine(t *testing.T, count int) (*fabric, *lab.FRR, []*leaf) {
	t.Helper()
	lab.Need(t, lab.Namespaces, lab.Ping, lab.FRRouting)
	f := &fabric{Lab: lab.New(t)}
	spine := f.NS("spine")
	spine.Sysctl("net/ipv4/ip_forward", "1")
	var leaves []*leaf
	var b strings.Builder
	fmt.Fprintf(&b, frrBGP, 65100, "10.255.0.100")
	family := " address-family l2vpn evpn\n"
	for i := 1; i <= count; i++ {
		l := &leaf{
			Node:  &lab.Node{NS: f.NS(fmt.Sprintf("h%d", i)), VTEP: netip.AddrFrom4([4]byte{10, 255, 0, byte(i)})},
			asn:   uint32(65000 + i),
			spine: netip.AddrFrom4([4]byte{10, 91, byte(i), 0}), link: netip.AddrFrom4([4]byte{10, 91, byte(i), 1}),
		}
		port := fmt.Sprintf("leaf%d", i)
		f.Link(spine, port, l.NS, "eth0")
		spine.Addr(port, netip.PrefixFrom(l.spine, 31))
		spine.IP("route", "add", l.VTEP.String(), "via", l.link.String())
		l.Addr("eth0", netip.PrefixFrom(l.link, 31))
		l.Addr("lo", netip.PrefixFrom(l.VTEP, 32))
		l.IP("route", "add", "10.255.0.0/24", "via", l.spine.String(), "src", l.VTEP.String())
		fmt.Fprintf(&b, " neighbor %v remote-as %d\n neighbor %v passive\n", l.link, l.asn, l.link)
		family += fmt.Sprintf("  neighbor %v activate\n  neighbor %v attribute-unchanged next-hop\n", l.link, l.link)
		leaves = append(leaves, l)
	}
	return f, spine.FRR(b.String() + family + " exit-address-family\n"), leaves
}

// In an eBGP fabric every node has an AS of its own, so that automatic
// targets differ from node to node and are imported by their value alone; the
// spine leaves the next hop as it is.
func TestSpine(t *testing.T) {
	f, spine, leaves := newSpine(t, 3)
	h1, h2, h3 := leaves[0], leaves[1], leaves[2]
	var cs []*lab.Container
	for i, l := range leaves {
		l.AddVNI(vni)
		cs = append(cs, container(l.Node, vni, 11+i))
	}
	frr := frrVTEP(h2.Node, h2.asn, h2.spine, 65100)
	e1 := h1.Evpnd(evpndConfig(h1.Node, h1.asn, h1.spine, 65100))
	e3 := h3.Evpnd(evpndConfig(h3.Node, h3.asn, h3.spine, 65100))
	spine.Established(3)
	e1.Established(1)
	e3.Established(1)

	f.wantRoute(frr, imet(h1.VTEP), h1.VTEP, "RT:65001:100", "ET:8")
	h2.FloodsTo(vni, h1.VTEP, h3.VTEP)
	h1.FloodsTo(vni, h2.VTEP, h3.VTEP)
	reachAll(t, cs...)
	f.wantFDB(h1.Node, vni, cs[1].MAC, h2.VTEP)
	f.wantFDB(h1.Node, vni, cs[2].MAC, h3.VTEP)
	f.wantFDB(h2.Node, vni, cs[0].MAC, h1.VTEP)

	// One number for the whole fabric in place of the AS.
	fixed := "vnis:\n  targets: {fixed: 7}\n"
	e1.Reload(evpndConfig(h1.Node, h1.asn, h1.spine, 65100) + fixed)
	e3.Reload(evpndConfig(h3.Node, h3.asn, h3.spine, 65100) + fixed)
	f.wantRoute(spine, imet(h1.VTEP), h1.VTEP, "RT:7:100")
	h1.FloodsTo(vni, h3.VTEP) // FRR's are 65002:100
	reachAll(t, cs[0], cs[2])
}
