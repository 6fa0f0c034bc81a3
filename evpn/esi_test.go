package evpn

import (
	"net/netip"
	"testing"
)

// TestSegmentIsShown: on which Ethernet segment a MAC is, is part of its route
// and not of what names it (RFC 7432 §7.2): with another segment it is replaced.
func TestSegmentIsShown(t *testing.T) {
	e := New(DefaultConfig(65000, netip.MustParseAddr("10.0.0.1")))
	e.Step(&BDUp{VNI: 200, VTEP: netip.MustParseAddr("10.0.0.1")})
	e.Step(&PeerUp{Peer: there2, RouterID: there2, Internal: true})
	mac := MAC{2, 1}
	for _, esi := range []ESI{{0, 1, 9: 7}, {0, 1, 9: 8}, {}} {
		e.Step(&Routes{Peer: there2, Updates: []Update{{
			Reach: []Route{{NLRI: NLRI{Type: MACIP, RD: NewRD(there2, 1), MAC: mac}, ESI: esi, Label: 200}},
			Attrs: &Attrs{NextHop: there2, Targets: []RT{NewRT(65000, 200)}},
		}}})
		rs := e.Routes(200, mac)
		if len(rs) != 1 || rs[0].ESI != esi || !rs[0].NLRI.ESI.IsZero() {
			t.Errorf("with segment %v there are the routes %+v", esi, rs)
		}
		x, _ := e.ExplainMAC(200, mac)
		if len(x.Routes) != 1 || x.Routes[0].ESI != esi {
			t.Errorf("with segment %v it is explained by %+v", esi, x.Routes)
		}
	}
}
