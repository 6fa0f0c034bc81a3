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
	DownHoldTimer  DownReason = "hold-timer"    // nothing was heard for the hold time
	DownClosed     DownReason = "closed"        // the peer closed the connection, without a word
	DownReset      DownReason = "tcp-reset"     // the peer's host reset the connection
	DownTimeout    DownReason = "timeout"       // the peer took nothing for too long
	DownNetwork    DownReason = "network"       // another error of the connection
	DownNotified   DownReason = "notification"  // the peer sent a NOTIFICATION
	DownProtocol   DownReason = "protocol"      // the peer sent what cannot be; we sent a NOTIFICATION
	DownLimit      DownReason = "route-limit"   // the peer sent more routes than it may
	DownReplaced   DownReason = "replaced"      // the peer connected anew
	DownOperator   DownReason = "operator"      // reset, or shut down, here
	DownConfigured DownReason = "configuration" // removed, or changed, here
	DownOther      DownReason = "other"
	DownNoRefresh  DownReason = "no-refresh" // its routes were needed again, and it cannot refresh them
	DownResources  DownReason = "resources"  // no neighbor could be made for it inside
)

// downReason returns which of the reasons an ending is.
func (e *ending) downReason() DownReason {
	switch {
	case e.cause != "":
		return e.cause
	case e.notify == nil:
		return DownOther
	}
	switch e.notify.Code {
	case wire.CodeHoldTimer:
		return DownHoldTimer
	case wire.CodeHeader, wire.CodeOpen, wire.CodeUpdate, wire.CodeFSM, wire.CodeRefresh:
		return DownProtocol
	case wire.CodeCease:
		switch e.notify.Subcode {
		case wire.CeaseMaxPrefixes:
			return DownLimit
		case wire.CeaseShutdown, wire.CeaseReset:
			return DownOperator
		case wire.CeaseDeconfigured, wire.CeaseConfigChange:
			return DownConfigured
		case wire.CeaseCollision:
			return DownReplaced
		case wire.CeaseOutOfResource:
			return DownResources
		}
	}
	return DownOther
}

// countDown counts the end of a session that was up. p.mu is held.
func (p *peer) countDown(why *ending) {
	if p.downs == nil {
		p.downs = make(map[DownReason]uint64)
	}
	p.downs[why.downReason()]++
}

// downCounts returns a copy for status. p.mu is held.
func (p *peer) downCounts() map[DownReason]uint64 { return maps.Clone(p.downs) }
