package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// attrReader reads one set of path attributes.
type attrReader struct {
	*Reader
	a    *evpn.Attrs
	seen [4]uint64 // attribute types met, one bit each
	loop Discard
}

// parseAttrs reads the attributes in b, which nextHop, of MP_REACH_NLRI, is
// not among. A Discard says that the routes are to be taken as withdrawn.
func (r *Reader) parseAttrs(b, nextHop []byte) (*evpn.Attrs, Discard) {
	p := attrReader{Reader: r, a: &evpn.Attrs{LocalPref: 100}}
	// Of 32 bytes the first half is global, the other link-local (RFC 2545 §3).
	p.a.NextHop, _ = netip.AddrFromSlice(nextHop[:min(len(nextHop), 16)])
	p.a.NextHop = p.a.NextHop.Unmap()
	if p.a.NextHop.IsUnspecified() || p.a.NextHop.IsMulticast() {
		return nil, DiscardNextHop
	}
	for len(b) > 0 {
		flags, typ, header, n, ok := nextAttr(b)
		if !ok {
			return nil, DiscardAttrLength
		}
		v := b[header : header+n]
		b = b[header+n:]
		bit := uint64(1) << (typ & 63)
		if p.seen[typ>>6]&bit != 0 {
			r.Counts.AttrsIgnored++ // RFC 7606 §3 g: all but the first
			continue
		}
		p.seen[typ>>6] |= bit
		if reason := p.attr(flags, typ, v); reason != 0 {
			return nil, reason
		}
	}
	const mandatory = 1<<attrOrigin | 1<<attrASPath
	if p.seen[0]&mandatory != mandatory {
		return nil, DiscardAttrMissing // RFC 7606 §3 d
	}
	if p.loop != 0 {
		return nil, p.loop
	}
	return p.a, 0
}

// wellKnown, and the other two, are what the flags of an attribute must be
// (RFC 4271 §5, the definitions of the others).
const (
	wellKnown             = flagTransitive
	optionalTransitive    = flagOptional | flagTransitive
	optionalNonTransitive = flagOptional
)

var attrFlags = [256]byte{
	attrOrigin: wellKnown, attrASPath: wellKnown, attrNextHop: wellKnown, attrLocalPref: wellKnown,
	attrAtomicAggregate: wellKnown, attrMED: optionalNonTransitive, attrAggregator: optionalTransitive,
	attrCommunities: optionalTransitive, attrOriginatorID: optionalNonTransitive, attrClusterList: optionalNonTransitive,
	attrExtCommunities: optionalTransitive, attrAS4Path: optionalTransitive, attrPMSI: optionalTransitive,
	attrIPv6ExtComm: optionalTransitive, attrLargeComm: optionalTransitive,
}

// attr reads one attribute. Which error costs what is RFC 7606 §7.
func (p *attrReader) attr(flags, typ byte, v []byte) Discard {
	if p.ignored(typ, v) {
		p.Counts.AttrsIgnored++
		return 0
	}
	if want := attrFlags[typ]; want == 0 {
		if flags&flagOptional == 0 {
			return DiscardAttrUnknown // RFC 4271 §5: a well-known one that is not known
		}
		p.Counts.AttrsUnknown++
		return 0
	} else if flags&(flagOptional|flagTransitive) != want {
		return DiscardAttrFlags // RFC 7606 §3 c
	}
	if !lengthOK(typ, len(v)) {
		return DiscardAttrLength
	}
	switch typ {
	case attrOrigin:
		if p.a.Origin = v[0]; v[0] > 2 {
			return DiscardAttrValue
		}
	case attrASPath:
		return p.asPath(v, p.AS4)
	case attrMED:
		p.a.MED = binary.BigEndian.Uint32(v)
	case attrLocalPref:
		p.a.LocalPref = binary.BigEndian.Uint32(v)
	case attrOriginatorID:
		p.a.OriginatorID = netip.AddrFrom4([4]byte(v))
		if p.a.OriginatorID == p.RouterID {
			p.loop = DiscardOriginator // RFC 4456 §8
		}
	case attrClusterList:
		p.clusters(v)
	case attrCommunities:
		p.wellKnownCommunities(v)
	case attrExtCommunities:
		p.communities(v)
	case attrPMSI:
		return p.pmsi(v)
	}
	return 0
}

// ignored tells whether an attribute does not count: RFC 7606 §7.6, §7.7
// (aggregation, when malformed), §7.5, §7.9 and §7.10 (those that only an
// internal peer may send), RFC 4760 §3 (NEXT_HOP beside MP_REACH_NLRI), and
// AS4_PATH, whose malformed form RFC 6793 §6 ignores too.
func (p *attrReader) ignored(typ byte, v []byte) bool {
	switch typ {
	case attrNextHop, attrAtomicAggregate, attrAggregator:
		return true
	case attrLocalPref, attrOriginatorID, attrClusterList:
		return !p.Internal
	case attrAS4Path:
		if p.AS4 {
			return true
		}
		// The AS_PATH beside it has AS_TRANS in place of what does not fit
		// two bytes; only the loop is looked for.
		length := p.a.ASPathLen
		bad := p.asPath(v, true) != 0
		p.a.ASPathLen = length
		return bad
	}
	return false
}

// lengthOK tells whether an attribute may have n bytes.
func lengthOK(typ byte, n int) bool {
	switch typ {
	case attrOrigin:
		return n == 1
	case attrMED, attrLocalPref, attrOriginatorID:
		return n == 4
	case attrCommunities, attrClusterList:
		return n > 0 && n%4 == 0
	case attrExtCommunities:
		return n > 0 && n%8 == 0
	case attrIPv6ExtComm:
		return n > 0 && n%20 == 0
	case attrLargeComm:
		return n > 0 && n%12 == 0
	}
	return true
}

// Segment types of an AS_PATH (RFC 4271 §4.3, RFC 5065 §3).
const (
	asSet            = 1
	asSequence       = 2
	asConfedSequence = 3
	asConfedSet      = 4
)

func (p *attrReader) asPath(v []byte, as4 bool) Discard {
	width := 2
	if as4 {
		width = 4
	}
	for len(v) > 0 {
		if len(v) < 2 || v[0] < asSet || v[0] > asConfedSet || v[1] == 0 {
			return DiscardASPath
		}
		typ, n := v[0], int(v[1])
		if v = v[2:]; n*width > len(v) {
			return DiscardASPath
		}
		switch typ {
		case asSequence:
			p.a.ASPathLen += n
		case asSet:
			p.a.ASPathLen++
		}
		for i := range n {
			as := uint32(0)
			if as4 {
				as = binary.BigEndian.Uint32(v[i*4:])
			} else {
				as = uint32(binary.BigEndian.Uint16(v[i*2:]))
			}
			if as == p.LocalAS && as != asTrans {
				p.loop = DiscardASLoop // RFC 4271 §9.1.2
			}
		}
		v = v[n*width:]
	}
	return 0
}

func (p *attrReader) clusters(v []byte) {
	p.a.ClusterLen = len(v) / 4
	for ; len(v) >= 4; v = v[4:] {
		if netip.AddrFrom4([4]byte(v)) == p.RouterID {
			p.loop = DiscardCluster // RFC 4456 §8
		}
	}
}

// Well-known communities (RFC 9494 §3.2, §3.3).
const (
	communityLLGRStale = 0xffff0006
	communityNoLLGR    = 0xffff0007
)

// wellKnownCommunities reads the communities (RFC 1997) that mean something
// here.
func (p *attrReader) wellKnownCommunities(v []byte) {
	for ; len(v) >= 4; v = v[4:] {
		switch binary.BigEndian.Uint32(v) {
		case communityLLGRStale:
			p.a.LongLivedStale = true
		case communityNoLLGR:
			p.a.NoLongLived = true
		}
	}
}

// Extended communities: type and sub-type.
const (
	ecEncap          = 0x030c // RFC 9012 §4.1
	ecDefaultGateway = 0x030d // RFC 7432 §7.8
	ecMobility       = 0x0600 // RFC 7432 §7.7
	ecRouterMAC      = 0x0603 // RFC 9135 §8.1
	ecND             = 0x0608 // RFC 9047 §2
)

// tunnelVXLAN is VXLAN in the Encapsulation extended community (RFC 8365 §11).
const tunnelVXLAN = 8

// Bits of the flags bytes of extended communities.
const (
	mobilitySticky = 0x01 // RFC 7432 §7.7
	ndRouter       = 0x01 // RFC 9047 §2: bit 23 of the community
	ndOverride     = 0x02 // bit 22
	ndImmutable    = 0x08 // bit 20
)

func (p *attrReader) communities(v []byte) {
	targets := 0
	for i := 0; i < len(v); i += 8 {
		if isTarget(v[i:]) {
			targets++
		}
	}
	a := p.a
	a.Targets = make([]evpn.RT, 0, targets)
	for ; len(v) >= 8; v = v[8:] {
		if isTarget(v) {
			a.Targets = append(a.Targets, evpn.RT(v[:8]))
			continue
		}
		switch binary.BigEndian.Uint16(v) {
		case ecEncap:
			if binary.BigEndian.Uint16(v[6:]) == tunnelVXLAN {
				a.Encap |= evpn.EncapVXLAN
			} else {
				a.Encap |= evpn.EncapOther
			}
		case ecDefaultGateway:
			a.DefaultGateway = true
		case ecMobility:
			a.Mobility = evpn.Mobility{Seq: binary.BigEndian.Uint32(v[4:]), Sticky: v[2]&mobilitySticky != 0}
		case ecRouterMAC:
			a.RouterMAC = evpn.MAC(v[2:8])
		case ecND:
			a.ND = evpn.ND{
				Present: true, Router: v[2]&ndRouter != 0,
				Override: v[2]&ndOverride != 0, Immutable: v[2]&ndImmutable != 0,
			}
		default:
			a.Other = append(a.Other, [8]byte(v[:8]))
		}
	}
}

// isTarget tells whether an extended community is a route target in one of
// its three encodings (RFC 4360 §4, RFC 5668 §2).
func isTarget(v []byte) bool { return v[0] <= 2 && v[1] == evpn.RTSubType }

// pmsi reads the PMSI Tunnel attribute (RFC 6514 §5):
//
//	flags (1) | tunnel type (1) | label (3) | tunnel identifier
func (p *attrReader) pmsi(v []byte) Discard {
	if len(v) < 5 {
		return DiscardAttrLength
	}
	t := evpn.PMSI{Present: true, Flags: v[0], Type: v[1], Label: label(v[2:])}
	if t.Type == evpn.IngressReplication {
		ip, ok := netip.AddrFromSlice(v[5:])
		if !ok {
			return DiscardAttrLength
		}
		t.Endpoint = ip.Unmap()
	}
	p.a.PMSI = t
	return 0
}
