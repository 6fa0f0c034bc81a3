package mobility

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
)

// saved waits until evpnd's state file says something.
func (s *site) saved(n *lab.Node, what string) {
	s.Helper()
	s.Until(5*time.Second, what+" is in the state file", func() (bool, string) {
		text, err := os.ReadFile(filepath.Join(n.Dir(), "state", "state.json"))
		return strings.Contains(string(text), what), fmt.Sprint(string(text), err)
	})
}

// A restart, orderly or not, must not give a MAC a lower sequence: FRR would
// not take the route. Nor does it let go what is frozen.
func TestRestartRemembers(t *testing.T) {
	s := newSite(t, bare)
	twin := s.twins(bare, s.h1, s.h3)
	mac := twin[s.h1].MAC
	for seq, at := range []*lab.Node{s.h3, s.h1} {
		twin[at].Announce()
		s.owns(bare, mac, at, seq, s.h1, s.h2, s.h3, s.h4)
	}
	s.saved(s.h1, `"sequence":1`)
	for name, end := range map[string]func(){"SIGKILL": s.e1.Crash, "SIGTERM": func() { _ = s.e1.Stop() }} {
		end()
		s.e1.Restart()
		s.e1.Established(1)
		s.Until(10*time.Second, "h1 has told its routes again after "+name, func() (bool, string) {
			out := s.e1.Ctl("status")
			return strings.Contains(out, "synced"), out
		})
		s.owns(bare, mac, s.h1, 1, s.h1, s.h2, s.h3, s.h4)
	}

	// It moves until h1 or h3 freezes it. Who did so still has it frozen after
	// a restart.
	var by *lab.Evpnd
	turn := []*lab.Node{s.h3, s.h1}
	for i := 0; by == nil && i <= 2*evpn.DefaultDuplicateMoves; i++ {
		at := turn[i%2]
		twin[at].Announce()
		s.Until(10*time.Second, fmt.Sprintf("move %d is followed, or the MAC is frozen", i), func() (bool, string) {
			for _, e := range []*lab.Evpnd{s.e1, s.e3} {
				if alarmed(e, "duplicate-mac", mac) {
					by = e
				}
			}
			// Who has not heard of a move yet sees nothing new in its own host.
			for _, n := range []*lab.Node{s.h1, s.h3, s.h4} {
				want := []string{at.VTEP.String()}
				if n == at {
					want = nil
				}
				if self, _ := s.entries(n, bare, mac); by == nil && !slices.Equal(self, want) {
					return false, fmt.Sprint(n.Short, " has it behind ", self)
				}
			}
			return true, ""
		})
	}
	if by == nil {
		t.Fatal("nobody has frozen the MAC")
	}
	at := map[*lab.Evpnd]*lab.Node{s.e1: s.h1, s.e3: s.h3}[by]
	s.saved(at, `"since"`)
	where, _ := s.entries(at, bare, mac)
	by.Crash()
	by.Restart()
	by.Established(1)
	s.Until(10*time.Second, "the MAC is frozen after a restart", func() (bool, string) {
		return alarmed(by, "duplicate-mac", mac), by.Ctl("status")
	})
	if now, _ := s.entries(at, bare, mac); !slices.Equal(now, where) {
		t.Errorf("after the restart the frozen MAC is behind %v, and was behind %v", now, where)
	}
}

// A state file that is damaged costs a warning, and nothing else.
func TestDamagedState(t *testing.T) {
	s := newSite(t, bare)
	c := s.container(s.h1, bare)
	c.Announce()
	s.behind(s.h4, bare, c.MAC, s.h1.VTEP)
	s.saved(s.h1, `"rds"`)
	s.e1.Crash()
	file := filepath.Join(s.h1.Dir(), "state", "state.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.e1.Restart()
	s.e1.Established(1)
	s.behind(s.h4, bare, c.MAC, s.h1.VTEP)
	if out := s.e1.Output(); !strings.Contains(out, "state.json.damaged") {
		t.Errorf("the log does not say where the damaged file is:\n%s", out)
	}
	s.saved(s.h1, `"rds"`) // and a new one is there
}
