package bgp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/bgp/internal/sockopt"
)

// peer is one neighbor: it connects, takes the connections that come in, and
// makes one of them the session. The goroutine of run owns the fields from
// sessions on; those before are constant.
type peer struct {
	s       *Speaker
	addr    netip.Addr
	port    uint16
	cfg     Session
	dynamic bool
	log     *slog.Logger
	cancel  context.CancelCauseFunc // the cause is an *ending
	leaving chan struct{}           // closed when no connection is taken any more
	done    chan struct{}

	in             chan *net.TCPConn // accepted
	opened         chan *session     // its peer's OPEN has come
	over           chan *session     // it has ended
	dialed         chan dialResult
	holdOffChanged chan struct{}

	sessions []*session
	waiting  []*session         // those in sessions that wait for a verdict
	undial   context.CancelFunc // not nil: a connection is being made
	backoff  time.Duration
	retry    *time.Timer // not nil: when to connect next

	peerState
}

type dialResult struct {
	conn *net.TCPConn
	err  error
}

func newPeer(s *Speaker, c *Peer, dynamic bool) *peer {
	return &peer{
		s: s, addr: c.Address, port: c.Port, cfg: c.Session, dynamic: dynamic,
		log:            s.log.With("peer", c.Address),
		leaving:        make(chan struct{}),
		done:           make(chan struct{}),
		in:             make(chan *net.TCPConn),
		opened:         make(chan *session),
		over:           make(chan *session),
		dialed:         make(chan dialResult, 1),
		holdOffChanged: make(chan struct{}, 1),
		backoff:        quick(c.ConnectRetry),
		peerState:      peerState{description: c.Description, state: Idle, since: time.Now()},
	}
}

// Bounds of waiting.
const (
	maxBackoff  = 5 * time.Second  // between tries to connect, unless ConnectRetry is longer
	dialTimeout = 5 * time.Second  // of one try
	stable      = 10 * time.Second // a session that lasted this long was a good one
	// collisionWait is how long a connection that would lose a collision
	// waits for the OPEN on the one that would win.
	collisionWait = time.Second
)

func (p *peer) run(ctx context.Context) {
	defer p.end(ctx)
	select {
	case <-p.s.begun:
	case <-ctx.Done():
		return
	}
	p.retry = time.NewTimer(0)
	defer func() { p.retry.Stop() }()
	if p.cfg.Passive {
		p.retry.Stop()
		p.setState(nil, Active)
	}
	tick := time.NewTicker(collisionWait / 4)
	tick.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case conn := <-p.in:
			p.take(ctx, conn)
			if p.unused() {
				return
			}
		case <-p.retry.C:
			if p.reconnect(ctx); p.unused() {
				return
			}
		case <-p.holdOffChanged:
			if p.reconnect(ctx); p.unused() {
				return
			}
		case r := <-p.dialed:
			p.connected(ctx, r)
		case x := <-p.opened:
			p.waiting = append(p.waiting, x)
			p.decideWaiting()
			tick.Reset(collisionWait / 4)
		case x := <-p.over:
			p.ended(x)
			p.decideWaiting()
			if p.unused() {
				return
			}
		case <-tick.C:
			if p.decideWaiting(); len(p.waiting) == 0 {
				tick.Stop()
			}
		}
	}
}

// end stops what runs, and waits for it.
func (p *peer) end(ctx context.Context) {
	close(p.leaving)
	p.s.endProblem(p.problem())
	why := endingOf(ctx)
	if p.undial != nil {
		p.undial()
	}
	for _, x := range p.sessions {
		x.stop(why)
	}
	for len(p.sessions) > 0 || p.undial != nil {
		select {
		case x := <-p.opened:
			x.verdict <- false
		case x := <-p.over:
			p.sessions = remove(p.sessions, x)
		case r := <-p.dialed:
			p.undial = nil
			if r.conn != nil {
				r.conn.Close()
			}
		}
	}
}

func remove(list []*session, x *session) []*session {
	for i, y := range list {
		if x == y {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// busy tells whether a connection is there, or being made, that may become
// the session. One that came in and has not said anything does not count.
func (p *peer) busy() bool {
	return p.undial != nil || slices.ContainsFunc(p.sessions, func(x *session) bool { return !x.incoming || x.hasOpen() })
}

// dial starts to connect to the peer, unless a connection is there.
func (p *peer) dial(ctx context.Context) {
	if p.cfg.Passive || p.busy() {
		return
	}
	ctx, p.undial = context.WithTimeout(ctx, dialTimeout)
	p.setState(nil, Connect)
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return sockopt.Control(c, func(fd int) error { return p.cfg.prepare(fd, p.addr) })
	}}
	if p.cfg.LocalAddress.IsValid() {
		local := p.cfg.LocalAddress
		if local.IsLinkLocalUnicast() && local.Zone() == "" {
			local = local.WithZone(p.addr.Zone())
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	go func() { // ends by ctx; its result is always received
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(p.addr.String(), strconv.Itoa(int(p.port))))
		if err != nil {
			p.dialed <- dialResult{err: err}
			return
		}
		p.dialed <- dialResult{conn: c.(*net.TCPConn)}
	}()
}

// connected takes the end of a try to connect.
func (p *peer) connected(ctx context.Context, r dialResult) {
	p.undial()
	p.undial = nil
	switch {
	case p.holdOff() > 0:
		if r.conn != nil {
			r.conn.Close()
		}
		p.setState(nil, Idle)
	case r.err == nil && p.hasAccepted():
		// The peer's own connection has been chosen meanwhile.
		r.conn.Close()
	case r.err == nil:
		p.begin(ctx, r.conn, false)
	case !p.busy():
		p.failed(fmt.Sprintf("connect to %v port %d: %v", p.addr, p.port, dialError(r.err)))
		p.setState(nil, Active)
		p.again(p.grow())
	}
}

// dialError leaves out of a dial error what the message says already.
func dialError(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// quick is how long to wait before the first tries: a peer that lost us
// refuses connections for as long as it takes to tidy up, and until it takes
// one the others lack our routes.
func quick(retry time.Duration) time.Duration { return retry / 10 }

// grow returns how long to wait before the next try, longer each time.
func (p *peer) grow() time.Duration {
	d := p.backoff
	p.backoff = min(p.backoff*3/2, max(maxBackoff, p.cfg.ConnectRetry))
	return d
}

// again has a connection made after d, more or less: peers that restart
// together shall not all call at the same moment.
func (p *peer) again(d time.Duration) {
	if !p.cfg.Passive {
		p.retry.Reset(d*3/4 + rand.N(d/4+1))
	}
}

// take takes a connection that the peer has made.
func (p *peer) take(ctx context.Context, conn *net.TCPConn) {
	local := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
	if want := p.cfg.LocalAddress; want.IsValid() && want.WithZone("") != local {
		p.log.Debug("connection refused: it came to another local address", "local", local, "want", want)
		conn.Close()
		return
	}
	p.dropIdle()
	if err := p.cfg.adopt(conn, p.addr); err != nil {
		p.failed(fmt.Sprintf("connection from the peer: %v", err))
		conn.Close()
		return
	}
	p.begin(ctx, conn, true)
}

// maxIdle is how many connections may wait for the peer's OPEN.
const maxIdle = 3

// dropIdle makes room for one more connection that has not said anything. The
// peer does not believe in the older ones any more, or it would not make
// another: were the new one refused, a peer with some stray connections could
// not come back before these run into their time limit.
func (p *peer) dropIdle() {
	var silent []*session
	for _, x := range p.sessions {
		if x.incoming && !x.stopped() && x.at() == OpenSent {
			silent = append(silent, x)
		}
	}
	for len(silent) >= maxIdle {
		silent[0].stop(&ending{text: "the peer connected again, and had sent no OPEN before"})
		silent = silent[1:]
	}
}

func (p *peer) begin(ctx context.Context, conn *net.TCPConn, incoming bool) {
	x := newSession(p, conn, incoming)
	p.mu.Lock()
	if p.holdOffLocked() > 0 {
		p.mu.Unlock()
		conn.Close()
		return
	}
	p.live = append(p.live, x)
	p.mu.Unlock()
	p.sessions = append(p.sessions, x)
	p.s.wg.Go(func() { x.run(ctx) })
}

// ended forgets a session, and has the next one made.
func (p *peer) ended(x *session) {
	p.sessions = remove(p.sessions, x)
	p.waiting = remove(p.waiting, x)
	if p.busy() {
		return
	}
	if p.holdOff() > 0 {
		return // reconnect has set the timer
	}
	p.setState(nil, Active)
	lasted := time.Duration(0)
	if !x.upAt.IsZero() {
		lasted = time.Since(x.upAt)
	}
	if lasted >= stable {
		p.backoff = quick(p.cfg.ConnectRetry)
		p.again(min(50*time.Millisecond, p.cfg.ConnectRetry))
		return
	}
	p.again(p.grow())
}
