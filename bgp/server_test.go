package bgp

import (
	"net/netip"
	"runtime"
	"testing"
)

// TestStopWhileJoining: GoBGP is stopped while a neighbor of its reads an
// OPEN. The race detector judges; in the normal build it is a smoke test.
func TestStopWhileJoining(t *testing.T) {
	for round := range 100 {
		s := newServer(testLog(t))
		if err := s.start(t.Context(), 65000, netip.MustParseAddr("10.0.0.1")); err != nil {
			t.Fatal(err)
		}
		l, err := s.dial(t.Context(), 65000, 65000, 90, 30)
		if err != nil {
			t.Fatal(err)
		}
		o := peerOpen()
		if _, err := l.Write(o.Append(nil)); err != nil {
			t.Fatal(err)
		}
		for range round { // each round gives GoBGP a little longer to read it
			runtime.Gosched()
		}
		s.hangup(l)
		s.stop()
		if len(s.used) != 0 {
			t.Fatalf("legs in use after stop: %v", s.used)
		}
	}
}
