package wire

import (
	"fmt"
	"unicode/utf8"
)

// Notification is a NOTIFICATION message: why a session is ended. It is an
// error too, so that a reader can return the answer to what it read.
type Notification struct {
	Code, Subcode uint8
	Data          []byte
}

// Error codes (RFC 4271 §4.5, RFC 7313 §5).
const (
	CodeHeader    = 1
	CodeOpen      = 2
	CodeUpdate    = 3
	CodeHoldTimer = 4
	CodeFSM       = 5
	CodeCease     = 6
	CodeRefresh   = 7
)

// Subcodes of CodeCease (RFC 4486 §3, RFC 8538 §3).
const (
	CeaseMaxPrefixes   = 1
	CeaseShutdown      = 2
	CeaseDeconfigured  = 3
	CeaseReset         = 4
	CeaseRejected      = 5
	CeaseConfigChange  = 6
	CeaseCollision     = 7
	CeaseOutOfResource = 8
	CeaseHardReset     = 9
)

var codeNames = [...]string{
	CodeHeader: "message header error", CodeOpen: "OPEN message error", CodeUpdate: "UPDATE message error",
	CodeHoldTimer: "hold timer expired", CodeFSM: "finite state machine error", CodeCease: "cease",
	CodeRefresh: "ROUTE-REFRESH message error",
}

var subcodeNames = [...][]string{
	CodeHeader: {1: "connection not synchronized", 2: "bad message length", 3: "bad message type"},
	CodeOpen: {
		1: "unsupported version", 2: "bad peer AS", 3: "bad BGP identifier", 4: "unsupported optional parameter",
		6: "unacceptable hold time", 7: "unsupported capability",
	},
	CodeUpdate: {
		1: "malformed attribute list", 2: "unrecognized well-known attribute", 3: "missing well-known attribute",
		4: "attribute flags error", 5: "attribute length error", 6: "invalid ORIGIN", 8: "invalid NEXT_HOP",
		9: "optional attribute error", 10: "invalid network field", 11: "malformed AS_PATH",
	},
	CodeFSM: {1: "unexpected message in OpenSent", 2: "unexpected message in OpenConfirm", 3: "unexpected message in Established"},
	CodeCease: {
		CeaseMaxPrefixes: "maximum number of prefixes reached", CeaseShutdown: "administrative shutdown",
		CeaseDeconfigured: "peer de-configured", CeaseReset: "administrative reset", CeaseRejected: "connection rejected",
		CeaseConfigChange: "other configuration change", CeaseCollision: "connection collision resolution",
		CeaseOutOfResource: "out of resources", CeaseHardReset: "hard reset",
	},
}

// Error names the code and subcode, with the operator's message of a
// shutdown or reset (RFC 9003 §2) when there is one.
func (n *Notification) Error() string {
	s := fmt.Sprintf("code %d", n.Code)
	if int(n.Code) < len(codeNames) && codeNames[n.Code] != "" {
		s = codeNames[n.Code]
	}
	sub := ""
	if int(n.Code) < len(subcodeNames) && int(n.Subcode) < len(subcodeNames[n.Code]) {
		sub = subcodeNames[n.Code][n.Subcode]
	}
	switch {
	case sub != "":
		s += ": " + sub
	case n.Subcode != 0:
		s += fmt.Sprintf(": subcode %d", n.Subcode)
	}
	if text := n.text(); text != "" {
		s += fmt.Sprintf(" (%q)", text)
	}
	return s
}

// text is the shutdown communication: a length byte and UTF-8 (RFC 9003 §2).
func (n *Notification) text() string {
	if n.Code != CodeCease || (n.Subcode != CeaseShutdown && n.Subcode != CeaseReset) || len(n.Data) < 2 {
		return ""
	}
	l := int(n.Data[0])
	if l > len(n.Data)-1 || !utf8.Valid(n.Data[1:1+l]) {
		return ""
	}
	return string(n.Data[1 : 1+l])
}

// Inner returns what a hard reset carries (RFC 8538 §3.1), else n itself.
func (n *Notification) Inner() *Notification {
	if n.Code == CodeCease && n.Subcode == CeaseHardReset && len(n.Data) >= 2 {
		return &Notification{Code: n.Data[0], Subcode: n.Data[1], Data: n.Data[2:]}
	}
	return n
}

// Final tells whether the sender ends the session for good, so that its
// routes must not be kept as stale: an administrative shutdown, that the peer
// was removed (RFC 4486 §4), or a hard reset (RFC 8538 §3.1).
//
// A hard reset that carries a reset or a change of configuration is none: FRR
// makes one of every "clear bgp", and the session comes back at once.
func (n *Notification) Final() bool {
	in := n.Inner()
	switch {
	case n.Code != CodeCease:
		return false
	case in != n && in.Code == CodeCease && (in.Subcode == CeaseReset || in.Subcode == CeaseConfigChange):
		return false
	}
	return n.Subcode == CeaseShutdown || n.Subcode == CeaseDeconfigured || n.Subcode == CeaseHardReset
}

// ParseNotification reads the body of a NOTIFICATION. Split has seen to it
// that there are two bytes at least; a shorter one is a code of zero.
func ParseNotification(body []byte) *Notification {
	if len(body) < 2 {
		return &Notification{}
	}
	return &Notification{Code: body[0], Subcode: body[1], Data: append([]byte(nil), body[2:]...)}
}

// Append appends n as a message. Data that would make it too long is cut.
func (n *Notification) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(begin(dst, TypeNotification), n.Code, n.Subcode)
	dst = append(dst, n.Data[:min(len(n.Data), MaxLen-HeaderLen-2)]...)
	return finish(dst, start)
}
