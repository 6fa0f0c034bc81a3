package faults

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/evpnd/evpnd/test/lab"
)

// Kinds of reflectors.
const (
	frr84 = "FRR"   // knows no graceful restart for EVPN
	gobgp = "GoBGP" // helps graceful restart, and restarts gracefully itself
)

var vteps = []netip.Addr{netip.MustParseAddr("10.90.1.1"), netip.MustParseAddr("10.90.1.2")}

// reflector is a route reflector of a site.
type reflector struct {
	s    *site
	kind string
	ns   *lab.NS
	addr netip.Addr
	port string // its port on the underlay
	frr  *lab.FRR
	proc *lab.Proc
}

func (s *site) newReflector(i int, kind string) *reflector {
	r := &reflector{s: s, kind: kind, ns: s.NS(fmt.Sprintf("rr%d", i)), addr: netip.AddrFrom4([4]byte{10, 90, 1, byte(254 - i)})}
	r.port = s.under.Attach(r.ns, "eth0", netip.PrefixFrom(r.addr, 24))
	if kind == gobgp {
		r.gobgp(false)
		return r
	}
	var b strings.Builder
	b.WriteString(frrHead(r.addr))
	for _, c := range vteps {
		fmt.Fprintf(&b, " neighbor %v remote-as 65000\n neighbor %[1]v passive\n", c)
	}
	b.WriteString(" address-family l2vpn evpn\n")
	for _, c := range vteps {
		fmt.Fprintf(&b, "  neighbor %v activate\n  neighbor %[1]v route-reflector-client\n", c)
	}
	r.frr = r.ns.FRR(b.String() + " exit-address-family\n")
	return r
}

func (r *reflector) gobgp(restarting bool) {
	args := []string{lab.Binary(r.s, "reflector"), "-id", r.addr.String(), "-hold", fmt.Sprint(holdTime), "-idle", "8"}
	args = append(args, r.s.options.reflector...)
	if restarting {
		args = append(args, "-restarting")
	}
	for _, c := range vteps {
		args = append(args, c.String())
	}
	r.proc = r.ns.Start("reflector", args...)
}

func (r *reflector) end(sig syscall.Signal) {
	if r.kind == gobgp {
		endBy(r.proc, sig)
	} else {
		endBy(r.frr.BGPd, sig)
	}
}

func (r *reflector) start() {
	if r.kind == gobgp {
		r.gobgp(true)
	} else {
		r.frr.StartBGP()
	}
}

// reset ends all sessions as an operator does, who wants them back at once.
func (r *reflector) reset() {
	if r.kind == gobgp {
		r.proc.Signal(syscall.SIGHUP)
	} else {
		r.frr.Vtysh("clear bgp *")
	}
}
