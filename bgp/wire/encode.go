package wire

import (
	"encoding/binary"

	"github.com/evpnd/evpnd/evpn"
)

// appendAttr appends an attribute.
func appendAttr(dst []byte, flags, typ byte, v []byte) []byte {
	return append(appendAttrHeader(dst, flags, typ, len(v)), v...)
}

// appendAttrHeader appends the header of an attribute with n bytes, with the
// extended length when it needs it.
func appendAttrHeader(dst []byte, flags, typ byte, n int) []byte {
	if n > 255 {
		return binary.BigEndian.AppendUint16(append(dst, flags|flagExtended, typ), uint16(n))
	}
	return append(dst, flags, typ, byte(n))
}

// PathAttrs returns the path attributes of a route of our own, each whole
// with its header, in the order of their types: ORIGIN, MED when not zero,
// MP_REACH_NLRI with the route in it, the extended communities, and PMSI when
// present. AS_PATH and LOCAL_PREF are the session's to add. The next hop must
// be valid.
func PathAttrs(r *evpn.Route, a *evpn.Attrs) [][]byte {
	attrs := [][]byte{appendAttr(nil, wellKnown, attrOrigin, []byte{a.Origin})}
	if a.MED != 0 {
		attrs = append(attrs, appendAttr(nil, optionalNonTransitive, attrMED, binary.BigEndian.AppendUint32(nil, a.MED)))
	}
	attrs = append(attrs, appendAttr(nil, optionalNonTransitive, attrMPReach, MPReach(r, a)))
	if ec := Communities(r, a); len(ec) > 0 {
		v := make([]byte, 0, 8*len(ec))
		for _, c := range ec {
			v = append(v, c[:]...)
		}
		attrs = append(attrs, appendAttr(nil, optionalTransitive, attrExtCommunities, v))
	}
	if a.PMSI.Present {
		attrs = append(attrs, appendAttr(nil, optionalTransitive, attrPMSI, PMSI(&a.PMSI)))
	}
	return attrs
}

// MPReach returns the value of the MP_REACH_NLRI attribute (RFC 4760 §3).
func MPReach(r *evpn.Route, a *evpn.Attrs) []byte {
	nh := a.NextHop.Unmap().AsSlice()
	v := append([]byte{0, AFIL2VPN, SAFIEVPN, byte(len(nh))}, nh...)
	return AppendNLRI(append(v, 0), r)
}

// PMSI returns the value of the PMSI Tunnel attribute (RFC 6514 §5).
func PMSI(t *evpn.PMSI) []byte {
	v := appendLabel([]byte{t.Flags, t.Type}, t.Label)
	return append(v, t.Endpoint.Unmap().AsSlice()...)
}

// Communities returns the extended communities of a route of our own: its
// targets, the encapsulation, on a type 2 route the MAC mobility, which is
// explicit even when it says sequence 0, and what else a has.
func Communities(r *evpn.Route, a *evpn.Attrs) [][8]byte {
	ec := make([][8]byte, 0, len(a.Targets)+len(a.Other)+5)
	for _, rt := range a.Targets {
		ec = append(ec, rt)
	}
	if a.Encap&evpn.EncapVXLAN != 0 {
		ec = append(ec, community(ecEncap, 0, 0, 0, 0, 0, tunnelVXLAN))
	}
	if r.Type == evpn.MACIP {
		m := community(ecMobility)
		if a.Mobility.Sticky {
			m[2] = mobilitySticky
		}
		binary.BigEndian.PutUint32(m[4:], a.Mobility.Seq)
		ec = append(ec, m)
	}
	if a.DefaultGateway {
		ec = append(ec, community(ecDefaultGateway))
	}
	if !a.RouterMAC.IsZero() {
		ec = append(ec, community(ecRouterMAC, a.RouterMAC[:]...))
	}
	if a.ND.Present {
		ec = append(ec, community(ecND, ndFlags(a.ND)))
	}
	return append(ec, a.Other...)
}

func community(typ uint16, v ...byte) (c [8]byte) {
	binary.BigEndian.PutUint16(c[:], typ)
	copy(c[2:], v)
	return c
}

func ndFlags(n evpn.ND) (f byte) {
	if n.Router {
		f |= ndRouter
	}
	if n.Override {
		f |= ndOverride
	}
	if n.Immutable {
		f |= ndImmutable
	}
	return f
}
