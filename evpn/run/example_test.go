package run_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/evpn/run"
)

// table is a dataplane of one's own: here it only prints what is wanted of it.
// A real one would write that to a switch chip, to eBPF maps, or to a program
// that forwards packets itself.
type table struct {
	events chan []evpn.Event // what is local
	deltas chan evpn.Delta   // what is wanted
}

func newTable() *table {
	return &table{events: make(chan []evpn.Event), deltas: make(chan evpn.Delta)}
}

func (t *table) Events() <-chan []evpn.Event { return t.events }
func (t *table) Deltas() chan<- evpn.Delta   { return t.deltas }

// Sweep is called when all peers have told what they have: entries of an
// earlier run that nobody has wanted by now may go. A table in memory has none.
func (t *table) Sweep() {}

// node is one VTEP: an engine between a dataplane and the BGP sessions.
type node struct {
	table  *table
	stop   context.CancelFunc
	failed chan error
}

// start starts a VTEP that serves one broadcast domain. cfg has its sessions.
func start(cfg bgp.Config, vni evpn.VNI, vtep netip.Addr) (*node, error) {
	speaker, err := bgp.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	n := &node{table: newTable(), failed: make(chan error, 2)}
	engine := evpn.New(evpn.DefaultConfig(cfg.AS, cfg.RouterID))
	runner := run.New(engine, n.table, func([]evpn.Change) {}) // nobody watches

	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	go func() { n.failed <- speaker.Run(ctx) }()
	go func() { n.failed <- runner.Run(ctx) }()
	n.table.events <- []evpn.Event{&evpn.BDUp{VNI: vni, VTEP: vtep}}
	return n, runner.Attach(ctx, speaker)
}

func (n *node) end() error {
	n.stop()
	return errors.Join(<-n.failed, <-n.failed)
}

// A VTEP with a dataplane of its own and one BGP session: the router at the other
// end announces a MAC behind another VTEP, and is told of the MAC that is local
// here.
func Example() {
	const as, vni = 65000, 100
	router := startRouter(as, vni, netip.MustParseAddr("192.0.2.2"))

	cfg := bgp.DefaultConfig(as, netip.MustParseAddr("127.0.0.1"))
	cfg.Listen = nil // the session is ours to begin
	peer := bgp.DefaultPeer(router.address.Addr(), as)
	peer.Port = router.address.Port()
	cfg.Peers = []bgp.Peer{peer}
	n, err := start(cfg, vni, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		log.Fatal(err)
	}

	mac := evpn.MAC{0x02, 0x42, 0xac, 0x12, 0x00, 0x0a}
	n.table.events <- []evpn.Event{&evpn.LocalMAC{VNI: vni, MAC: mac, Port: 3}}

	for known := false; !known; {
		d := <-n.table.deltas
		for _, f := range d.Flood {
			fmt.Printf("flood: VNI %v to %v\n", f.VNI, f.Via.VTEP)
		}
		for _, f := range d.FDB {
			fmt.Printf("forward: %v in VNI %v to %v\n", f.MAC, f.VNI, f.Via.VTEP)
			known = true
		}
	}
	fmt.Println("announced:", <-router.announced)
	if err := n.end(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// flood: VNI 100 to 192.0.2.2
	// forward: 02:00:00:00:00:01 in VNI 100 to 192.0.2.2
	// announced: 127.0.0.1:100 [2]:[0]:[48]:[02:42:ac:12:00:0a]
}
