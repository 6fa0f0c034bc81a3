// Package bench measures evpnd from outside: what goes in at a BGP session,
// and when the kernel has it.
package bench

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

func TestMain(m *testing.M) { lab.Main(m) }

const asn = 65000

var (
	vni     = lab.VNI{VNI: 100}
	router  = netip.MustParseAddr("10.90.1.254")
	first   = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.201")}
	second  = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.202"), Sequence: 1}
	patient = 2 * time.Minute
)

// count is how many MACs are announced; EVPND_BENCH_ROUTES changes it.
func count(b *testing.B) int {
	b.Helper()
	s := os.Getenv("EVPND_BENCH_ROUTES")
	if s == "" {
		return 100_000
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n >= 1<<24 {
		b.Fatalf("EVPND_BENCH_ROUTES=%s: want a number from 1 to 16777215", s)
	}
	return n
}

// daemon starts a control plane on a node that talks to the peer, and
// returns its processes.
type daemon func(n *lab.Node) []*lab.Proc

func evpnd(n *lab.Node) []*lab.Proc {
	e := n.Evpnd(fmt.Sprintf("bgp:\n  asn: %d\n  router-id: %v\n  peers:\n    - address: %v\n      asn: %d\nvtep:\n  address: %v\n",
		asn, n.VTEP, router, asn, n.VTEP))
	return []*lab.Proc{e.Proc}
}

func frr(n *lab.Node) []*lab.Proc {
	f := n.FRR(fmt.Sprintf(`router bgp %d
 bgp router-id %v
 no bgp default ipv4-unicast
 neighbor %v remote-as %d
 neighbor %[3]v timers connect 1
 address-family l2vpn evpn
  neighbor %[3]v activate
  advertise-all-vni
`, asn, n.VTEP, router, asn))
	return []*lab.Proc{f.BGPd, f.Zebra}
}

// BenchmarkRoutes takes the time from the first byte of the routes on the
// wire to the last entry in the kernel: when they are announced, when all of
// them move to another VTEP, and when they are withdrawn. FRR from the
// machine is measured beside evpnd.
func BenchmarkRoutes(b *testing.B) {
	for _, d := range []struct {
		name  string
		start daemon
		needs []lab.Requirement
	}{
		{"evpnd", evpnd, []lab.Requirement{lab.Namespaces}},
		{"FRR", frr, []lab.Requirement{lab.Namespaces, lab.FRRouting}},
	} {
		b.Run(d.name, func(b *testing.B) {
			lab.Need(b, d.needs...)
			for b.Loop() {
				f := routes(b, d.start, count(b))
				b.ReportMetric(f.add.Seconds(), "add-s")
				b.ReportMetric(f.move.Seconds(), "move-s")
				b.ReportMetric(f.withdraw.Seconds(), "withdraw-s")
				b.ReportMetric(float64(f.memory>>20), "MB")
			}
		})
	}
}

// TestRoutes keeps the benchmark working: all MACs arrive, move and go.
func TestRoutes(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	routes(t, evpnd, 5000)
}

// figures are what a run of routes measured.
type figures struct {
	add, move, withdraw time.Duration
	memory              int // bytes resident with all MACs
}

func routes(b lab.T, start daemon, n int) (f figures) {
	b.Helper()
	l := lab.New(b)
	under := l.Fabric("underlay")
	other := l.NS("peer")
	under.Attach(other, "eth0", netip.PrefixFrom(router, 24))
	node := under.Node("h1", netip.MustParsePrefix("10.90.1.1/24"))
	node.AddVNI(vni)
	watch := node.WatchFDB(vni.Device())

	var listener net.Listener
	if err := other.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(router, 179).String())
		return err
	}); err != nil {
		b.Fatalf("%v", err)
	}
	defer listener.Close()
	procs := start(node)
	s, err := peer.Accept(listener, asn, router, 20*time.Second)
	if err != nil {
		b.Fatalf("session: %v", err)
	}
	defer s.Close()
	idle := resident(b, procs)

	measure := func(what string, bytes []byte, until func(*lab.FDBWatch) bool) time.Duration {
		b.Helper()
		there := watch.Await(until)
		begin := time.Now()
		if err := s.Write(bytes); err != nil {
			b.Fatalf("%s: %v", what, err)
		}
		select {
		case at := <-there:
			took := at.Sub(begin)
			b.Logf("%-9s %d MACs: %6.3f s until the kernel has the last", what, n, took.Seconds())
			time.Sleep(time.Second) // so that what is still to be done for them is not measured next
			return took
		case <-s.Ended():
			b.Fatalf("%s: session: %v\n%s", what, s.Err(), procs[0].Output())
		case <-time.After(patient):
			got, err := watch.State()
			b.Fatalf("%s: %d of %d MACs are in the kernel after %v (%v)", what, got, n, patient, err)
		}
		return 0
	}
	if err := s.Write(append(first.Flood(), second.Flood()...)); err != nil {
		b.Fatalf("%v", err)
	}
	node.FloodsTo(vni, first.VTEP, second.VTEP)
	f.add = measure("add", append(first.Announce(0, n), peer.Unreach()...), func(w *lab.FDBWatch) bool { return w.Behind(first.VTEP) == n })
	f.memory = resident(b, procs)
	b.Logf("memory    %d MB resident, %d MB before: %d bytes a MAC", f.memory>>20, idle>>20, (f.memory-idle)/n)
	f.move = measure("move", append(second.Announce(0, n), first.Withdraw(0, n)...), func(w *lab.FDBWatch) bool { return w.Behind(second.VTEP) == n })
	f.withdraw = measure("withdraw", second.Withdraw(0, n), func(w *lab.FDBWatch) bool { return w.Len() == 0 })
	return f
}

// resident returns the memory of the processes, in bytes.
func resident(b lab.T, procs []*lab.Proc) int {
	b.Helper()
	total := 0
	for _, p := range procs {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
		if err != nil {
			b.Fatalf("%v", err)
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		var kB int
		if _, err := fmt.Sscan(rest, &kB); err != nil {
			b.Fatalf("memory of %s: %v", p.Name, err)
		}
		total += kB << 10
	}
	return total
}

// BenchmarkOneMAC takes the time from a host's first frame on one node to the
// entry in the kernel of another, through an FRR reflector.
func BenchmarkOneMAC(b *testing.B) {
	for _, d := range []struct {
		name  string
		start daemon
	}{{"evpnd", evpnd}, {"FRR", frr}} {
		b.Run(d.name, func(b *testing.B) {
			lab.Need(b, lab.Namespaces, lab.FRRouting)
			for b.Loop() {
				oneMAC(b, d.start)
			}
		})
	}
}

func oneMAC(b *testing.B, start daemon) {
	b.Helper()
	l := lab.New(b)
	f := l.Fabric("underlay")
	rr := l.NS("rr")
	f.Attach(rr, "eth0", netip.PrefixFrom(router, 24))
	var nodes []*lab.Node
	conf := fmt.Sprintf("router bgp %d\n bgp router-id %v\n no bgp default ipv4-unicast\n", asn, router)
	family := " address-family l2vpn evpn\n"
	for i := 1; i <= 2; i++ {
		n := f.Node(fmt.Sprintf("h%d", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 90, 1, byte(i)}), 24))
		n.AddVNI(vni)
		nodes = append(nodes, n)
		conf += fmt.Sprintf(" neighbor %v remote-as %d\n neighbor %[1]v passive\n", n.VTEP, asn)
		family += fmt.Sprintf("  neighbor %v activate\n  neighbor %[1]v route-reflector-client\n", n.VTEP)
	}
	reflector := rr.FRR(conf + family)
	for _, n := range nodes {
		start(n)
	}
	reflector.Established(2)
	c := nodes[0].Container("c1", vni, "02:42:ac:12:00:0a", netip.MustParsePrefix("172.18.0.10/16"))
	watch := nodes[1].WatchFDB(vni.Device())

	const samples = 20
	var took []time.Duration
	for i := range samples {
		m := peer.MAC(i)
		there := watch.Await(func(w *lab.FDBWatch) bool { return w.At(m) == nodes[0].VTEP })
		begin := time.Now()
		c.AnnounceAs(net.HardwareAddr(m[:]).String(), netip.AddrFrom4([4]byte{172, 18, 1, byte(i)}))
		select {
		case at := <-there:
			took = append(took, at.Sub(begin))
		case <-time.After(10 * time.Second):
			b.Fatalf("MAC number %d is not in the other kernel after 10 s", i)
		}
	}
	slices.Sort(took)
	b.Logf("one MAC   from a host's frame to the other kernel: median %.1f ms, longest %.1f ms of %d",
		took[samples/2].Seconds()*1e3, took[samples-1].Seconds()*1e3, samples)
	b.ReportMetric(took[samples/2].Seconds()*1e3, "median-ms")
}
