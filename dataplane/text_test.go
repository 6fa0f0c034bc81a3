package dataplane_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
)

// TestTextIsBridgeFDB makes the same wishes true on both kernels and has
// the real one described by iproute2: the fake's text must be the same.
func TestTextIsBridgeFDB(t *testing.T) {
	do := func(w world) {
		plain(w)
		r := start(t, w, nil, dataplane.Config{})
		r.serves(200, addr(local))
		r.wish(evpn.Delta{
			Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}},
			FDB: []evpn.FDB{
				{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true},
				{VNI: 200, MAC: mac(2), Via: vtep(2), Sticky: true, Want: true},
				{VNI: 200, MAC: mac(3), Via: evpn.Via{VTEP: vtep(3).VTEP, VNI: 7}, Want: true},
			},
			Neigh: []evpn.Neigh{{VNI: 200, IP: addr("2001:db8::1"), MAC: mac(1), Router: true, Want: true}},
		})
		r.untilTrue("all is installed", func() bool { return r.p.Stats().Installed == 5 })
		w.frame("p0", mac(4))
		r.knows(200, mac(4))
		r.stop()
	}
	w := newReal(t)
	do(w)
	text := ""
	for _, argv := range [][]string{{"bridge", "-n", w.name, "fdb", "show"}, {"ip", "-n", w.name, "neigh", "show"}} {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			t.Fatal(err)
		}
		text += string(out)
	}
	f := newPretend()
	do(f)
	if got, want := normal(f.String()), normal(text); !slices.Equal(got, want) {
		t.Errorf("the fake says\n%s\nthe kernel says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// normal sorts lines and the words in them, and leaves out devices' own and
// group addresses.
func normal(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		w := strings.Fields(strings.ToLower(line))
		if !strings.Contains(line, "00:00:00:00:00:00") && slices.Contains(w, "permanent") {
			continue
		}
		// Which word follows which device word does not matter here.
		slices.Sort(w)
		out = append(out, strings.Join(w, " "))
	}
	slices.Sort(out)
	return out
}
