package bgp

import (
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// Both ends may connect at the same moment, and then one of two connections
// must go, the same one at both ends. RFC 4271 §6.8: the connection that was
// made by the speaker with the higher BGP identifier stays.
//
//	     A (id 1)                       B (id 2)
//	dials  ------------- a ------------->        OPENs cross on both;
//	       <------------ b --------------  dials B is higher: b stays
//
// The rule alone leaves a gap: either end may be Established on a before it
// hears of b. So a connection that would lose waits, before it says the
// KEEPALIVE that would let the other end go on, for the one that would win,
// as long as that is on its way. Two evpnds then end up with exactly one.

// recent is how old a session is at the least that a new connection of the
// peer may replace: what comes in sooner is the other half of a collision.
const recent = 2 * time.Second

// decideWaiting decides about the connections that wait.
func (p *peer) decideWaiting() {
	for _, x := range append([]*session(nil), p.waiting...) {
		ok, decided := p.decide(x)
		if !decided {
			continue
		}
		p.waiting = remove(p.waiting, x)
		if ok {
			x.accepted = true
			if p.undial != nil {
				p.undial() // connected closes what may come of it
			}
		} else {
			x.stop(collided())
		}
		x.verdict <- ok
	}
}

func collided() *ending {
	return &ending{
		text:   "another connection to the peer was kept",
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseCollision},
	}
}

// hasAccepted tells whether a connection has been chosen.
func (p *peer) hasAccepted() bool {
	for _, x := range p.sessions {
		if x.accepted && !x.stopped() {
			return true
		}
	}
	return false
}

// decide tells whether x, which has the peer's OPEN, becomes the session.
func (p *peer) decide(x *session) (ok, decided bool) {
	if x.stopped() {
		return false, true
	}
	wait := false
	for _, o := range p.sessions {
		if o == x {
			continue
		}
		switch keep, busy := p.compare(x, o); {
		case !keep:
			return false, true
		case busy:
			wait = true
		}
	}
	return !wait, !wait
}

// compare decides between x and another connection o. Unless keep, x goes.
// With busy, x has to wait for what o does next.
func (p *peer) compare(x, o *session) (keep, busy bool) {
	incomingWins := p.peerIsHigher(x)
	up := !o.upSince().IsZero()
	switch {
	case o.stopped():
		// What o told the engine must be over before x tells anything.
		return true, o.accepted
	case up:
		if !p.replaces(x, o) {
			return false, false
		}
		o.stop(&ending{text: "the peer connected anew", cause: DownReplaced})
		return true, true
	case x.incoming == o.incoming:
		// The peer does not make a second connection while it believes in
		// the first.
		if !o.hasOpen() {
			return true, false
		}
		if o.began.After(x.began) {
			return false, false
		}
	case x.incoming != incomingWins && o.hasOpen():
		return false, false
	case x.incoming != incomingWins && time.Since(x.openAt) < collisionWait:
		return true, true
	}
	o.stop(collided())
	return true, o.accepted
}

// peerIsHigher tells whether the peer has the higher BGP identifier, or with
// equal ones the higher AS (RFC 6286 §2.3).
func (p *peer) peerIsHigher(x *session) bool {
	if c := x.open.ID.Compare(x.ours.ID); c != 0 {
		return c > 0
	}
	return x.open.AS > p.cfg.LocalAS
}

// replaces tells whether x, a new connection, takes the place of o, which is
// Established. With graceful restart the peer says by connecting anew that
// the old connection is dead (RFC 4724 §4.2); without it, a peer that has
// missed a KEEPALIVE is believed too.
func (p *peer) replaces(x, o *session) bool {
	if !x.incoming || x.open.ID != o.open.ID || time.Since(o.upSince()) < recent {
		return false
	}
	if o.open.Restart.Present && o.open.Restart.EVPN {
		return true
	}
	return o.hold > 0 && o.silence() > o.hold/3+time.Second
}
