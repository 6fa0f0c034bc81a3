package evpn

import (
	"net/netip"
	"runtime"
	"testing"
)

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestMillionRoutes: a peer that sends a million routes costs what its limit
// allows, and without a limit nothing when no VNI imports them.
func TestMillionRoutes(t *testing.T) {
	peer := netip.MustParseAddr("10.9.9.9")
	for _, c := range []struct {
		name              string
		limit             int
		target            RT
		kept              int
		ignored, refused  uint64
		alarms, mostBytes int
	}{
		{"a limit of 1000", 1000, NewRT(65000, 200), 1000, 0, 999_000, 1, 1 << 20},
		{"nobody imports them", 0, NewRT(65000, 999), 0, 1_000_000, 0, 0, 1 << 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := loaded()
			e.Step(&PeerUp{Peer: peer, Internal: true, Limit: PeerLimit{Routes: c.limit}})
			before := heap()
			a := &Attrs{NextHop: there2, Encap: EncapVXLAN, Targets: []RT{c.target}}
			for i := 0; i < 1_000_000; i += 100 {
				u := Update{Attrs: a}
				for j := i; j < i+100; j++ {
					u.Reach = append(u.Reach, Route{NLRI: NLRI{Type: MACIP, RD: NewRD(there2, 1), MAC: number(j)}, Label: 200})
				}
				e.Step(&Routes{Peer: peer, Updates: []Update{u}})
				drain(e)
			}
			if grown := heap() - before; grown > c.mostBytes {
				t.Errorf("it costs %d bytes, want %d at most", grown, c.mostBytes)
			}
			s := e.Peers()[0]
			if s.Routes != c.kept || s.Ignored != c.ignored || s.Refused != c.refused || s.AtLimit != (c.refused > 0) {
				t.Errorf("%+v, want %d kept, %d ignored, %d refused", s, c.kept, c.ignored, c.refused)
			}
			if n := len(e.Alarms()); n != c.alarms {
				t.Errorf("alarms %+v, want %d", e.Alarms(), c.alarms)
			}
			runtime.KeepAlive(e)
		})
	}
}
