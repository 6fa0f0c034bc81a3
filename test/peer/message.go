package peer

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// Message makes a message of a body (RFC 4271 §4.1). The length is written as
// it is, also where no message may be so long.
func Message(typ wire.Type, body []byte) []byte {
	b := bytes.Repeat([]byte{0xff}, 16)
	b = binary.BigEndian.AppendUint16(b, uint16(wire.HeaderLen+len(body)))
	return append(append(b, byte(typ)), body...)
}

// Attr makes a path attribute, with the extended length where it is needed
// (RFC 4271 §4.3).
func Attr(flags, typ byte, v []byte) []byte {
	if len(v) > 255 {
		return append([]byte{flags | 0x10, typ, byte(len(v) >> 8), byte(len(v))}, v...)
	}
	return append([]byte{flags, typ, byte(len(v))}, v...)
}

// Update makes an UPDATE of path attributes.
func Update(attrs ...[]byte) []byte {
	return Message(wire.TypeUpdate, UpdateBody(attrs...))
}

// UpdateBody makes what follows the header of an UPDATE.
func UpdateBody(attrs ...[]byte) []byte {
	b := bytes.Join(attrs, nil)
	return append(binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(b))), b...)
}

// Source is where routes come from: a VTEP that they point to, in a VNI, with
// an RD of its own.
type Source struct {
	AS       uint16 // of the route target
	VTEP     netip.Addr
	VNI      evpn.VNI
	Sequence uint32 // of the MAC mobility; zero: there is none (RFC 7432 §7.7)
	Number   uint16 // of the RD; zero: 1
	Hosts    bool   // MAC number i has the address IP(i)
}

// RD is that of the routes: the VTEP, or the last 32 bits of it, and Number.
func (s Source) RD() evpn.RD {
	b := s.VTEP.AsSlice()
	return evpn.NewRD(netip.AddrFrom4([4]byte(b[len(b)-4:])), max(s.Number, 1))
}

// MAC returns MAC number i.
func MAC(i int) evpn.MAC { return evpn.MAC{2, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)} }

// IP returns the address of host number i, of 172.16.0.0/12.
func IP(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, 16 | byte(i>>16)&15, byte(i >> 8), byte(i)})
}

// MACRoute is the NLRI of a type 2 route (RFC 7432 §7.2) for MAC number i,
// with an IP address only when the source has Hosts.
func (s Source) MACRoute(i int) []byte {
	r := &evpn.Route{NLRI: evpn.NLRI{Type: evpn.MACIP, RD: s.RD(), MAC: MAC(i)}, Label: s.VNI}
	if s.Hosts {
		r.IP = IP(i)
	}
	return wire.AppendNLRI(nil, r)
}

// IMET is the NLRI of a type 3 route (RFC 7432 §7.3).
func (s Source) IMET() []byte {
	return wire.AppendNLRI(nil, &evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: s.RD(), IP: s.VTEP}})
}

// Common is the attributes that every route of an internal peer has: ORIGIN,
// AS_PATH, LOCAL_PREF, and its target and encapsulation.
func (s Source) Common() []byte {
	rt := evpn.NewRT(s.AS, uint32(s.VNI))
	ext := append(rt[:], 3, 0x0c, 0, 0, 0, 0, 0, 8) // VXLAN
	if s.Sequence > 0 {
		ext = binary.BigEndian.AppendUint32(append(ext, 6, 0, 0, 0), s.Sequence)
	}
	return bytes.Join([][]byte{
		Attr(0x40, 1, []byte{0}), Attr(0x40, 2, nil), Attr(0x40, 5, []byte{0, 0, 0, 100}), Attr(0xc0, 16, ext),
	}, nil)
}

// MPReach is the attribute that announces routes with the VTEP as next hop.
func (s Source) MPReach(nlri ...[]byte) []byte {
	v := append([]byte{0, wire.AFIL2VPN, wire.SAFIEVPN, byte(len(s.VTEP.AsSlice()))}, s.VTEP.AsSlice()...)
	return Attr(0x80, 14, append(append(v, 0), bytes.Join(nlri, nil)...))
}

// MPUnreach is the attribute that withdraws routes.
func MPUnreach(nlri ...[]byte) []byte {
	return Attr(0x80, 15, append([]byte{0, wire.AFIL2VPN, wire.SAFIEVPN}, bytes.Join(nlri, nil)...))
}

// Reach is an UPDATE that announces routes.
func (s Source) Reach(nlri ...[]byte) []byte { return Update(s.MPReach(nlri...), s.Common()) }

// Unreach is an UPDATE that withdraws routes. Without any it is the
// End-of-RIB (RFC 4724 §2).
func Unreach(nlri ...[]byte) []byte { return Update(MPUnreach(nlri...)) }

// Flood is the UPDATE of the type 3 route, with ingress replication (RFC 6514
// §5).
func (s Source) Flood() []byte {
	pmsi := wire.PMSI(&evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: s.VNI, Endpoint: s.VTEP})
	return Update(s.MPReach(s.IMET()), s.Common(), Attr(0xc0, 22, pmsi))
}

// PerUpdate is how many type 2 routes fill an UPDATE, as a reflector packs
// them; of hosts, which have an address too, fewer fit.
const (
	PerUpdate      = 110
	hostsPerUpdate = 95
)

// stream makes the UPDATEs for the MACs from up to, but without, to.
func (s Source) stream(from, to int, one func(nlri ...[]byte) []byte) []byte {
	var out, nlri []byte
	most := PerUpdate
	if s.Hosts {
		most = hostsPerUpdate
	}
	for i := from; i < to; i++ {
		nlri = append(nlri, s.MACRoute(i)...)
		if (i-from+1)%most == 0 || i+1 == to {
			out = append(out, one(nlri)...)
			nlri = nlri[:0]
		}
	}
	return out
}

// Announce is the UPDATEs that announce the MACs from up to, but without, to.
func (s Source) Announce(from, to int) []byte { return s.stream(from, to, s.Reach) }

// Withdraw is the UPDATEs that withdraw them.
func (s Source) Withdraw(from, to int) []byte { return s.stream(from, to, Unreach) }
