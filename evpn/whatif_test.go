package evpn

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawReconfiguration makes a configuration that differs from c in what
// concerns VNI 200.
func drawReconfiguration(t *rapid.T, c Config) Config {
	c.BDs = map[VNI]BDConfig{}
	set := BDConfig{}
	switch rapid.IntRange(0, 6).Draw(t, "change") {
	case 0:
		set.RD = NewRD(c.RouterID, 4711)
	case 1:
		set.Export = []RT{NewRT(65000, 4711)}
	case 2:
		set.Import = []Target{{RT: NewRT(65000, 4711)}}
	case 3:
		off := true
		set.NoFlood = &off
	case 4:
		set.Sticky = []MAC{{2, 0x42, 0xac, 0x12, 0, 1}, {2, 0x42, 0xac, 0x12, 0, 2}}
	case 5:
		c.AS = 65001
	}
	c.BDs[200] = set
	return c
}

// wishes renders all that e wants of the kernel and tells the peers in VNI 200.
func wishes(e *Engine) string {
	for len(e.takeAdverts(1000)) > 0 {
	}
	d := e.Wanted(200)
	var out []string
	for _, f := range d.Flood {
		out = append(out, fmt.Sprintf("%+v", f))
	}
	for _, f := range d.FDB {
		out = append(out, fmt.Sprintf("%+v", f))
	}
	for _, n := range d.Neigh {
		out = append(out, fmt.Sprintf("%+v", n))
	}
	for _, a := range e.AdvertisedAll(200) {
		out = append(out, fmt.Sprintf("%+v %+v", a.Route, *a.Attrs))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestForkFollows: what a fork makes of an event is what the engine then makes
// of it, and the engine does not feel what the fork was told.
func TestForkFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		c := w.e.cfg
		c.Duplicate.Off = true
		w.e.Step(&Configure{Config: c})
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			w.e.Step(drawEvent(t))
		}
		for range rapid.IntRange(1, 5).Draw(t, "tried") {
			before := wishes(w.e)
			f := w.e.Fork(200)
			if diff := cmp.Diff(before, wishes(f)); diff != "" {
				t.Fatalf("a fork (-engine +fork):\n%s", diff)
			}
			ev := drawEvent(t)
			if rapid.Bool().Draw(t, "reconfigure") {
				ev = &Configure{Config: drawReconfiguration(t, w.e.cfg)}
			}
			f.Step(ev)
			after := wishes(f)
			if diff := cmp.Diff(before, wishes(w.e)); diff != "" {
				t.Fatalf("%T %+v of the fork changed the engine (-before +after):\n%s", ev, ev, diff)
			}
			w.e.Step(ev)
			if diff := cmp.Diff(wishes(w.e), after); diff != "" {
				t.Fatalf("%T %+v (-engine +fork):\n%s", ev, ev, diff)
			}
		}
	})
}
