//go:build !race

package bench

import (
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

var (
	vni    = lab.VNI{VNI: 100}
	first  = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.201")}
	second = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.202"), Sequence: 1}
)

// routes: MACs are announced, all move to another VTEP, and are withdrawn.
func routes(b lab.T, c contender, rec *record) {
	b.Helper()
	n := rec.size(100_000)
	r := newRig(b, c, func(n *lab.Node) { n.AddVNI(vni) })
	t := tallyOn(b, r.node.NS, vni.Device(), vni.Bridge())
	dev := index(b, r.node.NS, vni.Device())
	at := func(vtep netip.Addr) rawChange {
		return entries(n, func(b []byte, i int) []byte { return rawMAC(b, dev, peer.MAC(i), vtep) })
	}
	if r.speak != nil {
		r.make(change{said: append(first.Flood(), second.Flood()...)})
		r.node.FloodsTo(vni, first.VTEP, second.VTEP)
	}
	idle := r.status("VmRSS")

	r.measure(rec, "add", t, change{said: append(first.Announce(0, n), peer.Unreach()...), written: at(first.VTEP)},
		func() bool { return t.added[first.VTEP] >= n })
	rec.bytes("memory", r.status("VmRSS"))

	r.measure(rec, "move", t, change{said: append(second.Announce(0, n), first.Withdraw(0, n)...), written: at(second.VTEP)},
		func() bool { return t.added[second.VTEP] >= n })
	t.drain()
	rec.number("changes of a move", float64(t.added[first.VTEP]+t.added[second.VTEP]+t.gone+t.other)/float64(n))

	gone := entries(n, func(b []byte, i int) []byte { return rawNoMAC(b, dev, peer.MAC(i)) })
	r.measure(rec, "withdraw", t, change{said: second.Withdraw(0, n), written: gone},
		func() bool { return t.gone >= n })
	if left := r.node.FDB(vni.Device()); len(left) > 10 {
		b.Fatalf("%d entries are left", len(left))
	}
	if rec.full && r.speak != nil {
		time.Sleep(memoryPause)
		rec.bytes("memory after", r.status("VmRSS"))
		rec.bytes("memory before", idle)
	}
}

// memoryPause is how long after a burst the memory is looked at again: Go
// collects at the latest after two minutes, and gives pages back in the
// background.
const memoryPause = 10 * time.Second

// lost: the session ends for good, by a CEASE of a peer that is shut down,
// and all its MACs go.
func lost(b lab.T, c contender, rec *record) {
	b.Helper()
	n := rec.size(100_000)
	r := newRig(b, c, func(n *lab.Node) { n.AddVNI(vni) })
	t := tallyOn(b, r.node.NS, vni.Device(), vni.Bridge())
	dev := index(b, r.node.NS, vni.Device())
	r.time("add", t, change{
		said:    append(append(first.Flood(), first.Announce(0, n)...), peer.Unreach()...),
		written: entries(n, func(b []byte, i int) []byte { return rawMAC(b, dev, peer.MAC(i), first.VTEP) }),
	}, func() bool { return t.added[first.VTEP] >= n })
	rec.settle(r)
	r.measure(rec, "session lost", t, change{
		said:    peer.Message(wire.TypeNotification, []byte{6, 2}), // cease, administrative shutdown (RFC 4486)
		written: entries(n, func(b []byte, i int) []byte { return rawNoMAC(b, dev, peer.MAC(i)) }),
		ends:    true,
	}, func() bool { return t.gone >= n })
}
