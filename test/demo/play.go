package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

const hosts = 3

// vni is the container network.
var vni = lab.VNI{VNI: 200}

// site is the container network on three hosts.
type site struct {
	lab        *lab.Lab
	nodes      []*lab.Node
	containers []*lab.Container
	daemons    []*lab.Evpnd
}

// build makes the hosts and their containers, without a control plane.
func build(s *show, v lab.VNI) *site {
	t := &site{lab: lab.New(s)}
	f := t.lab.Fabric("underlay")
	for i := range hosts {
		n := f.Node(fmt.Sprintf("h%d", i+1), netip.MustParsePrefix(fmt.Sprintf("10.90.1.%d/24", i+1)))
		n.AddVNI(v)
		c := n.Container(fmt.Sprintf("c%d", i+1), v, fmt.Sprintf("02:42:ac:12:00:%02x", 10+i),
			netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", 10+i)))
		t.nodes, t.containers = append(t.nodes, n), append(t.containers, c)
	}
	return t
}

// config is all that evpnd on host i is told.
func (t *site) config(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bgp:\n  asn: 65000\n  router-id: %v\n  peers:\n", t.nodes[i].VTEP)
	for j, n := range t.nodes {
		if j != i {
			fmt.Fprintf(&b, "    - address: %v\n      asn: 65000\n", n.VTEP)
		}
	}
	fmt.Fprintf(&b, "vtep:\n  address: %v\n", t.nodes[i].VTEP)
	return b.String()
}

func play(s *show, how string, keep bool) {
	lab.Need(s, lab.Namespaces, lab.Ping)
	s.say("evpnd demo, run %s. All of it is in network namespaces of its own.", how)
	s.step("Three hosts, one container network", strings.TrimLeft(`
      h1 10.90.1.1            h2 10.90.1.2            h3 10.90.1.3
  c1 172.18.0.10          c2 172.18.0.11          c3 172.18.0.12
  02:42:ac:12:00:0a       02:42:ac:12:00:0b       02:42:ac:12:00:0c
     br200                   br200                   br200
     vxlan200 ============== vxlan200 ============== vxlan200    VNI 200, UDP port 4789
No multicast group, no "remote", no learning: the VXLAN devices know nobody.
On each host runs evpnd, told only who it is and who the others are:`, "\n"))
	t := build(s, vni)
	s.command("h1", "cat evpnd.yaml", t.config(0))
	for i, n := range t.nodes {
		t.daemons = append(t.daemons, n.Evpnd(t.config(i)))
	}

	t.sessions(s)
	t.macs(s)
	t.kernel(s)
	t.pings(s)
	t.arp(s)
	t.move(s)

	if keep {
		t.keep(s)
		return
	}
	s.step("Done", "")
	s.cleanup()
	left := lab.Leftovers(t.lab.Prefix())
	s.claim(len(left) == 0, "everything is removed, after %.0f s", time.Since(s.start).Seconds())
}

func (t *site) sessions(s *show) {
	s.step("The hosts talk BGP EVPN to each other", "")
	for i, d := range t.daemons {
		d.Established(hosts - 1)
		s.command(t.nodes[i].Short, "evpnctl peer list", d.Ctl("peer", "list"))
	}
	s.claim(true, "%d sessions are established on each host", hosts-1)
}

func (t *site) macs(s *show) {
	s.step("Each host knows every container", `
The containers announce themselves with a gratuitous ARP when they start. evpnd
hears that on their port of the bridge, which has no address itself, and tells
the others.`[1:])
	for _, c := range t.containers {
		c.Announce()
	}
	for i, d := range t.daemons {
		for j, c := range t.containers {
			var vtep netip.Addr
			if j != i {
				vtep = t.nodes[j].VTEP
			}
			t.lab.Until(10*time.Second, "evpnd knows the address of "+c.Short, func() (bool, string) {
				return slices.Contains(d.KnowsMAC(vni.VNI, c.MAC, vtep).IPs, c.IPv4), d.Ctl("mac", "list")
			})
		}
		s.command(t.nodes[i].Short, "evpnctl mac list --vni 200", d.Ctl("mac", "list", "--vni", "200"))
	}
	s.claim(true, "each host knows its own container, and the two others behind their hosts")
}

func (t *site) kernel(s *show) {
	s.step("The kernel forwards by it", "")
	h1 := t.nodes[0]
	remote := func(c *lab.Container) func(lab.FDBEntry) bool {
		return func(e lab.FDBEntry) bool {
			return e.MAC == c.MAC && e.Dst == c.On.VTEP.String() && slices.Contains(e.Flags, "extern_learn")
		}
	}
	flood := func(n *lab.Node) func(lab.FDBEntry) bool {
		return func(e lab.FDBEntry) bool { return e.MAC == "00:00:00:00:00:00" && e.Dst == n.VTEP.String() }
	}
	neighbor := func(c *lab.Container) func(lab.Neighbor) bool {
		return func(n lab.Neighbor) bool { return n.IP == c.IPv4 && n.MAC == c.MAC && n.ExternLearned() }
	}
	t.lab.Until(10*time.Second, "h1's kernel has the entries", func() (bool, string) {
		fdb, neighbors, ok := h1.FDB(vni.Device()), h1.Neighbors(vni.Bridge()), true
		for _, c := range t.containers[1:] {
			ok = ok && slices.ContainsFunc(fdb, remote(c)) && slices.ContainsFunc(fdb, flood(c.On)) &&
				slices.ContainsFunc(neighbors, neighbor(c))
		}
		return ok, h1.Bridge("fdb", "show", "dev", vni.Device()) + h1.IP("neigh", "show", "dev", vni.Bridge())
	})
	s.command("h1", "bridge fdb show dev vxlan200", h1.Bridge("fdb", "show", "dev", vni.Device()))
	s.command("h1", "ip neigh show dev br200", h1.IP("neigh", "show", "dev", vni.Bridge()))
	s.claim(true, "on h1, c2 is behind 10.90.1.2 and c3 behind 10.90.1.3, and broadcast goes to both hosts")
}

func (t *site) pings(s *show) {
	s.step("Containers reach each other", "")
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {2, 1}} {
		from, to := t.containers[pair[0]], t.containers[pair[1]]
		r := from.Ping(to.IPv4, 10, 50*time.Millisecond)
		s.command(from.Short, fmt.Sprintf("ping -c 10 -i 0.05 %v", to.IPv4), r.Summary)
		s.claim(r.Transmitted == 10 && r.Lost() == 0, "%s reaches %s, none of %d lost", from.Short, to.Short, r.Transmitted)
	}
}

// asks is how often c1 asks for c2's address.
const asks = 5

func (t *site) arp(s *show) {
	s.step("An ARP request for a known container stays on its host", fmt.Sprintf(`
c1 forgets and asks %d times who has 172.18.0.11. The frames are counted on the
underlay device (eth0) of each host, ARP requests within VXLAN only. For
comparison the same three hosts as one sets them up without a control plane:
flood-and-learn, over a multicast group, no evpnd.`[1:], asks))
	with := t.countARP()

	v := vni
	v.Group = netip.MustParseAddr("239.1.1.1")
	classic := build(s, v)
	classic.containers[0].Reach(classic.containers[2].IPv4, 10*time.Second)
	without := classic.countARP()

	s.say("")
	s.say("   ARP requests for c2 on the underlay   out of h1   into h2   into h3")
	s.say("   with evpnd                          %11d %9d %9d", with[0], with[1], with[2])
	s.say("   flood-and-learn                     %11d %9d %9d", without[0], without[1], without[2])
	s.claim(with == [hosts]int{}, "with evpnd no request leaves h1: its bridge answers")
	s.claim(without == [hosts]int{asks, asks, asks}, "with flood-and-learn each of the %d goes to every host", asks)
}

// countARP has c1 ask for c2 and returns how many requests pass the underlay
// device of each host.
func (t *site) countARP() (counts [hosts]int) {
	c1, c2 := t.containers[0], t.containers[1]
	var captures []*lab.Capture
	for _, n := range t.nodes {
		captures = append(captures, n.Capture("eth0"))
	}
	for range asks {
		c1.IP("neigh", "flush", "dev", "eth0")
		if r := c1.Ping(c2.IPv4, 1, time.Second); r.Lost() != 0 {
			t.lab.Fatalf("c1 does not reach c2:\n%s", r.Output)
		}
	}
	for i, c := range captures {
		counts[i] = lab.Count(c.Stop(), func(f lab.Frame) bool {
			ip, ok := f.ARPRequest()
			return ok && f.Tunnel && ip == c2.IPv4
		})
	}
	return counts
}

// pace is the time between the pings through a move.
const pace = 50 * time.Millisecond

func (t *site) move(s *show) {
	s.step("A container moves", fmt.Sprintf(`
c3 pings c1 every %d ms. Meanwhile c1 moves from h1 to h2, keeps its addresses,
and announces itself there.`[1:], pace.Milliseconds()))
	c1, h2, h3 := t.containers[0], t.nodes[1], t.daemons[2]
	ping := t.containers[2].StartPing(c1.IPv4, pace)
	t.answers(ping, 10)
	c1.MoveTo(h2, vni)
	c1.Announce()
	h3.KnowsMAC(vni.VNI, c1.MAC, h2.VTEP)
	t.answers(ping, 20)
	r := ping.Stop()
	s.command("c3", fmt.Sprintf("ping -i %.2f %v", pace.Seconds(), c1.IPv4), r.Summary)
	s.command("h3", "evpnctl mac show --vni 200 "+c1.MAC, h3.Ctl("mac", "show", "--vni", "200", c1.MAC))
	s.claim(true, "h3 has c1 behind h2 now")
	lost := time.Duration(r.Lost()) * pace
	s.claim(lost <= time.Second, "%d of %d pings lost, about %d ms with the cable out included",
		r.Lost(), r.Transmitted, lost.Milliseconds())
}

// answers waits until more answers have come.
func (t *site) answers(p lab.Pinging, more int) {
	want := p.Answers() + more
	t.lab.Until(10*time.Second, fmt.Sprintf("%d more answers to the ping", more), func() (bool, string) {
		return p.Answers() >= want, p.Output()
	})
}

func (t *site) keep(s *show) {
	k := t.lab.Keep()
	bin := os.Getenv("EVPND_BIN")
	if bin != "" {
		bin += "/"
	}
	s.step("Kept", fmt.Sprintf(`
The three hosts stay up, and evpnd on them. Look around with

  %[1]s h1 bridge fdb show dev vxlan200
  %[1]s h1 ip neigh show dev br200
  %[1]s c2 ping 172.18.0.10
  %[1]s h1                               a shell on h1
  EVPND_API=%[3]s %[4]sevpnctl mac list
  less %[5]s/h1/evpnd.log

and remove them with

  %[2]s`[1:], k.Enter, k.Remove, t.daemons[0].API, bin, t.lab.Dir()))
}
