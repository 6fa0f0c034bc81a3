package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// TestRecalledHosts: what an earlier run knew of addresses counts while its
// MAC is here, nobody has said better, and not all is known yet.
func TestRecalledHosts(t *testing.T) {
	a, b, c := MAC{2, 0xa}, MAC{2, 0xb}, MAC{2, 0xc}
	passed, kept, late := netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("172.18.0.2"), netip.MustParseAddr("172.18.0.3")
	peer := netip.MustParseAddr("10.9.9.9")
	cfg := testConfig()
	cfg.ConfiguredPeers = []netip.Addr{peer}
	e := New(cfg)
	e.Restore(PersistentState{Bindings: map[IPKey]Bound{{200, passed}: {MAC: a}, {200, kept}: {MAC: a, ND: ND{Present: true, Router: true}}, {200, late}: {MAC: c}}})
	start := time.Unix(1000, 0)
	e.Step(&Tick{Now: start})
	e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	e.Step(&LocalMAC{VNI: 200, MAC: b, Port: 4})
	e.Step(&LocalIP{VNI: 200, MAC: b, IP: passed}) // b has it now
	e.Step(&LocalMAC{VNI: 200, MAC: a, Port: 3})
	whose := func(ip netip.Addr) MAC {
		n, _ := e.Neigh(200, ip)
		return n.MAC
	}
	if whose(passed) != b || whose(kept) != a {
		t.Errorf("%v is %v's and %v is %v's, want %v's and %v's", passed, whose(passed), kept, whose(kept), b, a)
	}
	if m := e.PersistentState(); len(m.Bindings) != 3 || m.Bindings[IPKey{200, passed}].MAC != b {
		t.Errorf("before all is known, to be remembered is %v", m.Bindings)
	}
	e.Step(&PeerUp{Peer: peer, Internal: true})
	e.Step(&EndOfRIB{Peer: peer})
	e.Step(&LocalMAC{VNI: 200, MAC: c, Port: 5}) // too late to be the host of before
	if whose(late) != (MAC{}) {
		t.Errorf("a MAC that came when all was known has the address %v of before", late)
	}
	if m := e.PersistentState(); len(m.Bindings) != 2 {
		t.Errorf("when all is known, to be remembered is %v", m.Bindings)
	}
	at, ok := e.deadline()
	if !ok || at.Sub(start) != restoreTimeout {
		t.Errorf("the next deadline is after %v, want %v", at.Sub(start), restoreTimeout)
	}
	e.Step(&Tick{Now: at})
	if whose(kept) != (MAC{}) || whose(passed) != b {
		t.Errorf("without an answer %v is %v's, and %v is %v's", kept, whose(kept), passed, whose(passed))
	}
	if at, ok := e.deadline(); ok {
		t.Errorf("another deadline after %v", at.Sub(start))
	}
}
