package mobility

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
)

// Two hosts use one MAC and both talk, so that it moves for ever. After so
// many moves evpnd freezes it where it is, says so, and tells and follows no
// move any more (RFC 7432 §15.1), until the operator has removed one of them.
func TestDuplicate(t *testing.T) {
	s := newSite(t, bare)
	twin := s.twins(bare, s.h1, s.h3)
	mac := twin[s.h1].MAC
	evpnds := []*lab.Evpnd{s.e1, s.e3, s.e4}
	frozen := func() (out []*lab.Evpnd) {
		for _, e := range evpnds {
			if alarmed(e, "duplicate-mac", mac) {
				out = append(out, e)
			}
		}
		return out
	}

	// The first appearance is no move.
	turn := []*lab.Node{s.h1, s.h3}
	for i := 0; i <= evpn.DefaultDuplicateMoves && len(frozen()) == 0; i++ {
		at := turn[i%2]
		twin[at].Announce()
		s.Until(10*time.Second, fmt.Sprintf("move %d is followed, or the MAC is frozen", i), func() (bool, string) {
			self, _ := s.entries(s.h4, bare, mac)
			return slices.Equal(self, []string{at.VTEP.String()}) || len(frozen()) > 0, fmt.Sprint(self)
		})
		if i < evpn.DefaultDuplicateMoves && len(frozen()) > 0 {
			t.Fatalf("frozen after %d moves, want it after %d", i, evpn.DefaultDuplicateMoves)
		}
	}
	s.Until(10*time.Second, "the alarm duplicate-mac", func() (bool, string) {
		return len(frozen()) > 0, s.e1.Ctl("status") + s.e3.Ctl("status")
	})
	t.Logf("frozen by %d of three VTEPs:\n%s", len(frozen()), frozen()[0].Ctl("mac", "list"))

	// Both go on, and nothing follows from it.
	where, _ := s.entries(s.h4, bare, mac)
	sent := s.updates(s.e1) + s.updates(s.e3)
	for range 3 {
		twin[s.h1].Announce()
		twin[s.h3].Announce()
		s.Holds(200*time.Millisecond, "the frozen MAC stays where it is", func() (bool, string) {
			self, _ := s.entries(s.h4, bare, mac)
			return slices.Equal(self, where), fmt.Sprint(self)
		})
	}
	if n := s.updates(s.e1) + s.updates(s.e3) - sent; n != 0 {
		t.Errorf("%d UPDATEs were sent about a frozen MAC, want none", n)
	}

	// The one at h1 is told to be silent, and the MAC let go: the other has it.
	// Each VTEP counts for itself. Those that had not frozen it have nearly
	// done, and do now.
	unfreeze := func(done string, f func() bool) {
		s.Until(10*time.Second, done, func() (bool, string) {
			for _, e := range frozen() {
				// It may let the MAC go by itself after it was looked at.
				if out, err := e.Try("mac", "unfreeze", "--vni", fmt.Sprint(bare.VNI), mac); err != nil && !strings.Contains(out, "is not frozen") {
					t.Errorf("%s: mac unfreeze: %v: %s", e.Name, err, out)
				}
			}
			return f(), s.e1.Ctl("status") + s.e3.Ctl("status") + s.e4.Ctl("status")
		})
	}
	unfreeze("nobody has the MAC frozen", func() bool { return len(frozen()) == 0 })
	s.Until(10*time.Second, "h3's bridge may move the MAC", func() (bool, string) {
		out := s.h3.Bridge("fdb", "show", "br", bare.Bridge())
		return !strings.Contains(out, "sticky"), out
	})
	twin[s.h3].Announce()
	unfreeze("all have followed the MAC to h3", func() bool {
		self, _ := s.entries(s.h1, bare, mac)
		third, _ := s.entries(s.h4, bare, mac)
		want := []string{s.h3.VTEP.String()}
		return slices.Equal(self, want) && slices.Equal(third, want) && len(frozen()) == 0
	})
	for _, n := range []*lab.Node{s.h1, s.h2, s.h4} {
		s.behind(n, bare, mac, s.h3.VTEP)
	}
}

// alarmed tells whether evpnd shows the alarm about the MAC.
func alarmed(e *lab.Evpnd, kind, mac string) bool {
	for line := range strings.Lines(e.Ctl("status")) {
		if strings.Contains(line, kind) && strings.Contains(line, mac) {
			return true
		}
	}
	return false
}
