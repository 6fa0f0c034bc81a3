package wire

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"github.com/evpnd/evpnd/evpn"
)

// Reader turns the UPDATEs of one session into routes. The exported fields
// are what the two OPENs agreed on, and must not change once it reads. Not
// safe for concurrent use.
type Reader struct {
	AS4      bool       // AS numbers in AS_PATH are 4 bytes (RFC 6793 §4.1)
	Internal bool       // iBGP
	LocalAS  uint32     // an AS_PATH that contains it is a loop
	RouterID netip.Addr // an ORIGINATOR_ID or CLUSTER_LIST that contains it is a loop

	Counts Counts // everything read so far

	// Dropped, when it is set, is told of each announced route that is
	// discarded, and why, with what of it could be read. It must keep no
	// pointer.
	Dropped func(*evpn.Route, Discard)

	seed  maphash.Seed
	cache []cachedAttrs
	key   []byte
	reach []evpn.Route // backing of the next routes, shared until it is used up
	gone  []evpn.NLRI
	route evpn.Route // of the withdrawal that is read
}

// cachedAttrs is what the attributes with these bytes meant. Peers send the
// same few sets of attributes again and again: a set a VNI and VTEP.
type cachedAttrs struct {
	key    []byte
	attrs  *evpn.Attrs
	reason Discard
}

// cacheSize is a power of two, so that the hash can be masked. It covers a
// VNI on 512 VTEPs in about 150 KB a session.
const cacheSize = 512

// chunk is how many routes share one allocation.
const chunk = 512

// NewReader returns a Reader for one session.
func NewReader(as4, internal bool, localAS uint32, routerID netip.Addr) *Reader {
	return &Reader{AS4: as4, Internal: internal, LocalAS: localAS, RouterID: routerID, seed: maphash.MakeSeed()}
}

// Update reads the body of an UPDATE. It returns what the message says, and
// whether it is the End-of-RIB. A notification is the answer to an UPDATE in
// which the routes cannot be found (RFC 7606 §3, §5.3): the session must end.
func (r *Reader) Update(body []byte) (u evpn.Update, end bool, bad *Notification) {
	r.Counts.Updates++
	if IsEndOfRIB(body) {
		r.Counts.EndOfRIB++
		return u, true, nil
	}
	p, bad := r.split(body)
	if bad != nil {
		return u, false, bad
	}
	if p.unreach != nil {
		if u.Withdrawn, bad = r.withdrawn(p.unreach); bad != nil {
			return evpn.Update{}, false, bad
		}
	}
	if len(p.reachNLRI) == 0 {
		if !p.other && r.inError(&p) {
			return evpn.Update{}, false, malformed()
		}
		return u, false, nil
	}
	routes, bad := r.routes(p.reachNLRI)
	if bad != nil {
		return evpn.Update{}, false, bad
	}
	if len(routes) == 0 {
		return u, false, nil
	}
	attrs, reason := (*evpn.Attrs)(nil), p.reason
	if reason == 0 {
		attrs, reason = r.attrs(&p)
	}
	if reason != 0 {
		r.Counts.Discarded[reason] += uint64(len(routes))
		for i := range routes {
			r.dropped(&routes[i], reason)
		}
		u.Withdrawn = r.asWithdrawn(u.Withdrawn, routes)
		return u, false, nil
	}
	for i := range routes {
		r.Counts.count(routes[i].Type, true)
	}
	u.Reach, u.Attrs = routes, attrs
	return u, false, nil
}

// parts is an UPDATE taken apart without a look into its attributes.
type parts struct {
	body      []byte // the path attributes
	nextHop   []byte // of MP_REACH_NLRI
	reachNLRI []byte // nil: no EVPN routes announced
	unreach   []byte // nil: no EVPN routes withdrawn
	// The bytes of MP_REACH_NLRI and MP_UNREACH_NLRI within body, header
	// included, in the order they come; the rest is what all routes share.
	holes  [2][2]int
	nHoles int
	reason Discard // why the routes are to be taken as withdrawn
	other  bool    // routes of another address family are announced
}

// Attribute flags (RFC 4271 §4.3).
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagPartial    = 0x20
	flagExtended   = 0x10
)

// Attribute types.
const (
	attrOrigin          = 1  // RFC 4271 §5.1.1
	attrASPath          = 2  // RFC 4271 §5.1.2
	attrNextHop         = 3  // RFC 4271 §5.1.3
	attrMED             = 4  // RFC 4271 §5.1.4
	attrLocalPref       = 5  // RFC 4271 §5.1.5
	attrAtomicAggregate = 6  // RFC 4271 §5.1.6
	attrAggregator      = 7  // RFC 4271 §5.1.7
	attrCommunities     = 8  // RFC 1997
	attrOriginatorID    = 9  // RFC 4456 §8
	attrClusterList     = 10 // RFC 4456 §8
	attrMPReach         = 14 // RFC 4760 §3
	attrMPUnreach       = 15 // RFC 4760 §4
	attrExtCommunities  = 16 // RFC 4360 §2
	attrAS4Path         = 17 // RFC 6793 §3
	attrPMSI            = 22 // RFC 6514 §5
	attrIPv6ExtComm     = 25 // RFC 5701 §2
	attrLargeComm       = 32 // RFC 8092 §3
)

// nextAttr reads the header of the attribute that b begins with, and returns
// the lengths of header and value, ok false when they do not fit in b.
func nextAttr(b []byte) (flags, typ byte, header, n int, ok bool) {
	if len(b) < 3 {
		return 0, 0, 0, 0, false
	}
	flags, typ, header, n = b[0], b[1], 3, int(b[2])
	if flags&flagExtended != 0 {
		if len(b) < 4 {
			return 0, 0, 0, 0, false
		}
		header, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	}
	return flags, typ, header, n, header+n <= len(b)
}

// malformed answers an UPDATE whose attributes cannot be told apart.
func malformed() *Notification { return &Notification{Code: CodeUpdate, Subcode: 1} }

// unlocated answers an UPDATE whose routes cannot be told apart.
func unlocated() *Notification { return &Notification{Code: CodeUpdate, Subcode: 9} }

// split finds the attributes that carry routes.
func (r *Reader) split(body []byte) (p parts, bad *Notification) {
	if len(body) < 4 {
		return p, malformed()
	}
	w := int(binary.BigEndian.Uint16(body))
	if w+4 > len(body) {
		return p, malformed()
	}
	n := int(binary.BigEndian.Uint16(body[2+w:]))
	if w+4+n > len(body) {
		return p, malformed()
	}
	p.other = w+4+n < len(body)
	if w > 0 || p.other {
		r.Counts.OtherFamily++ // IPv4 unicast, which was not negotiated
	}
	p.body = body[4+w : 4+w+n]
	for at := 0; at < n; {
		flags, typ, header, l, ok := nextAttr(p.body[at:])
		if !ok {
			// RFC 7606 §4: the attributes overrun. The routes that were
			// found are withdrawn; without any it is not known which to.
			if p.nHoles == 0 {
				return p, malformed()
			}
			p.reason, p.body = DiscardAttrLength, p.body[:at]
			return p, nil
		}
		if typ == attrMPReach || typ == attrMPUnreach {
			if p.nHoles > 0 && p.body[p.holes[0][0]+1] == typ || p.nHoles == 2 {
				return p, malformed() // RFC 7606 §3 g
			}
			p.holes[p.nHoles] = [2]int{at, at + header + l}
			p.nHoles++
			if bad := r.family(&p, typ, p.body[at+header:at+header+l]); bad != nil {
				return p, bad
			}
			if flags&(flagOptional|flagTransitive) != flagOptional && typ == attrMPReach {
				p.reason = DiscardAttrFlags
			}
		}
		at += header + l
	}
	return p, nil
}

// family reads what MP_REACH_NLRI (RFC 4760 §3) or MP_UNREACH_NLRI (§4) has
// before its routes.
func (r *Reader) family(p *parts, typ byte, v []byte) *Notification {
	if len(v) < 3 {
		return unlocated()
	}
	evpnRoutes := binary.BigEndian.Uint16(v) == AFIL2VPN && v[2] == SAFIEVPN
	if !evpnRoutes {
		r.Counts.OtherFamily++
		p.other = p.other || typ == attrMPReach
		return nil
	}
	if typ == attrMPUnreach {
		p.unreach = v[3:]
		return nil
	}
	// RFC 7606 §7.11: a next hop of a length that it cannot have leaves unknown
	// where the routes begin.
	if n := v[3:]; len(n) == 0 || n[0] != 4 && n[0] != 16 && n[0] != 32 || 2+int(n[0]) > len(n) {
		return unlocated()
	}
	p.nextHop, p.reachNLRI = v[4:4+v[3]], v[5+v[3]:]
	return nil
}

// nextRoute cuts the route that b begins with (RFC 7432 §7). A length beyond
// the end ends the session: where the next route begins is unknown.
func nextRoute(b []byte) (typ evpn.RouteType, v, rest []byte, bad *Notification) {
	if len(b) < 2 || 2+int(b[1]) > len(b) {
		return 0, nil, nil, unlocated()
	}
	n := 2 + int(b[1])
	return evpn.RouteType(b[0]), b[2:n], b[n:], nil
}

func (r *Reader) routes(b []byte) ([]evpn.Route, *Notification) {
	first := len(r.reach)
	for len(b) > 0 {
		typ, v, rest, bad := nextRoute(b)
		if bad != nil {
			return nil, bad
		}
		b = rest
		if len(r.reach) == cap(r.reach) {
			fresh := make([]evpn.Route, len(r.reach)-first, max(chunk, 2*(len(r.reach)-first)))
			copy(fresh, r.reach[first:])
			r.reach, first = fresh, 0
		}
		i := len(r.reach)
		r.reach = r.reach[:i+1]
		if reason := parseReach(typ, v, &r.reach[i], false); reason != 0 {
			r.Counts.Discarded[reason]++
			r.reach[i].Type = typ
			r.dropped(&r.reach[i], reason)
			r.reach[i] = evpn.Route{}
			r.reach = r.reach[:i]
		}
	}
	n := len(r.reach)
	return r.reach[first:n:n], nil
}

func (r *Reader) dropped(route *evpn.Route, reason Discard) {
	if r.Dropped != nil {
		r.Dropped(route, reason)
	}
}

func (r *Reader) withdrawn(b []byte) ([]evpn.NLRI, *Notification) {
	first := len(r.gone)
	route := &r.route
	for len(b) > 0 {
		typ, v, rest, bad := nextRoute(b)
		if bad != nil {
			return nil, bad
		}
		b = rest
		if reason := parseReach(typ, v, route, true); reason != 0 {
			r.Counts.Discarded[reason]++
			continue
		}
		r.Counts.count(route.Type, false)
		first = r.growGone(first)
		r.gone = append(r.gone, route.NLRI)
	}
	n := len(r.gone)
	return r.gone[first:n:n], nil
}

// growGone makes room for one more, taking along those from first on.
func (r *Reader) growGone(first int) int {
	if len(r.gone) < cap(r.gone) {
		return first
	}
	fresh := make([]evpn.NLRI, len(r.gone)-first, max(chunk, 2*(len(r.gone)-first)))
	copy(fresh, r.gone[first:])
	r.gone = fresh
	return 0
}

// asWithdrawn is treat-as-withdraw (RFC 7606 §2): the routes, which are the
// last that were read, are given back and stand among the withdrawn ones.
func (r *Reader) asWithdrawn(gone []evpn.NLRI, routes []evpn.Route) []evpn.NLRI {
	gone = gone[:len(gone):len(gone)]
	for i := range routes {
		gone = append(gone, routes[i].NLRI)
	}
	clear(routes)
	r.reach = r.reach[:len(r.reach)-len(routes)]
	return gone
}

// inError tells whether an UPDATE that announces nothing has an attribute that
// would withdraw its routes. Then it is not sure that there are none: the
// session must end (RFC 7606 §5.2).
func (r *Reader) inError(p *parts) bool {
	if p.reason != 0 {
		return true
	}
	whole := *p
	whole.nextHop = []byte{192, 0, 2, 1} // there is none to be judged
	_, reason := r.attrs(&whole)
	switch reason {
	case DiscardAttrLength, DiscardAttrFlags, DiscardAttrUnknown, DiscardAttrValue, DiscardASPath:
		return true
	}
	return false
}

// attrs reads the attributes that all routes of an UPDATE share, or finds
// that the same bytes were read before.
func (r *Reader) attrs(p *parts) (*evpn.Attrs, Discard) {
	r.key = append(r.key[:0], byte(len(p.nextHop)))
	r.key = append(r.key, p.nextHop...)
	at := 0
	for _, h := range p.holes[:p.nHoles] {
		r.key = append(r.key, p.body[at:h[0]]...)
		at = h[1]
	}
	r.key = append(r.key, p.body[at:]...)
	if r.cache == nil {
		r.cache = make([]cachedAttrs, cacheSize)
	}
	c := &r.cache[maphash.Bytes(r.seed, r.key)&(cacheSize-1)]
	if c.key != nil && bytes.Equal(c.key, r.key) {
		return c.attrs, c.reason
	}
	c.key = append(c.key[:0], r.key...)
	c.attrs, c.reason = r.parseAttrs(c.key[1+len(p.nextHop):], p.nextHop)
	return c.attrs, c.reason
}
