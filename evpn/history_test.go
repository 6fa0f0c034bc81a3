package evpn

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// TestHistory tells the moves of a MAC from its first place to its end, and
// after it.
func TestHistory(t *testing.T) {
	w := newWorld()
	for _, l := range []string{
		"vni 200 up 10.0.0.1",
		"peer 10.9.9.9 up",
		"mac 200 :0b port 3",
		"time 1s",
		"mac 200 :0b port 4",
		"time 2s",
		"10.9.9.9 macip 10.0.0.2:7 200 :0b via 10.0.0.2 seq 1",
		"time 3s",
		"10.9.9.9 macip 10.0.0.3:7 200 :0b via 10.0.0.3 seq 2",
		"time 4s",
		"10.9.9.9 withdraw macip 10.0.0.3:7 200 :0b via 10.0.0.3",
		"time 5s",
		"mac 200 :0b port 3",
		"time 6s",
		"10.9.9.9 withdraw macip 10.0.0.2:7 200 :0b via 10.0.0.2",
		"mac 200 :0b gone",
	} {
		w.play(t, l)
	}
	mac := MAC{2, 0x42, 0xac, 0x12, 0, 0x0b}
	at := func(s int) time.Time { return w.start.Add(time.Duration(s) * time.Second) }
	port := func(n int32) Location { return Location{Local: true, Port: n} }
	vtep := func(s string) Location { return Location{Via: Via{VTEP: netip.MustParseAddr(s), VNI: 200}} }
	want := []Move{
		{at(1), port(3), port(4), 0, "seen on another local port"},
		{at(2), port(4), vtep("10.0.0.2"), 1, "announced with a higher mobility sequence"},
		{at(3), vtep("10.0.0.2"), vtep("10.0.0.3"), 2, "announced with a higher mobility sequence"},
		{at(4), vtep("10.0.0.3"), vtep("10.0.0.2"), 1, "the other route was withdrawn"},
		{at(5), vtep("10.0.0.2"), port(3), 2, "seen on a local port"},
		{at(6), port(3), Location{}, 0, "gone from its local port"},
	}
	if diff := cmp.Diff(want, w.e.History(200, mac), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if h := w.e.History(200, MAC{2}); h != nil {
		t.Errorf("history of an unknown MAC: %v", h)
	}
}

// TestHistoryIsBounded sprays moves: the oldest MACs and moves are forgotten.
func TestHistoryIsBounded(t *testing.T) {
	e := loaded()
	for i := range maxHistory + 10 {
		e.Step(&LocalMAC{VNI: 200, MAC: number(i), Port: 3})
		for range 5 {
			e.Step(&LocalMAC{VNI: 200, MAC: number(i), Port: 4})
			e.Step(&LocalMAC{VNI: 200, MAC: number(i), Port: 3})
		}
	}
	if n := len(e.history.moves); n != maxHistory {
		t.Errorf("history of %d MACs, want %d", n, maxHistory)
	}
	if h := e.History(200, number(0)); h != nil {
		t.Errorf("the oldest is remembered: %v", h)
	}
	if h := e.History(200, number(maxHistory+9)); len(h) != HistoryLen {
		t.Errorf("%d moves of the newest are kept, want %d", len(h), HistoryLen)
	}
	// One byte more, and the allocator takes 128 more for each MAC.
	if n := HistoryLen * unsafe.Sizeof(Move{}); n > 1024 {
		t.Errorf("the moves of one MAC have %d bytes, want 1024 at most", n)
	}
}

// TestRefusedAreBounded sprays MACs at a VNI with a limit.
func TestRefusedAreBounded(t *testing.T) {
	c := testConfig()
	c.Limits.LocalMACs = 100
	e := New(c)
	e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	for i := range 100_000 {
		e.Step(&LocalMAC{VNI: 200, MAC: number(i), Port: 3})
	}
	v := e.bds[200]
	if v.localMACs != 100 || len(v.macs) != 100 || len(v.refused) != maxRefused {
		t.Errorf("%d local MACs, %d kept, %d waiting; want 100, 100 and %d", v.localMACs, len(v.macs), len(v.refused), maxRefused)
	}
	for i := range 100_000 {
		e.Step(&LocalMACGone{VNI: 200, MAC: number(i)})
	}
	if len(v.macs) != 0 || len(v.refused) != 0 || len(e.Alarms()) != 0 {
		t.Errorf("after all are gone: %d MACs, %d waiting, alarms %v", len(v.macs), len(v.refused), e.Alarms())
	}
}
