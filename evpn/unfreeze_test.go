package evpn

import (
	"testing"
	"time"
)

// TestThawIsOfItsFreeze has a MAC freeze, be let go by command and freeze
// again: the second freeze lasts its own time, not what was left of the first.
func TestThawIsOfItsFreeze(t *testing.T) {
	e := loaded()
	e.Step(&Configure{Config: duplicates(DuplicateConfig{Moves: 2, Window: DefaultDuplicateWindow, Recover: 10 * time.Minute})})
	peer, addr, seq := e.sortedPeers()[0].addr, number(1), uint32(0)
	at := func(m int) { e.Step(&Tick{Now: time.Unix(0, 0).Add(time.Duration(m) * time.Minute)}) }
	frozen := func() bool { m := e.bds[200].macs[addr]; return m != nil && m.frozen() }
	freeze := func() {
		for range 10 {
			if frozen() {
				return
			}
			e.Step(&LocalMAC{VNI: 200, MAC: addr, Port: 3})
			seq += 2
			e.Step(&Routes{Peer: peer, Updates: []Update{{
				Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(there2, 1), MAC: addr}, Label: 200}},
				Attrs: &Attrs{NextHop: there2, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}, Mobility: Mobility{Seq: seq}},
			}}})
		}
		t.Fatal("it does not freeze")
	}
	at(1)
	freeze()
	at(2)
	e.Step(&Unfreeze{VNI: 200, MAC: addr})
	at(8)
	freeze()
	at(12)
	if !frozen() {
		t.Error("it is let go after 4 minutes, want 10")
	}
	at(18)
	if frozen() {
		t.Error("it is frozen after its time")
	}
}
