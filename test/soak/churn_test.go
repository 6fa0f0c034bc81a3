package soak

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// operation is one thing that happens.
type operation struct {
	name string
	// often is how many times as often as the rarest.
	often int
	do    func(*site)
}

// operations are all that happens to a site.
var operations = []operation{
	{"guest moves", 30, (*site).moveGuest},
	{"address changes hands", 10, (*site).swapAddress},
	{"container moves", 6, (*site).moveContainer},
	{"cable of a container out or in", 6, (*site).unplug},
	{"hosts ask for addresses", 5, (*site).ask},
	{"underlay link flaps", 2, (*site).flap},
	{"underlay cut or mended", 2, (*site).cutOrMend},
	{"devices of a VNI made again", 3, (*site).remakeVNI},
	{"VXLAN device down and up", 2, (*site).bounceDevice},
	{"configuration reloaded", 8, (*site).reload},
	{"session reset", 4, (*site).reset},
	{"reflector resets all sessions", 1, (*site).clear},
	{"daemon ended and started", 1, func(s *site) { s.restart(syscall.SIGTERM) }},
	{"daemon killed and started", 1, func(s *site) { s.restart(syscall.SIGKILL) }},
	{"forwarding entry meddled with", 15, (*site).meddleFDB},
	{"neighbor entry meddled with", 10, (*site).meddleNeighbor},
	{"tables flushed", 3, (*site).flush},
	{"evpnctl shows something", 15, (*site).show},
	{"watch begun or cut off", 6, (*site).watch},
	{"audit", 3, (*site).audit},
}

// churn does random operations for the time given.
func (s *site) churn(d time.Duration) {
	s.Helper()
	var deck []*operation
	for i := range operations {
		for range operations[i].often {
			deck = append(deck, &operations[i])
		}
	}
	for start := time.Now(); time.Since(start) < d; {
		s.do(one(s, deck))
		// The pauses are random too: some things come together.
		time.Sleep(time.Duration(s.rng.IntN(60)) * time.Millisecond)
	}
}

// do does an operation, after which every daemon must still run.
func (s *site) do(op *operation) {
	s.Helper()
	op.do(s)
	s.did[op.name]++
	for _, v := range s.vteps {
		if !v.Running() {
			s.Fatalf("evpnd on %s ended after %q:\n%s", v.Short, op.name, v.Output())
		}
	}
}

// one picks one.
func one[E any](s *site, all []E) E { return all[s.rng.IntN(len(all))] }

// plugged picks a container of the VNI that has its cable in, if there is
// one.
func (s *site) plugged(vni lab.VNI) *container {
	for range 20 {
		if c := one(s, s.containers); c.vni.VNI == vni.VNI && !c.unplugged {
			return c
		}
	}
	return nil
}

func (s *site) moveGuest() {
	s.Helper()
	g := one(s, s.guests)
	if c := s.plugged(g.vni); c != nil {
		c.AnnounceAs(g.mac, g.ip)
	}
}

func (s *site) swapAddress() {
	s.Helper()
	a, b := one(s, s.guests), one(s, s.guests)
	if c := s.plugged(a.vni); c != nil && a.vni.VNI == b.vni.VNI {
		c.AnnounceAs(a.mac, b.ip)
	}
}

func (s *site) moveContainer() {
	s.Helper()
	c, to := one(s, s.containers), one(s, s.vteps)
	if !c.restless() || c.On == to.Node {
		return
	}
	c.MoveTo(to.Node, c.vni)
	c.unplugged = false
	c.Announce()
}

func (s *site) unplug() {
	s.Helper()
	c := one(s, s.containers)
	if c.unplugged {
		c.Plug(c.vni)
		c.Announce()
	} else {
		c.On.IP("link", "set", c.Port, "nomaster")
	}
	c.unplugged = !c.unplugged
}

func (s *site) ask() {
	s.Helper()
	c := one(s, s.containers)
	base := c.IPv4.As4()
	for range 3 {
		base[3] = byte(s.rng.IntN(256)) // of a host, or of nobody
		c.Ask(c.MAC, c.IPv4, netip.AddrFrom4(base))
	}
}

func (s *site) flap() {
	s.Helper()
	v := one(s, s.vteps)
	v.IP("link", "set", "eth0", "down")
	v.IP("link", "set", "eth0", "up")
}

// cutOrMend has a node lose everybody for a while, often for longer than the
// hold time.
func (s *site) cutOrMend() {
	s.Helper()
	v := one(s, s.vteps)
	if v.cut {
		s.mend(v)
		return
	}
	s.under.Cut(v.port)
	v.cut = true
}

func (s *site) mend(v *vtep) {
	s.Helper()
	if v.cut {
		s.under.Mend(v.port)
	}
	v.cut = false
}

func (s *site) remakeVNI() {
	s.Helper()
	v, vni := one(s, s.vteps), one(s, vnis)
	v.DelVNI(vni)
	s.addVNI(v, vni)
	for _, c := range s.containers {
		if c.On == v.Node && c.vni.VNI == vni.VNI && !c.unplugged {
			c.Plug(vni)
			c.Announce()
		}
	}
}

func (s *site) bounceDevice() {
	s.Helper()
	v, vni := one(s, s.vteps), one(s, vnis)
	v.IP("link", "set", vni.Device(), "down")
	v.IP("link", "set", vni.Device(), "up")
}

// changes are what reloads do to a configuration; each of them, none, or
// several.
var changes = []change{
	{withPeer: absentAddr},
	{withoutPeer: reflectorAddr},
	{withoutPeer: vtepAddr(1)},
	{bgp: "  retain: 11s\n"},
	{vnis: "  select: [100, 300]\n"},
	{vnis: "  hosts:\n    probe-interval: 2s\n"},
	{vnis: "  flood: false\n"},
	{vnis: "  audit-interval: 1s\n"},
	{settings: "    - vni: 100\n      flood: false\n      sticky: [\"02:99:00:00:00:6e\"]\n"},
	{settings: "    - vni: 200\n      limits:\n        local-macs: 2\n"},
	{settings: "    - vni: 200\n      import: [\"65000:200\", \"65000:100\"]\n      export: [\"65000:200\"]\n"},
	{settings: "    - vni: 200\n      gateways: [172.18.1.1]\n      rd: 65000:200%d\n"},
	{settings: "    - vni: 400\n      create: {}\n"},
}

func (s *site) reload() {
	s.Helper()
	v := one(s, s.vteps)
	var some []change
	if s.rng.IntN(3) > 0 {
		c := one(s, changes)
		c.settings = strings.ReplaceAll(c.settings, "%d", v.VTEP.String()[len("10.90.1."):])
		if c.bgp != "" {
			// A key may be there once.
			v.Reload(strings.Replace(s.config(v), "  retain: 10s\n", c.bgp, 1))
			return
		}
		some = append(some, c)
	}
	v.Reload(s.config(v, some...))
}

// reset may be refused: not every peer is there, or up.
func (s *site) reset() {
	s.Helper()
	v := one(s, s.vteps)
	args := []string{"peer", "reset", one(s, []netip.Addr{reflectorAddr, vtepAddr(1), vtepAddr(2), vtepAddr(3)}).String()}
	if s.rng.IntN(2) == 0 {
		args = append(args, "--soft")
	}
	_, _ = v.Try(args...)
}

func (s *site) clear() {
	s.Helper()
	s.rr.Vtysh("clear bgp *")
}

// restart is of h3 alone: the others live from the beginning to the end.
func (s *site) restart(sig syscall.Signal) {
	s.Helper()
	v := s.vteps[2]
	v.Signal(sig)
	select {
	case <-v.Done():
	case <-time.After(20 * time.Second):
		s.Fatalf("evpnd on %s did not end within 20 s of signal %v:\n%s", v.Short, sig, v.Output())
	}
	v.Restart()
}

// tally says what was done.
func (s *site) tally() string {
	var b strings.Builder
	total := 0
	for _, op := range operations {
		fmt.Fprintf(&b, "%6d  %s\n", s.did[op.name], op.name)
		total += s.did[op.name]
	}
	fmt.Fprintf(&b, "%6d  together", total)
	return b.String()
}
