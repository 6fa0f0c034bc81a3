package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// holdOff is how long a peer that sent more routes than it may is left alone.
// A peer that is back at once sends the same again, and the VTEPs behind it
// would come and go with every round.
const holdOff = time.Minute

// EndAtLimit ends the session of a peer that has sent more routes than
// Session.RouteLimit allows: CEASE "maximum number of prefixes reached" (RFC 4486
// §4), its routes go at once, and for a minute it is neither connected to nor
// accepted, unless Reset lets it. A peer that is not there any more is left
// out. Any goroutine may call it.
func (s *Speaker) EndAtLimit(addr netip.Addr) {
	p := s.find(addr)
	if p == nil {
		return
	}
	p.mu.Lock()
	p.heldUntil = time.Now().Add(holdOff)
	p.mu.Unlock()
	p.wakeUp()
	p.stopSessions(&ending{
		text:   p.overLimit(),
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseMaxPrefixes},
		final:  true,
	})
}

func (p *peer) overLimit() string {
	return fmt.Sprintf("it sent more than %d routes that are imported here, its limit (max-routes); it is left alone for %v: "+
		"find out who makes them up, or raise the limit; evpnctl peer reset lets it come back at once", p.cfg.RouteLimit.Routes, holdOff)
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

// letBack ends a hold-off.
func (p *peer) letBack() {
	p.mu.Lock()
	p.heldUntil = time.Time{}
	p.mu.Unlock()
	p.wakeUp()
}

// wakeUp has run look at the hold-off.
func (p *peer) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// held returns how long p is still to be left alone.
func (p *peer) held() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heldFor()
}

// heldFor is held with p.mu held.
func (p *peer) heldFor() time.Duration {
	if p.heldUntil.IsZero() {
		return 0
	}
	return max(0, time.Until(p.heldUntil))
}

// awaken connects again when a hold-off is over, or waits for its end. Until
// then it stands as a problem.
func (p *peer) awaken(ctx context.Context) {
	if d := p.held(); d > 0 {
		p.s.setProblem(p.problem(), fmt.Sprintf("peer %v: %s", p.addr, p.overLimit()))
		p.setState(nil, Idle)
		p.retry.Reset(d)
		return
	}
	p.s.setProblem(p.problem(), "")
	if p.cfg.Passive && len(p.sessions) == 0 {
		p.setState(nil, Active)
	}
	p.dial(ctx)
}

func (p *peer) problem() string { return "peer " + p.addr.String() }

// forgotten tells whether nothing keeps a peer that came by a range. One that
// is held off stays, or it would be back as a new one.
func (p *peer) forgotten() bool {
	return p.dynamic && len(p.sessions) == 0 && p.held() == 0
}
