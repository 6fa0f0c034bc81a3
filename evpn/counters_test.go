package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// The time of the first message stays with the wishes until all that follows
// from it has been handed out, and a message that changes nothing has none.
func TestSince(t *testing.T) {
	here, there, peer := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.9.9.9")
	e := New(DefaultConfig(65000, here))
	now := time.Unix(100, 0)
	e.Step(&Tick{Now: now})
	e.Step(&BDUp{VNI: 200, VTEP: here})
	e.Step(&PeerUp{Peer: peer, RouterID: peer, Internal: true})
	e.takeDelta(10)
	tell := func(n byte, at time.Time) {
		attrs := &Attrs{NextHop: there, Targets: []RT{NewRT(65000, 200)}}
		nlri := NLRI{Type: MACIP, RD: NewRD(there, 200), MAC: MAC{2, 0, 0, 0, 0, n}}
		e.Step(&Routes{Peer: peer, At: at, Updates: []Update{{Reach: []Route{{NLRI: nlri, Label: 200}}, Attrs: attrs}}})
	}
	tell(1, now)
	tell(2, now.Add(time.Second))
	for i := range 2 {
		if d := e.takeDelta(1); len(d.FDB) != 1 || !d.Since.Equal(now) {
			t.Errorf("wishes %d: %+v, want one MAC since the first message", i, d)
		}
	}
	tell(2, now.Add(2*time.Second))
	if d := e.takeDelta(10); !d.Empty() || !d.Since.IsZero() {
		t.Errorf("a message that says the same: %+v", d)
	}
	tell(3, now.Add(3*time.Second))
	if d := e.takeDelta(10); !d.Since.Equal(now.Add(3 * time.Second)) {
		t.Errorf("the next burst is since %v", d.Since)
	}

	// A MAC that comes here and goes back has moved twice; to appear is no
	// move, nor is to vanish.
	mac := MAC{2, 0, 0, 0, 0, 1}
	e.Step(&LocalMAC{VNI: 200, MAC: mac, Port: 3})
	e.Step(&LocalMACGone{VNI: 200, MAC: mac})
	e.Step(&LocalMAC{VNI: 200, MAC: MAC{2, 0, 0, 0, 0, 9}, Port: 3})
	e.Step(&LocalMACGone{VNI: 200, MAC: MAC{2, 0, 0, 0, 0, 9}})
	if got := e.Counters(); len(got) != 1 || got[0] != (Counters{VNI: 200, Moves: 2}) {
		t.Errorf("tallies %+v, want two moves", got)
	}
}
