package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
)

// Open is an OPEN message (RFC 4271 §4.2), as far as evpnd understands it.
type Open struct {
	AS       uint32     // from the 4-octet AS capability, else the 2-byte field
	HoldTime uint16     // seconds; 0 is no hold timer
	ID       netip.Addr // BGP identifier, an IPv4 address

	EVPN         bool // multiprotocol, AFI 25 SAFI 70 (RFC 4760 §8)
	RouteRefresh bool // RFC 2918 §2
	AS4          bool // 4-octet AS numbers (RFC 6793 §3)
	Restart      Restart
	LongLived    LongLived

	Other []uint8 // codes of capabilities that are none of the above, ascending
}

// Restart is the graceful restart capability (RFC 4724 §3).
type Restart struct {
	Present      bool
	Restarting   bool   // R: the sender has restarted and knows no routes yet
	Notification bool   // N: a NOTIFICATION does not end forwarding (RFC 8538 §2)
	Time         uint16 // seconds until the sender will be back, 12 bits
	EVPN         bool   // EVPN is among the families
	Forwarding   bool   // F: it kept forwarding EVPN while it restarted
}

// LongLived is the long-lived graceful restart capability (RFC 9494 §3.1).
type LongLived struct {
	Present    bool
	EVPN       bool   // EVPN is among the families
	Forwarding bool   // F: it kept forwarding EVPN
	Time       uint32 // seconds that its EVPN routes are to be kept beyond the restart time, 24 bits
}

// Capability codes (RFC 5492 registry).
const (
	capMultiprotocol   = 1
	capRouteRefresh    = 2
	capGracefulRestart = 64
	capAS4             = 65
	capLongLived       = 71
)

// asTrans stands in for an AS that does not fit two bytes (RFC 6793 §9).
const asTrans = 23456

// Optional parameter types (RFC 5492 §4, RFC 9072 §2).
const (
	paramCapabilities = 2
	paramExtended     = 255
)

// ParseOpen reads the body of an OPEN. An OPEN that RFC 4271 §6.2 refuses
// comes with the notification to send. What is legal but unknown is skipped.
func ParseOpen(body []byte) (Open, *Notification) {
	var o Open
	if len(body) < 10 {
		return o, &Notification{Code: CodeHeader, Subcode: 2}
	}
	if body[0] != 4 {
		return o, &Notification{Code: CodeOpen, Subcode: 1, Data: []byte{0, 4}}
	}
	o.AS = uint32(binary.BigEndian.Uint16(body[1:]))
	o.HoldTime = binary.BigEndian.Uint16(body[3:])
	o.ID = netip.AddrFrom4([4]byte(body[5:9]))
	if o.HoldTime == 1 || o.HoldTime == 2 {
		return o, &Notification{Code: CodeOpen, Subcode: 6}
	}
	// RFC 6286 §2.1: any non-zero identifier is valid.
	if o.ID == netip.IPv4Unspecified() {
		return o, &Notification{Code: CodeOpen, Subcode: 3}
	}
	if bad := o.params(body[9:]); bad != nil {
		return o, bad
	}
	if o.AS == 0 {
		return o, &Notification{Code: CodeOpen, Subcode: 2}
	}
	slices.Sort(o.Other)
	o.Other = slices.Compact(o.Other)
	return o, nil
}

// params reads the optional parameters, their length included. Parameters that
// do not add up have no subcode of their own; one that is not known has (RFC
// 4271 §6.2).
func (o *Open) params(b []byte) *Notification {
	cut := &Notification{Code: CodeOpen}
	n, wide := int(b[0]), 1
	b = b[1:]
	if n == 255 && len(b) >= 3 && b[0] == paramExtended { // RFC 9072 §2
		n, wide = int(binary.BigEndian.Uint16(b[1:])), 2
		b = b[3:]
	}
	if n != len(b) {
		return cut
	}
	for len(b) > 0 {
		if len(b) < 1+wide {
			return cut
		}
		typ, l := b[0], int(b[1])
		if wide == 2 {
			l = int(binary.BigEndian.Uint16(b[1:]))
		}
		b = b[1+wide:]
		if l > len(b) {
			return cut
		}
		if typ != paramCapabilities {
			return &Notification{Code: CodeOpen, Subcode: 4}
		}
		if !o.capabilities(b[:l]) {
			return cut
		}
		b = b[l:]
	}
	return nil
}

func (o *Open) capabilities(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 2 || int(b[1]) > len(b)-2 {
			return false
		}
		code, v := b[0], b[2:2+int(b[1])]
		b = b[2+len(v):]
		switch {
		case code == capMultiprotocol && len(v) == 4:
			if binary.BigEndian.Uint16(v) == AFIL2VPN && v[3] == SAFIEVPN {
				o.EVPN = true
			}
		case code == capRouteRefresh && len(v) == 0:
			o.RouteRefresh = true
		case code == capAS4 && len(v) == 4:
			o.AS4, o.AS = true, binary.BigEndian.Uint32(v)
		case code == capGracefulRestart && len(v) >= 2 && (len(v)-2)%4 == 0:
			o.Restart = parseRestart(v)
		case code == capLongLived && len(v)%7 == 0:
			o.LongLived = parseLongLived(v)
		default:
			o.Other = append(o.Other, code)
		}
	}
	return true
}

func parseRestart(v []byte) Restart {
	r := Restart{
		Present:      true,
		Restarting:   v[0]&0x80 != 0,
		Notification: v[0]&0x40 != 0,
		Time:         binary.BigEndian.Uint16(v) & 0x0fff,
	}
	for v = v[2:]; len(v) >= 4; v = v[4:] {
		if binary.BigEndian.Uint16(v) == AFIL2VPN && v[2] == SAFIEVPN {
			r.EVPN, r.Forwarding = true, v[3]&0x80 != 0
		}
	}
	return r
}

// parseLongLived reads tuples of
//
//	AFI (2) | SAFI (1) | flags (1) | long-lived stale time (3)
func parseLongLived(v []byte) LongLived {
	l := LongLived{Present: true}
	for ; len(v) >= 7; v = v[7:] {
		if binary.BigEndian.Uint16(v) == AFIL2VPN && v[2] == SAFIEVPN {
			l.EVPN, l.Forwarding = true, v[3]&0x80 != 0
			l.Time = binary.BigEndian.Uint32(v[3:]) & 0xffffff
		}
	}
	return l
}

// Append appends o as a message. Other is not sent.
func (o *Open) Append(dst []byte) []byte {
	var caps []byte
	if o.EVPN {
		caps = append(caps, capMultiprotocol, 4, 0, AFIL2VPN, 0, SAFIEVPN)
	}
	if o.RouteRefresh {
		caps = append(caps, capRouteRefresh, 0)
	}
	if o.AS4 {
		caps = binary.BigEndian.AppendUint32(append(caps, capAS4, 4), o.AS)
	}
	if o.Restart.Present {
		caps = o.Restart.append(caps)
	}
	if o.LongLived.Present {
		caps = o.LongLived.append(caps)
	}
	as := uint16(asTrans)
	if o.AS <= 0xffff {
		as = uint16(o.AS)
	}
	id := o.ID.As4()
	start := len(dst)
	dst = append(begin(dst, TypeOpen), 4)
	dst = binary.BigEndian.AppendUint16(dst, as)
	dst = binary.BigEndian.AppendUint16(dst, o.HoldTime)
	dst = append(dst, id[:]...)
	if len(caps) == 0 {
		return finish(append(dst, 0), start)
	}
	dst = append(dst, byte(len(caps)+2), paramCapabilities, byte(len(caps)))
	return finish(append(dst, caps...), start)
}

func (r *Restart) append(dst []byte) []byte {
	v := r.Time & 0x0fff
	if r.Restarting {
		v |= 0x8000
	}
	if r.Notification {
		v |= 0x4000
	}
	n := byte(2)
	if r.EVPN {
		n = 6
	}
	dst = binary.BigEndian.AppendUint16(append(dst, capGracefulRestart, n), v)
	if r.EVPN {
		flags := byte(0)
		if r.Forwarding {
			flags = 0x80
		}
		dst = append(dst, 0, AFIL2VPN, SAFIEVPN, flags)
	}
	return dst
}

func (l *LongLived) append(dst []byte) []byte {
	if !l.EVPN {
		return append(dst, capLongLived, 0)
	}
	v := l.Time & 0xffffff
	if l.Forwarding {
		v |= 0x80000000
	}
	return binary.BigEndian.AppendUint32(append(dst, capLongLived, 7, 0, AFIL2VPN, SAFIEVPN), v)
}

// CapabilityName names a capability as the IANA registry does, shortened.
func CapabilityName(code uint8) string {
	switch code {
	case capMultiprotocol:
		return "multiprotocol"
	case capRouteRefresh:
		return "route-refresh"
	case 5:
		return "extended-next-hop"
	case 6:
		return "extended-message"
	case 9:
		return "role"
	case capGracefulRestart:
		return "graceful-restart"
	case capAS4:
		return "4-octet-as"
	case 69:
		return "add-path"
	case 70:
		return "enhanced-route-refresh"
	case capLongLived:
		return "long-lived-graceful-restart"
	case 73:
		return "fqdn"
	case 75:
		return "software-version"
	}
	return "capability-" + strconv.Itoa(int(code))
}
