package wire

import (
	"encoding/binary"

	"github.com/evpnd/evpnd/evpn"
)

// Packer gathers UPDATEs that carry a route each into few that carry many:
// routes with equal path attributes share one MP_REACH_NLRI (RFC 4760 §3), and
// withdrawn ones one MP_UNREACH_NLRI (§4). A receiver ends up with the same
// routes as without it:
//
//   - What is said of one route stays in its order: when a route that waits
//     comes again, everything that waits goes out first.
//   - Announcements go out before the withdrawals that wait with them, so that
//     a route that replaces another is there before that one goes.
//   - A message of another kind goes out behind all that came before it:
//     End-of-RIB, KEEPALIVE, and an UPDATE that is not understood.
//
// The zero value is ready to use. Not safe for concurrent use.
type Packer struct {
	announced []packed       // by attributes, in the order of their first route
	index     map[string]int // attributes to announced
	withdrawn []byte         // NLRI
	waiting   map[evpn.NLRI]struct{}
	key       []byte
	ids       []evpn.NLRI // of the message that is added
	route     evpn.Route
}

// packed is routes that share their path attributes.
type packed struct {
	before, after []byte // the attributes around MP_REACH_NLRI
	family        []byte // what MP_REACH_NLRI has before its routes
	nlri          []byte
}

const (
	// maxPacked bounds how many sets of attributes wait at a time, and
	// maxWaiting how many routes.
	maxPacked  = 1024
	maxWaiting = 32768
	// keepPacked is for how many sets memory is kept.
	keepPacked = 16
	// updateLen is the length of an UPDATE without attributes, and
	// longAttr that of the header of an attribute with the extended length.
	updateLen = HeaderLen + 4
	longAttr  = 4
)

// Waiting tells whether something waits for Flush.
func (p *Packer) Waiting() bool { return len(p.waiting) > 0 }

// Add takes a whole message, as Split found it, and appends to dst what is to be
// sent now. It keeps no pointer to msg.
func (p *Packer) Add(dst, msg []byte) []byte {
	u, ok := singleUpdate(msg)
	if ok {
		ok = p.identify(u.nlri, u.withdraw)
	}
	if !ok {
		return append(p.Flush(dst), msg...)
	}
	if len(p.waiting) >= maxWaiting || p.anyWaits() {
		dst = p.Flush(dst)
	}
	if u.withdraw {
		dst = p.withdraw(dst, u.nlri)
	} else {
		dst = p.announce(dst, &u)
	}
	if p.waiting == nil {
		p.waiting = make(map[evpn.NLRI]struct{})
	}
	for _, id := range p.ids {
		p.waiting[id] = struct{}{}
	}
	return dst
}

// anyWaits tells whether one of p.ids waits already.
func (p *Packer) anyWaits() bool {
	for _, id := range p.ids {
		if _, ok := p.waiting[id]; ok {
			return true
		}
	}
	return false
}

func (p *Packer) announce(dst []byte, u *singleRoute) []byte {
	p.key = binary.BigEndian.AppendUint16(p.key[:0], uint16(len(u.before)))
	p.key = append(append(append(p.key, u.before...), u.family...), u.after...)
	i, ok := p.index[string(p.key)]
	if !ok {
		if len(p.announced) == maxPacked {
			dst = p.Flush(dst)
		}
		if i = len(p.announced); p.index == nil {
			p.index = make(map[string]int)
		}
		p.index[string(p.key)] = i
		p.announced = extend(p.announced)
		g := &p.announced[i]
		g.before, g.after = append(g.before[:0], u.before...), append(g.after[:0], u.after...)
		g.family, g.nlri = append(g.family[:0], u.family...), g.nlri[:0]
	}
	g := &p.announced[i]
	if updateLen+len(g.before)+longAttr+len(g.family)+len(g.nlri)+len(u.nlri)+len(g.after) > MaxLen {
		dst = g.appendTo(dst)
		g.nlri = g.nlri[:0]
	}
	g.nlri = append(g.nlri, u.nlri...)
	return dst
}

// extend makes list longer by one, which may have memory from an earlier use.
func extend(list []packed) []packed {
	if len(list) < cap(list) {
		return list[:len(list)+1]
	}
	return append(list, packed{})
}

func (p *Packer) withdraw(dst, nlri []byte) []byte {
	if updateLen+longAttr+len(evpnFamily)+len(p.withdrawn)+len(nlri) > MaxLen {
		dst = p.Flush(dst)
	}
	p.withdrawn = append(p.withdrawn, nlri...)
	return dst
}

// Flush appends to dst everything that waits.
func (p *Packer) Flush(dst []byte) []byte {
	for i := range p.announced {
		dst = p.announced[i].appendTo(dst)
	}
	if len(p.withdrawn) > 0 {
		start := len(dst)
		dst = append(begin(dst, TypeUpdate), 0, 0, 0, 0)
		dst = appendAttrHeader(dst, optionalNonTransitive, attrMPUnreach, len(evpnFamily)+len(p.withdrawn))
		dst = append(append(dst, evpnFamily...), p.withdrawn...)
		dst = finishUpdate(dst, start)
	}
	if len(p.announced) > keepPacked {
		*p = Packer{ids: p.ids, key: p.key}
		return dst
	}
	p.announced, p.withdrawn = p.announced[:0], p.withdrawn[:0]
	clear(p.index)
	clear(p.waiting)
	return dst
}

func (g *packed) appendTo(dst []byte) []byte {
	if len(g.nlri) == 0 {
		return dst
	}
	start := len(dst)
	dst = append(append(begin(dst, TypeUpdate), 0, 0, 0, 0), g.before...)
	dst = appendAttrHeader(dst, optionalNonTransitive, attrMPReach, len(g.family)+len(g.nlri))
	dst = append(append(append(dst, g.family...), g.nlri...), g.after...)
	return finishUpdate(dst, start)
}

// finishUpdate fills in the lengths of an UPDATE without IPv4 routes.
func finishUpdate(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+HeaderLen+2:], uint16(len(dst)-start-updateLen))
	return finish(dst, start)
}

// evpnFamily is what begins the value of MP_REACH_NLRI and MP_UNREACH_NLRI.
var evpnFamily = []byte{0, AFIL2VPN, SAFIEVPN}

// singleRoute is an UPDATE taken apart that either announces EVPN routes or
// withdraws some.
type singleRoute struct {
	withdraw      bool
	before, after []byte
	family, nlri  []byte
}

// singleUpdate takes msg apart; ok is false for what Packer does not gather.
func singleUpdate(msg []byte) (u singleRoute, ok bool) {
	if TypeOf(msg) != TypeUpdate || len(msg) < updateLen {
		return u, false
	}
	b := msg[updateLen:]
	if binary.BigEndian.Uint16(msg[HeaderLen:]) != 0 || int(binary.BigEndian.Uint16(msg[HeaderLen+2:])) != len(b) {
		return u, false
	}
	for at := 0; at < len(b); {
		flags, typ, header, n, fits := nextAttr(b[at:])
		if !fits {
			return u, false
		}
		v, end := b[at+header:at+header+n], at+header+n
		if typ == attrMPReach || typ == attrMPUnreach {
			if ok || n < len(evpnFamily) || [3]byte(v) != [3]byte(evpnFamily) || flags&^flagExtended != optionalNonTransitive {
				return u, false // both in one message, another family, or wrong
			}
			ok = true
			u.withdraw = typ == attrMPUnreach
			split := len(evpnFamily)
			if !u.withdraw {
				if n < 5 || int(v[3])+5 > n {
					return u, false
				}
				split = 5 + int(v[3]) // next hop and a reserved byte
			}
			u.before, u.after = b[:at], b[end:]
			u.family, u.nlri = v[:split], v[split:]
		}
		at = end
	}
	if u.withdraw && len(u.before)+len(u.after) > 0 {
		return u, false
	}
	return u, ok && len(u.nlri) > 0
}

// identify sets ids to those of the routes in nlri; it returns false when one
// cannot be read.
func (p *Packer) identify(nlri []byte, withdraw bool) bool {
	p.ids = p.ids[:0]
	for len(nlri) > 0 {
		typ, v, rest, bad := nextRoute(nlri)
		if bad != nil || parseReach(typ, v, &p.route, withdraw) != 0 {
			return false
		}
		p.ids, nlri = append(p.ids, p.route.NLRI), rest
	}
	return true
}
