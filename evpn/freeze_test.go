package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// An address is frozen with a MAC that claims it, or not at all: one that ended
// its claim in the event that made one change too many has no host that answers.
func TestAddressIsNotFrozenWithoutItsMAC(t *testing.T) {
	e := loaded()
	e.Step(&Configure{Config: duplicates(DuplicateConfig{Moves: 2, Window: DefaultDuplicateWindow})})
	ip, a, b := netip.MustParseAddr("192.0.2.7"), number(1), number(2)
	peer := e.sortedPeers()[0].addr
	nlri := func(vtep netip.Addr, mac MAC) NLRI {
		return NLRI{Type: MACIP, RD: NewRD(vtep, 1), MAC: mac, IP: ip}
	}
	say := func(vtep netip.Addr, mac MAC) {
		e.Step(&Routes{Peer: peer, Updates: []Update{{
			Reach: []Route{{NLRI: nlri(vtep, mac), Label: 200}},
			Attrs: &Attrs{NextHop: vtep, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}},
		}}})
	}
	takeBack := func(vtep netip.Addr, mac MAC) {
		e.Step(&Routes{Peer: peer, Updates: []Update{{Withdrawn: []NLRI{nlri(vtep, mac)}}}})
	}
	holder := func() MAC {
		t.Helper()
		n, ok := e.Neigh(200, ip)
		if !ok {
			t.Fatalf("%v is nobody's", ip)
		}
		return n.MAC
	}

	say(there3, b)
	say(there2, a) // the lower VTEP address wins (RFC 7432 §15): the first change
	if got := holder(); got != a {
		t.Fatalf("it is of %v, want %v", got, a)
	}
	takeBack(there2, a) // the second, back to the only one that is left
	if got := holder(); got != b {
		t.Errorf("the claim of %v is withdrawn, and the address is still its: want that of %v", got, b)
	}
	if n := e.AlarmCounts()[AlarmDuplicateIP]; n != 0 {
		t.Errorf("%d addresses are said to be frozen", n)
	}

	// With both claims standing it freezes.
	say(there2, a)
	if n, _ := e.Neigh(200, ip); n.MAC != b || !n.Frozen {
		t.Errorf("it is of %v and frozen %v, want it to stay with %v", n.MAC, n.Frozen, b)
	}
}

// Two local hosts that claim an address in turn take nothing back: it freezes
// with one of them, unless that has gone from its port.
func TestAddressOfTwoLocalHosts(t *testing.T) {
	for _, gone := range []bool{false, true} {
		e := loaded()
		e.Step(&Configure{Config: duplicates(DuplicateConfig{Moves: 2, Window: DefaultDuplicateWindow})})
		ip, a, b := netip.MustParseAddr("192.0.2.7"), number(1), number(2)
		for _, ev := range []Event{
			&LocalMAC{VNI: 200, MAC: a, Port: 3}, &LocalMAC{VNI: 200, MAC: b, Port: 4},
			&LocalIP{VNI: 200, IP: ip, MAC: a}, &LocalIP{VNI: 200, IP: ip, MAC: b},
		} {
			e.Step(ev)
		}
		if gone {
			e.Step(&LocalMACGone{VNI: 200, MAC: b})
		}
		e.Step(&LocalIP{VNI: 200, IP: ip, MAC: a})
		if n := e.AlarmCounts()[AlarmDuplicateIP]; n != bit(!gone) {
			t.Errorf("the other is gone: %v; %d addresses are frozen", gone, n)
		}
	}
}

// The same for a MAC: here by a static entry, which no route beats, until the
// entry goes.
func TestMACIsNotFrozenWhereItIsNot(t *testing.T) {
	e := loaded()
	e.Step(&Configure{Config: duplicates(DuplicateConfig{Moves: 2, Window: time.Hour})})
	addr := number(0)
	e.Step(load(1, there2, 0))
	e.Step(&LocalMAC{VNI: 200, MAC: addr, Port: 3, Static: true}) // the first move, with sequence 1
	e.Step(load(1, there2, 7))
	if m, _ := e.MAC(200, addr); !m.Local {
		t.Fatalf("a static MAC left its port: %+v", m)
	}
	e.Step(&LocalMACGone{VNI: 200, MAC: addr}) // the second
	if m, ok := e.MAC(200, addr); !ok || m.Local || m.Via.VTEP != there2 {
		t.Errorf("it is behind no port, and said to be here (%v) or at %v: want %v", m.Local, m.Via.VTEP, there2)
	}
	if n := len(e.Advertised(200, addr)); n != 0 {
		t.Errorf("%d routes are announced for a MAC that is not here", n)
	}
}

// A MAC that is frozen behind a VTEP stays there, and its frames go to the VNI
// that the VTEP asks for now.
func TestFrozenMACFollowsTheLabelOfItsVTEP(t *testing.T) {
	e := loaded()
	e.Step(&Configure{Config: Config{AS: 65000, RouterID: e.cfg.RouterID, Duplicate: DuplicateConfig{Moves: 2, Window: time.Hour}}})
	addr := number(0)
	e.Step(load(1, there2, 0))
	e.Step(load(1, there3, 1))
	e.Step(load(1, there2, 2))
	m, _ := e.MAC(200, addr)
	if !m.Frozen {
		t.Fatalf("it is not frozen: %+v", m)
	}
	again := load(1, m.Via.VTEP, 3)
	again.Updates[0].Reach[0].Label = 777
	e.Step(again)
	want := Via{VTEP: m.Via.VTEP, VNI: 777}
	if f := e.wantFDB(MACKey{200, addr}); f.Via != want || !f.Sticky {
		t.Errorf("the kernel is to send to %v, sticky %v; want %v, sticky", f.Via, f.Sticky, want)
	}
}
