package linux

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

// Ethernet, ARP (RFC 826), IPv6 (RFC 8200) and ND (RFC 4861) as they are on
// the wire.
const (
	ethLen  = 14
	arpLen  = 28
	ip6Len  = 40
	ndLen   = 24 // type, code, checksum, flags, target: of NS and NA both
	ndOther = ethLen + ip6Len

	icmpNS = 135
	icmpNA = 136
	optSLL = 1 // source link-layer address
	optTLL = 2 // target link-layer address

	naRouter    = 0x80
	naSolicited = 0x40
	naOverride  = 0x20

	// snapLen is what is read of a frame: an NA with several options.
	snapLen = 256
)

// hearFilter passes the untagged ARP, NS and NA frames that come in at a
// port, and of them what is looked at. The kernel takes the tag off a frame
// before the filter sees it and keeps it beside; the type says whether a
// frame comes or goes.
func hearFilter() ([]bpf.RawInstruction, error) {
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 10},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 5},
		bpf.LoadAbsolute{Off: ethLen + 6, Size: 1}, // next header
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: ndOther, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpNS, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpNA, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: snapLen},
	})
}

// word is what a frame is worth.
type word uint8

const (
	nothing word = iota // it claims nothing: a probe, or another protocol
	odd                 // it is malformed, or contradicts itself
	claimed
)

// parseFrame reads the claim of a frame, the port of which is set by the
// caller. Nothing of an address that names no single host is claimed.
func parseFrame(b []byte, c *hosts.Claim) word {
	if len(b) < ethLen {
		return odd
	}
	c.Router, c.Override = false, false
	c.MAC = evpn.MAC(b[6:12])
	if !c.MAC.IsHost() {
		return odd
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		return parseARP(b[ethLen:], c)
	case unix.ETH_P_IPV6:
		return parseND(b[ethLen:], c)
	}
	return nothing
}

// parseARP reads a request or a reply: both say where their sender is
// (RFC 826). A request with sender 0.0.0.0 is a probe, which says nothing
// (RFC 5227 §2.1.1).
func parseARP(b []byte, c *hosts.Claim) word {
	if len(b) < arpLen {
		return odd
	}
	const ethernetIPv4 = 0x0001_0800_0604 // hardware, protocol, their lengths
	if binary.BigEndian.Uint64(b)>>16 != ethernetIPv4 {
		return odd
	}
	if op := binary.BigEndian.Uint16(b[6:]); op != 1 && op != 2 {
		return nothing
	}
	c.Kind, c.IP = hosts.ClaimARP, netip.AddrFrom4([4]byte(b[14:18]))
	switch {
	case evpn.MAC(b[8:14]) != c.MAC:
		return odd
	case c.IP.IsUnspecified() || c.IP.IsLinkLocalUnicast():
		return nothing
	case !unicast(c.IP):
		return odd
	}
	return claimed
}

// unicast tells whether ip can be one host's.
func unicast(ip netip.Addr) bool {
	if ip.Is4() && ip.As4()[0] >= 240 {
		return false // reserved, and broadcast
	}
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() && !ip.Is4In6()
}

// parseND reads a neighbor solicitation, which says where its source is, or
// a neighbor advertisement, which says where its target is. The checks are
// those of RFC 4861 §7.1.
func parseND(b []byte, c *hosts.Claim) word {
	if len(b) < ip6Len+ndLen || b[0]>>4 != 6 || b[6] != unix.IPPROTO_ICMPV6 {
		return odd
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < ndLen || n > len(b)-ip6Len || b[7] != 255 {
		return odd
	}
	icmp := b[ip6Len : ip6Len+n]
	if icmp[1] != 0 || checksum(b[8:40], icmp) != 0 {
		return odd
	}
	src, target := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(icmp[8:24]))
	if target.IsMulticast() || src.IsMulticast() {
		return odd
	}
	switch icmp[0] {
	case icmpNS:
		mac, ok := option(icmp[ndLen:], optSLL)
		switch {
		case !ok:
			return odd
		case src.IsUnspecified():
			return nothing // it is about to take target, and asks whose it is (RFC 4862 §5.4.2)
		case mac.IsZero():
			return nothing
		case mac != c.MAC || !unicast(src):
			return odd
		}
		c.Kind, c.IP = hosts.ClaimNS, src
	case icmpNA:
		flags := icmp[4]
		mac, ok := option(icmp[ndLen:], optTLL)
		switch {
		case !ok || !unicast(target) || src.IsUnspecified():
			return odd
		case flags&naSolicited != 0 && b[24] == 0xff:
			return odd // RFC 4861 §7.1.2
		case mac.IsZero() && flags&naSolicited == 0:
			return nothing
		case !mac.IsZero() && mac != c.MAC:
			return odd
		}
		// An answer to a unicast question may leave the option out: the
		// asker has the address, and the frame has it (RFC 4861 §4.4).
		c.Kind, c.IP = hosts.ClaimNA, target
		c.Router, c.Override = flags&naRouter != 0, flags&naOverride != 0
	default:
		return nothing
	}
	return claimed
}

// option returns the link-layer address in the options of an ND message, or
// zero, and whether all options are whole (RFC 4861 §4.6).
func option(b []byte, kind byte) (mac evpn.MAC, ok bool) {
	for len(b) > 0 {
		if len(b) < 8 {
			return mac, false
		}
		n := 8 * int(b[1])
		if n == 0 || n > len(b) {
			return mac, false
		}
		if b[0] == kind {
			if n != 8 || mac != (evpn.MAC{}) {
				return mac, false
			}
			mac = evpn.MAC(b[2:8])
		}
		b = b[n:]
	}
	return mac, true
}

// checksum returns the ICMPv6 checksum over the two addresses and the
// message (RFC 4443 §2.3), which is 0 when the message has the right one.
func checksum(addrs, icmp []byte) uint16 {
	sum := uint32(len(icmp)) + unix.IPPROTO_ICMPV6
	for _, b := range [][]byte{addrs, icmp} {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
		if len(b) > 0 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// putQuestion appends the frame of a question.
func putQuestion(b []byte, q *hosts.ProbeRequest) []byte {
	b = append(b, q.MAC[:]...)
	b = append(b, q.From[:]...)
	if q.IP.Is4() {
		// Nobody learns anything from sender 0.0.0.0, and the host whose
		// address it is answers (RFC 5227 §2.1.1).
		ip := q.IP.As4()
		b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
		b = append(b, q.From[:]...)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		b = append(b, ip[:]...)
		return append(b, make([]byte, 60-ethLen-arpLen)...)
	}
	// Without a source the answer would go to all nodes (RFC 4861 §7.2.4),
	// over the whole fabric. So it is the link-local address that belongs to
	// From (RFC 4291 appendix A).
	m, target := q.From, q.IP.As16()
	src := [16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, ndLen+8, unix.IPPROTO_ICMPV6, 255)
	b = append(b, src[:]...)
	b = append(b, target[:]...)
	at := len(b)
	b = append(b, icmpNS, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, target[:]...)
	b = append(b, optSLL, 1)
	b = append(b, m[:]...)
	binary.BigEndian.PutUint16(b[at+2:], checksum(b[at-32:at], b[at:]))
	return b
}
