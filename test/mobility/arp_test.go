package mobility

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// hostsOfAll is how many hosts there are on the three evpnds.
const hostsOfAll = 50

// guest is a host that is played by a container: it has a MAC and an address,
// and frames of it are sent and received at the container's device.
type guest struct {
	on   *lab.Container
	mac  string
	addr netip.Addr
}

// Every host asks for every other one. The bridge at hand answers for all that
// are known, and no request is on the underlay. One for an unknown address is.
func TestARPStaysLocal(t *testing.T) {
	s := newSite(t, full)
	nodes := []*lab.Node{s.h1, s.h3, s.h4}
	var on []*lab.Container
	for _, n := range nodes {
		on = append(on, s.container(n, full))
	}
	var guests []guest
	for i := range hostsOfAll {
		g := guest{on[i%len(on)], fmt.Sprintf("02:42:ac:14:02:%02x", i), netip.AddrFrom4([4]byte{172, 20, 2, byte(i + 1)})}
		g.on.AnnounceAs(g.mac, g.addr)
		guests = append(guests, g)
	}
	for _, n := range nodes {
		s.Until(20*time.Second, fmt.Sprintf("%s knows the addresses of all %d hosts", n.Short, hostsOfAll), func() (bool, string) {
			known := map[netip.Addr]bool{}
			for _, e := range n.Neighbors(full.Bridge()) {
				known[e.IP] = e.MAC != ""
			}
			missing := ""
			for _, g := range guests {
				if !known[g.addr] {
					missing += " " + g.addr.String()
				}
			}
			return missing == "", "missing:" + missing
		})
	}

	var under, answers []*lab.Capture
	for _, n := range nodes {
		under = append(under, n.Capture("eth0"))
	}
	for _, c := range on {
		answers = append(answers, c.Capture("eth0"))
	}
	remote := 0
	for _, asks := range guests {
		var targets []netip.Addr
		for _, target := range guests {
			if asks == target {
				continue
			}
			if asks.on != target.on {
				remote++
			}
			targets = append(targets, target.addr)
		}
		asks.on.Ask(asks.mac, asks.addr, targets...)
	}
	// Behind all the others, on every node, one that nobody has.
	nobody := netip.MustParseAddr("172.20.9.9")
	for _, c := range on {
		c.Ask(c.MAC, c.IPv4, nobody)
	}
	count := func(cs []*lab.Capture, f func(lab.Frame) bool) (n int) {
		for _, c := range cs {
			n += lab.Count(c.Frames(), f)
		}
		return n
	}
	requests := func(unknown bool) func(lab.Frame) bool {
		return func(f lab.Frame) bool {
			ip, ok := f.ARPRequest()
			return ok && f.Tunnel && f.Outgoing && (ip == nobody) == unknown
		}
	}
	// Each of the three sends a copy to the two others and to FRR.
	s.Until(10*time.Second, "the requests for an unknown address are on the underlay", func() (bool, string) {
		n := count(under, requests(true))
		return n == 3*3, fmt.Sprint(n)
	})
	asked := hostsOfAll * (hostsOfAll - 1)
	flooded := count(under, requests(false))
	answered := count(answers, func(f lab.Frame) bool {
		sender, target, ok := f.ARPReply()
		return ok && !f.Outgoing && sender != target
	})
	t.Logf("%d hosts on 3 VTEPs ask for each other: %d requests, %d of them for hosts elsewhere, %d answered by the bridge at hand, %d on the underlay",
		hostsOfAll, asked, remote, answered, flooded)
	if flooded != 0 {
		t.Errorf("%d ARP requests for known hosts were on the underlay, want none", flooded)
	}
	if answered < remote {
		t.Errorf("%d requests for hosts elsewhere were answered, want all %d", answered, remote)
	}
}

// A VNI that is told not to flood sends nothing for an unknown address, asks
// nobody for copies, and still reaches the hosts that are known.
func TestNoFlooding(t *testing.T) {
	s := newSite(t, full)
	asks, known := s.container(s.h1, full), s.container(s.h3, full)
	asks.Announce()
	known.Announce()
	s.e1.KnowsMAC(full.VNI, known.MAC, s.h3.VTEP)
	s.e1.Reload(s.config(s.h1) + fmt.Sprintf("    - vni: %d\n      flood: false\n", full.VNI))
	s.h1.FloodsTo(full)
	s.h2.FloodsTo(full, s.h3.VTEP, s.h4.VTEP) // FRR
	s.h3.FloodsTo(full, s.h2.VTEP, s.h4.VTEP)

	under := s.h1.Capture("eth0")
	asks.Ask(asks.MAC, asks.IPv4, netip.MustParseAddr("172.20.9.9"))
	if p := asks.Ping(known.IPv4, 3, 50*time.Millisecond); p.Lost() > 0 {
		t.Errorf("%d of 3 pings to a known host were lost", p.Lost())
	}
	var pings, requests int
	for _, f := range under.Stop() {
		if !f.Tunnel || !f.Outgoing {
			continue
		}
		if _, ok := f.ARPRequest(); ok {
			requests++
		} else {
			pings++
		}
	}
	if requests != 0 || pings < 3 {
		t.Errorf("on the underlay are %d ARP requests and %d other frames, want none and the 3 pings", requests, pings)
	}
}
