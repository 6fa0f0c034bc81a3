package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// codec is how the routes of one type stand on the wire. A type that is known
// and not used has only the reason.
type codec struct {
	parse  func(v []byte, out *evpn.Route, withdraw bool) Discard // the value, RD included
	append func(dst []byte, r *evpn.Route) []byte                 // the value, without the RD
	check  func(r *evpn.Route) error                              // whether append can take r
	unused Discard
}

// numTypes is how many route types there are in the tables, zero included.
const numTypes = int(evpn.IPPrefix) + 1

// codecs is the table of route types (RFC 7432 §7, RFC 9136 §3).
var codecs = [numTypes]codec{
	evpn.EthernetAD:         {unused: DiscardEthernetAD},
	evpn.MACIP:              {parse: parseMACIP, append: appendMACIP, check: func(*evpn.Route) error { return nil }},
	evpn.InclusiveMulticast: {parse: parseMulticast, append: appendMulticast, check: checkMulticast},
	evpn.EthernetSegment:    {unused: DiscardEthernetSegment},
	evpn.IPPrefix:           {unused: DiscardPrefix},
}

// parseReach reads the value of one NLRI. What it has beside the identity is
// optional in a withdrawal, where it means nothing.
func parseReach(typ evpn.RouteType, v []byte, out *evpn.Route, withdraw bool) Discard {
	if int(typ) >= numTypes {
		return DiscardUnknownType
	}
	switch c := &codecs[typ]; {
	case c.parse != nil:
		return c.parse(v, out, withdraw)
	case c.unused != 0:
		return c.unused
	}
	return DiscardUnknownType
}

// CheckNLRI returns why AppendNLRI cannot take r, or nil.
func CheckNLRI(r *evpn.Route) error {
	if int(r.Type) >= numTypes || codecs[r.Type].append == nil {
		return fmt.Errorf("routes of type %v are not announced", r.Type)
	}
	return codecs[r.Type].check(r)
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
func parseMulticast(v []byte, out *evpn.Route, _ bool) Discard {
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
// MP_UNREACH_NLRI. It panics when CheckNLRI finds r impossible.
func AppendNLRI(dst []byte, r *evpn.Route) []byte {
	if err := CheckNLRI(r); err != nil {
		panic("wire: " + err.Error())
	}
	start := len(dst)
	dst = append(append(dst, byte(r.Type), 0), r.RD[:]...)
	dst = codecs[r.Type].append(dst, r)
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

// appendMulticast appends what parseMulticast reads, less the RD.
func appendMulticast(dst []byte, r *evpn.Route) []byte {
	return appendIP(binary.BigEndian.AppendUint32(dst, r.Tag), r.IP)
}

func checkMulticast(r *evpn.Route) error {
	if !r.IP.IsValid() {
		return errors.New("it has no originating router")
	}
	return nil
}

// appendIP appends the length of an address in bits, and the address.
func appendIP(dst []byte, ip netip.Addr) []byte {
	ip = ip.Unmap().WithZone("")
	return append(append(dst, byte(ip.BitLen())), ip.AsSlice()...)
}
