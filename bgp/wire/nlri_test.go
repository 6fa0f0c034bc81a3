package wire

import (
	"net/netip"
	"testing"

	"github.com/evpnd/evpnd/evpn"
)

// TestRouteTypes: each type is either read and written, or has a reason of its
// own for not being used.
func TestRouteTypes(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.1")
	for typ := range 256 {
		typ := evpn.RouteType(typ)
		var out evpn.Route
		reason := parseReach(typ, nil, &out, false)
		r := evpn.Route{NLRI: evpn.NLRI{Type: typ, MAC: key1.MAC, IP: ip}}
		err := CheckNLRI(&r)
		switch typ {
		case evpn.MACIP, evpn.InclusiveMulticast:
			if reason != DiscardMalformed || err != nil {
				t.Errorf("type %v: %v, %v", typ, reason, err)
			}
		default:
			want := map[evpn.RouteType]Discard{
				evpn.EthernetAD: DiscardEthernetAD, evpn.EthernetSegment: DiscardEthernetSegment, evpn.IPPrefix: DiscardPrefix,
			}[typ]
			if want == 0 {
				want = DiscardUnknownType
			}
			if reason != want || err == nil {
				t.Errorf("type %v: discarded as %v, want %v; error %v", typ, reason, want, err)
			}
		}
	}
	if CheckNLRI(&evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast}}) == nil {
		t.Error("a type 3 route without an originating router can be written")
	}
}
