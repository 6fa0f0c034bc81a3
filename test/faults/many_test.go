package faults

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// many is how many remote MACs there are in TestMany.
const many = 100_000

// inSync is how long a restart may take until evpnd is in sync with peers
// and kernel.
const inSync = 3 * time.Second

const asn = 65000

var remote = peer.Source{AS: asn, VNI: evpn.VNI(vni.VNI), VTEP: netip.MustParseAddr("10.90.1.201")}

// TestMany: with 100,000 remote MACs and nothing changed, a restart changes
// no entry of the kernel, and is in sync within seconds.
func TestMany(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	under := l.Fabric("underlay")
	other := l.NS("peer")
	addr := netip.MustParseAddr("10.90.1.254")
	under.Attach(other, "eth0", netip.PrefixFrom(addr, 24))
	n := under.Node("h1", netip.MustParsePrefix("10.90.1.1/24"))
	n.AddVNI(vni)
	watch := n.WatchFDB(vni.Device(), vni.Bridge())

	var listener net.Listener
	if err := other.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(addr, 179).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	routes := append(remote.Flood(), remote.Announce(0, many)...)
	routes = append(routes, peer.Unreach()...)
	told := make(chan error, 1)
	tell := func() { // ends with the session, or by Accept's time limit
		s, err := peer.Accept(listener, asn, addr, 30*time.Second)
		if err == nil {
			err = s.Write(routes)
		}
		told <- err
	}
	done := func(e *lab.Evpnd, begin time.Time) time.Duration {
		t.Helper()
		var st lab.Status
		l.Until(time.Minute, "in sync with peers and kernel", func() (bool, string) {
			st = e.Status()
			return st.Synced && st.InSync && st.Counts.RemoteMACs == many, fmt.Sprintf("%+v", st)
		})
		took := time.Since(begin)
		if err := <-told; err != nil {
			t.Fatalf("the peer: %v", err)
		}
		return took
	}

	go tell()
	begin := time.Now()
	e := n.Evpnd(fmt.Sprintf("bgp:\n  asn: %d\n  router-id: %v\n  peers:\n    - address: %v\n      asn: %d\nvtep:\n  address: %v\nmetrics:\n  listen: 127.0.0.1:9179\n",
		asn, n.VTEP, addr, asn, n.VTEP))
	t.Logf("first start: in sync after %v", done(e, begin).Round(time.Millisecond))
	scrapes(t, n.NS)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		// Each MAC is two entries, and there is one of the flood list. The
		// watch reads more slowly than evpnd writes.
		const before = 2*many + 1
		l.Until(time.Minute, "the watch has seen every entry", func() (bool, string) {
			n := len(watch.Notices())
			return n >= before, fmt.Sprint(n)
		})
		// Nearly all of the time is the kernel's, for the list of its entries,
		// and more of it when the machine is busy.
		begin := time.Now()
		n.Bridge("fdb", "show", "dev", vni.Device())
		listing := time.Since(begin)
		endBy(e.Proc, sig)
		go tell()
		begin = time.Now()
		e.Restart()
		answers := time.Since(begin)
		took := done(e, begin)
		t.Logf("%v and start: API answers after %v, in sync after %v; bridge fdb show took %v", sig,
			answers.Round(time.Millisecond), took.Round(time.Millisecond), listing.Round(time.Millisecond))
		if most := max(inSync, listing*5/2); took > most { // the machine may have become busier since
			t.Errorf("%v and start: in sync after %v, want %v at most", sig, took, most)
		}
		// The sweep follows what makes it in sync: nothing may come of it.
		l.Holds(300*time.Millisecond, "no entry changes", func() (bool, string) {
			c := changes(watch.Notices()[before:])
			return len(c) == 0, fmt.Sprintf("%d changes, such as %v", len(c), c[:min(len(c), 10)])
		})
	}
}

// scrapes says how long a scrape of the metrics takes with so many MACs, the
// median of some.
func scrapes(t *testing.T, n *lab.NS) {
	t.Helper()
	var took []time.Duration
	for range 11 {
		begin := time.Now()
		status, text, err := n.Get("http://127.0.0.1:9179/metrics")
		took = append(took, time.Since(begin))
		if want := fmt.Sprintf("evpnd_vni_macs{origin=\"remote\",vni=\"%d\"} %d\n", vni.VNI, many); err != nil || status != 200 || !strings.Contains(text, want) {
			t.Fatalf("scrape: status %d, error %v, want %q in\n%s", status, err, want, text)
		}
	}
	slices.Sort(took)
	t.Logf("a scrape of the metrics takes %v, at most %v", took[len(took)/2].Round(100*time.Microsecond), took[len(took)-1].Round(100*time.Microsecond))
}
