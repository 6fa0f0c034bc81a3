package mobility

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// A host shows at one VTEP after the other. Each announces it with the next
// sequence, in all of its routes (RFC 7432 §15, RFC 9721), and all follow.
func TestSequence(t *testing.T) {
	s := newSite(t, full)
	twin := s.twins(full, s.h1, s.h2, s.h3)
	for seq, at := range []*lab.Node{s.h1, s.h2, s.h3, s.h1} {
		c := twin[at]
		c.Announce()
		s.owns(full, c.MAC, at, seq, s.h1, s.h2, s.h3, s.h4)
		s.tells(t, at, c.MAC, c.IPv4, fmt.Sprintf("MM:%d", seq))
	}
}

// owns waits until all agree that the node has the MAC, with the sequence.
func (s *site) owns(v lab.VNI, mac string, at *lab.Node, seq int, all ...*lab.Node) {
	s.Helper()
	for _, n := range all {
		switch {
		case n == at && n == s.h2:
			// FRR leaves the VXLAN device's own entry behind, which the bridge
			// does not come to.
		case n == at:
			s.gone(n, v, mac)
		default:
			s.behind(n, v, mac, at.VTEP)
		}
		vtep := at.VTEP
		if n == at {
			vtep = none
		}
		if n == s.h2 {
			m := s.frrKnows(v, mac, vtep)
			if got := max(m.Local, m.Remote); got != seq {
				s.Errorf("FRR has %s at %s with sequence %d, want %d", mac, at.Short, got, seq)
			}
			continue
		}
		if got := s.on(n).KnowsMAC(v.VNI, mac, vtep).Sequence; got != uint32(seq) {
			s.Errorf("evpnd on %s has %s at %s with sequence %d, want %d", n.Short, mac, at.Short, got, seq)
		}
	}
}

func (s *site) on(n *lab.Node) *lab.Evpnd {
	return map[*lab.Node]*lab.Evpnd{s.h1: s.e1, s.h3: s.e3, s.h4: s.e4}[n]
}

// prefix is a type 2 route as FRR names it.
func prefix(mac string, ip netip.Addr) string {
	if !ip.IsValid() {
		return fmt.Sprintf("[2]:[0]:[48]:[%s]", mac)
	}
	return fmt.Sprintf("[2]:[0]:[48]:[%s]:[%d]:[%v]", mac, ip.BitLen(), ip)
}

// tells waits until the reflector has the node's routes of a host, and only
// its, each with the mobility community; sequence 0 may do without.
func (s *site) tells(t *testing.T, at *lab.Node, mac string, ip netip.Addr, mobility string) {
	t.Helper()
	want := []string{prefix(mac, none), prefix(mac, ip)}
	var seen string
	ok := func() bool {
		var got []string
		seen = ""
		for _, r := range s.rr.Routes() {
			if !strings.HasPrefix(r.Prefix, want[0]) {
				continue
			}
			seen += r.String() + "\n"
			has := strings.Contains(" "+r.Communities, " "+mobility) || mobility == "MM:0" && !strings.Contains(r.Communities, "MM:")
			if r.NextHop != at.VTEP.String() || !has {
				return false
			}
			got = append(got, r.Prefix)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}
	if at == s.h2 {
		if !within(3*time.Second, ok) {
			// While the announcement came in, the address was the remote host's
			// in the neighbor table, which no frame changes.
			differ(t, "of a host that came to it, want routes %v with %s, got:\n%s", want, mobility, seen)
		}
		return
	}
	s.Until(10*time.Second, fmt.Sprintf("the reflector has %v from %s alone, with %s", want, at.Short, mobility), func() (bool, string) { return ok(), seen })
}

// within tells whether f becomes true in time. It is for what FRR may not do.
func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return true
		}
	}
	return false
}

// A host shows at several VTEPs before any of them has heard of the others:
// all announce the same sequence, and the lowest VTEP address wins
// (RFC 7432 §15), be it evpnd's or FRR's.
func TestTies(t *testing.T) {
	s := newSite(t, bare)
	for _, at := range [][]*lab.Node{{s.h1, s.h3}, {s.h3, s.h1}, {s.h1, s.h2}, {s.h2, s.h3}, {s.h3, s.h2, s.h1}} {
		twin := s.twins(bare, at...)
		var names []string
		winner := at[0]
		for _, n := range at {
			names = append(names, s.daemon(n)+" "+n.VTEP.String())
			if n.VTEP.Less(winner.VTEP) {
				winner = n
			}
		}
		for _, n := range at {
			twin[n].Announce()
		}
		t.Logf("at once on %s", strings.Join(names, ", "))
		s.owns(bare, twin[winner].MAC, winner, 0, s.h1, s.h2, s.h3, s.h4)
	}
}

// When the VTEP that won withdraws, the next best is taken at once, and the
// kernel's entry is replaced. Both VTEPs have the MAC static, since otherwise
// the one that loses withdraws.
func TestFallBack(t *testing.T) {
	s := newSite(t, bare)
	for _, pair := range [][2]*lab.Node{{s.h1, s.h3}, {s.h1, s.h2}, {s.h2, s.h3}} {
		best, next := pair[0], pair[1]
		twin := s.twins(bare, best, next)
		mac := twin[best].MAC
		watch := s.h4.WatchFDB(bare.Device())
		s.static("add", twin[best])
		s.static("add", twin[next])
		if next == s.h2 {
			within(time.Second, func() bool { return s.announcers(mac) == vteps(best, next) })
			if within(2*time.Second, func() bool { return s.announcers(mac) == vteps(best) }) {
				differ(t, "it gives a static MAC up that another VTEP has static, so that there is nothing to fall back to")
				continue
			}
		}
		s.announced(mac, best, next)
		s.behind(s.h4, bare, mac, best.VTEP)
		before := watch.Removals(key(mac))
		arrived := s.arrival(watch, mac, next.VTEP)
		s.static("del", twin[best])
		arrived()
		s.behind(s.h4, bare, mac, next.VTEP)
		if n := watch.Removals(key(mac)) - before; n != 0 {
			t.Errorf("%s withdrew: the entry was removed %d times, want it replaced", s.daemon(best), n)
		}
		if best != s.h2 && next != s.h2 && !within(3*time.Second, func() bool {
			m, ok, _ := s.frrMAC(bare, mac)
			return ok && m.VTEP == next.VTEP.String()
		}) {
			differ(t, "it does not fall back to the next best VTEP")
		}
	}
}

// static adds or deletes the container's MAC as a static entry of its port,
// which is how an operator says that it is sticky there.
func (s *site) static(verb string, c *lab.Container) {
	s.Helper()
	args := []string{"fdb", verb, c.MAC, "dev", c.Port, "master"}
	if verb == "add" {
		args = append(args, "static", "sticky")
	}
	c.On.Bridge(args...)
}

// announced waits until the reflector has routes of the MAC from the nodes,
// and from them alone.
func (s *site) announced(mac string, nodes ...*lab.Node) {
	s.Helper()
	want := vteps(nodes...)
	s.Until(10*time.Second, fmt.Sprintf("the reflector has %s from %s", mac, want), func() (bool, string) {
		got := s.announcers(mac)
		return got == want, got
	})
}

// announcers returns from which VTEPs the reflector has a route of the MAC.
func (s *site) announcers(mac string) string {
	s.Helper()
	var nodes []*lab.Node
	for _, r := range s.rr.Routes() {
		for _, n := range []*lab.Node{s.h1, s.h2, s.h3, s.h4} {
			if r.Prefix == prefix(mac, none) && r.NextHop == n.VTEP.String() {
				nodes = append(nodes, n)
			}
		}
	}
	return vteps(nodes...)
}

// vteps lists the addresses of nodes, in their order.
func vteps(nodes ...*lab.Node) string {
	var addrs []netip.Addr
	for _, n := range nodes {
		addrs = append(addrs, n.VTEP)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return fmt.Sprint(addrs)
}

// A MAC that is static at one VTEP is sticky: it stays there although others
// hear it (RFC 7432 §15.2), and evpnd there says so.
func TestSticky(t *testing.T) {
	s := newSite(t, bare)
	for _, at := range []*lab.Node{s.h1, s.h2} {
		twin := s.twins(bare, s.h1, s.h2, s.h3)
		mac := twin[at].MAC
		s.static("add", twin[at])
		s.behind(s.h4, bare, mac, at.VTEP)
		if !s.e4.KnowsMAC(bare.VNI, mac, at.VTEP).Sticky {
			t.Errorf("evpnd does not have the MAC as sticky that is static at %s", s.daemon(at))
		}
		for _, n := range []*lab.Node{s.h1, s.h2, s.h3} {
			if n == at {
				continue
			}
			s.behind(n, bare, mac, at.VTEP)
			twin[n].Announce()
			if n == s.h2 {
				s.Holds(500*time.Millisecond, "a sticky MAC stays although it is heard behind FRR", func() (bool, string) {
					self, bridge := s.entries(s.h4, bare, mac)
					return slices.Equal(self, []string{at.VTEP.String()}) && bridge, s.h4.Bridge("fdb", "show", "dev", bare.Device())
				})
				continue
			}
			if bridgeTellsOfSticky {
				s.alarm(s.on(n), "sticky-violated", mac)
			}
			s.announced(mac, at)
			s.behind(n, bare, mac, at.VTEP)
		}
		s.behind(s.h4, bare, mac, at.VTEP)
		if m, ok, out := s.frrMAC(bare, mac); at != s.h2 && (!ok || m.Type != "remote") {
			differ(t, "it does not leave a sticky MAC where it is when it hears it: %s", out)
		}
	}
}

// bridgeTellsOfSticky is whether evpnd hears of a local frame that has a
// sticky MAC as its source. The bridge keeps its entry where it is, and does
// not say that somebody tried.
const bridgeTellsOfSticky = false

// alarm waits until evpnd shows the alarm about the MAC.
func (s *site) alarm(e *lab.Evpnd, kind, mac string) {
	s.Helper()
	s.Until(10*time.Second, fmt.Sprintf("alarm %s about %s", kind, mac), func() (bool, string) {
		return alarmed(e, kind, mac), e.Ctl("status")
	})
}

// A host moves while the session of one of the VTEPs is down.
func TestMoveWhileSessionIsDown(t *testing.T) {
	s := newSite(t, bare)
	twin := s.twins(bare, s.h1, s.h2, s.h3)
	mac := twin[s.h1].MAC
	twin[s.h1].Announce()
	s.owns(bare, mac, s.h1, 0, s.h1, s.h2, s.h3, s.h4)

	// Away from the VTEP that is cut off, which hears nothing of it and still
	// has the MAC.
	s.cut(s.h1)
	s.gone(s.h4, bare, mac)
	twin[s.h2].Announce()
	s.behind(s.h4, bare, mac, s.h2.VTEP)
	s.h1.IP("link", "set", twin[s.h1].Port, "down")
	s.reconnect(s.h1, s.e1)
	for _, n := range []*lab.Node{s.h1, s.h3, s.h4} {
		s.behind(n, bare, mac, s.h2.VTEP)
	}
	s.h1.IP("link", "set", twin[s.h1].Port, "up")
	s.ready(s.h1, twin[s.h1].Port)

	// To it, while the reflector is dead and nobody hears of anything. The
	// VTEP knows from before where the MAC was, and so announces it with a
	// sequence that wins.
	was := s.e1.KnowsMAC(bare.VNI, mac, s.h2.VTEP).Sequence
	s.rr.BGPd.Crash()
	s.e1.Established(0)
	twin[s.h1].Announce()
	s.e1.KnowsMAC(bare.VNI, mac, none)
	s.rr.StartBGP()
	s.rr.Established(4)
	s.owns(bare, mac, s.h1, int(was)+1, s.h1, s.h2, s.h3, s.h4)
}

// cut ends the session of the reflector and a node.
func (s *site) cut(n *lab.Node) {
	s.Helper()
	s.rr.Configure("router bgp 65000", fmt.Sprintf("neighbor %v shutdown", n.VTEP))
	s.rr.Established(3)
	s.on(n).Established(0)
}

func (s *site) reconnect(n *lab.Node, e *lab.Evpnd) {
	s.Helper()
	s.rr.Configure("router bgp 65000", fmt.Sprintf("no neighbor %v shutdown", n.VTEP))
	e.Established(1)
	s.rr.Established(4)
}

// A host that moves between two ports of a bridge is nobody else's business.
func TestLocalMoveIsSilent(t *testing.T) {
	s := newSite(t, bare)
	mac, ip := s.address()
	vm := s.h1.VM("vm", bare, mac, ip)
	vm.Announce()
	s.behind(s.h4, bare, mac, s.h1.VTEP)
	before := s.updates(s.e1)
	for range 3 {
		was := vm.Plugged()
		cable := vm.Cable(s.h1, bare)
		cable.Up()
		cable.Use()
		vm.Announce()
		s.Until(5*time.Second, "evpnd has it at the other port", func() (bool, string) {
			m := s.e1.KnowsMAC(bare.VNI, mac, none)
			return m.Interface == cable.Port, fmt.Sprintf("%+v", m)
		})
		was.Down()
	}
	// What is sent later can not overtake: one route more is one UPDATE more.
	s.container(s.h1, bare).Announce()
	s.Until(5*time.Second, "the next route is sent", func() (bool, string) {
		n := s.updates(s.e1)
		return n > before, fmt.Sprint(n)
	})
	if n := s.updates(s.e1); n != before+1 {
		t.Errorf("%d UPDATEs were sent after three moves between local ports and one new host, want 1", n-before)
	}
	s.owns(bare, mac, s.h1, 0, s.h1, s.h2, s.h4)
}

// updates returns how many UPDATEs evpnd has sent to the reflector.
func (s *site) updates(e *lab.Evpnd) int {
	s.Helper()
	var p struct {
		Sent struct {
			Update int `json:"update"`
		} `json:"messages_sent"`
	}
	out := e.Ctl("peer", "show", reflector.String(), "-o", "json")
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		s.Fatalf("evpnctl peer show: %v\n%s", err, out)
	}
	return p.Sent.Update
}
