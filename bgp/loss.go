package bgp

import (
	"maps"

	"github.com/evpnd/evpnd/bgp/wire"
)

// Loss is why a session that was established ended, as one of a few stable
// names to count by. What exactly happened is in PeerStatus.LastError.
type Loss string

// The reasons for the loss of a session.
const (
	LossHoldTimer    Loss = "hold-timer"    // nothing was heard for the hold time
	LossClosed       Loss = "closed"        // the peer closed the connection, without a word
	LossReset        Loss = "tcp-reset"     // the peer's host reset the connection
	LossTimeout      Loss = "timeout"       // the peer took nothing for too long
	LossNetwork      Loss = "network"       // another error of the connection
	LossNotified     Loss = "notification"  // the peer sent a NOTIFICATION
	LossProtocol     Loss = "protocol"      // the peer sent what cannot be; we sent a NOTIFICATION
	LossLimit        Loss = "route-limit"   // the peer sent more routes than it may
	LossReplaced     Loss = "replaced"      // the peer connected anew
	LossOperator     Loss = "operator"      // reset, or shut down, here
	LossConfigured   Loss = "configuration" // removed, or changed, here
	LossOther        Loss = "other"
	LossNoRefresh    Loss = "no-refresh" // its routes were needed again, and it cannot refresh them
	LossOutOfService Loss = "resources"  // no neighbor could be made for it inside
)

// loss returns which of the reasons an ending is.
func (e *ending) loss() Loss {
	switch {
	case e.cause != "":
		return e.cause
	case e.notify == nil:
		return LossOther
	}
	switch e.notify.Code {
	case wire.CodeHoldTimer:
		return LossHoldTimer
	case wire.CodeHeader, wire.CodeOpen, wire.CodeUpdate, wire.CodeFSM, wire.CodeRefresh:
		return LossProtocol
	case wire.CodeCease:
		switch e.notify.Subcode {
		case wire.CeaseMaxPrefixes:
			return LossLimit
		case wire.CeaseShutdown, wire.CeaseReset:
			return LossOperator
		case wire.CeaseDeconfigured, wire.CeaseConfigChange:
			return LossConfigured
		case wire.CeaseCollision:
			return LossReplaced
		case wire.CeaseOutOfResource:
			return LossOutOfService
		}
	}
	return LossOther
}

// countLoss counts the end of a session that was up. p.mu is held.
func (p *peer) countLoss(why *ending) {
	if p.losses == nil {
		p.losses = make(map[Loss]uint64)
	}
	p.losses[why.loss()]++
}

// lossCounts returns a copy for status. p.mu is held.
func (p *peer) lossCounts() map[Loss]uint64 { return maps.Clone(p.losses) }
