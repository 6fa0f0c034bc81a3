package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/pages"
)

// configDiff is what evpnctl config diff says.
type configDiff struct {
	Sessions []struct{ Peer, Change string }
	VNIs     []struct {
		VNI     int
		Change  string
		Entries []struct{ Kind, Entry, Old, New string }
	} `json:"vnis"`
}

// held is what the kernel of a node holds in a VNI by evpnd's doing, and what
// the reflector has of the node, by the words of configDiff.
func (f *fabric) held(n *lab.Node, v lab.VNI, rr *reflector) map[string]string {
	out := map[string]string{}
	for _, e := range n.FDB(v.Device()) {
		switch {
		case e.MAC == "00:00:00:00:00:00":
			out["flood "+e.Dst] = "flooded to"
		case e.Dst != "":
			out["mac "+e.MAC] = e.Dst
		}
	}
	for _, e := range n.Neighbors(v.Bridge()) {
		if e.ExternLearned() {
			out["neighbor "+e.IP.String()] = e.MAC
		}
	}
	for _, r := range rr.Routes() {
		if r.NextHop == n.VTEP.String() {
			out["route "+r.RD+" "+r.Prefix] = "announced"
		}
	}
	return out
}

// TestConfigDiff foretells what other configurations would change, then has
// evpnd reload them: kernel and reflector must change in just that.
func TestConfigDiff(t *testing.T) {
	f := newFabric(t)
	h1, h2 := f.node(1), f.node(2)
	for _, n := range []*lab.Node{h1, h2} {
		n.AddVNI(vni)
	}
	// FRR learns the addresses of its hosts where its bridge has one.
	h2.Addr(vni.Bridge(), netip.MustParsePrefix("172.18.0.2/16"))
	h2.Sysctl("net/ipv4/conf/"+vni.Bridge()+"/arp_accept", "1")
	rr := f.reflector(h1.VTEP, h2.VTEP)
	frrVTEP(h2, 65000, rr.addr, 65000)
	base := evpndConfig(h1, 65000, rr.addr, 65000)
	e := h1.Evpnd(base)
	rr.Established(2)
	var cs []*lab.Container
	for i, n := range []*lab.Node{h1, h2, h2} {
		c := n.Container(fmt.Sprintf("c%d", i), vni, fmt.Sprintf("02:42:ac:12:00:%02x", 11+i), netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", 11+i)))
		cs = append(cs, c)
		n.Forwards(c.Port)
	}
	settle := func() map[string]string {
		t.Helper()
		h1.FloodsTo(vni, h2.VTEP)
		for _, c := range cs {
			c.Announce()
			c.Reach(cs[(slices.Index(cs, c)+1)%len(cs)].IPv4, 10*time.Second)
		}
		for _, c := range cs[1:] {
			f.wantFDB(h1, vni, c.MAC, h2.VTEP)
			f.wantNeighbor(h1, vni, c.IPv4, c.MAC)
		}
		f.wantRoute(rr.FRR, macip(cs[0].MAC, cs[0].IPv4), h1.VTEP)
		// What comes late is there when nothing changed for a while.
		before := f.held(h1, vni, rr)
		since := time.Now()
		f.Until(20*time.Second, "nothing changes", func() (bool, string) {
			if now := f.held(h1, vni, rr); !maps.Equal(now, before) {
				before, since = now, time.Now()
			}
			return time.Since(since) > 2*time.Second, fmt.Sprint(before)
		})
		return before
	}
	for _, c := range []struct{ name, config, session, change string }{
		{"flooding off", base + "vnis: {flood: false}\n", "", ""},
		{"another import target", base + "vnis: {settings: [{vni: 100, import: ['65000:4711']}]}\n", "", ""},
		{"VNI not selected", base + "vnis: {select: [200]}\n", "", "goes"},
		{"peer removed", fmt.Sprintf("bgp: {asn: 65000, router-id: %[1]v}\nvtep: {address: %[1]v}\n", h1.VTEP), rr.addr.String() + " removed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := settle()
			d := foretold(t, e, c.config)
			if got := fmt.Sprint(d.Sessions); c.session != "" && got != "[{"+c.session+"}]" || c.session == "" && len(d.Sessions) > 0 {
				t.Errorf("sessions %s", got)
			}
			if len(d.VNIs) != 1 || d.VNIs[0].VNI != 100 || d.VNIs[0].Change != c.change || len(d.VNIs[0].Entries) == 0 {
				t.Fatalf("foretold %+v", d)
			}
			want := maps.Clone(before)
			for _, x := range d.VNIs[0].Entries {
				if x.Kind == "route" && x.New != "" {
					x.New = "announced"
				}
				if x.New != "" {
					want[x.Kind+" "+x.Entry] = x.New
				} else if _, there := want[x.Kind+" "+x.Entry]; !there {
					t.Errorf("%+v is not there before", x)
				} else {
					delete(want, x.Kind+" "+x.Entry)
				}
			}
			if c.session != "" { // and the reflector has nothing of us any more
				maps.DeleteFunc(want, func(k, _ string) bool { return strings.HasPrefix(k, "route ") })
			}
			if maps.Equal(before, want) {
				t.Fatal("nothing is foretold")
			}
			e.Reload(c.config)
			f.Until(20*time.Second, fmt.Sprintf("kernel and reflector are as foretold:\n%v", want), func() (bool, string) {
				now := f.held(h1, vni, rr)
				return maps.Equal(now, want), fmt.Sprint(now)
			})
			e.Reload(base)
		})
	}
	if d := foretold(t, e, base); len(d.VNIs)+len(d.Sessions) != 0 {
		t.Errorf("of the same configuration is foretold %+v", d)
	}
	if testing.Verbose() {
		if err := pages.Shown("../..", "docs/explain.md", "$ evpnctl config diff", diffed.String()); err != nil {
			t.Error(err)
		}
	}
}

// diffed is all that evpnctl config diff has printed for people.
var diffed strings.Builder

// foretold runs evpnctl config diff with what the lab adds in front.
func foretold(t *testing.T, e *lab.Evpnd, config string) (d configDiff) {
	t.Helper()
	out, err := e.Diff(config, "--entries", "1000", "-o", "json")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("evpnctl config diff: %v\n%s", err, out)
	}
	if jerr := json.Unmarshal([]byte(out), &d); jerr != nil {
		t.Fatalf("evpnctl config diff: %v\n%s", jerr, out)
	}
	if differs := len(d.VNIs)+len(d.Sessions) > 0; differs != (err != nil) {
		t.Errorf("exit status %v with the difference %s", err, out)
	}
	if testing.Verbose() {
		text, _ := e.Diff(config)
		diffed.WriteString(text)
		t.Logf("$ evpnctl config diff new.yaml\n%s", text)
	}
	return d
}
