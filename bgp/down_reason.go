package bgp

import (
	"maps"

	"github.com/evpnd/evpnd/bgp/wire"
)

// DownReason is why a session that was established ended, as one of a few stable
// names to count by. What exactly happened is in PeerStatus.LastError.
type DownReason string

// The reasons for the loss of a session.
const (
	LossHoldTimer    DownReason = "hold-timer"    // nothing was heard for the hold time
	LossClosed       DownReason = "closed"        // the peer closed the connection, without a word
	LossReset        DownReason = "tcp-reset"     // the peer's host reset the connection
	LossTimeout      DownReason = "timeout"       // the peer took nothing for too long
	LossNetwork      DownReason = "network"       // another error of the connection
	LossNotified     DownReason = "notification"  // the peer sent a NOTIFICATION
	LossProtocol     DownReason = "protocol"      // the peer sent what cannot be; we sent a NOTIFICATION
	LossLimit        DownReason = "route-limit"   // the peer sent more routes than it may
	LossReplaced     DownReason = "replaced"      // the peer connected anew
	LossOperator     DownReason = "operator"      // reset, or shut down, here
	LossConfigured   DownReason = "configuration" // removed, or changed, here
	LossOther        DownReason = "other"
	LossNoRefresh    DownReason = "no-refresh" // its routes were needed again, and it cannot refresh them
	LossOutOfService DownReason = "resources"  // no neighbor could be made for it inside
)

// loss returns which of the reasons an ending is.
func (e *ending) loss() DownReason {
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
		p.losses = make(map[DownReason]uint64)
	}
	p.losses[why.loss()]++
}

// lossCounts returns a copy for status. p.mu is held.
func (p *peer) lossCounts() map[DownReason]uint64 { return maps.Clone(p.losses) }
