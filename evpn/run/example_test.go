package run_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
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

// Two VTEPs, in one program and with a session over the loopback device. One
// says that a MAC is behind a port of its own; the other is told where to send
// the frames for it.
func Example() {
	const as, vni = 65000, 100
	left, right := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	port := freePort(left)

	// The left one waits for the right one to connect.
	cfg := bgp.DefaultConfig(as, left)
	cfg.Listen = []netip.AddrPort{netip.AddrPortFrom(left, port)}
	peer := bgp.DefaultPeer(right, as)
	peer.Passive = true
	cfg.Peers = []bgp.Peer{peer}
	a, err := start(cfg, vni, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		log.Fatal(err)
	}

	cfg = bgp.DefaultConfig(as, right)
	cfg.Listen = nil
	peer = bgp.DefaultPeer(left, as)
	peer.Port, peer.LocalAddress = port, right
	cfg.Peers = []bgp.Peer{peer}
	b, err := start(cfg, vni, netip.MustParseAddr("192.0.2.2"))
	if err != nil {
		log.Fatal(err)
	}

	mac := evpn.MAC{0x02, 0x42, 0xac, 0x12, 0x00, 0x0a}
	a.table.events <- []evpn.Event{&evpn.LocalMAC{VNI: vni, MAC: mac, Port: 3}}

	for known := false; !known; {
		d := <-b.table.deltas
		for _, f := range d.Flood {
			fmt.Printf("flood: VNI %v to %v\n", f.VNI, f.Via.VTEP)
		}
		for _, f := range d.FDB {
			fmt.Printf("forward: %v in VNI %v to %v\n", f.MAC, f.VNI, f.Via.VTEP)
			known = true
		}
	}
	if err := errors.Join(a.end(), b.end()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// flood: VNI 100 to 192.0.2.1
	// forward: 02:42:ac:12:00:0a in VNI 100 to 192.0.2.1
}

// freePort returns a TCP port at which nobody listens just now.
func freePort(at netip.Addr) uint16 {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: at.AsSlice()})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}
