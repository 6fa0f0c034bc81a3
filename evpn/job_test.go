package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// tickOut ticks until no work is left.
func tickOut(e *Engine) {
	for len(e.jobs) > 0 {
		e.Step(&Tick{Now: e.now})
	}
}

// TestSweepInSteps: the MACs of a peer that is gone leave the kernel step by
// step, so that a writer has the first while the engine works out the rest.
func TestSweepInSteps(t *testing.T) {
	const n = 3*jobStep + 7
	gone := &PeerDown{Peer: netip.MustParseAddr("10.9.9.9")}
	left := func(e *Engine) int { return len(e.Wanted(200).FDB) }
	start := func() *Engine {
		e := loaded()
		e.Step(load(n, there2, 0))
		drain(e)
		e.Step(gone)
		return e
	}

	e := start()
	for want := n - jobStep; want > 0; want -= jobStep {
		if got := left(e); got != want {
			t.Fatalf("%d of %d MACs are left, want %d: a step less", got, n, want)
		}
		if got := drain(e); got != jobStep {
			t.Fatalf("a step hands on %d wishes, want %d", got, jobStep)
		}
		at, ok := e.deadline()
		if !ok || at.After(e.now) {
			t.Fatalf("with %d MACs left the next Tick is wanted at %v (%v), want it at once", want, at, ok)
		}
		e.Step(&Tick{Now: e.now})
	}
	if got := drain(e); got != 7 || left(e) != 0 || len(e.Peers()) != 0 {
		t.Errorf("the last step hands on %d wishes, and leaves %d MACs and %d peers; want 7, 0 and 0", got, left(e), len(e.Peers()))
	}

	// Any other event meets all of it done.
	e = start()
	e.Step(&LocalMAC{VNI: 200, MAC: MAC{2, 9}, Port: 3})
	if got := left(e); got != 0 {
		t.Errorf("an event meets %d MACs of a peer that is gone", got)
	}
}

// TestGoodbyeInSteps: a reflector is lost for the second time, with a word of
// goodbye, shortly before what its first session left is over. While its own
// routes are looked for step by step that time comes: what it passed on is kept
// all the same, for as long as was said at the second loss.
func TestGoodbyeInSteps(t *testing.T) {
	const n = 3*jobStep + 7
	reflector := netip.MustParseAddr("10.9.9.9")
	passed := load(n, there2, 0)
	for i := range passed.Updates {
		passed.Updates[i].Attrs.OriginatorID = there2
	}
	e := loaded()
	for _, ev := range []Event{
		passed, &PeerDown{Peer: reflector, Retain: time.Hour},
		&PeerUp{Peer: reflector, RouterID: reflector, Internal: true}, passed,
	} {
		e.Step(ev)
		tickOut(e)
	}
	first := e.peers[reflector].expire
	if first.IsZero() {
		t.Fatal("nothing waits for what the first session left")
	}
	e.Step(&Tick{Now: first.Add(-time.Millisecond)})
	e.Step(&PeerDown{Peer: reflector, Retain: time.Hour, Goodbye: true})
	if len(e.jobs) == 0 {
		t.Fatal("the goodbye is done in one step: more MACs are needed")
	}
	lost := e.now
	if st := e.Peers()[0]; !st.StaleUntil.Equal(lost.Add(time.Hour)) {
		t.Errorf("while it is worked out, the routes are said to be used until %v, want an hour from now", st.StaleUntil)
	}
	e.Step(&Tick{Now: first})
	tickOut(e)
	if got := len(e.Wanted(200).FDB); got != n {
		t.Errorf("%d of %d MACs are left right after the goodbye", got, n)
	}
	e.Step(&Tick{Now: lost.Add(time.Hour - 1)})
	tickOut(e)
	if got := len(e.Wanted(200).FDB); got != n {
		t.Errorf("%d of %d MACs are left before the hour is over", got, n)
	}
	e.Step(&Tick{Now: lost.Add(time.Hour)})
	tickOut(e)
	if got := len(e.Wanted(200).FDB); got != 0 {
		t.Errorf("%d MACs are left after the hour", got)
	}
}

// BenchmarkSweep drops 100,000 MACs of a lost peer: the time until the first
// are handed on, and until all are.
func BenchmarkSweep(b *testing.B) {
	ev := load(100_000, there2, 0)
	down := &PeerDown{Peer: netip.MustParseAddr("10.9.9.9")}
	for _, all := range []bool{false, true} {
		name := "first"
		if all {
			name = "all"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				e := loaded()
				e.Step(ev)
				drain(e)
				b.StartTimer()
				e.Step(down)
				if all {
					tickOut(e)
				}
			}
		})
	}
}
