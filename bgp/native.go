package bgp

import (
	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// nativeAttrs is wire.PathAttrs in GoBGP's other form. It costs twice as
// much, and is for what the binary form cannot do: GoBGP refuses there an
// extended community that it does not know, such as RFC 9047's. Here each is
// an opaque one to it, except for the MAC mobility, which it looks for.
func nativeAttrs(r *evpn.Route, a *evpn.Attrs) ([]*anypb.Any, error) {
	var ec []*anypb.Any
	for _, c := range wire.Communities(r, a) {
		var m proto.Message = &api.UnknownExtended{Type: uint32(c[0]), Value: c[1:]}
		if c[0] == 6 && c[1] == 0 { // RFC 7432 §7.7
			m = &api.MacMobilityExtended{IsSticky: a.Mobility.Sticky, SequenceNum: a.Mobility.Seq}
		}
		x, err := anypb.New(m)
		if err != nil {
			return nil, err
		}
		ec = append(ec, x)
	}
	attrs := []proto.Message{
		&api.OriginAttribute{Origin: uint32(a.Origin)},
		&api.NextHopAttribute{NextHop: a.NextHop.String()}, // GoBGP makes MP_REACH_NLRI of it
	}
	if a.MED != 0 {
		attrs = append(attrs, &api.MultiExitDiscAttribute{Med: a.MED})
	}
	if len(ec) > 0 {
		attrs = append(attrs, &api.ExtendedCommunitiesAttribute{Communities: ec})
	}
	if a.PMSI.Present {
		const optionalTransitive, pmsiTunnel = 0xc0, 22 // RFC 6514 §5
		attrs = append(attrs, &api.UnknownAttribute{Flags: optionalTransitive, Type: pmsiTunnel, Value: wire.PMSI(&a.PMSI)})
	}
	out := make([]*anypb.Any, 0, len(attrs))
	for _, m := range attrs {
		x, err := anypb.New(m)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}
