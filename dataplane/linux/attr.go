package linux

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/evpn"
)

// attrs walks over netlink attributes: next, then kind and the value. It
// stops at the first one whose length does not fit.
type attrIter struct {
	rest []byte
	cur  []byte
}

func attrs(b []byte) attrIter { return attrIter{rest: b} }

func (a *attrIter) next() bool {
	if len(a.rest) < unix.SizeofNlAttr {
		return false
	}
	n := int(native.Uint16(a.rest))
	if n < unix.SizeofNlAttr || n > len(a.rest) {
		return false
	}
	a.cur, a.rest = a.rest[:n], a.rest[min(align(n), len(a.rest)):]
	return true
}

func (a *attrIter) kind() uint16 { return native.Uint16(a.cur[2:]) & nlaTypeMask }
func (a *attrIter) val() []byte  { return a.cur[unix.SizeofNlAttr:] }

func (a *attrIter) u32() uint32 {
	if v := a.val(); len(v) >= 4 {
		return native.Uint32(v)
	}
	return 0
}

func (a *attrIter) u16() uint16 {
	if v := a.val(); len(v) >= 2 {
		return native.Uint16(v)
	}
	return 0
}

func (a *attrIter) u8() uint8 {
	if v := a.val(); len(v) >= 1 {
		return v[0]
	}
	return 0
}

func (a *attrIter) str() string {
	s, _, _ := bytes.Cut(a.val(), []byte{0})
	return string(s)
}

func (a *attrIter) mac() (m evpn.MAC) {
	if v := a.val(); len(v) == len(m) {
		m = evpn.MAC(v)
	}
	return m
}

func (a *attrIter) addr() netip.Addr {
	ip, _ := netip.AddrFromSlice(a.val())
	return ip
}

// The writing side appends to a buffer. A message begins with begin and its
// length is set by finish.

func begin(b []byte, kind uint16) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	native.PutUint16(b[len(b)-hdrLen+4:], kind)
	return b
}

// finish completes the header of the one message that b is.
func finish(b []byte, flags uint16, seq uint32) {
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[6:], native.Uint16(b[6:])|flags)
	native.PutUint32(b[8:], seq)
}

func putAttr(b []byte, kind uint16, val []byte) []byte {
	b = putAttrHdr(b, kind, len(val))
	b = append(b, val...)
	return pad(b)
}

func putAttrHdr(b []byte, kind uint16, n int) []byte {
	b = native.AppendUint16(b, uint16(unix.SizeofNlAttr+n))
	return native.AppendUint16(b, kind)
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func putU32(b []byte, kind uint16, v uint32) []byte {
	return native.AppendUint32(putAttrHdr(b, kind, 4), v)
}

func putU16(b []byte, kind uint16, v uint16) []byte {
	return pad(native.AppendUint16(putAttrHdr(b, kind, 2), v))
}

func putU8(b []byte, kind uint16, v uint8) []byte { return pad(append(putAttrHdr(b, kind, 1), v)) }

func putBool(b []byte, kind uint16, v bool) []byte {
	if v {
		return putU8(b, kind, 1)
	}
	return putU8(b, kind, 0)
}

func putStr(b []byte, kind uint16, s string) []byte {
	return putAttr(b, kind, append([]byte(s), 0))
}

func putAddr(b []byte, kind uint16, ip netip.Addr) []byte {
	if ip.Is4() {
		v := ip.As4()
		return append(putAttrHdr(b, kind, 4), v[:]...)
	}
	v := ip.As16()
	return append(putAttrHdr(b, kind, 16), v[:]...)
}

// nest begins a nested attribute; end sets its length.
func nest(b []byte, kind uint16) ([]byte, int) {
	at := len(b)
	return putAttrHdr(b, kind|unix.NLA_F_NESTED, 0), at
}

func end(b []byte, at int) { native.PutUint16(b[at:], uint16(len(b)-at)) }
