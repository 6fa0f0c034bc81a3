//go:build !race

package bench

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// origin: a node with many local MACs tells a new peer of them. The time is
// from the first UPDATE to the last.
func origin(b lab.T, c contender, rec *record) {
	b.Helper()
	n := rec.size(10_000)
	node, other := pair(b)
	node.AddVNI(vni)
	host := node.Container("c1", vni, "02:42:ac:12:00:0a", netip.MustParsePrefix("172.18.0.10/16"))
	port := index(b, node.NS, host.Port)
	// The bridge learned them from frames of the port.
	learned := entries(n, func(b []byte, i int) []byte {
		b = neighMessage(b, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, unix.AF_BRIDGE, port, unix.NUD_REACHABLE, unix.NTF_MASTER)
		mac := peer.MAC(i)
		return attribute(b, unix.NDA_LLADDR, mac[:])
	})
	if err := newRaw(b, node.NS).write(learned); err != nil {
		b.Fatalf("local MACs: %v", err)
	}
	procs := c.start(node, router)
	rec.settle(&rig{T: b, procs: procs}) // all is known before there is a peer

	var mu sync.Mutex
	var begin, end time.Time
	routes := 0
	done := make(chan struct{})
	reader := wire.NewReader(true, true, asn, router)
	listener := listen(b, other, router)
	accept(b, listener, router, func(typ wire.Type, body []byte) {
		if typ != wire.TypeUpdate {
			return
		}
		u, _, _ := reader.Update(body)
		mu.Lock()
		defer mu.Unlock()
		for _, r := range u.Reach {
			if r.MAC.IsZero() {
				continue
			}
			if end = time.Now(); routes == 0 {
				begin = end
			}
			if routes++; routes == n {
				close(done)
			}
		}
	})
	select {
	case <-done:
	case <-time.After(time.Minute):
		mu.Lock()
		defer mu.Unlock()
		b.Fatalf("%s announced %d of %d local MACs in a minute", c.name, routes, n)
	}
	rec.seconds("tell a peer", end.Sub(begin))
}
