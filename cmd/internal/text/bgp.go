package text

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/evpnd/evpnd/bgp"
)

// SessionProblem returns what is wrong with the sessions and what to do about
// it, one sentence. It is never empty: of a kind that is not known here it is
// the kind.
func SessionProblem(p *bgp.Problem) string {
	switch p.Kind {
	case bgp.ProblemListen:
		return cannotListen(p)
	case bgp.ProblemPeerLimit:
		return fmt.Sprintf("peer %v: %s", p.Peer, overLimit(p.Limit))
	}
	return string(p.Kind)
}

func cannotListen(p *bgp.Problem) string {
	switch {
	case errors.Is(p.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("%v is already in use: another BGP daemon listens there; stop it, or set other listen addresses. "+
			"Peers that we connect to are not affected. It is tried again every %v.", p.Listen, bgp.ListenRetry)
	case errors.Is(p.Err, syscall.EACCES):
		return fmt.Sprintf("no permission to listen on %v: ports below 1024 need CAP_NET_BIND_SERVICE", p.Listen)
	case errors.Is(p.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%v is not an address of this host; it is tried again every %v", p.Listen.Addr(), bgp.ListenRetry)
	}
	return p.Err.Error()
}

func overLimit(routes int) string {
	return fmt.Sprintf("it sent more than %d routes that are imported here, its limit (max-routes); it is left alone for %v: "+
		"find out who makes them up, or raise the limit; evpnctl peer reset lets it come back at once", routes, bgp.HoldOff)
}

// LastError returns why the last session with a peer, or the last try to have
// one, ended, and what to do where that is known; empty: none has.
func LastError(p *bgp.PeerStatus) string {
	if p.LastDown == bgp.DownLimit {
		return overLimit(p.MaxRoutes)
	}
	return p.LastError
}

// Skipped returns why a peer was not asked for its routes; empty: it was.
func Skipped(r *bgp.PeerRefresh) string {
	switch r.Skipped {
	case "":
		return ""
	case bgp.SkippedDown:
		return "the session is not established but " + string(r.State)
	case bgp.SkippedNoRefresh:
		return "the peer cannot send its routes again (it has no route refresh capability): evpnctl peer reset would have it do so"
	}
	return string(r.Skipped)
}
