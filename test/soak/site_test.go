package soak

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// vnis are those of the site. Duplicate detection is on in the last alone:
// hosts of the others move more often than any real one.
var vnis = []lab.VNI{{VNI: 100}, {VNI: 200}, {VNI: 300}}

// restless are the VNIs in which hosts move.
var restless = vnis[:2]

// guestsPerVNI are the hosts besides the containers in a restless VNI.
const guestsPerVNI = 12

var (
	reflectorAddr = netip.MustParseAddr("10.90.1.254")
	absentAddr    = netip.MustParseAddr("10.90.1.99") // where nobody is
)

// site is everything that the churn happens to.
type site struct {
	*lab.Lab
	rng        *rand.Rand
	under      *lab.Fabric
	rr         *lab.FRR
	vteps      []*vtep
	containers []*container
	guests     []*guest
	watches    []*lab.Proc
	meddled    []meddling
	did        map[string]int // operations, by name
	spoke      time.Time      // all hosts said where they are
}

// vtep is a node and its evpnd.
type vtep struct {
	*lab.Node
	*lab.Evpnd
	port string // the underlay's end of its cable
	cut  bool
}

// container is a host with a namespace of its own, which has a home and may
// be elsewhere.
type container struct {
	*lab.Container
	vni       lab.VNI
	home      *vtep
	unplugged bool
}

// guest is a host that is only frames: a container speaks for it.
type guest struct {
	mac  string
	ip   netip.Addr
	vni  lab.VNI
	home *container
}

func newSite(t lab.T, rng *rand.Rand) *site {
	t.Helper()
	s := &site{Lab: lab.New(t), rng: rng, did: map[string]int{}}
	s.under = s.Fabric("underlay")
	s.reflector()
	for i := range 3 {
		s.vteps = append(s.vteps, s.vtep(i+1))
	}
	for _, v := range s.vteps {
		v.Evpnd = v.Node.Evpnd(s.config(v))
	}
	return s
}

func (s *site) reflector() {
	s.Helper()
	n := s.NS("rr")
	s.under.Attach(n, "eth0", netip.PrefixFrom(reflectorAddr, 24))
	var b strings.Builder
	fmt.Fprintf(&b, "frr defaults datacenter\nrouter bgp 65000\n bgp router-id %v\n no bgp default ipv4-unicast\n timers bgp 1 3\n", reflectorAddr)
	for i := range 3 {
		fmt.Fprintf(&b, " neighbor %[1]v remote-as 65000\n neighbor %[1]v timers connect 1\n", vtepAddr(i+1))
	}
	b.WriteString(" address-family l2vpn evpn\n")
	for i := range 3 {
		fmt.Fprintf(&b, "  neighbor %[1]v activate\n  neighbor %[1]v route-reflector-client\n", vtepAddr(i+1))
	}
	b.WriteString(" exit-address-family\n")
	s.rr = n.FRR(b.String())
}

func vtepAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 90, 1, byte(i)}) }

// vtep makes node i, with a container for each VNI and the guests behind it.
func (s *site) vtep(i int) *vtep {
	s.Helper()
	v := &vtep{Node: &lab.Node{NS: s.NS(fmt.Sprintf("h%d", i)), VTEP: vtepAddr(i)}}
	v.port = s.under.Attach(v.NS, "eth0", netip.PrefixFrom(v.VTEP, 24))
	// Or bridges and VXLAN devices would be IPv6 hosts, whose frames are
	// learned elsewhere and age.
	v.Sysctl("net/ipv6/conf/default/disable_ipv6", "1")
	for k, vni := range vnis {
		s.addVNI(v, vni)
		host := byte(10 + i)
		c := &container{vni: vni, home: v}
		c.Container = v.Container(fmt.Sprintf("c%d-%d", i, vni.VNI), vni, fmt.Sprintf("02:42:00:00:%02x:%02x", k, host),
			netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 18, byte(k), host}), 24))
		s.containers = append(s.containers, c)
		if !c.restless() {
			continue
		}
		for g := range guestsPerVNI / 3 {
			host := byte(100 + i*10 + g)
			s.guests = append(s.guests, &guest{
				mac: fmt.Sprintf("02:99:00:00:%02x:%02x", k, host), ip: netip.AddrFrom4([4]byte{172, 18, byte(k), host}), vni: vni, home: c,
			})
		}
	}
	return v
}

func (c *container) restless() bool {
	return slices.ContainsFunc(restless, func(v lab.VNI) bool { return v.VNI == c.vni.VNI })
}

// addVNI makes the devices of a VNI, with the same MACs each time.
func (s *site) addVNI(v *vtep, vni lab.VNI) {
	s.Helper()
	v.AddVNI(vni)
	v.IP("link", "set", vni.Device(), "address", fmt.Sprintf("02:b1:00:%02x:%02x:%02x", v.VTEP.As4()[3], vni.VNI>>8, vni.VNI&0xff))
}

// The parts of a configuration that reloads change.
type change struct {
	withoutPeer netip.Addr
	withPeer    netip.Addr
	bgp, vnis   string // more keys
	settings    string // of VNIs
}

// config is the configuration of a node, with the changes given. The times
// are short, because the site must be settled more than once.
func (s *site) config(v *vtep, changes ...change) string {
	var b, more, settings strings.Builder
	peers := []netip.Addr{reflectorAddr}
	for i := range 3 {
		if a := vtepAddr(i + 1); a != v.VTEP {
			peers = append(peers, a)
		}
	}
	fmt.Fprintf(&b, "bgp:\n  asn: 65000\n  router-id: %v\n  retain: 10s\n  restart-time: 10s\n  end-of-rib-wait: 4s\n  stale-hold: 2s\n  flood-hold: 1s\n", v.VTEP)
	for _, c := range changes {
		b.WriteString(c.bgp)
		more.WriteString(c.vnis)
		settings.WriteString(c.settings)
		if c.withPeer.IsValid() {
			peers = append(peers, c.withPeer)
		}
		peers = slices.DeleteFunc(peers, func(a netip.Addr) bool { return a == c.withoutPeer })
	}
	b.WriteString("  peers:\n")
	for _, a := range peers {
		fmt.Fprintf(&b, "    - address: %v\n      asn: 65000\n      hold-time: 3s\n", a)
	}
	fmt.Fprintf(&b, "vtep:\n  address: %v\nvnis:\n  duplicates:\n    detect: false\n%s  settings:\n    - vni: 300\n      duplicates:\n        detect: true\n%s", v.VTEP, more.String(), settings.String())
	return b.String()
}

// home puts everything back to where it was, and has every host say so.
func (s *site) home() {
	s.Helper()
	for _, w := range s.watches {
		w.Crash()
	}
	s.watches = nil
	for _, m := range s.meddled {
		_, _ = m.on.Run(m.undo...) // it may be gone with its device
	}
	s.meddled = nil
	for _, v := range s.vteps {
		s.mend(v)
		v.Reload(s.config(v))
	}
	for _, c := range s.containers {
		if c.On != c.home.Node {
			c.MoveTo(c.home.Node, c.vni)
		} else {
			c.Plug(c.vni)
		}
		c.unplugged = false
	}
	// Last, so that a claim to another's address is answered.
	s.announceAll()
	// What others change while evpnd writes is found by an audit alone
	// (dataplane/repair.go), and the next one by itself may be minutes away.
	for _, v := range s.vteps {
		_, _ = v.Try("audit", "--repair") // what is left, unwell sees
	}
}

func (s *site) announceAll() {
	s.Helper()
	s.spoke = time.Now()
	for _, c := range s.containers {
		c.Announce()
	}
	for _, g := range s.guests {
		g.home.AnnounceAs(g.mac, g.ip)
	}
}
