package evpn

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
)

// load returns the events that announce n MACs behind one VTEP, 100 routes
// an UPDATE, with sequence seq.
func load(n int, vtep netip.Addr, seq uint32) *Routes {
	ev := &Routes{Peer: netip.MustParseAddr("10.9.9.9")}
	for i := 0; i < n; i += 100 {
		u := Update{Attrs: &Attrs{NextHop: vtep, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}, Mobility: Mobility{Seq: seq}}}
		for j := i; j < min(i+100, n); j++ {
			u.Reach = append(u.Reach, Route{NLRI: NLRI{Type: MACIP, RD: NewRD(vtep, 1), MAC: number(j)}, Label: 200})
		}
		ev.Updates = append(ev.Updates, u)
	}
	return ev
}

func number(i int) (m MAC) {
	m[0] = 2
	binary.BigEndian.PutUint32(m[2:], uint32(i))
	return m
}

func loaded() *Engine {
	e := New(testConfig())
	e.Step(&Tick{Now: time.Unix(0, 0)})
	e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	e.Step(&PeerUp{Peer: netip.MustParseAddr("10.9.9.9"), Internal: true})
	return e
}

func drain(e *Engine) (n int) {
	for d := e.takeDelta(4096); !d.Empty(); d = e.takeDelta(4096) {
		n += len(d.FDB)
	}
	for len(e.takeChanges(4096)) > 0 {
	}
	for len(e.takeAdverts(4096)) > 0 {
	}
	return n
}

var there2, there3 = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")

// BenchmarkAnnounce takes in 100,000 new MACs and hands them on.
func BenchmarkAnnounce(b *testing.B) {
	ev := load(100_000, there2, 0)
	b.ReportAllocs()
	for b.Loop() {
		e := loaded()
		e.Step(ev)
		if n := drain(e); n != 100_000 {
			b.Fatalf("%d FDB wishes", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/MAC")
}

// BenchmarkMove moves 100,000 MACs to another VTEP and back.
func BenchmarkMove(b *testing.B) {
	e := loaded()
	e.Step(load(100_000, there2, 0))
	drain(e)
	var seq uint32
	b.ReportAllocs()
	for b.Loop() {
		seq++
		to := there3
		if seq%2 == 0 {
			to = there2
		}
		ev := load(100_000, to, seq)
		// Moves of long ago do not make a duplicate (RFC 7432 §15.1).
		e.Step(&Tick{Now: time.Unix(int64(seq)*3600, 0)})
		e.Step(ev)
		if n := drain(e); n != 100_000 {
			b.Fatalf("%d FDB wishes", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/MAC")
}

// TestSteadyEventDoesNotAllocate repeats what is known already, as a route
// refresh does.
func TestSteadyEventDoesNotAllocate(t *testing.T) {
	e := loaded()
	ev := load(100, there2, 0)
	local := &LocalMAC{VNI: 200, MAC: MAC{2, 9}, Port: 3}
	e.Step(ev)
	e.Step(local)
	drain(e)
	if n := testing.AllocsPerRun(100, func() {
		e.Step(ev)
		e.Step(local)
	}); n > 0 {
		t.Errorf("a steady event allocates %v times", n)
	}
}

// TestMemoryPerMAC holds the engine to its budget.
func TestMemoryPerMAC(t *testing.T) {
	const n, budget = 200_000, 200
	ev := load(n, there2, 0)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	e := loaded()
	e.Step(ev)
	drain(e)
	got := (heap() - before) / n
	t.Logf("%d bytes a MAC", got)
	if got > budget {
		t.Errorf("the engine takes %d bytes a MAC, the budget is %d", got, budget)
	}
	runtime.KeepAlive(e)
	runtime.KeepAlive(ev)
}

// BenchmarkLostPeer has one of two reflectors of 100,000 MACs go and come
// back. Nothing else is done meanwhile: the engine takes each event whole.
func BenchmarkLostPeer(b *testing.B) {
	e := loaded()
	peer := netip.MustParseAddr("10.9.9.8")
	up, down := &PeerUp{Peer: peer, Internal: true}, &PeerDown{Peer: peer, Retain: time.Hour}
	e.Step(up)
	ev := load(100_000, there2, 0)
	e.Step(ev)
	other := *ev
	other.Peer = peer
	var lost, back time.Duration
	for b.Loop() {
		e.Step(&other)
		drain(e)
		begin := time.Now()
		e.Step(down)
		lost += time.Since(begin)
		drain(e)
		begin = time.Now()
		e.Step(up)
		back += time.Since(begin)
		drain(e)
	}
	b.ReportMetric(float64(lost.Nanoseconds())/float64(b.N)/100_000, "lost-ns/MAC")
	b.ReportMetric(float64(back.Nanoseconds())/float64(b.N)/100_000, "back-ns/MAC")
}

// TestEngineAgainstPlainMap holds the engine to a small multiple of what
// nobody gets under who keeps routes and the places of MACs in memory: two
// maps, one of routes and one of places.
func TestEngineAgainstPlainMap(t *testing.T) {
	const n, most = 50_000, 12
	ev := load(n, there2, 0)
	plain := func() time.Duration {
		begin := time.Now()
		routes, places := map[NLRI]*Attrs{}, map[MACKey]Via{}
		for i := range ev.Updates {
			u := &ev.Updates[i]
			for j := range u.Reach {
				routes[u.Reach[j].NLRI] = u.Attrs
				places[MACKey{200, u.Reach[j].MAC}] = Via{VTEP: u.Attrs.NextHop, VNI: 200}
			}
		}
		if len(routes) != n || len(places) != n {
			t.Fatal("the plain maps are wrong")
		}
		return time.Since(begin)
	}
	engine := func() time.Duration {
		e := loaded()
		begin := time.Now()
		e.Step(ev)
		if got := drain(e); got != n {
			t.Fatalf("%d FDB wishes", got)
		}
		return time.Since(begin)
	}
	var maps, engines []time.Duration
	for range 7 {
		maps, engines = append(maps, plain()), append(engines, engine())
	}
	slices.Sort(maps)
	slices.Sort(engines)
	m, e := maps[len(maps)/2], engines[len(engines)/2]
	t.Logf("%d routes: %v in plain maps, %v in the engine: %.1f times", n, m, e, float64(e)/float64(m))
	if e > most*m {
		t.Errorf("%d routes take %v, and %v in plain maps: want %d times that at most", n, e, m, most)
	}
}

// BenchmarkFork copies a VNI with 100,000 remote MACs.
func BenchmarkFork(b *testing.B) {
	e := loaded()
	e.Step(load(100_000, there2, 0))
	drain(e)
	b.ReportAllocs()
	for b.Loop() {
		if f := e.Fork(200); len(f.bds[200].macs) != 100_000 {
			b.Fatal("it is not whole")
		}
	}
}
