package faults

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// holdTime is that of every session, in seconds: the least there is, since
// half of the faults last for longer than it.
const holdTime = 3

var vni = lab.VNI{VNI: 100}

// site is two VTEPs with a host each, and reflectors between them.
//
//	c1 -- h1 ===== h2 -- c2
//	       \      /
//	        rr ...
type site struct {
	*lab.Lab
	options
	under  *lab.Fabric
	h1, h2 *lab.Node
	c1, c2 *lab.Container
	v1, v2 vtep
	w1, w2 *lab.FDBWatch
	rrs    []*reflector
}

// vtep is the control plane of a node.
type vtep interface {
	// end ends it by a signal, and returns when it is gone.
	end(sig syscall.Signal)
	start()
	// upgrade starts another file of the same program.
	upgrade()
	// sessions counts those that are established.
	sessions() int
	// falls counts those that have ended since the daemon was started.
	falls() int
	// sees tells whether the MAC is behind the VTEP by a route of a session
	// that stands.
	sees(mac string, at netip.Addr) bool
	// output is what it has printed.
	output() string
}

// options are what sites differ in.
type options struct {
	frr       bool     // the VTEPs are FRR, else evpnd
	bgp       string   // more keys of evpnd's bgp
	reflector []string // more options of a GoBGP reflector
}

// newSite makes a site with reflectors of the kinds given.
func newSite(t *testing.T, o options, kinds ...string) *site {
	t.Helper()
	lab.Need(t, lab.Namespaces, lab.Ping, lab.FRRouting)
	s := &site{Lab: lab.New(t), options: o}
	s.under = s.Fabric("underlay")
	for i, kind := range kinds {
		s.rrs = append(s.rrs, s.newReflector(i, kind))
	}
	s.h1, s.c1 = s.host(1)
	s.h2, s.c2 = s.host(2)
	s.w1 = s.h1.WatchFDB(vni.Device(), vni.Bridge())
	s.w2 = s.h2.WatchFDB(vni.Device(), vni.Bridge())
	if s.frr {
		s.v1, s.v2 = s.frrVTEP(s.h1), s.frrVTEP(s.h2)
	} else {
		s.v1, s.v2 = s.evpndVTEP(s.h1), s.evpndVTEP(s.h2)
	}
	s.c1.Reach(s.c2.IPv4, limit)
	s.whole()
	return s
}

func (s *site) host(i int) (*lab.Node, *lab.Container) {
	n := s.under.Node(fmt.Sprintf("h%d", i), netip.MustParsePrefix(fmt.Sprintf("10.90.1.%d/24", i)))
	n.AddVNI(vni)
	c := n.Container(fmt.Sprintf("c%d", i), vni, fmt.Sprintf("02:42:ac:12:00:%02x", 10+i),
		netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", 10+i)))
	return n, c
}

// whole waits until every session is up, and either VTEP has the other's
// host by a route of one.
func (s *site) whole() {
	s.Helper()
	s.Until(limit, "every session is up and every route is fresh", func() (bool, string) {
		a, b := s.v1.sessions(), s.v2.sessions()
		seen := fmt.Sprintf("sessions of h1 %d, of h2 %d\nh1:\n%s\nh2:\n%s", a, b, s.v1.output(), s.v2.output())
		return a == len(s.rrs) && b == len(s.rrs) && s.v1.sees(s.c2.MAC, s.h2.VTEP) && s.v2.sees(s.c1.MAC, s.h1.VTEP), seen
	})
}

// introduce has both hosts say who they are, and waits until evpnd on the
// other node can answer for them. FRR does not listen to ARP.
func (s *site) introduce() {
	s.Helper()
	if s.frr {
		return
	}
	for c, n := range map[*lab.Container]*lab.Node{s.c1: s.h2, s.c2: s.h1} {
		c.Announce()
		s.Until(limit, n.Short+" has the address of "+c.Short, func() (bool, string) {
			all := n.Neighbors(vni.Bridge())
			return slices.ContainsFunc(all, func(e lab.Neighbor) bool { return e.IP == c.IPv4 }), fmt.Sprint(all)
		})
	}
}

// evpndVTEP is evpnd on a node.
type evpndVTEP struct{ *lab.Evpnd }

func (s *site) evpndVTEP(n *lab.Node) vtep {
	var b strings.Builder
	fmt.Fprintf(&b, "bgp:\n  asn: 65000\n  router-id: %v\n%s  peers:\n", n.VTEP, s.bgp)
	for _, r := range s.rrs {
		fmt.Fprintf(&b, "    - address: %v\n      asn: 65000\n      hold-time: %ds\n", r.addr, holdTime)
	}
	fmt.Fprintf(&b, "vtep:\n  address: %v\n", n.VTEP)
	return &evpndVTEP{n.Evpnd(b.String())}
}

func (e *evpndVTEP) end(sig syscall.Signal) { endBy(e.Proc, sig) }
func (e *evpndVTEP) start()                 { e.Restart() }
func (e *evpndVTEP) output() string         { return e.Output() }

func (e *evpndVTEP) upgrade() {
	e.Upgrade()
	e.Restart()
}

func (e *evpndVTEP) sessions() (up int) {
	for _, p := range e.Peers() {
		if p.State == "established" {
			up++
		}
	}
	return up
}

func (e *evpndVTEP) falls() (n int) {
	for _, p := range e.Peers() {
		n += p.Established
		if p.State == "established" {
			n--
		}
	}
	return n
}

func (e *evpndVTEP) sees(mac string, at netip.Addr) bool {
	for _, m := range e.MACs(vni.VNI) {
		if m.MAC == mac && m.VTEP == at.String() && m.State == "installed" {
			return true
		}
	}
	return false
}

// frrVTEP is zebra and bgpd on a node.
type frrVTEP struct {
	*lab.FRR
	n *lab.Node
}

func (s *site) frrVTEP(n *lab.Node) vtep {
	var b strings.Builder
	b.WriteString(frrHead(n.VTEP))
	for _, r := range s.rrs {
		fmt.Fprintf(&b, " neighbor %v remote-as 65000\n neighbor %[1]v timers connect 1\n", r.addr)
	}
	b.WriteString(" address-family l2vpn evpn\n")
	for _, r := range s.rrs {
		fmt.Fprintf(&b, "  neighbor %v activate\n", r.addr)
	}
	b.WriteString("  advertise-all-vni\n exit-address-family\n")
	return &frrVTEP{n.FRR(b.String()), n}
}

// end ends both daemons: a restart of FRR is one of all of it.
func (f *frrVTEP) end(sig syscall.Signal) {
	endBy(f.BGPd, sig)
	endBy(f.Zebra, sig)
}

func (f *frrVTEP) start() {
	f.StartZebra()
	f.StartBGP()
}

func (f *frrVTEP) upgrade()       { f.start() }
func (f *frrVTEP) output() string { return f.BGPd.Output() }
func (f *frrVTEP) sessions() int  { return f.Sessions() }

func (f *frrVTEP) falls() (n int) {
	var sum struct {
		Peers map[string]struct {
			Dropped int `json:"connectionsDropped"`
		} `json:"peers"`
	}
	f.JSON("show bgp l2vpn evpn summary", &sum) // no answer is no fall
	for _, p := range sum.Peers {
		n += p.Dropped
	}
	return n
}

func (f *frrVTEP) sees(mac string, at netip.Addr) bool {
	for _, e := range f.n.FDB(vni.Device()) {
		if e.MAC == mac && e.Dst == at.String() {
			return true
		}
	}
	return false
}

// frrHead is what all FRRs have: short timers, and EVPN only.
func frrHead(id netip.Addr) string {
	return fmt.Sprintf("frr defaults datacenter\nrouter bgp 65000\n bgp router-id %v\n no bgp default ipv4-unicast\n timers bgp %d %d\n",
		id, holdTime/3, holdTime)
}

// endBy ends a process by a signal.
func endBy(p *lab.Proc, sig syscall.Signal) {
	p.Signal(sig)
	<-p.Done()
}
