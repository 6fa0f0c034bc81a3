package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/pages"
)

// answer is what evpnctl explain says, as far as it is looked at here.
type answer struct {
	Explanations []struct {
		VNI        int    `json:"vni"`
		Known      bool   `json:"known"`
		Verdict    string `json:"verdict"`
		Advice     []string
		Candidates []struct {
			Route *struct {
				RD       string
				NextHop  string `json:"next_hop"`
				Peer     string
				Sequence int
				Sticky   bool
			}
			ImportedBy string `json:"imported_by"`
			Chosen     bool
			Reason     string
			Steps      []struct{ Rule, This, Other, Outcome string }
		}
		Kernel []struct {
			Wanted, State, Differs string
			Held                   []string
		}
	}
	Refreshed bool
	NotKept   []struct {
		Route   struct{ Targets []string }
		Reasons []string
	} `json:"not_kept"`
}

// said is all that evpnctl explain has printed for people in TestExplain.
var said strings.Builder

// explain asks evpnd, and logs what a user would read.
func explain(t *testing.T, e *lab.Evpnd, args ...string) (a answer) {
	t.Helper()
	args = append([]string{"explain"}, args...)
	out := e.Ctl(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("evpnctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if len(a.Explanations) == 0 {
		t.Fatalf("evpnctl %s explains nothing:\n%s", strings.Join(args, " "), out)
	}
	if testing.Verbose() {
		text := e.Ctl(args...)
		said.WriteString(text)
		t.Logf("$ evpnctl %s\n%s", strings.Join(args, " "), text)
	}
	return a
}

// chosen returns the next hop of the chosen route and the reasons of the
// others by theirs.
func (a *answer) chosen() (nexthop string, others map[string]string) {
	others = map[string]string{}
	for _, c := range a.Explanations[0].Candidates {
		switch {
		case c.Route == nil:
		case c.Chosen:
			nexthop = c.Route.NextHop
		default:
			others[c.Route.NextHop] = c.Reason
		}
	}
	return nexthop, others
}

// TestExplain has FRR and evpnd announce what wins, what loses, what nobody
// imports, and somebody change the kernel: explain says so each time, and what
// it names as chosen is what the kernel has.
func TestExplain(t *testing.T) {
	f := newFabric(t)
	h1, h2, h3, h4 := f.node(1), f.node(2), f.node(3), f.node(4)
	for _, n := range []*lab.Node{h1, h2, h3, h4} {
		n.AddVNI(vni)
	}
	host := func(n *lab.Node, i int, suffix string) *lab.Container {
		c := n.Container(fmt.Sprintf("c%d%s", i, suffix), vni, fmt.Sprintf("02:42:ac:12:00:%02x", i), netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", i)))
		n.Forwards(c.Port)
		return c
	}
	// Both are sticky before either VTEP hears of the other: what a bridge has
	// from elsewhere cannot be added to it.
	for _, n := range []*lab.Node{h3, h4} {
		n.Bridge("fdb", "replace", host(n, 30, n.Short).MAC, "dev", "v-c30"+n.Short, "master", "static")
	}
	rr := f.reflector(h1.VTEP, h2.VTEP, h3.VTEP, h4.VTEP)
	frr := frrVTEP(h2, 65000, rr.addr, 65000)
	e1 := h1.Evpnd(evpndConfig(h1, 65000, rr.addr, 65000))
	e3 := h3.Evpnd(evpndConfig(h3, 65000, rr.addr, 65000))
	h4.Evpnd(evpndConfig(h4, 65000, rr.addr, 65000))
	rr.Established(4)
	h1.FloodsTo(vni, h2.VTEP, h3.VTEP, h4.VTEP)

	t.Run("one MAC of two RDs, sticky at both", func(t *testing.T) {
		const mac = "02:42:ac:12:00:1e"
		f.Until(10*time.Second, "both are there", func() (bool, string) {
			out := e1.Ctl("route", "list", "--received", "--mac", mac)
			return strings.Contains(out, h3.VTEP.String()) && strings.Contains(out, h4.VTEP.String()), out
		})
		a := explain(t, e1, "mac", "100", mac)
		to, others := a.chosen()
		if to != h3.VTEP.String() || !strings.Contains(others[h4.VTEP.String()], "lower VTEP address") {
			t.Errorf("chosen %s, others %q", to, others)
		}
		f.wantFDB(h1, vni, mac, h3.VTEP)
		for _, c := range a.Explanations[0].Candidates {
			if !c.Route.Sticky || c.ImportedBy != "*:100" || c.Route.Peer != rr.addr.String() || c.Reason == "" {
				t.Errorf("candidate %+v of %+v", c, *c.Route)
			}
		}
		if k := a.Explanations[0].Kernel; len(k) != 1 || k[0].State != "installed" || k[0].Differs != "" || len(k[0].Held) != 2 ||
			!strings.Contains(k[0].Wanted, "dst "+h3.VTEP.String()) || !strings.Contains(k[0].Held[1], "sticky") {
			t.Errorf("the kernel is explained as %+v", k)
		}
	})

	t.Run("a sticky MAC against one that is not", func(t *testing.T) {
		old := host(h2, 31, "o")
		old.Announce()
		e1.KnowsMAC(100, old.MAC, h2.VTEP)
		frr.BGPd.Signal(syscall.SIGSTOP) // and so it does not withdraw
		c := host(h3, 31, "n")
		c.Announce()
		e3.KnowsMAC(100, c.MAC, none)
		h3.Bridge("fdb", "replace", c.MAC, "dev", c.Port, "master", "static")
		f.Until(5*time.Second, "the MAC is sticky", func() (bool, string) {
			m := e1.KnowsMAC(100, c.MAC, h3.VTEP)
			return m.Sticky, fmt.Sprint(m)
		})
		a := explain(t, e1, "mac", c.MAC)
		frr.BGPd.Signal(syscall.SIGCONT)
		to, others := a.chosen()
		if to != h3.VTEP.String() || !strings.Contains(others[h2.VTEP.String()], "the route of 10.90.1.3 is sticky and it is not") {
			t.Errorf("chosen %s, others %q", to, others)
		}
	})

	t.Run("a lower sequence", func(t *testing.T) {
		old := host(h2, 32, "o")
		old.Announce()
		e1.KnowsMAC(100, old.MAC, h2.VTEP)
		e3.KnowsMAC(100, old.MAC, h2.VTEP)
		// One that does not hear of the move does not withdraw.
		frr.BGPd.Signal(syscall.SIGSTOP)
		host(h3, 32, "n").Announce()
		e1.KnowsMAC(100, old.MAC, h3.VTEP)
		a := explain(t, e1, "mac", "100", old.MAC)
		frr.BGPd.Signal(syscall.SIGCONT)
		to, others := a.chosen()
		if to != h3.VTEP.String() || !strings.Contains(others[h2.VTEP.String()], "its mobility sequence 0 is lower than 1") {
			t.Errorf("chosen %s, others %q", to, others)
		}
	})

	t.Run("a target that nobody imports", func(t *testing.T) {
		c := host(h2, 33, "f")
		c.Announce()
		e1.KnowsMAC(100, c.MAC, h2.VTEP)
		frr.Configure("router bgp 65000", "address-family l2vpn evpn", "vni 100", "route-target export 65000:3003")
		f.wantNoFDB(h1, vni, c.MAC)
		a := explain(t, e1, "mac", "100", c.MAC)
		if x := a.Explanations[0]; x.Known || !a.Refreshed || len(a.NotKept) == 0 {
			t.Fatalf("explained as %+v", a)
		}
		if r := a.NotKept[0]; !strings.Contains(strings.Join(r.Route.Targets, " "), "65000:3003") ||
			!strings.Contains(strings.Join(r.Reasons, " "), "VNI 100 imports *:100, and the route has 65000:3003") {
			t.Errorf("not kept: %+v", r)
		}
		if !strings.Contains(strings.Join(a.Explanations[0].Advice, " "), "import target 65000:3003") {
			t.Errorf("advice %q", a.Explanations[0].Advice)
		}
		if testing.Verbose() { // to be read; it takes some seconds
			explain(t, e1, "vtep", h2.VTEP.String())
			explain(t, e1, "vtep", h3.VTEP.String())
			explain(t, e1, "vni", "100")
		}
		frr.Configure("router bgp 65000", "address-family l2vpn evpn", "vni 100", "no route-target export 65000:3003")
		e1.KnowsMAC(100, c.MAC, h2.VTEP)
	})

	t.Run("an entry that somebody changed", func(t *testing.T) {
		c := host(h3, 34, "k")
		c.Announce()
		e1.KnowsMAC(100, c.MAC, h3.VTEP)
		f.wantFDB(h1, vni, c.MAC, h3.VTEP)
		// evpnd puts it back within the second, so who asks must be quick.
		f.Until(20*time.Second, "explain sees the change", func() (bool, string) {
			h1.Bridge("fdb", "replace", c.MAC, "dev", vni.Device(), "dst", "10.90.1.99", "self")
			const differs = "the VXLAN device sends it to 10.90.1.99, not to 10.90.1.3"
			out := e1.Ctl("explain", "mac", "100", c.MAC, "-o", "json")
			if !strings.Contains(out, differs) {
				return false, out
			}
			// By the second question it may have been put back.
			text := e1.Ctl("explain", "mac", "100", c.MAC)
			if !strings.Contains(text, differs) {
				return false, text
			}
			said.WriteString(text)
			t.Log(text)
			return true, ""
		})
		f.wantFDB(h1, vni, c.MAC, h3.VTEP)
		// A neighbor that is deleted is back at once: this is of one that an
		// operator holds.
		h1.IP("neigh", "replace", "172.18.0.35", "lladdr", "02:00:00:00:00:99", "dev", vni.Bridge(), "nud", "permanent")
		other := host(h3, 35, "n")
		other.Announce()
		e1.KnowsMAC(100, other.MAC, h3.VTEP)
		f.Until(10*time.Second, "explain says what is in the way", func() (bool, string) {
			other.Announce() // evpnd may not have heard the new port yet
			out := e1.Ctl("explain", "ip", "172.18.0.35")
			return strings.Contains(out, "a static neighbor entry that evpnd did not make"), out
		})
		explain(t, e1, "ip", "172.18.0.35")
	})

	if testing.Verbose() {
		if err := pages.Shown("../..", "docs/explain.md", "$ evpnctl explain", said.String()); err != nil {
			t.Error(err)
		}
	}
}
