package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// vni is the VNI that most tests use.
var vni = lab.VNI{VNI: 100}

// fabric is a network with a route reflector, or a spine, in the middle.
type fabric struct {
	*lab.Lab
	under *lab.Fabric
}

func newFabric(t *testing.T) *fabric {
	t.Helper()
	lab.Need(t, lab.Namespaces, lab.Ping, lab.FRRouting)
	l := lab.New(t)
	return &fabric{Lab: l, under: l.Fabric("underlay")}
}

// frrBGP is the part of FRR's configuration that all tests share: short
// timers, and EVPN only.
const frrBGP = `frr defaults datacenter
router bgp %[1]d
 bgp router-id %[2]v
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 timers bgp 3 9
`

// reflector starts FRR as a route reflector for clients.
func (f *fabric) reflector(clients ...netip.Addr) *reflector {
	f.Helper()
	n := f.NS("rr")
	f.under.Attach(n, "eth0", netip.MustParsePrefix("10.90.1.254/24"))
	return &reflector{n.FRR(reflectorConfig(clients)), netip.MustParseAddr("10.90.1.254")}
}

type reflector struct {
	*lab.FRR
	addr netip.Addr
}

func reflectorConfig(clients []netip.Addr) string {
	var b strings.Builder
	fmt.Fprintf(&b, frrBGP, 65000, "10.90.1.254")
	for _, c := range clients {
		fmt.Fprintf(&b, " neighbor %v remote-as 65000\n neighbor %v passive\n", c, c)
	}
	b.WriteString(" address-family l2vpn evpn\n")
	for _, c := range clients {
		fmt.Fprintf(&b, "  neighbor %v activate\n  neighbor %v route-reflector-client\n", c, c)
	}
	b.WriteString(" exit-address-family\n")
	return b.String()
}

// frrVTEP starts FRR as a VTEP that talks to one peer. more are lines of the
// EVPN address family.
func frrVTEP(n *lab.Node, asn uint32, peer netip.Addr, peerASN uint32, more ...string) *lab.FRR {
	var b strings.Builder
	fmt.Fprintf(&b, frrBGP, asn, n.VTEP)
	fmt.Fprintf(&b, " neighbor %v remote-as %d\n neighbor %v timers connect 1\n", peer, peerASN, peer)
	fmt.Fprintf(&b, " address-family l2vpn evpn\n  neighbor %v activate\n  advertise-all-vni\n", peer)
	for _, line := range more {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString(" exit-address-family\n")
	return n.FRR(b.String())
}

// evpndConfig is the configuration of an evpnd that talks to one peer.
func evpndConfig(n *lab.Node, asn uint32, peer netip.Addr, peerASN uint32) string {
	return fmt.Sprintf(`bgp:
  asn: %d
  router-id: %v
  peers:
    - address: %v
      asn: %d
vtep:
  address: %v
`, asn, n.VTEP, peer, peerASN, n.VTEP)
}

// node makes host number i on the underlay.
func (f *fabric) node(i int) *lab.Node {
	f.Helper()
	return f.under.Node(fmt.Sprintf("h%d", i), netip.MustParsePrefix(fmt.Sprintf("10.90.1.%d/24", i)))
}

// container makes container number i, with an address of either family.
func container(n *lab.Node, v lab.VNI, i int) *lab.Container {
	return n.Container(fmt.Sprintf("c%d", i), v, fmt.Sprintf("02:42:ac:12:00:%02x", i),
		netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", i)), netip.MustParsePrefix(fmt.Sprintf("fd00:18::%x/64", i)))
}

// reachAll has every container ping every other one, with both families, and
// lose nothing once the first packet has come through.
func reachAll(t *testing.T, cs ...*lab.Container) {
	t.Helper()
	for _, from := range cs {
		for _, to := range cs {
			if from == to {
				continue
			}
			for _, ip := range []netip.Addr{to.IPv4, to.IPv6} {
				from.Reach(ip, 10*time.Second)
				if r := from.Ping(ip, 3, 50*time.Millisecond); r.Lost() != 0 || r.Transmitted != 3 {
					t.Errorf("%s to %v: %s", from.Short, ip, r.Summary)
				}
			}
		}
	}
}
