package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// HoldOff is how long a peer that sent more routes than it may is left alone.
// A peer that is back at once sends the same again, and the VTEPs behind it
// would come and go with every round.
const HoldOff = time.Minute

// EndAtLimit ends the session of a peer that has sent more routes than
// Session.RouteLimit allows: CEASE "maximum number of prefixes reached" (RFC 4486
// §4), its routes go at once, and for HoldOff it is neither connected to nor
// accepted, unless Reset lets it. A peer that is not there any more is left
// out. Any goroutine may call it.
func (s *Speaker) EndAtLimit(addr netip.Addr) {
	p := s.find(addr)
	if p == nil {
		return
	}
	p.setHoldOff(time.Now().Add(HoldOff))
	p.stopSessions(&ending{
		text:   fmt.Sprintf("it sent more than %d routes that are imported here, its limit; it is left alone for %v", p.cfg.RouteLimit.Routes, HoldOff),
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseMaxPrefixes},
		final:  true,
	})
}

// RefreshPeer asks one peer for all its routes again (RFC 2918). Where it
// cannot do that its session is reset; one without a session is left out. Any
// goroutine may call it.
func (s *Speaker) RefreshPeer(addr netip.Addr) {
	if p := s.find(addr); p != nil {
		p.refresh(false)
	}
}

func (s *Speaker) find(addr netip.Addr) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[addr]
}

// setHoldOff has p left alone until a time; the zero time ends that.
func (p *peer) setHoldOff(until time.Time) {
	p.mu.Lock()
	p.holdOffUntil = until
	p.mu.Unlock()
	signal(p.holdOffChanged)
}

// holdOff returns how long p is still to be left alone.
func (p *peer) holdOff() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holdOffLocked()
}

// holdOffLocked is holdOff with p.mu held.
func (p *peer) holdOffLocked() time.Duration {
	if p.holdOffUntil.IsZero() {
		return 0
	}
	return max(0, time.Until(p.holdOffUntil))
}

// reconnect connects to the peer, unless it is left alone: then it waits for
// the end of that, which stands as a problem until then.
func (p *peer) reconnect(ctx context.Context) {
	if d := p.holdOff(); d > 0 {
		p.s.setProblem(p.problem())
		p.setState(nil, Idle)
		p.retry.Reset(d)
		return
	}
	p.s.endProblem(p.problem())
	if p.cfg.Passive && len(p.sessions) == 0 {
		p.setState(nil, Active)
	}
	p.dial(ctx)
}

func (p *peer) problem() Problem {
	return Problem{Kind: ProblemPeerLimit, Peer: p.addr, Limit: p.cfg.RouteLimit.Routes}
}

// unused tells whether nothing keeps a peer that came by a range. One that is
// left alone stays, or it would be back as a new one.
func (p *peer) unused() bool {
	return p.dynamic && len(p.sessions) == 0 && p.holdOff() == 0
}
