package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// parseReach reads the value of one NLRI. What it has beside the identity is
// optional in a withdrawal, where it means nothing.
func parseReach(typ evpn.RouteType, v []byte, out *evpn.Route, withdraw bool) Discard {
	switch typ {
	case evpn.MACIP:
		return parseMACIP(v, out, withdraw)
	case evpn.InclusiveMulticast:
		return parseMulticast(v, out)
	case evpn.EthernetAD:
		return DiscardEthernetAD
	case evpn.EthernetSegment:
		return DiscardEthernetSegment
	case evpn.IPPrefix:
		return DiscardPrefix
	}
	return DiscardUnknownType
}

// parseMACIP reads a MAC/IP advertisement route (RFC 7432 §7.2):
//
//	RD (8) | ESI (10) | tag (4) | 48 (1) | MAC (6) | 0, 32 or 128 (1) | IP (0, 4, 16) | label (3) | label (0, 3)
func parseMACIP(v []byte, out *evpn.Route, withdraw bool) Discard {
	const fixed = 30
	if len(v) < fixed || v[22] != 48 {
		return DiscardMalformed
	}
	ip := int(v[29])
	if ip != 0 && ip != 32 && ip != 128 {
		return DiscardMalformed
	}
	ip /= 8
	labels := len(v) - fixed - ip
	if labels != 3 && labels != 6 && (labels != 0 || !withdraw) {
		return DiscardMalformed
	}
	*out = evpn.Route{
		NLRI: evpn.NLRI{
			Type: evpn.MACIP,
			RD:   evpn.RD(v[:8]),
			Tag:  binary.BigEndian.Uint32(v[18:]),
			MAC:  evpn.MAC(v[23:29]),
		},
		ESI: evpn.ESI(v[8:18]),
	}
	if !out.MAC.IsHost() {
		return DiscardMAC
	}
	if ip > 0 {
		out.IP, _ = netip.AddrFromSlice(v[fixed : fixed+ip])
	}
	if v = v[fixed+ip:]; labels >= 3 {
		out.Label = label(v)
	}
	if labels == 6 {
		out.L3Label = label(v[3:])
	}
	return 0
}

// parseMulticast reads an inclusive multicast Ethernet tag route
// (RFC 7432 §7.3):
//
//	RD (8) | tag (4) | 32 or 128 (1) | originating router (4, 16)
func parseMulticast(v []byte, out *evpn.Route) Discard {
	const fixed = 13
	if len(v) != fixed+4 && len(v) != fixed+16 || int(v[12]) != 8*(len(v)-fixed) {
		return DiscardMalformed
	}
	*out = evpn.Route{NLRI: evpn.NLRI{
		Type: evpn.InclusiveMulticast,
		RD:   evpn.RD(v[:8]),
		Tag:  binary.BigEndian.Uint32(v[8:]),
	}}
	out.IP, _ = netip.AddrFromSlice(v[fixed:])
	return 0
}

// label reads a VNI from the whole 24-bit field (RFC 8365 §5.1.3).
func label(b []byte) evpn.VNI { return evpn.VNI(b[0])<<16 | evpn.VNI(b[1])<<8 | evpn.VNI(b[2]) }

func appendLabel(dst []byte, v evpn.VNI) []byte {
	return append(dst, byte(v>>16), byte(v>>8), byte(v))
}

// AppendNLRI appends a route as it stands in MP_REACH_NLRI and
// MP_UNREACH_NLRI. Its type must be 2 or 3, and the IP of a type 3 route valid.
func AppendNLRI(dst []byte, r *evpn.Route) []byte {
	start := len(dst)
	dst = append(append(dst, byte(r.Type), 0), r.RD[:]...)
	switch r.Type {
	case evpn.MACIP:
		dst = appendMACIP(dst, r)
	case evpn.InclusiveMulticast:
		dst = binary.BigEndian.AppendUint32(dst, r.Tag)
		dst = appendIP(dst, r.IP)
	default:
		panic("wire: no encoding for a route of type " + r.Type.String())
	}
	dst[start+1] = byte(len(dst) - start - 2)
	return dst
}

// appendMACIP appends what parseMACIP reads, less the RD.
func appendMACIP(dst []byte, r *evpn.Route) []byte {
	dst = append(dst, r.ESI[:]...)
	dst = binary.BigEndian.AppendUint32(dst, r.Tag)
	dst = append(append(dst, 48), r.MAC[:]...)
	dst = appendIP(dst, r.IP)
	dst = appendLabel(dst, r.Label)
	if r.L3Label != 0 {
		dst = appendLabel(dst, r.L3Label)
	}
	return dst
}

// appendIP appends the length of an address in bits, and the address.
func appendIP(dst []byte, ip netip.Addr) []byte {
	ip = ip.Unmap().WithZone("")
	return append(append(dst, byte(ip.BitLen())), ip.AsSlice()...)
}
