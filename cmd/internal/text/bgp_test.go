package text

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/bgp"
)

// TestSessionProblem holds each sentence against what operators have.
func TestSessionProblem(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:179")
	listen := func(err error) bgp.Problem {
		return bgp.Problem{Kind: bgp.ProblemListen, Listen: at, Err: &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)}}
	}
	for _, c := range []struct {
		problem    bgp.Problem
		name, want string
	}{
		{
			listen(syscall.EADDRINUSE), "listen 192.0.2.1:179",
			"192.0.2.1:179 is already in use: another BGP daemon listens there; stop it, or set other listen addresses. " +
				"Peers that we connect to are not affected. It is tried again every 2s.",
		},
		{listen(syscall.EACCES), "listen 192.0.2.1:179", "no permission to listen on 192.0.2.1:179: ports below 1024 need CAP_NET_BIND_SERVICE"},
		{listen(syscall.EADDRNOTAVAIL), "listen 192.0.2.1:179", "192.0.2.1 is not an address of this host; it is tried again every 2s"},
		{bgp.Problem{Kind: bgp.ProblemListen, Listen: at, Err: errors.New("broken")}, "listen 192.0.2.1:179", "broken"},
		{
			bgp.Problem{Kind: bgp.ProblemPeerLimit, Peer: peer, Limit: 5},
			"peer 10.0.0.9",
			"peer 10.0.0.9: it sent more than 5 routes that are imported here, its limit (max-routes); it is left alone for 1m0s: " +
				"find out who makes them up, or raise the limit; evpnctl peer reset lets it come back at once",
		},
		{bgp.Problem{Kind: "new"}, "peer invalid IP", "new"},
	} {
		if got := SessionProblem(&c.problem); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.problem.Kind, got, c.want)
		}
		if got := c.problem.Name(); got != c.name {
			t.Errorf("%s: name %q, want %q", c.problem.Kind, got, c.name)
		}
	}
}

func TestLastError(t *testing.T) {
	for _, c := range []struct {
		status bgp.PeerStatus
		want   string
	}{
		{bgp.PeerStatus{}, ""},
		{bgp.PeerStatus{LastError: "connection refused"}, "connection refused"},
		{bgp.PeerStatus{LastError: "the peer reset the connection", LastDown: bgp.DownReset}, "the peer reset the connection"},
		{
			bgp.PeerStatus{LastError: "too many", LastDown: bgp.DownLimit, MaxRoutes: 5},
			"it sent more than 5 routes that are imported here, its limit (max-routes); it is left alone for 1m0s: " +
				"find out who makes them up, or raise the limit; evpnctl peer reset lets it come back at once",
		},
	} {
		if got := LastError(&c.status); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestSkipped(t *testing.T) {
	for _, c := range []struct {
		refresh bgp.PeerRefresh
		want    string
	}{
		{bgp.PeerRefresh{State: bgp.Established}, ""},
		{bgp.PeerRefresh{State: bgp.Active, Skipped: bgp.SkippedDown}, "the session is not established but active"},
		{
			bgp.PeerRefresh{State: bgp.Established, Skipped: bgp.SkippedNoRefresh},
			"the peer cannot send its routes again (it has no route refresh capability): evpnctl peer reset would have it do so",
		},
		{bgp.PeerRefresh{Skipped: "new"}, "new"},
	} {
		if got := Skipped(&c.refresh); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
