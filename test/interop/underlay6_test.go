package interop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// Two evpnds over IPv6: the session, the next hops and the tunnels. FRR 8.4
// cannot be a VTEP here.
func TestIPv6Underlay(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Ping)
	l := lab.New(t)
	f := &fabric{Lab: l, under: l.Fabric("underlay")}
	var nodes []*lab.Node
	var cs []*lab.Container
	for i := 1; i <= 2; i++ {
		n := f.under.Node(fmt.Sprintf("h%d", i), netip.MustParsePrefix(fmt.Sprintf("2001:db8:90::%d/64", i)))
		n.AddVNI(vni)
		nodes, cs = append(nodes, n), append(cs, container(n, vni, 10+i))
	}
	var daemons []*lab.Evpnd
	for i, n := range nodes {
		daemons = append(daemons, n.Evpnd(fmt.Sprintf(`bgp:
  asn: 65000
  router-id: 10.0.0.%d
  peers:
    - address: %v
      asn: 65000
vtep:
  address: %v
`, i+1, nodes[1-i].VTEP, n.VTEP)))
	}
	for _, d := range daemons {
		d.Established(1)
	}
	nodes[0].FloodsTo(vni, nodes[1].VTEP)
	nodes[1].FloodsTo(vni, nodes[0].VTEP)

	capture := nodes[1].Capture("eth0")
	reachAll(t, cs...)
	f.wantFDB(nodes[0], vni, cs[1].MAC, nodes[1].VTEP)
	f.wantFDB(nodes[1], vni, cs[0].MAC, nodes[0].VTEP)
	tunneled := lab.Count(capture.Stop(), func(fr lab.Frame) bool {
		return fr.Tunnel && !fr.Outgoing && fr.VNI == 100 && fr.From == nodes[0].VTEP && fr.To == nodes[1].VTEP
	})
	if tunneled == 0 {
		t.Error("no frame came through the IPv6 tunnel")
	}

	ping := cs[1].StartPing(cs[0].IPv6, 50*time.Millisecond)
	cs[0].MoveTo(nodes[1], vni)
	cs[0].Announce()
	before := ping.Answers()
	l.Until(5*time.Second, "answers from the new place", func() (bool, string) {
		return ping.Answers() > before+5, ping.Output()
	})
	ping.Stop()
	f.wantNoFDB(nodes[1], vni, cs[0].MAC)
	f.wantFDB(nodes[0], vni, cs[0].MAC, nodes[1].VTEP)
}
