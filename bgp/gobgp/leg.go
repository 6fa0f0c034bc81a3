package gobgp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/evpnd/evpnd/bgp/internal/sockopt"
	"github.com/evpnd/evpnd/bgp/wire"
)

// Neighbor is a session as its two OPENs agreed on it.
type Neighbor struct {
	AS, LocalAS uint32     // the peer's, and ours towards it
	ID          netip.Addr // the peer's BGP identifier
	AS4         bool       // the peer knows 4-octet AS numbers (RFC 6793)
	// HoldTime is the negotiated hold time and Keepalive the time between our
	// KEEPALIVEs, in whole seconds. No hold time means that neither side sends
	// KEEPALIVEs after the first.
	HoldTime, Keepalive time.Duration
}

// Leg is a connection to GoBGP that stands in for a peer's. Next is for one
// goroutine; the other methods may be called from any.
type Leg struct {
	conn  *net.TCPConn
	addr  netip.Addr // ours
	quiet bool       // the session has no hold time
	done  chan struct{}

	buf  []byte
	r, w int  // what is read and not used
	said bool // GoBGP has sent a KEEPALIVE

	mu      sync.Mutex
	stopped bool
}

// quietHold is the hold time of a leg whose peer wants none.
const quietHold = 240 * time.Second

// legBuffer is how much of GoBGP is read at a time.
const legBuffer = 64 << 10

// ErrNotBGP is the error of Next when GoBGP has sent what is no BGP message.
var ErrNotBGP = errors.New("GoBGP sent what is not BGP")

// errClosed is the error of Next when GoBGP has ended the session.
var errClosed = errors.New("GoBGP closed the session")

// Join begins a session: it makes a GoBGP neighbor for one connection of a
// peer, connects to it, and gives it the peer's OPEN. The caller must end it with
// Leave. An error says that GoBGP cannot be had; ctx ends the try.
func (s *Server) Join(ctx context.Context, n Neighbor) (*Leg, error) {
	quiet := n.HoldTime == 0
	if quiet {
		n.HoldTime, n.Keepalive = quietHold, quietHold/4
	}
	l, err := s.dial(ctx, &n)
	if err != nil {
		return nil, err
	}
	id := n.ID
	if id == s.id {
		a := id.As4()
		a[3] ^= 1
		id = netip.AddrFrom4(a)
	}
	o := wire.Open{
		AS: n.AS, HoldTime: uint16(n.HoldTime / time.Second), ID: id,
		EVPN: true, RouteRefresh: true, AS4: n.AS4,
		Restart: wire.Restart{Present: true, EVPN: true, Forwarding: true, Time: 1},
	}
	if err := l.write(o.Append(nil)); err != nil {
		s.Leave(l)
		return nil, fmt.Errorf("send an OPEN to GoBGP: %w", err)
	}
	if l.quiet = quiet; quiet {
		go l.feed()
	}
	return l, nil
}

// feed keeps GoBGP content while the peer, by agreement, sends no KEEPALIVEs.
func (l *Leg) feed() {
	t := time.NewTicker(quietHold / 4)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = l.Keepalive() // an error shows in Next too
		case <-l.done:
			return
		}
	}
}

// Leave ends a session. GoBGP's goodbye is not heard any more.
func (s *Server) Leave(l *Leg) {
	l.conn.Close()
	close(l.done)
	s.forget(l.addr)
}

// Keepalive tells GoBGP that the peer lives.
func (l *Leg) Keepalive() error { return l.write(wire.AppendKeepalive(nil)) }

// Refresh has GoBGP send all routes again (RFC 2918).
func (l *Leg) Refresh() error { return l.write(wire.AppendRouteRefresh(nil)) }

func (l *Leg) write(msg []byte) error {
	_, err := l.conn.Write(msg)
	return err
}

// Stop has Next, and what is written to GoBGP, fail from now on.
func (l *Leg) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	_ = l.conn.SetDeadline(time.Now())
}

// Next returns the next message that is for the peer. It waits for one as long
// as given, and then returns nil; zero is without an end. The message is
// overwritten by the next call. The error is what ended the session.
func (l *Leg) Next(wait time.Duration) ([]byte, error) {
	for {
		n, bad := l.split()
		if bad != nil {
			return nil, ErrNotBGP
		}
		if n == 0 {
			if late, err := l.more(wait); late || err != nil {
				return nil, err
			}
			continue
		}
		msg := l.buf[l.r : l.r+n]
		l.r += n
		switch wire.TypeOf(msg) {
		case wire.TypeKeepalive:
			l.said = true
		case wire.TypeUpdate:
			reveal(msg)
		}
		return msg, nil
	}
}

// Buffered tells whether Next would return at once.
func (l *Leg) Buffered() bool {
	n, bad := l.split()
	return n > 0 || bad != nil
}

// split returns the length of the first message of those read that is for the
// peer, which then begins at r; 0 when there is none. It drops what is before it.
func (l *Leg) split() (int, *wire.Notification) {
	for {
		n, bad := wire.Split(l.buf[l.r:l.w])
		if bad != nil || n == 0 || l.forPeer(wire.TypeOf(l.buf[l.r:])) {
			return n, bad
		}
		l.r += n
	}
}

// more reads what GoBGP sends, or finds that wait is over.
func (l *Leg) more(wait time.Duration) (late bool, err error) {
	l.w = copy(l.buf, l.buf[l.r:l.w])
	l.r = 0
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	l.mu.Lock()
	stopped := l.stopped
	if !stopped {
		_ = l.conn.SetReadDeadline(until)
	}
	l.mu.Unlock()
	if stopped {
		return false, errClosed
	}
	n, err := l.conn.Read(l.buf[l.w:])
	l.w += n
	switch {
	case n > 0:
		return false, nil
	case wait > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return true, nil
	}
	return false, errClosed
}

// forPeer tells whether a message of GoBGP is for the peer.
func (l *Leg) forPeer(typ wire.Type) bool {
	switch typ {
	case wire.TypeOpen:
		return false
	case wire.TypeKeepalive:
		return !l.said || !l.quiet // RFC 4271 §4.4: without a hold time there are none
	}
	return true
}

// evpnFamily is the address family in GoBGP's words.
var evpnFamily = &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}

// dial makes a neighbor and connects to it in its name. GoBGP's OPEN has been
// read, and dropped; the next is for the caller to send one.
func (s *Server) dial(ctx context.Context, n *Neighbor) (*Leg, error) {
	addr, err := s.take()
	if err != nil {
		return nil, err
	}
	err = s.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: addr.String(), PeerAsn: n.AS, LocalAsn: n.LocalAS},
		Transport: &api.Transport{PassiveMode: true},
		Timers: &api.Timers{Config: &api.TimersConfig{
			HoldTime: uint64(n.HoldTime / time.Second), KeepaliveInterval: uint64(max(n.Keepalive/time.Second, 1)),
		}},
		EbgpMultihop:    &api.EbgpMultihop{Enabled: true, MultihopTtl: 64},
		GracefulRestart: &api.GracefulRestart{Enabled: true, RestartTime: 1},
		AfiSafis: []*api.AfiSafi{{
			Config:            &api.AfiSafiConfig{Family: evpnFamily, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}},
		}},
	}})
	if err != nil {
		s.release(addr.String())
		return nil, fmt.Errorf("add the session to GoBGP: %w", err)
	}
	// A new neighbor is idle for a moment, and closes what comes in then.
	deadline := time.Now().Add(5 * time.Second)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		conn, err := s.connect(ctx, addr, deadline)
		if err == nil {
			return &Leg{conn: conn, addr: addr, done: make(chan struct{}), buf: make([]byte, legBuffer)}, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			s.forget(addr)
			return nil, fmt.Errorf("connect to GoBGP on %v: %w", s.addr, err)
		}
		time.Sleep(wait)
	}
}

// connect dials GoBGP from addr and reads its OPEN.
func (s *Server) connect(ctx context.Context, addr netip.Addr, deadline time.Time) (*net.TCPConn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)),
		Deadline:  deadline,
		Control: func(_, _ string, c syscall.RawConn) error {
			return sockopt.Control(c, func(fd int) error { return sockopt.SetMD5(fd, netip.PrefixFrom(s.addr.Addr(), 32), s.key) })
		},
	}
	c, err := d.DialContext(ctx, "tcp4", s.addr.String())
	if err != nil {
		return nil, err
	}
	conn := c.(*net.TCPConn)
	_ = conn.SetReadDeadline(deadline)
	if err := skipOpen(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, conn.SetReadDeadline(time.Time{})
}

// skipOpen reads one message, which must be an OPEN, and no byte more.
func skipOpen(r io.Reader) error {
	b := make([]byte, wire.MaxLen)
	if _, err := io.ReadFull(r, b[:wire.HeaderLen]); err != nil {
		return err
	}
	n := int(b[16])<<8 | int(b[17])
	if n < wire.HeaderLen || n > wire.MaxLen || wire.TypeOf(b) != wire.TypeOpen {
		return fmt.Errorf("GoBGP began with a message of type %v and length %d", wire.TypeOf(b), n)
	}
	_, err := io.ReadFull(r, b[:n-wire.HeaderLen])
	return err
}
