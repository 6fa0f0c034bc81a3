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
	ethLen = 14
	arpLen = 28
	ip6Len = 40
	ndLen  = 24 // type, code, checksum, flags, target: of NS and NA both
	icmpAt = ethLen + ip6Len

	icmpNS       = 135
	icmpNA       = 136
	optSourceMAC = 1 // source link-layer address
	optTargetMAC = 2 // target link-layer address

	naRouter    = 0x80
	naSolicited = 0x40
	naOverride  = 0x20

	// snapLen is how much is read of a frame: enough for a neighbor
	// advertisement with several options.
	snapLen = 256
)

// snoopFilter passes the untagged ARP, NS and NA frames that come in at a port,
// cut to snapLen. The kernel takes the VLAN tag off a frame before the filter
// sees it and keeps it beside the frame; the packet type tells frames that come
// in from those that go out.
func snoopFilter() ([]bpf.RawInstruction, error) {
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
		bpf.LoadAbsolute{Off: icmpAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpNS, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpNA, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: snapLen},
	})
}

// verdict is what parseFrame makes of a frame.
type verdict uint8

const (
	noClaim   verdict = iota // it claims nothing: a probe, or another protocol
	malformed                // it is malformed, or contradicts itself
	aClaim
)

// parseFrame reads the claim of a frame. The caller has set its port. A claim is
// of the address of a single host.
func parseFrame(b []byte, c *hosts.Claim) verdict {
	if len(b) < ethLen {
		return malformed
	}
	c.Router, c.Override = false, false
	c.MAC = evpn.MAC(b[6:12])
	if !c.MAC.IsHost() {
		return malformed
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		return parseARP(b[ethLen:], c)
	case unix.ETH_P_IPV6:
		return parseND(b[ethLen:], c)
	}
	return noClaim
}

// parseARP reads a request or a reply. Both have the binding of their sender
// (RFC 826). A request with sender 0.0.0.0 is a probe and has none (RFC 5227
// §2.1.1).
func parseARP(b []byte, c *hosts.Claim) verdict {
	if len(b) < arpLen {
		return malformed
	}
	const ethernetIPv4 = 0x0001_0800_0604 // hardware, protocol, their lengths
	if binary.BigEndian.Uint64(b)>>16 != ethernetIPv4 {
		return malformed
	}
	if op := binary.BigEndian.Uint16(b[6:]); op != 1 && op != 2 {
		return noClaim
	}
	c.Kind, c.IP = hosts.ClaimARP, netip.AddrFrom4([4]byte(b[14:18]))
	switch {
	case evpn.MAC(b[8:14]) != c.MAC:
		return malformed
	case c.IP.IsUnspecified() || c.IP.IsLinkLocalUnicast():
		return noClaim
	case !unicast(c.IP):
		return malformed
	}
	return aClaim
}

// unicast tells whether ip can be one host's.
func unicast(ip netip.Addr) bool {
	if ip.Is4() && ip.As4()[0] >= 240 {
		return false // reserved, and broadcast
	}
	return !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback() && !ip.Is4In6()
}

// parseND reads a neighbor solicitation, which has the binding of its source, or
// a neighbor advertisement, which has that of its target. The checks are those of
// RFC 4861 §7.1.
func parseND(b []byte, c *hosts.Claim) verdict {
	if len(b) < ip6Len+ndLen || b[0]>>4 != 6 || b[6] != unix.IPPROTO_ICMPV6 {
		return malformed
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < ndLen || n > len(b)-ip6Len || b[7] != 255 {
		return malformed
	}
	icmp := b[ip6Len : ip6Len+n]
	if icmp[1] != 0 || checksum(b[8:40], icmp) != 0 {
		return malformed
	}
	src, target := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(icmp[8:24]))
	if target.IsMulticast() || src.IsMulticast() {
		return malformed
	}
	switch icmp[0] {
	case icmpNS:
		mac, ok := option(icmp[ndLen:], optSourceMAC)
		switch {
		case !ok:
			return malformed
		case src.IsUnspecified():
			return noClaim // duplicate address detection (RFC 4862 §5.4.2)
		case mac.IsZero():
			return noClaim
		case mac != c.MAC || !unicast(src):
			return malformed
		}
		c.Kind, c.IP = hosts.ClaimNS, src
	case icmpNA:
		flags := icmp[4]
		mac, ok := option(icmp[ndLen:], optTargetMAC)
		switch {
		case !ok || !unicast(target) || src.IsUnspecified():
			return malformed
		case flags&naSolicited != 0 && b[24] == 0xff:
			return malformed // RFC 4861 §7.1.2
		case mac.IsZero() && flags&naSolicited == 0:
			return noClaim
		case !mac.IsZero() && mac != c.MAC:
			return malformed
		}
		// An answer to a unicast solicitation may leave the option out
		// (RFC 4861 §4.4): the MAC is the sender of the frame.
		c.Kind, c.IP = hosts.ClaimNA, target
		c.Router, c.Override = flags&naRouter != 0, flags&naOverride != 0
	default:
		return noClaim
	}
	return aClaim
}

// option returns the link-layer address of one kind in the options of an ND
// message, or zero, and whether all options are well-formed (RFC 4861 §4.6).
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

// checksum returns the ICMPv6 checksum over the two addresses and the message
// (RFC 4443 §2.3). Over a message with the right checksum it is 0.
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

// putProbe appends the frame of a probe.
func putProbe(b []byte, q *hosts.ProbeRequest) []byte {
	b = append(b, q.MAC[:]...)
	b = append(b, q.From[:]...)
	if q.IP.Is4() {
		// Sender 0.0.0.0 makes it an ARP probe: nobody learns a binding from it,
		// and the host that has the address answers (RFC 5227 §2.1.1).
		ip := q.IP.As4()
		b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
		b = append(b, q.From[:]...)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		b = append(b, ip[:]...)
		return append(b, make([]byte, 60-ethLen-arpLen)...)
	}
	// An answer to the unspecified source goes to all nodes (RFC 4861 §7.2.4),
	// and so over the whole fabric. The source is the link-local address that
	// belongs to From (RFC 4291 appendix A).
	m, target := q.From, q.IP.As16()
	src := [16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, ndLen+8, unix.IPPROTO_ICMPV6, 255)
	b = append(b, src[:]...)
	b = append(b, target[:]...)
	at := len(b)
	b = append(b, icmpNS, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, target[:]...)
	b = append(b, optSourceMAC, 1)
	b = append(b, m[:]...)
	binary.BigEndian.PutUint16(b[at+2:], checksum(b[at-32:at], b[at:]))
	return b
}
