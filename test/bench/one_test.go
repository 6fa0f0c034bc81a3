//go:build !race

package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// loadRate is how many changes a second come from elsewhere in the loaded
// rounds of one.
const loadRate = 5000

// reflectors are what stands between the two nodes of one. The bare one is a
// few lines that pass each UPDATE on as it is, so that what is measured is the
// two nodes.
var reflectors = []struct {
	name  string
	needs []lab.Requirement
	start func(b lab.T, rr *lab.NS, nodes []*lab.Node)
}{
	{"bare", nil, bareReflector},
	{"GoBGP", nil, gobgpReflector},
	{"FRR", []lab.Requirement{lab.FRRouting}, frrReflector},
}

// one: the time from a host's first frame on a port of a bridge to the entry
// in the kernel of another node, through a reflector, idle and under load.
func one(b lab.T, c contender, rec *record) {
	b.Helper()
	for _, via := range reflectors {
		if !rec.full && via.name == "FRR" {
			continue
		}
		lab.Need(b, via.needs...)
		oneVia(b, c, rec, via.name, via.start)
	}
}

func oneVia(b lab.T, c contender, rec *record, name string, reflector func(lab.T, *lab.NS, []*lab.Node)) {
	b.Helper()
	l := lab.New(b)
	f := l.Fabric("underlay")
	rr := l.NS("rr")
	f.Attach(rr, "eth0", netip.PrefixFrom(router, 24))
	other := l.NS("other")
	f.Attach(other, "eth0", netip.PrefixFrom(first.VTEP, 24))
	var nodes []*lab.Node
	for i := 1; i <= 2; i++ {
		n := f.Node(fmt.Sprintf("h%d", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 90, 1, byte(i)}), 24))
		n.AddVNI(vni)
		nodes = append(nodes, n)
	}
	reflector(b, rr, nodes)
	for _, n := range nodes {
		c.start(n, router)
	}
	l.Until(30*time.Second, "both nodes know each other", func() (bool, string) {
		for i, n := range nodes {
			if !slices.ContainsFunc(n.FDB(vni.Device()), func(e lab.FDBEntry) bool { return e.Dst == nodes[1-i].VTEP.String() }) {
				return false, n.Short
			}
		}
		return true, ""
	})
	container := nodes[0].Container("c1", vni, "02:42:ac:12:00:0a", netip.MustParsePrefix("172.18.0.10/16"))
	watch := nodes[1].WatchFDB(vni.Device())

	// A frame that comes before the bridge has its port up is lost.
	l.Until(20*time.Second, "the first MAC is known", func() (bool, string) {
		container.AnnounceAs("02:42:ac:12:00:0b", netip.MustParseAddr("172.18.0.11"))
		for _, e := range nodes[0].FDB(container.Port) {
			if e.MAC == "02:42:ac:12:00:0b" {
				return true, ""
			}
		}
		return false, nodes[0].Bridge("fdb", "show")
	})
	samples := max(rec.size(100), 10)
	const patience = 10 * time.Second
	next := 1 << 20
	measure := func(what string) {
		b.Helper()
		var took []time.Duration
		for range samples {
			next++
			m := peer.MAC(next)
			there := watch.Await(func(w *lab.FDBWatch) bool { return w.At(m) == nodes[0].VTEP })
			begin := time.Now()
			container.AnnounceAs(net.HardwareAddr(m[:]).String(), peer.IP(next))
			select {
			case at := <-there:
				took = append(took, at.Sub(begin))
			case <-time.After(patience):
				if c.name == evpnd.name {
					b.Fatalf("%s: a MAC is not in the other kernel after %v; here:\n%s", what, patience, nodes[0].Bridge("fdb", "show"))
				}
				b.Logf("%s: %s lost a MAC", what, c.name)
				took = append(took, patience)
			}
		}
		slices.Sort(took)
		rec.millis(what+", median", took[samples/2])
		rec.millis(what+", 99 %", took[samples*99/100])
	}
	measure("one MAC via " + name)
	if name == "FRR" {
		return // its own timer hides all else
	}
	stop := load(b, other)
	measure("one MAC via " + name + ", loaded")
	stop()
}

// load has a VTEP of its own announce and withdraw MACs, loadRate changes a
// second, until stop is called.
func load(b lab.T, ns *lab.NS) (stop func()) {
	b.Helper()
	s, err := peer.Dial(ns, first.VTEP, netip.AddrPortFrom(router, 179))
	if err != nil {
		b.Fatalf("load: %v", err)
	}
	if err := s.Establish(peer.Open(asn, first.VTEP)); err != nil {
		b.Fatalf("load: %v", err)
	}
	if err := s.Write(append(first.Flood(), peer.Unreach()...)); err != nil {
		b.Fatalf("load: %v", err)
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		const tick = 5 * time.Millisecond
		t := time.NewTicker(tick)
		defer t.Stop()
		for i := 0; ; {
			select {
			case <-end:
				return
			case <-t.C:
			}
			var out []byte
			for range loadRate * int(tick) / int(time.Second) {
				if i&1 == 0 {
					out = append(out, first.Reach(first.MACRoute(i/2%2000))...)
				} else {
					out = append(out, peer.Unreach(first.MACRoute(i/2%2000))...)
				}
				i++
			}
			if s.Write(out) != nil {
				return
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
		s.Close()
	}
}

// bareReflector passes UPDATEs on between all who connect, with ORIGINATOR_ID
// and CLUSTER_LIST (RFC 4456 §8) and nothing else.
func bareReflector(b lab.T, rr *lab.NS, _ []*lab.Node) {
	b.Helper()
	listener := listen(b, rr, router)
	var mu sync.Mutex
	type client struct {
		s    *peer.Speaker
		said []byte // all of it, for those who come later
	}
	var clients []*client
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c := &client{s: peer.New(conn)}
			from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			c.s.Tap(func(typ wire.Type, body []byte) {
				if typ != wire.TypeUpdate {
					return
				}
				msg := reflected(body, from)
				mu.Lock()
				defer mu.Unlock()
				if len(c.said) < 1<<16 { // the load need not be repeated
					c.said = append(c.said, msg...)
				}
				for _, o := range clients {
					if o != c {
						_ = o.s.Write(msg)
					}
				}
			})
			go func() {
				if c.s.Establish(peer.Open(asn, router)) != nil {
					c.s.Close()
					return
				}
				c.s.KeepAlive(20 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				for _, o := range clients {
					_ = c.s.Write(o.said)
				}
				clients = append(clients, c)
			}()
		}
	}()
	b.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range clients {
			c.s.Close()
		}
	})
}

// reflected is the UPDATE with the attributes that a reflector adds. One
// without a reachable route stays as it is.
func reflected(body []byte, from netip.Addr) []byte {
	attrs := body[4:]
	if len(attrs) == 0 || len(attrs) > 1 && attrs[1] == 15 {
		return peer.Message(wire.TypeUpdate, body)
	}
	more := append(peer.Attr(0x80, 9, from.AsSlice()), peer.Attr(0x80, 10, router.AsSlice())...)
	out := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)+len(more)))
	return peer.Message(wire.TypeUpdate, append(append(out, attrs...), more...))
}

func gobgpReflector(b lab.T, rr *lab.NS, nodes []*lab.Node) {
	b.Helper()
	args := []string{lab.Binary(b, "reflector"), "-as", fmt.Sprint(asn), "-id", router.String()}
	for _, n := range nodes {
		args = append(args, n.VTEP.String())
	}
	rr.Start("reflector", append(args, first.VTEP.String())...)
}

func frrReflector(b lab.T, rr *lab.NS, nodes []*lab.Node) {
	b.Helper()
	conf := fmt.Sprintf("router bgp %d\n bgp router-id %v\n no bgp default ipv4-unicast\n", asn, router)
	family := " address-family l2vpn evpn\n"
	for _, n := range nodes {
		conf += fmt.Sprintf(" neighbor %v remote-as %d\n neighbor %[1]v passive\n", n.VTEP, asn)
		family += fmt.Sprintf("  neighbor %v activate\n  neighbor %[1]v route-reflector-client\n", n.VTEP)
	}
	rr.FRR(conf + family)
}
