package wire

import (
	"encoding/binary"
	"fmt"
)

// Type is the kind of a BGP message (RFC 4271 §4.1).
type Type uint8

// The message types.
const (
	TypeOpen         Type = 1
	TypeUpdate       Type = 2
	TypeNotification Type = 3
	TypeKeepalive    Type = 4
	TypeRouteRefresh Type = 5 // RFC 2918
)

func (t Type) String() string {
	switch t {
	case TypeOpen:
		return "open"
	case TypeUpdate:
		return "update"
	case TypeNotification:
		return "notification"
	case TypeKeepalive:
		return "keepalive"
	case TypeRouteRefresh:
		return "route-refresh"
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

const (
	// HeaderLen is the length of the header of every message.
	HeaderLen = 19
	// MaxLen is the longest message (RFC 4271 §4.1); the extended messages
	// of RFC 8654 are not negotiated.
	MaxLen = 4096
)

// The address family of EVPN (RFC 7432 §7).
const (
	AFIL2VPN = 25
	SAFIEVPN = 70
)

// minLen is the shortest message of each type (RFC 4271 §4, RFC 2918 §3).
var minLen = [...]int{TypeOpen: 29, TypeUpdate: 23, TypeNotification: 21, TypeKeepalive: 19, TypeRouteRefresh: 23}

// Split returns the length of the first message in b, header included, or 0
// when b ends before the message does. A header that no message can have is
// answered with the notification to send (RFC 4271 §6.1).
func Split(b []byte) (int, *Notification) {
	for _, x := range b[:min(len(b), 16)] {
		if x != 0xff {
			return 0, &Notification{Code: CodeHeader, Subcode: 1}
		}
	}
	if len(b) < HeaderLen {
		return 0, nil
	}
	n, typ := int(binary.BigEndian.Uint16(b[16:])), Type(b[18])
	if n < HeaderLen || n > MaxLen {
		return 0, &Notification{Code: CodeHeader, Subcode: 2, Data: []byte{b[16], b[17]}}
	}
	if typ < TypeOpen || typ > TypeRouteRefresh {
		return 0, &Notification{Code: CodeHeader, Subcode: 3, Data: []byte{b[18]}}
	}
	if n < minLen[typ] || (typ == TypeKeepalive && n != HeaderLen) {
		return 0, &Notification{Code: CodeHeader, Subcode: 2, Data: []byte{b[16], b[17]}}
	}
	if len(b) < n {
		return 0, nil
	}
	return n, nil
}

// TypeOf returns the type of a whole message, as Split found it.
func TypeOf(msg []byte) Type { return Type(msg[18]) }

// Body returns what follows the header of a whole message.
func Body(msg []byte) []byte { return msg[HeaderLen:] }

// begin appends a header whose length finish fills in.
func begin(dst []byte, typ Type) []byte {
	for range 16 {
		dst = append(dst, 0xff)
	}
	return append(dst, 0, 0, byte(typ))
}

func finish(dst []byte, start int) []byte {
	binary.BigEndian.PutUint16(dst[start+16:], uint16(len(dst)-start))
	return dst
}

// AppendKeepalive appends a KEEPALIVE message (RFC 4271 §4.4).
func AppendKeepalive(dst []byte) []byte {
	start := len(dst)
	return finish(begin(dst, TypeKeepalive), start)
}

// AppendRouteRefresh appends the request to send all EVPN routes again
// (RFC 2918 §3).
func AppendRouteRefresh(dst []byte) []byte {
	start := len(dst)
	return finish(append(begin(dst, TypeRouteRefresh), 0, AFIL2VPN, 0, SAFIEVPN), start)
}

// AppendEndOfRIB appends the UPDATE that ends the initial EVPN routes: an
// MP_UNREACH_NLRI without routes (RFC 4724 §2).
func AppendEndOfRIB(dst []byte) []byte {
	start := len(dst)
	dst = append(begin(dst, TypeUpdate), 0, 0, 0, 6, flagOptional, attrMPUnreach, 3, 0, AFIL2VPN, SAFIEVPN)
	return finish(dst, start)
}

// IsEndOfRIB tells whether body, of an UPDATE, is the EVPN End-of-RIB.
func IsEndOfRIB(body []byte) bool {
	n := len(body)
	if n != 10 && n != 11 {
		return false
	}
	if binary.BigEndian.Uint16(body) != 0 || int(binary.BigEndian.Uint16(body[2:])) != n-4 || body[5] != attrMPUnreach {
		return false
	}
	value := body[7:]
	if body[4]&flagExtended != 0 {
		value = body[8:]
	}
	return len(value) == 3 && value[0] == 0 && value[1] == AFIL2VPN && value[2] == SAFIEVPN
}
