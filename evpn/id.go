package evpn

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// VNI is a VXLAN network identifier, 24 bits wide (RFC 7348 §5). Zero is not
// a network; it stands for "none".
type VNI uint32

// MaxVNI is the largest VNI that fits its 24 bits.
const MaxVNI VNI = 1<<24 - 1

// Valid tells whether v is 1 to MaxVNI.
func (v VNI) Valid() bool { return v >= 1 && v <= MaxVNI }

func (v VNI) String() string { return strconv.FormatUint(uint64(v), 10) }

// ParseVNI reads a decimal VNI from 1 to MaxVNI.
func ParseVNI(s string) (VNI, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || !VNI(n).Valid() {
		return 0, fmt.Errorf("VNI %q: want a number from 1 to %d", s, MaxVNI)
	}
	return VNI(n), nil
}

// MAC is an Ethernet address.
type MAC [6]byte

// ParseMAC reads six hexadecimal bytes separated by colons or dashes.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	raw := strings.NewReplacer(":", "", "-", "").Replace(s)
	if (len(s) != 17 && len(s) != 12) || len(raw) != 12 {
		return MAC{}, fmt.Errorf("MAC %q: want the form 02:42:ac:12:00:0a", s)
	}
	if _, err := hex.Decode(m[:], []byte(raw)); err != nil {
		return MAC{}, fmt.Errorf("MAC %q: want the form 02:42:ac:12:00:0a", s)
	}
	return m, nil
}

func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, x := range m {
		if i > 0 {
			b[3*i-1] = ':'
		}
		b[3*i], b[3*i+1] = digits[x>>4], digits[x&15]
	}
	return string(b[:])
}

// Compare orders MACs as numbers.
func (m MAC) Compare(o MAC) int { return bytes.Compare(m[:], o[:]) }

// IsZero tells whether every byte is zero.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsHost tells whether m can be the address of a host: neither zero nor a
// group address (broadcast and multicast have the lowest bit of the first
// byte set, IEEE 802-2014 §8.2.2).
func (m MAC) IsHost() bool { return !m.IsZero() && m[0]&1 == 0 }

// IsHostIP tells whether ip can be the address of a host that others should
// resolve: not unspecified, no group, no loopback, no broadcast, and no IPv4
// link-local address, which hosts without a network make up. An IPv6 link-local
// address is one: every host has it, and VTEPs advertise it.
func IsHostIP(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() &&
		!(ip.Is4() && ip.IsLinkLocalUnicast()) && ip != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// RD is a route distinguisher as it stands on the wire (RFC 4364 §4.2). It
// makes routes of different origin distinct and says nothing else: a VNI is
// never read out of a received one.
type RD [8]byte

// NewRD returns the type 1 route distinguisher routerID:index, the form
// RFC 7432 §7.9 recommends. routerID must be an IPv4 address.
func NewRD(routerID netip.Addr, index uint16) RD {
	var rd RD
	rd[1] = 1
	ip := routerID.As4()
	copy(rd[2:6], ip[:])
	binary.BigEndian.PutUint16(rd[6:8], index)
	return rd
}

func (rd RD) String() string { return adminString(binary.BigEndian.Uint16(rd[:2]), [6]byte(rd[2:])) }

// Compare orders route distinguishers by their bytes.
func (rd RD) Compare(o RD) int { return bytes.Compare(rd[:], o[:]) }

// ParseRD reads "ip:n", "as:n" or, for a 4-byte AS that would fit two bytes,
// "asL:n".
func ParseRD(s string) (RD, error) {
	kind, value, err := parseAdmin(s)
	if err != nil {
		return RD{}, fmt.Errorf("route distinguisher %q: %w", s, err)
	}
	var rd RD
	rd[1] = byte(kind)
	copy(rd[2:], value[:])
	return rd, nil
}

// RT is a route target: the whole extended community as it stands on the
// wire, its type 0, 1 or 2 and its sub-type 2 included (RFC 4360 §4).
type RT [8]byte

// RTSubType is the sub-type byte of every route target (RFC 4360 §4).
const RTSubType = 0x02

// NewRT returns the route target as:value, in the 2-byte AS form (type 0,
// 32-bit value). as must fit 16 bits.
func NewRT(as uint16, value uint32) RT {
	var rt RT
	rt[1] = RTSubType
	binary.BigEndian.PutUint16(rt[2:4], as)
	binary.BigEndian.PutUint32(rt[4:8], value)
	return rt
}

// ParseRT reads "as:n", "asL:n" (a 4-byte AS written although it would fit
// two bytes) or "ip:n".
func ParseRT(s string) (RT, error) {
	kind, value, err := parseAdmin(s)
	if err != nil {
		return RT{}, fmt.Errorf("route target %q: %w", s, err)
	}
	var rt RT
	rt[0], rt[1] = byte(kind), RTSubType
	copy(rt[2:], value[:])
	return rt, nil
}

func (rt RT) String() string { return adminString(uint16(rt[0]), [6]byte(rt[2:])) }

// Compare orders route targets by their bytes.
func (rt RT) Compare(o RT) int { return bytes.Compare(rt[:], o[:]) }

// ESI is an Ethernet segment identifier (RFC 7432 §5). Zero means that the
// host is behind one VTEP only, which is all that evpnd originates today.
type ESI [10]byte

func (e ESI) String() string {
	var b strings.Builder
	for i, x := range e {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02x", x)
	}
	return b.String()
}

// Compare orders segments by their bytes.
func (e ESI) Compare(o ESI) int { return bytes.Compare(e[:], o[:]) }

// IsZero tells whether e is the single-homed segment.
func (e ESI) IsZero() bool { return e == ESI{} }

// The administrator field of a route distinguisher or route target comes in
// three kinds, told apart by the type (RFC 4360 §3.1, §3.2; RFC 5668 §2).
const (
	adminAS2  = 0
	adminIPv4 = 1
	adminAS4  = 2
)

func adminString(kind uint16, v [6]byte) string {
	switch kind {
	case adminAS2:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint16(v[:2]), binary.BigEndian.Uint32(v[2:]))
	case adminIPv4:
		return fmt.Sprintf("%s:%d", netip.AddrFrom4([4]byte(v[:4])), binary.BigEndian.Uint16(v[4:]))
	case adminAS4:
		as := binary.BigEndian.Uint32(v[:4])
		if as <= 0xffff {
			return fmt.Sprintf("%dL:%d", as, binary.BigEndian.Uint16(v[4:]))
		}
		return fmt.Sprintf("%d:%d", as, binary.BigEndian.Uint16(v[4:]))
	default:
		return fmt.Sprintf("%#04x:%x", kind, v[:])
	}
}

func parseAdmin(s string) (kind uint16, v [6]byte, err error) {
	want := errors.New("want the form 65000:100, 4200000000:100 or 192.0.2.1:100")
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return 0, v, want
	}
	admin, num := s[:i], s[i+1:]
	n, err := strconv.ParseUint(num, 10, 32)
	if err != nil {
		return 0, v, want
	}
	long := strings.HasSuffix(admin, "L")
	if as, aerr := strconv.ParseUint(strings.TrimSuffix(admin, "L"), 10, 32); aerr == nil {
		if as <= 0xffff && !long {
			binary.BigEndian.PutUint16(v[:2], uint16(as))
			binary.BigEndian.PutUint32(v[2:], uint32(n))
			return adminAS2, v, nil
		}
		if n > 0xffff {
			return 0, v, errors.New("the number behind a 4-byte AS must be at most 65535")
		}
		binary.BigEndian.PutUint32(v[:4], uint32(as))
		binary.BigEndian.PutUint16(v[4:], uint16(n))
		return adminAS4, v, nil
	}
	ip, ierr := netip.ParseAddr(admin)
	if ierr != nil || !ip.Is4() {
		return 0, v, want
	}
	if n > 0xffff {
		return 0, v, errors.New("the number behind an IPv4 address must be at most 65535")
	}
	ip4 := ip.As4()
	copy(v[:4], ip4[:])
	binary.BigEndian.PutUint16(v[4:], uint16(n))
	return adminIPv4, v, nil
}
