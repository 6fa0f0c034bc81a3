package bgp

import (
	"fmt"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// handshake sends our OPEN and reads the peer's.
func (x *session) handshake(in *stream) *ending {
	s := x.p.s
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	x.ours = wire.Open{
		AS: x.p.cfg.LocalAS, HoldTime: uint16(x.p.cfg.HoldTime / time.Second), ID: cfg.RouterID,
		EVPN: true, RouteRefresh: true, AS4: true,
		Restart: wire.Restart{
			Present: true, Notification: true, Time: uint16(cfg.RestartTime / time.Second), EVPN: true,
			// The kernel forwards whether we run or not.
			Forwarding: true,
			Restarting: x.p.first() && time.Since(s.started) < cfg.RestartTime,
		},
		// Sent without a time too: a speaker without the capability is sent
		// no routes that are long-lived stale (RFC 9494 §4.3).
		LongLived: wire.LongLived{Present: true, EVPN: true, Forwarding: true, Time: uint32(cfg.LongLivedTime / time.Second)},
	}
	if err := x.send(x.ours.Append(nil)); err != nil {
		return failure(err)
	}
	x.mu.Lock()
	if x.why == nil {
		_ = x.conn.SetReadDeadline(time.Now().Add(openTimeout))
	}
	x.mu.Unlock()
	msg, why := in.next()
	if why != nil {
		return why
	}
	x.count(wire.TypeOf(msg))
	switch wire.TypeOf(msg) {
	case wire.TypeOpen:
	case wire.TypeNotification:
		return notified(wire.ParseNotification(wire.Body(msg)))
	default:
		return refusal(&wire.Notification{Code: wire.CodeFSM, Subcode: 1}, "the peer did not begin with an OPEN")
	}
	o, bad := wire.ParseOpen(wire.Body(msg))
	if bad == nil {
		bad = x.acceptable(&o)
	}
	if bad != nil {
		return refusal(bad, x.complaint(&o, bad))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open, x.openAt, x.hasPeerOpen = o, time.Now(), true
	x.hold = min(time.Duration(o.HoldTime)*time.Second, x.p.cfg.HoldTime)
	if x.keepalive = x.p.cfg.Keepalive; x.keepalive == 0 || x.keepalive >= x.hold {
		x.keepalive = x.hold / 3
	}
	if x.why == nil {
		_ = x.conn.SetReadDeadline(time.Time{})
	}
	return nil
}

// acceptable checks an OPEN against the configuration (RFC 4271 §6.2).
func (x *session) acceptable(o *wire.Open) *wire.Notification {
	switch {
	case x.p.cfg.AS != 0 && o.AS != x.p.cfg.AS:
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 2}
	case o.ID == x.ours.ID && x.p.cfg.internal(o.AS): // RFC 6286 §2.2
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 3}
	case !o.EVPN: // RFC 5492 §3
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 7, Data: []byte{1, 4, 0, wire.AFIL2VPN, 0, wire.SAFIEVPN}}
	}
	return nil
}

// complaint says what is wrong with an OPEN, and what to do.
func (x *session) complaint(o *wire.Open, n *wire.Notification) string {
	switch n.Subcode {
	case 2:
		return fmt.Sprintf("the peer is in AS %d, and configured as in AS %d", o.AS, x.p.cfg.AS)
	case 3:
		return fmt.Sprintf("the peer has the router id %v, which is ours; every router needs its own", o.ID)
	case 7:
		return "the peer does not offer the address family L2VPN EVPN; activate it there for this neighbor"
	}
	return "the peer's OPEN was refused"
}
