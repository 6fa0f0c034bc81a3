package wire

import (
	"encoding/binary"
	"testing"

	"github.com/evpnd/evpnd/evpn"
)

// patterns fill the value of a route so that as much of it as possible is
// read: a MAC-only type 2 route, the same with an IPv4 and an IPv6 address,
// type 3 with either, and noise.
func patterns(t *testing.T) [][]byte {
	var out [][]byte
	for _, s := range []string{
		rd + esi0 + "00000000 30 0242ac12000a 00", rd + esi0 + "00000000 30 0242ac12000a 20", rd + esi0 + "00000000 30 0242ac12000a 80",
		rd + "00000000 20", rd + "00000000 80", "",
	} {
		b := dump(t, s)
		for len(b) < 255 {
			b = append(b, 0xab)
		}
		out = append(out, b)
	}
	return out
}

// layouts are the lengths that a route of a type may have: RFC 7432 §7.2 and
// §7.3, with the address that a pattern says.
var layouts = map[evpn.RouteType][][]int{
	evpn.MACIP:              {{33, 36}, {37, 40}, {49, 52}, nil, nil, nil},
	evpn.InclusiveMulticast: {nil, nil, nil, {17}, {29}, nil},
}

// TestEveryTypeAndLength sends each route type with each length, whole and
// between two good routes: the good ones are used, and the one in the middle is
// exactly where its type may have the length (RFC 7606 §5.4, RFC 7432 §7).
func TestEveryTypeAndLength(t *testing.T) {
	before, after := dump(t, mac1), dump(t, mac2)
	head := dump(t, nh4)
	base, r := good(t), reader()
	for pattern, fill := range patterns(t) {
		for typ := range 256 {
			for length := range 256 {
				nlri := append(append(append(append([]byte{}, head...), before...), byte(typ), byte(length)), fill[:length]...)
				m := base
				m.attrs = append(m.attrs[:len(m.attrs):len(m.attrs)], attrBytes(0x80, 14, append(nlri, after...)))
				r.Counts = Counts{}
				u, _, bad := r.Update(m.body())
				want := 2
				for _, n := range at(layouts[evpn.RouteType(typ)], pattern) {
					if n == length {
						want = 3
					}
				}
				discarded := uint64(0)
				for _, n := range r.Counts.Discarded {
					discarded += n
				}
				if bad != nil || len(u.Reach) != want || discarded != uint64(3-want) || u.Reach[0].MAC[5] != 10 || u.Reach[want-1].MAC[5] != 11 {
					t.Fatalf("type %d, length %d, pattern %d: %d routes, %d discarded, %v; want %d routes", typ, length, pattern, len(u.Reach), discarded, bad, want)
				}
			}
		}
	}
}

func at(lengths [][]int, i int) []int {
	if i < len(lengths) {
		return lengths[i]
	}
	return nil
}

// TestEveryTruncation: a route that is longer than what is left of the
// attribute leaves unknown where the next begins, so the session ends, whatever
// the type and wherever it is cut (RFC 7606 §5.3); announced and withdrawn.
func TestEveryTruncation(t *testing.T) {
	fill := patterns(t)[1]
	withdrawn := append([]byte{0, AFIL2VPN, SAFIEVPN}, dump(t, mac1)...)
	r := reader()
	announced := append(dump(t, nh4), dump(t, mac1)...)
	for _, c := range []struct {
		typ   byte
		start []byte
	}{{attrMPReach, announced}, {attrMPUnreach, withdrawn}} {
		v := make([]byte, 0, 512)
		for typ := range 256 {
			for length := 1; length < 256; length++ {
				for _, left := range []int{0, 1, length / 2, length - 1} {
					if left >= length {
						continue
					}
					v = append(append(append(v[:0], c.start...), byte(typ), byte(length)), fill[:left]...)
					u, _, bad := r.Update(updateOf(c.typ, v))
					if bad == nil || bad.Code != CodeUpdate || bad.Subcode != 9 || len(u.Reach)+len(u.Withdrawn) > 0 {
						t.Fatalf("attribute %d, type %d, length %d with %d bytes left: %+v %v", c.typ, typ, length, left, u, bad)
					}
				}
			}
		}
	}
}

// updateOf is an UPDATE with one attribute, of extended length.
func updateOf(typ byte, v []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(4+len(v)))
	b = append(b, flagOptional|flagExtended, typ)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
}
