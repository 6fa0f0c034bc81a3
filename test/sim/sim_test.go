package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

func TestMain(m *testing.M) {
	if isChild() {
		serve()
		return
	}
	lab.Main(m)
}

func small(t *testing.T, s site) *world {
	t.Helper()
	w, err := newWorld(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

// TestSite: what a VTEP hears of a site from two reflectors is what its kernel
// holds in the end, first, after moves, and after the loss and the return of a
// reflector, of which the kernel hears nothing at all. Each step checks the
// kernel entry by entry.
func TestSite(t *testing.T) {
	w := small(t, site{VTEPs: 100, MACs: 10_000, VNIs: 5, Seed: 1})
	if c, err := w.converge(); err != nil {
		t.Fatalf("convergence: %v", err)
	} else {
		t.Logf("convergence: %+v", c)
	}
	for _, rate := range []int{1000, 0} {
		r, err := w.move(rate, 1000)
		if err != nil {
			t.Fatalf("moves: %v", err)
		}
		// A move is one message: it is replaced in place, and what the second
		// reflector says of it changes nothing.
		if r.Messages != 1000 {
			t.Errorf("1000 moves took %d messages to the kernel", r.Messages)
		}
	}
	l, err := w.lose()
	if err != nil {
		t.Fatal(err)
	}
	if l.Changes != 0 {
		t.Errorf("the loss of one of two reflectors, and its return: %d messages to the kernel, want none", l.Changes)
	}
	// The check of all this can fail.
	w.at[0] = w.at[1]
	if w.check() == nil {
		t.Error("a MAC behind another VTEP than in the kernel is not noticed")
	}
}

// TestGrowth: five times the MACs cost about five times as much, not
// twenty-five. Processor time is compared, so another load does little.
func TestGrowth(t *testing.T) {
	const few, many = 20_000, 100_000
	cost := func(n int) converged {
		c, err := small(t, site{VTEPs: 100, MACs: n, VNIs: 5, Seed: 1}).converge()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := cost(few), cost(many)
	ratio := b.CPU.Seconds() / a.CPU.Seconds()
	t.Logf("CPU %v and %v: %.1f times for %d times the MACs", a.CPU, b.CPU, ratio, many/few)
	if ratio > 2.5*many/few {
		t.Errorf("CPU time grows %.1f times for %d times the MACs", ratio, many/few)
	}
	grown := float64(b.Memory.own()) / float64(a.Memory.own())
	if grown > 1.6*many/few {
		t.Errorf("the heap grows %.1f times for %d times the MACs: %+v and %+v", grown, many/few, a.Memory, b.Memory)
	}
}

// TestReflectors: a real reflector passes every move on to every client;
// benchReflector fails when one has a route too many or too few.
func TestReflectors(t *testing.T) {
	for _, k := range reflectors {
		t.Run(k.name, func(t *testing.T) {
			switch k.name {
			case "FRR":
				lab.Need(t, lab.FRRouting)
			case "GoBGP":
				path := filepath.Join(t.TempDir(), "reflector")
				if out, err := exec.Command("go", "build", "-o", path, "../reflector").CombinedOutput(); err != nil {
					t.Fatalf("go build: %v\n%s", err, out)
				}
				k.start = func(_ string, at netip.AddrPort, clients []netip.Addr) (*exec.Cmd, error) {
					return goBGP(path, at, clients), nil
				}
			}
			r, err := benchReflector(k, 5, 200, 1)
			if err != nil {
				t.Fatal(err)
			}
			if r.Rate <= 0 || r.Updates <= 0 || r.Updates > 2 {
				t.Errorf("a move takes from 0 to 2 UPDATEs a client: %+v", r)
			}
		})
	}
}

// TestMoves: no MAC moves to where it is, or twice before all have moved, and
// the same seed draws the same.
func TestMoves(t *testing.T) {
	s := site{VTEPs: 4, MACs: 50, VNIs: 2, Seed: 7}
	f, g := newFabric(s), newFabric(s)
	seen := make(map[int]bool)
	a, b := f.moves(50), g.moves(50)
	for i, m := range a {
		if m != b[i] {
			t.Fatalf("the same seed draws %+v and %+v", m, b[i])
		}
		if m.from == m.to || m.to < 1 || int(m.to) >= s.VTEPs || m.seq != 1 || seen[m.mac] {
			t.Errorf("move %d: %+v", i, m)
		}
		seen[m.mac] = true
	}
}

func TestCountRoutes(t *testing.T) {
	f := newFabric(site{VTEPs: 4, MACs: 9, VNIs: 1, Seed: 1})
	two := f.nlri(f.nlri(nil, 0, 1), 3, 1)
	for name, c := range map[string]struct {
		update []byte
		want   int
	}{
		"two announced": {reach(1, firstVNI, 1, 1, two), 2},
		"one withdrawn": {peer.Unreach(f.nlri(nil, 0, 1)), 1},
		"type 3":        {flood(1, firstVNI, 1), 1},
		"End-of-RIB":    {peer.Unreach(), 0},
	} {
		if got := countRoutes(c.update[19:]); got != c.want {
			t.Errorf("%s: %d routes, want %d", name, got, c.want)
		}
	}
}

// TestDigest: the digest of a set does not depend on its order, and on all
// else it does.
func TestDigest(t *testing.T) {
	type entry struct {
		vni  evpn.VNI
		mac  evpn.MAC
		vtep netip.Addr
	}
	of := func(all ...entry) (d digest) {
		for _, e := range all {
			d.add(e.vni, e.mac, e.vtep)
		}
		return d
	}
	a, b := entry{1, peer.MAC(1), vtepAddr(1)}, entry{2, peer.MAC(2), vtepAddr(2)}
	if of(a, b) != of(b, a) {
		t.Error("the order counts")
	}
	for _, other := range []entry{{3, a.mac, a.vtep}, {a.vni, b.mac, a.vtep}, {a.vni, a.mac, b.vtep}} {
		if of(other, b) == of(a, b) {
			t.Errorf("%v counts as %v", other, a)
		}
	}
}

// TestChart: a picture is well-formed, and its points are where they belong.
func TestChart(t *testing.T) {
	c := &chart{
		Title: "a < b", X: axis{Name: "x"}, Y: axis{Name: "y", Linear: true},
		Lines: []line{{Name: "one", Points: [][2]float64{{10, 0}, {1000, 4}}}},
	}
	svg := c.SVG()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	if first := fmt.Sprintf(`cx="%d.0" cy="%d.0"`, plotLeft, plotBottom); !strings.Contains(svg, first) {
		t.Errorf("the least of both axes is not at the corner (%s):\n%s", first, svg)
	}
	if !strings.Contains(svg, fmt.Sprintf(`cx="%d.0"`, plotRight)) {
		t.Errorf("the most is not at the right end:\n%s", svg)
	}
}
