//go:build !race

package bench

import (
	"net/netip"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// pairs: MACs with an IP address each, an FDB entry and a neighbor entry.
func pairs(b lab.T, c contender, rec *record) {
	b.Helper()
	n := rec.size(100_000)
	r := newRig(b, c, func(n *lab.Node) {
		n.AddVNI(vni)
		n.Addr(vni.Bridge(), netip.MustParsePrefix("172.31.255.254/12")) // FRR takes addresses only where the bridge has one
	})
	t := tallyOn(b, r.node.NS, vni.Device(), vni.Bridge())
	dev, br := index(b, r.node.NS, vni.Device()), index(b, r.node.NS, vni.Bridge())
	from := first
	from.Hosts = true
	r.measure(rec, "add MAC+IP", t, change{
		said: append(append(from.Flood(), from.Announce(0, n)...), peer.Unreach()...),
		written: append(
			entries(n, func(b []byte, i int) []byte { return rawMAC(b, dev, peer.MAC(i), first.VTEP) }),
			entries(n, func(b []byte, i int) []byte { return rawHost(b, br, peer.IP(i), peer.MAC(i)) })...),
	}, func() bool { return t.added[first.VTEP] >= n && t.hosts >= n })
}
