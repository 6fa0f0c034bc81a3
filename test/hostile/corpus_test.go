package hostile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/peer"
)

// corpus reads testdata.
func corpus(t *testing.T) (all []entry) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := parse(f, text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
	}
	return all
}

// play sends an entry of the corpus and holds what comes of it against what
// the entry wants.
func (w *world) play(e *entry) string {
	w.t.Helper()
	first := w.macs(2)
	k, b, err := e.assemble(vars{source: bad, source6: bad6, first: first})
	if err != nil {
		w.t.Fatal(err)
	}
	want := slices.Concat(e.Want, []string{""})
	switch k {
	case kindOpen:
		return w.playOpen(peer.Message(wire.TypeOpen, b), want[0], want[1])
	case kindGarbage:
		return w.playOpen(b, want[0], want[1])
	case kindUpdate:
		b = peer.Message(wire.TypeUpdate, b)
	}
	return w.playSession(e, first, b, want[0], want[1])
}

// playSession sends bytes on a session that is up, and good routes after them.
func (w *world) playSession(e *entry, first int, b []byte, outcome, arg string) string {
	w.t.Helper()
	s := w.session()
	if outcome != "used" {
		w.write(s, bad.Reach(bad.MACRoute(first)))
		w.used(first, first+1)
	}
	before := w.status(attacker)
	w.write(s, b)
	if outcome == "reset" {
		want, err := notification(arg)
		if err != nil {
			w.t.Fatal(err)
		}
		w.ends(s, want)
		w.used(first, first+1) // kept as stale, for the session may come back
		w.after(w.session())
		return "session ended with " + want.Error()
	}
	w.after(s)
	if e.uses("good") {
		w.used(first+1, first+2)
	}
	switch outcome {
	case "used", "left-out", "ignored":
		w.used(first, first+1)
	case "withdrawn":
		w.Until(10*time.Second, "the route is withdrawn", func() (bool, string) {
			at := w.where(first)
			return !at.IsValid(), "it is behind " + at.String()
		})
	default:
		w.t.Fatalf("unknown outcome %q", outcome)
	}
	w.counted(before, arg)
	if arg != "" {
		return outcome + ": " + arg
	}
	return outcome
}

// counted holds that one more was discarded for the reason, or nothing.
func (w *world) counted(before status, reason string) {
	w.t.Helper()
	after := w.status(attacker)
	if after.Established != before.Established || after.State != "established" {
		w.t.Errorf("the session did not stay up: %+v", after)
	}
	for r, n := range after.Discarded {
		want := before.Discarded[r]
		if r == reason {
			want++
		}
		if n != want {
			w.t.Errorf("evpnctl peer show counts %d of %s, want %d", n, r, want)
		}
	}
	if reason != "" && after.Discarded[reason] == 0 {
		w.t.Errorf("evpnctl peer show does not count %s: %v", reason, after.Discarded)
	}
}

// playOpen begins a session with bytes in place of an OPEN.
func (w *world) playOpen(b []byte, outcome, arg string) string {
	w.t.Helper()
	w.drop()
	s := w.dial()
	w.write(s, b)
	if outcome == "established" {
		if err := s.Answer(); err != nil {
			w.t.Fatalf("evpnd does not take the OPEN: %v", err)
		}
		w.live = s
		w.after(s)
		return "session up"
	}
	defer s.Close()
	want, err := notification(arg)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Drain()
	w.ends(s, want)
	w.Until(5*time.Second, "evpnctl peer show has the reason", func() (bool, string) {
		got := w.status(attacker).LastError
		return strings.Contains(got, want.Error()), got
	})
	return "refused with " + want.Error()
}

// dial connects the attacker, without a word yet.
func (w *world) dial() *peer.Speaker {
	w.t.Helper()
	s, err := peer.Dial(w.outside, attacker, port)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Cleanup(s.Close)
	return s
}

// TestCorpus holds that every entry can be read, and says an outcome that there
// is.
func TestCorpus(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range corpus(t) {
		if seen[e.Name] {
			t.Errorf("%s is there twice", e.Name)
		}
		seen[e.Name] = true
		k, _, err := e.assemble(samples)
		if err != nil {
			t.Error(err)
		}
		if err := outcomeOf(k, e.Want); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		if !strings.HasPrefix(e.Rule, "RFC ") || !strings.Contains(e.Rule, ": ") {
			t.Errorf("%s: the rule %q does not begin with an RFC", e.Name, e.Rule)
		}
	}
}

func outcomeOf(k kind, want []string) error {
	args := map[string]int{"used": 1, "ignored": 1, "withdrawn": 2, "left-out": 2, "reset": 2}
	if k == kindOpen || k == kindGarbage {
		args = map[string]int{"established": 1, "refused": 2}
	}
	switch n := args[want[0]]; {
	case n == 0:
		return fmt.Errorf("%s is no outcome of %s", want[0], k)
	case n != len(want):
		return errors.New("the outcome has too many words, or too few")
	}
	return nil
}
