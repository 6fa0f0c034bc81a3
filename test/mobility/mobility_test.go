// Package mobility tests hosts that move, on the real kernel: what their
// traffic feels, and what evpnd and FRR do about MACs that show at several
// VTEPs.
package mobility

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

var (
	// bare is a VNI of which only MACs are known: its bridges have no address,
	// and evpnd is told not to listen.
	bare = lab.VNI{VNI: 100}
	// full is one in which IP addresses are known: each VTEP has one of its
	// own, by which FRR learns those of its hosts.
	full = lab.VNI{VNI: 200}
)

// none is where a MAC is that is local, or nowhere.
var none netip.Addr

// site is four VTEPs around an FRR reflector: evpnd on h1, h3 and h4, FRR on
// h2. An address decides ties, so FRR has one above and below those of evpnds.
type site struct {
	*lab.Lab
	h1, h2, h3, h4 *lab.Node
	e1, e3, e4     *lab.Evpnd
	frr, rr        *lab.FRR
	hosts          int // made so far
}

var reflector = netip.MustParseAddr("10.90.1.254")

// newSite makes a site that serves the VNIs.
func newSite(t *testing.T, vnis ...lab.VNI) *site {
	t.Helper()
	lab.Need(t, lab.Namespaces, lab.Ping, lab.FRRouting)
	s := &site{Lab: lab.New(t)}
	under := s.Fabric("underlay")
	for i, n := range []**lab.Node{&s.h1, &s.h2, &s.h3, &s.h4} {
		*n = under.Node(fmt.Sprintf("h%d", i+1), netip.MustParsePrefix(fmt.Sprintf("10.90.1.%d/24", i+1)))
		for _, v := range vnis {
			serve(*n, v, i+1)
		}
	}
	rr := s.NS("rr")
	under.Attach(rr, "eth0", netip.PrefixFrom(reflector, 24))
	s.rr = rr.FRR(reflectorConfig(s.h1, s.h2, s.h3, s.h4))
	s.frr = s.h2.FRR(fmt.Sprintf(frrBGP, s.h2.VTEP) + fmt.Sprintf(` neighbor %[1]v remote-as 65000
 neighbor %[1]v timers connect 1
 address-family l2vpn evpn
  neighbor %[1]v activate
  advertise-all-vni
 exit-address-family
`, reflector))
	s.e1, s.e3, s.e4 = s.evpnd(s.h1), s.evpnd(s.h3), s.evpnd(s.h4)
	s.rr.Established(4)
	for _, e := range []*lab.Evpnd{s.e1, s.e3, s.e4} {
		e.Established(1)
	}
	for _, v := range vnis {
		s.h4.FloodsTo(v, s.h1.VTEP, s.h2.VTEP, s.h3.VTEP)
		s.h1.FloodsTo(v, s.h2.VTEP, s.h3.VTEP, s.h4.VTEP)
		s.h2.FloodsTo(v, s.h1.VTEP, s.h3.VTEP, s.h4.VTEP)
	}
	return s
}

// serve makes the devices of a VNI on VTEP number i.
func serve(n *lab.Node, v lab.VNI, i int) {
	n.AddVNI(v)
	if v.VNI == full.VNI {
		n.Addr(v.Bridge(), netip.MustParsePrefix(fmt.Sprintf("172.20.0.%d/16", i)))
		n.Sysctl("net/ipv4/conf/"+v.Bridge()+"/arp_accept", "1")
	}
}

// frrBGP is what all FRRs have: short timers, and EVPN only.
const frrBGP = `frr defaults datacenter
router bgp 65000
 bgp router-id %v
 no bgp default ipv4-unicast
 timers bgp 3 9
`

func reflectorConfig(clients ...*lab.Node) string {
	b, family := fmt.Sprintf(frrBGP, reflector), " address-family l2vpn evpn\n"
	for _, c := range clients {
		b += fmt.Sprintf(" neighbor %v remote-as 65000\n neighbor %v passive\n", c.VTEP, c.VTEP)
		family += fmt.Sprintf("  neighbor %v activate\n  neighbor %v route-reflector-client\n", c.VTEP, c.VTEP)
	}
	return b + family + " exit-address-family\n"
}

func (s *site) evpnd(n *lab.Node) *lab.Evpnd {
	s.Helper()
	return n.Evpnd(s.config(n))
}

// config ends in the list of VNIs with settings of their own.
func (s *site) config(n *lab.Node) string {
	return fmt.Sprintf(`bgp:
  asn: 65000
  router-id: %v
  peers:
    - address: %v
      asn: 65000
vtep:
  address: %v
vnis:
  settings:
    - vni: %d
      hosts: {listen: false}
`, n.VTEP, reflector, n.VTEP, bare.VNI)
}

// daemon says what runs on a node.
func (s *site) daemon(n *lab.Node) string {
	if n == s.h2 {
		return "FRR"
	}
	return "evpnd"
}

// address returns a MAC and an address that nobody has yet.
func (s *site) address() (string, netip.Prefix) {
	s.hosts++
	return fmt.Sprintf("02:42:ac:14:01:%02x", s.hosts), netip.MustParsePrefix(fmt.Sprintf("172.20.1.%d/16", s.hosts))
}

// container makes a host that is only on one node. It is silent until told.
func (s *site) container(n *lab.Node, v lab.VNI) *lab.Container {
	s.Helper()
	mac, ip := s.address()
	c := n.Container(fmt.Sprintf("c%d", s.hosts), v, mac, ip)
	s.ready(n, c.Port)
	return c
}

// twins makes a host with the same addresses on each of the nodes.
func (s *site) twins(v lab.VNI, nodes ...*lab.Node) map[*lab.Node]*lab.Container {
	s.Helper()
	mac, ip := s.address()
	m := map[*lab.Node]*lab.Container{}
	for _, n := range nodes {
		m[n] = n.Container(fmt.Sprintf("c%d%s", s.hosts, n.Short), v, mac, ip)
		s.ready(n, m[n].Port)
	}
	return m
}

// ready waits until what comes in over a port of a bridge counts. FRR forgets
// a MAC that it is told of before it has heard that the port is the bridge's.
func (s *site) ready(n *lab.Node, port string) {
	s.Helper()
	n.Forwards(port)
	if n != s.h2 {
		return
	}
	s.Until(5*time.Second, "zebra knows "+port, func() (bool, string) {
		out := s.frr.Vtysh("show interface " + port)
		return strings.Contains(out, "Slave Type Bridge") && strings.Contains(out, "<UP,"), out
	})
}

// key is a MAC as FDBWatch has it.
func key(mac string) [6]byte {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		panic(err) // it was written in this package
	}
	return [6]byte(hw)
}

// behind waits until the kernel of n sends frames for the MAC to the VTEP.
func (s *site) behind(n *lab.Node, v lab.VNI, mac string, vtep netip.Addr) {
	s.Helper()
	s.Until(10*time.Second, fmt.Sprintf("%s has %s behind %v in its kernel", n.Short, mac, vtep), func() (bool, string) {
		self, bridge := s.entries(n, v, mac)
		return slices.Equal(self, []string{vtep.String()}) && bridge, n.Bridge("fdb", "show", "br", v.Bridge())
	})
}

// entries returns where the VXLAN device sends frames for the MAC, and
// whether the bridge gives it frames for it.
func (s *site) entries(n *lab.Node, v lab.VNI, mac string) (self []string, bridge bool) {
	s.Helper()
	for _, e := range n.FDB(v.Device()) {
		if e.MAC == mac && e.Dst != "" {
			self = append(self, e.Dst)
		}
		bridge = bridge || e.MAC == mac && e.Master == v.Bridge()
	}
	return self, bridge
}

// gone waits until the kernel of n has no entry for the MAC on the VXLAN
// device.
func (s *site) gone(n *lab.Node, v lab.VNI, mac string) {
	s.Helper()
	s.Until(10*time.Second, fmt.Sprintf("%s has no %s on %s", n.Short, mac, v.Device()), func() (bool, string) {
		self, bridge := s.entries(n, v, mac)
		return len(self) == 0 && !bridge, n.Bridge("fdb", "show", "br", v.Bridge())
	})
}

// frrMAC is what FRR says of a MAC.
type frrMAC struct {
	Type   string `json:"type"`
	VTEP   string `json:"remoteVtep"`
	Local  int    `json:"localSequence"`
	Remote int    `json:"remoteSequence"`
	Sticky bool   `json:"sticky"`
}

// frrKnows waits until FRR on h2 has the MAC behind the VTEP, or locally when
// vtep is not valid, and returns what it says of it.
func (s *site) frrKnows(v lab.VNI, mac string, vtep netip.Addr) frrMAC {
	s.Helper()
	var m frrMAC
	s.Until(10*time.Second, fmt.Sprintf("FRR has %s behind %v", mac, vtep), func() (bool, string) {
		var ok bool
		var out string
		m, ok, out = s.frrMAC(v, mac)
		if vtep.IsValid() {
			return ok && m.Type == "remote" && m.VTEP == vtep.String(), out
		}
		return ok && m.Type == "local", out
	})
	return m
}

func (s *site) frrMAC(v lab.VNI, mac string) (frrMAC, bool, string) {
	s.Helper()
	var all struct {
		MACs map[string]frrMAC `json:"macs"`
	}
	ok, out := s.frr.JSON(fmt.Sprintf("show evpn mac vni %d", v.VNI), &all)
	m, there := all.MACs[mac]
	return m, ok && there, out
}

// differ notes where FRR does not do what the RFC says or evpnd does. It is
// printed, and fails nothing.
func differ(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("FRR differs: "+format, args...)
}
