package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// TestReadyKeepsWhatHasNoRoom moves a MAC while one consumer has no room: it
// finds the MAC once, where it is by then, and the others find what is theirs.
func TestReadyKeepsWhatHasNoRoom(t *testing.T) {
	e := New(DefaultConfig(65000, netip.MustParseAddr("10.0.0.1")))
	now := time.Unix(1000, 0)
	e.Step(&Tick{Now: now})
	e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	e.Step(&PeerUp{Peer: there2, RouterID: there2, Internal: true})
	mac := MAC{2, 1}
	for i, vtep := range []netip.Addr{there2, there3, there2, there3} {
		e.Step(&Routes{Peer: there2, Updates: []Update{{
			Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(vtep, 1), MAC: mac}, Label: 200}},
			Attrs: &Attrs{NextHop: vtep, Targets: []RT{NewRT(65000, 200)}, Mobility: Mobility{Seq: uint32(i)}},
		}}})
		r := e.Ready(Room{Changes: 100})
		if len(r.Changes) == 0 || !r.Kernel.Empty() || len(r.Adverts) > 0 || r.Refresh || len(r.Peers) > 0 {
			t.Errorf("with room for changes alone: %+v", r)
		}
		if at := now.Add(e.cfg.EndOfRIBWait); i == 3 && r.Next.After(at) {
			t.Errorf("to be woken at %v, want %v at the latest", r.Next, at)
		}
	}
	e.Step(&Tick{Now: now.Add(e.cfg.EndOfRIBWait)})
	if r := e.Ready(Room{Adverts: 100}); r.Synced || len(r.Adverts) != 1 {
		t.Errorf("before the kernel has what is wanted: in sync %v, adverts %v", r.Synced, r.Adverts)
	}
	r := e.Ready(Room{Kernel: 100})
	if want := (FDB{VNI: 200, MAC: mac, Via: Via{VTEP: there3, VNI: 200}, Want: true}); len(r.Kernel.FDB) != 1 || r.Kernel.FDB[0] != want {
		t.Errorf("wanted %+v, want %+v", r.Kernel.FDB, want)
	}
	if !r.Synced {
		t.Error("all that is wanted was handed out, and it is not in sync")
	}
	if r := e.Ready(Room{Kernel: 100, Adverts: 100, Changes: 100}); !r.Kernel.Empty() || len(r.Adverts) > 0 {
		t.Errorf("handed out twice: %+v", r)
	}
}
