package bgp

import (
	"sync"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// peerState is what any goroutine may ask of a peer. mu guards it.
type peerState struct {
	mu          sync.Mutex
	description string
	state       State
	since       time.Time
	established uint64
	lastError   string
	lastErrorAt time.Time
	lastDown    DownReason
	current     *session   // the session, or the connection that has come farthest
	live        []*session // all that have not ended
	// Of the last session: whether graceful restart of EVPN was agreed on, and
	// the long-lived kind, and when the time of the first is over.
	graceful, longLived bool
	retained            time.Time
	rcvd, sent          Messages
	counts              wire.Counts // of sessions that have ended
	downs               map[DownReason]uint64
	holdOffUntil        time.Time // no session begins before; see EndAtLimit
}

// setState notes where the peer stands: through session x, or without one.
func (p *peer) setState(x *session, st State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x == nil && p.current != nil {
		return // a session says more
	}
	if x != nil && p.current != nil && p.current != x && p.state == Established && st != Established {
		return // the one that is up says more
	}
	if x != nil {
		p.current = x
	}
	if st != p.state {
		p.state, p.since = st, time.Now()
	}
	if st == Established {
		p.established++
	}
}

// failed notes what went wrong last.
func (p *peer) failed(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(text)
}

// note is failed with p.mu held. The log has it once, however often it is
// tried.
func (p *peer) note(text string) {
	if text != p.lastError {
		p.log.Warn("no session", "err", text)
	}
	p.lastError, p.lastErrorAt, p.lastDown = text, time.Now(), ""
}

func (p *peer) describe(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.description = text
}

// stopSessions ends the sessions that are there. Any goroutine may call it.
func (p *peer) stopSessions(why *ending) {
	p.mu.Lock()
	live := append([]*session(nil), p.live...)
	p.mu.Unlock()
	for _, x := range live {
		x.stop(why)
	}
}

// refresh asks for all routes again, with both also sends ours again. It
// tells whether there was a session. Any goroutine may call it.
func (p *peer) refresh(both bool) bool {
	p.mu.Lock()
	x := p.current
	up := p.state == Established
	p.mu.Unlock()
	if x == nil || !up {
		return false
	}
	x.refresh(both)
	return true
}

// status returns what Peers shows of p.
func (p *peer) status() PeerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := PeerStatus{
		Address: p.addr, Port: p.port, Description: p.description,
		AS: p.cfg.AS, LocalAS: p.cfg.LocalAS, Dynamic: p.dynamic, Passive: p.cfg.Passive, MaxRoutes: p.cfg.RouteLimit.Routes,
		State: p.state, Since: p.since, Established: p.established,
		LastError: p.lastError, LastErrorAt: p.lastErrorAt, LastDown: p.lastDown,
		Received: p.rcvd, Sent: p.sent, Routes: p.counts, Downs: p.downCounts(),
	}
	for _, x := range p.live {
		x.addTo(&st)
	}
	if p.current != nil {
		p.current.show(&st)
	}
	return st
}

// first tells whether there has been no session with the peer yet.
func (p *peer) first() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.established == 0
}

// lost tells whether a peer did not keep forwarding since its last session:
// its new OPEN has graceful restart without EVPN, or without the F bit of EVPN
// (RFC 4724 §4.2); when the restart time is over, long-lived graceful restart
// counts instead (RFC 9494 §4.2). A peer that had neither before has lost
// nothing.
func (p *peer) lost(o *wire.Open) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.graceful:
		return false
	case p.longLived && time.Now().After(p.retained):
		return !(o.Restart.Present && o.LongLived.EVPN && o.LongLived.Forwarding)
	}
	return !(o.Restart.EVPN && o.Restart.Forwarding)
}

// retire takes what a session that has ended leaves behind.
func (p *peer) retire(x *session, why *ending, retain time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = remove(p.live, x)
	x.mu.Lock()
	if !x.upAt.IsZero() {
		p.graceful, p.longLived = x.open.Restart.EVPN, x.open.Restart.Present && x.open.LongLived.EVPN
		p.retained = time.Now().Add(retain)
		p.countDown(why)
	}
	p.rcvd.add(&x.rcvd)
	p.sent.add(&x.sent)
	p.counts.Add(&x.counts)
	x.mu.Unlock()
	if p.current == x {
		p.current = nil
		for _, o := range p.live {
			if !o.stopped() {
				p.current = o
			}
		}
		st := Idle
		if p.current != nil {
			st = p.current.at()
		}
		if p.state != st {
			p.state, p.since = st, time.Now()
		}
		if x.upAt.IsZero() {
			p.note(why.text)
		} else {
			p.lastError, p.lastErrorAt, p.lastDown = why.text, time.Now(), why.downReason() // finish logs it
		}
	}
}
