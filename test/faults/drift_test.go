package faults

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// tables are evpnd's entries in the kernel of a node, as `bridge` and `ip`
// print them: the remote MACs, the flood list and the remote addresses.
func tables(n *lab.Node) string {
	var lines []string
	for _, out := range []string{n.Bridge("fdb", "show", "dev", vni.Device()), n.IP("neigh", "show", "dev", vni.Bridge(), "nud", "noarp")} {
		for l := range strings.Lines(out) {
			if strings.Contains(l, "dst ") || strings.Contains(l, "extern_learn") {
				lines = append(lines, strings.Join(strings.Fields(l), " "))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// drift is what somebody does to evpnd's entries or to the devices under
// them on h1, and how soon all is to be as before.
type drift struct {
	name   string
	within time.Duration
	// counted says that evpnd counts what it puts back.
	counted bool
	do      func(s *site)
}

func drifts(s *site) []drift {
	dev, br, mac, vtep, ip := vni.Device(), vni.Bridge(), s.c2.MAC, s.h2.VTEP.String(), s.c2.IPv4.String()
	bridge := func(args ...string) func(*site) { return func(s *site) { s.h1.Bridge(args...) } }
	ipCmd := func(args ...string) func(*site) { return func(s *site) { s.h1.IP(args...) } }
	fdb := func(args ...string) func(*site) { return bridge(append([]string{"fdb"}, args...)...) }
	return []drift{
		{"a MAC is deleted from the VXLAN device", time.Second, true, fdb("del", mac, "dev", dev, "self")},
		{"a MAC is deleted from the bridge", time.Second, true, fdb("del", mac, "dev", dev, "master")},
		{"a MAC is sent to another VTEP", time.Second, true, fdb("replace", mac, "dev", dev, "dst", "10.90.1.99", "self")},
		{"the same, with evpnd's mark", time.Second, true, fdb("replace", mac, "dev", dev, "dst", "10.90.1.99", "self", "extern_learn")},
		{"a flood destination is deleted", time.Second, true, fdb("del", "00:00:00:00:00:00", "dev", dev, "dst", vtep, "self")},
		{"the VXLAN device's entries are flushed", time.Second, true, fdb("flush", "dev", dev, "self")},
		{"the bridge's entries are flushed", time.Second, true, fdb("flush", "dev", br, "brport", dev)},
		{"a neighbor is deleted", time.Second, true, ipCmd("neigh", "del", ip, "dev", br)},
		{"a neighbor gets another MAC", time.Second, true, ipCmd("neigh", "replace", ip, "lladdr", "02:42:ac:12:00:63", "dev", br)},
		{"the neighbors are flushed", time.Second, true, func(s *site) {
			// It flushes until there are none, and gives up after ten rounds
			// when evpnd is as fast: whether it says so is no matter here.
			_, _ = s.h1.Run("ip", "neigh", "flush", "dev", br, "nud", "noarp")
		}},
		{"the port learns, and does not suppress", 2 * time.Second, false, bridge("link", "set", "dev", dev, "learning", "on", "neigh_suppress", "off")},
		{"the bridge goes down and up", 2 * time.Second, false, func(s *site) {
			s.h1.IP("link", "set", br, "down")
			s.h1.IP("link", "set", br, "up")
		}},
		{"the VXLAN device goes down and up", 2 * time.Second, false, func(s *site) {
			s.h1.IP("link", "set", dev, "down")
			s.h1.IP("link", "set", dev, "up")
		}},
		{"the VXLAN device is deleted and made again", 2 * time.Second, false, func(s *site) {
			s.h1.IP("link", "del", dev)
			s.h1.IP("link", "add", dev, "type", "vxlan", "id", fmt.Sprint(vni.VNI), "local", s.h1.VTEP.String(), "dstport", "4789", "nolearning")
			s.h1.IP("link", "set", dev, "master", br, "up")
		}},
	}
}

// TestDrift has an operator's hand, or another program's, in evpnd's entries:
// they are back within a second, and counted. What happens to devices is put
// right within two.
func TestDrift(t *testing.T) {
	s := newSite(t, options{}, gobgp)
	e := s.v1.(*evpndVTEP)
	s.introduce()
	want := tables(s.h1)
	s.Until(5*time.Second, "h1 hears what others change", func() (bool, string) {
		want = tables(s.h1)
		return strings.Count(want, "\n") == 3, want // the MAC twice, the flood destination, the address
	})
	flags := func() string {
		out := s.h1.Bridge("-d", "link", "show", "dev", vni.Device())
		return fmt.Sprint(strings.Contains(out, "learning off"), strings.Contains(out, "neigh_suppress on"))
	}
	var b strings.Builder
	for _, d := range drifts(s) {
		before := e.Status().Repaired
		begin := time.Now()
		d.do(s)
		s.Until(limit, d.name+": all is as before", func() (bool, string) {
			now := tables(s.h1)
			return now == want && flags() == "true true", fmt.Sprintf("%s\nflags %s, want\n%s", now, flags(), want)
		})
		took := time.Since(begin)
		n := e.Status().Repaired - before
		fmt.Fprintf(&b, "| %s | %v | %d |\n", d.name, took.Round(10*time.Millisecond), n)
		if took > d.within {
			t.Errorf("%s: as before after %v, want %v at most", d.name, took, d.within)
		}
		if d.counted && n == 0 {
			t.Errorf("%s: it is not counted", d.name)
		}
		s.c1.Reach(s.c2.IPv4, limit)
		s.introduce() // a device that was made again has forgotten what h2 knew
	}
	t.Logf("put back by evpnd\n| what somebody did | as before after | counted |\n|---|---|---|\n%s", b.String())
	if out, err := e.Try("audit"); err != nil || !strings.Contains(out, " 0 differ") {
		t.Errorf("after all that the audit says: %v\n%s", err, out)
	}
}

// TestForeignEntries: what others have made is left alone by everything that
// evpnd does, and listed by the audit. That is no difference.
func TestForeignEntries(t *testing.T) {
	s := newSite(t, options{}, gobgp)
	e := s.v1.(*evpndVTEP)
	const mac, ip = "02:42:ac:12:00:63", "172.18.0.99"
	s.h1.Bridge("fdb", "add", mac, "dev", vni.Device(), "dst", "10.90.1.99", "self", "static")
	s.h1.IP("neigh", "add", ip, "lladdr", mac, "dev", vni.Bridge(), "nud", "permanent")
	theirs := func() string {
		var lines []string
		for _, out := range []string{s.h1.Bridge("fdb", "show", "dev", vni.Device()), s.h1.IP("neigh", "show", "dev", vni.Bridge())} {
			for l := range strings.Lines(out) {
				if strings.Contains(l, mac) {
					lines = append(lines, strings.TrimSpace(l))
				}
			}
		}
		return strings.Join(lines, "\n")
	}
	want := theirs()
	if strings.Count(want, "\n") != 1 {
		t.Fatalf("the foreign entries are\n%s", want)
	}
	s.Until(limit, "the audit lists what is not evpnd's", func() (bool, string) {
		out, err := e.Try("audit")
		return err == nil && strings.Contains(out, "0 differ, 2 are not evpnd's") && strings.Count(out, "foreign") == 2, out
	})
	e.Ctl("audit", "--repair")
	s.v1.end(9)
	s.v1.start()
	s.whole()
	s.Until(limit, "h1 has swept", func() (bool, string) {
		st := e.Status()
		return st.Synced && st.InSync, fmt.Sprintf("%+v", st)
	})
	if got := theirs(); got != want {
		t.Errorf("the foreign entries were\n%s\nand are\n%s", want, got)
	}
}

// TestLocalAddressChanges: when the VXLAN device gets another local address,
// evpnd announces it, and the others send there, without a restart.
func TestLocalAddressChanges(t *testing.T) {
	s := newSite(t, options{}, gobgp)
	other := netip.MustParseAddr("10.90.1.101")
	s.h1.Addr("eth0", netip.PrefixFrom(other, 24))
	// The kernel changes the local address of a VXLAN device in place, and
	// sends no less than a notice about the device.
	s.h1.IP("link", "set", vni.Device(), "type", "vxlan", "id", fmt.Sprint(vni.VNI), "local", other.String())
	begin := time.Now()
	s.Until(limit, "h2 sends to the new address", func() (bool, string) {
		out := tables(s.h2)
		return strings.Contains(out, s.c1.MAC+" dst "+other.String()) && strings.Contains(out, "00:00:00:00:00:00 dst "+other.String()), out
	})
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("h2 sends to the new address after %v, want 2 s at most", took)
	}
	s.c1.Reach(s.c2.IPv4, limit)
	s.h2.FloodsTo(vni, other) // the old one goes when bgp.flood-hold is over
}
