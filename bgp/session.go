package bgp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// session is one TCP connection to a peer, from the OPEN to its end.
type session struct {
	p        *peer
	conn     *net.TCPConn
	incoming bool
	began    time.Time
	verdict  chan bool     // from peer.run, once
	quit     chan struct{} // closed by stop
	pull     chan struct{} // the peer's routes are wanted again
	push     chan struct{} // ours are
	accepted bool          // owned by peer.run

	// Set before the session is handed to peer.run, constant then.
	ours   wire.Open
	open   wire.Open // the peer's
	openAt time.Time
	hold   time.Duration // negotiated, 0: none
	alive  time.Duration // between KEEPALIVEs

	lastRead atomic.Int64 // unix nanoseconds

	wmu sync.Mutex // a message to the peer is written whole

	mu         sync.Mutex
	why        *ending // not nil: the session is ending
	leg        *leg
	got        bool // open is there
	upAt       time.Time
	rcvd, sent Messages
	counts     wire.Counts
}

// openTimeout is how long a connection may live without the peer's OPEN.
const openTimeout = time.Minute

func newSession(p *peer, conn *net.TCPConn, incoming bool) *session {
	return &session{
		p: p, conn: conn, incoming: incoming, began: time.Now(),
		verdict: make(chan bool, 1), quit: make(chan struct{}),
		pull: make(chan struct{}, 1), push: make(chan struct{}, 1),
	}
}

// run lives as long as the connection.
func (x *session) run(ctx context.Context) {
	release := context.AfterFunc(ctx, func() { x.stop(endingOf(ctx)) })
	x.p.setState(x, OpenSent)
	x.stop(x.talk(ctx))
	release()
	polite := x.finish()
	x.p.over <- x
	if polite {
		// To close with bytes unread would reset the connection, and the
		// peer might never see the NOTIFICATION.
		_ = x.conn.SetReadDeadline(time.Now().Add(lastWords))
		_, _ = io.Copy(io.Discard, x.conn)
		x.conn.Close()
	}
}

// stop ends the session for a reason; the first one counts. Any goroutine may
// call it.
func (x *session) stop(why *ending) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.why != nil {
		return
	}
	x.why = why
	close(x.quit)
	now := time.Now()
	_ = x.conn.SetReadDeadline(now)
	_ = x.conn.SetWriteDeadline(now.Add(lastWords))
	if x.leg != nil {
		_ = x.leg.SetDeadline(now)
	}
}

// lastWords is how long a peer may take to take our NOTIFICATION.
const lastWords = time.Second

// failure makes an ending of a read or write error.
func failure(err error) *ending {
	switch {
	case errors.Is(err, io.EOF):
		return &ending{text: "the peer closed the connection", cause: LossClosed}
	case errors.Is(err, syscall.ECONNRESET):
		return &ending{text: "the peer reset the connection", cause: LossReset}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ending{text: "the peer did not answer in time", cause: LossTimeout}
	}
	return &ending{text: dialError(err).Error(), cause: LossNetwork}
}

// refusal is the ending that answers what the peer has sent.
func refusal(n *wire.Notification, what string) *ending {
	return &ending{text: fmt.Sprintf("%s; we sent: %v", what, n), notify: n}
}

// talk exchanges the OPENs, has GoBGP join, and passes messages on until the
// session ends.
func (x *session) talk(ctx context.Context) *ending {
	in := newStream(x)
	if why := x.handshake(in); why != nil {
		return why
	}
	stopped := &ending{text: "stopped"} // never counts: why it was is known already
	select {
	case x.p.opened <- x:
	case <-x.quit:
		return stopped
	}
	select {
	case ok := <-x.verdict:
		if !ok {
			return collided()
		}
	case <-x.quit:
		return stopped
	}
	l, why := x.join(ctx)
	if why != nil {
		return why
	}
	x.p.setState(x, OpenConfirm)
	var wg sync.WaitGroup
	wg.Go(func() { x.stop(x.down(l)) })
	wg.Go(func() { x.aside(l) })
	why = x.up(in, l)
	x.stop(why)
	wg.Wait()
	return why
}

// handshake sends our OPEN and reads the peer's.
func (x *session) handshake(in *stream) *ending {
	s := x.p.s
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	x.ours = wire.Open{
		AS: x.p.cfg.LocalAS, HoldTime: uint16(x.p.cfg.HoldTime / time.Second), ID: cfg.RouterID,
		EVPN: true, RouteRefresh: true, AS4: true,
		Restart: wire.Restart{
			Present: true, Notification: true, Time: uint16(cfg.RestartTime / time.Second), EVPN: true,
			// The kernel forwards whether we run or not.
			Forwarding: true,
			Restarting: x.p.first() && time.Since(s.started) < cfg.RestartTime,
		},
		// Sent without a time too: who does not say that it knows LLGR is
		// told no stale routes (RFC 9494 §4.3).
		LongLived: wire.LongLived{Present: true, EVPN: true, Forwarding: true, Time: uint32(cfg.LongLivedTime / time.Second)},
	}
	if err := x.send(x.ours.Append(nil), wire.TypeOpen); err != nil {
		return failure(err)
	}
	x.mu.Lock()
	if x.why == nil {
		_ = x.conn.SetReadDeadline(time.Now().Add(openTimeout))
	}
	x.mu.Unlock()
	msg, why := in.next()
	if why != nil {
		return why
	}
	x.count(wire.TypeOf(msg))
	switch wire.TypeOf(msg) {
	case wire.TypeOpen:
	case wire.TypeNotification:
		return told(wire.ParseNotification(wire.Body(msg)))
	default:
		return refusal(&wire.Notification{Code: wire.CodeFSM, Subcode: 1}, "the peer did not begin with an OPEN")
	}
	o, bad := wire.ParseOpen(wire.Body(msg))
	if bad == nil {
		bad = x.acceptable(&o)
	}
	if bad != nil {
		return refusal(bad, x.complaint(&o, bad))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open, x.openAt, x.got = o, time.Now(), true
	x.hold = min(time.Duration(o.HoldTime)*time.Second, x.p.cfg.HoldTime)
	if x.alive = x.p.cfg.Keepalive; x.alive == 0 || x.alive >= x.hold {
		x.alive = x.hold / 3
	}
	if x.why == nil {
		_ = x.conn.SetReadDeadline(time.Time{})
	}
	return nil
}

// told is the ending that a NOTIFICATION of the peer makes.
func told(n *wire.Notification) *ending {
	text := fmt.Sprintf("the peer sent: %v", n)
	if in := n.Inner(); in != n {
		text += fmt.Sprintf(" (%v)", in)
	}
	return &ending{text: text, cause: LossNotified, goodbye: n.Final()}
}

// acceptable checks an OPEN against the configuration (RFC 4271 §6.2).
func (x *session) acceptable(o *wire.Open) *wire.Notification {
	switch {
	case x.p.cfg.AS != 0 && o.AS != x.p.cfg.AS:
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 2}
	case o.ID == x.ours.ID && x.p.cfg.internal(o.AS): // RFC 6286 §2.2
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 3}
	case !o.EVPN: // RFC 5492 §3
		return &wire.Notification{Code: wire.CodeOpen, Subcode: 7, Data: []byte{1, 4, 0, wire.AFIL2VPN, 0, wire.SAFIEVPN}}
	}
	return nil
}

// complaint says what is wrong with an OPEN, and what to do.
func (x *session) complaint(o *wire.Open, n *wire.Notification) string {
	switch n.Subcode {
	case 2:
		return fmt.Sprintf("the peer is in AS %d, and configured as in AS %d", o.AS, x.p.cfg.AS)
	case 3:
		return fmt.Sprintf("the peer has the router id %v, which is ours; every router needs its own", o.ID)
	case 7:
		return "the peer does not offer the address family L2VPN EVPN; activate it there for this neighbor"
	}
	return "the peer's OPEN was refused"
}

// join makes the GoBGP neighbor of this connection, and gives it an OPEN.
func (x *session) join(ctx context.Context) (*leg, *ending) {
	hold, alive := uint64(x.hold/time.Second), uint64(max(x.alive/time.Second, 1))
	if hold == 0 {
		hold, alive = quietHold, quietHold/4
	}
	l, err := x.p.s.server.dial(ctx, x.open.AS, x.p.cfg.LocalAS, hold, alive)
	if err != nil {
		return nil, refusal(&wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseOutOfResource}, err.Error())
	}
	x.mu.Lock()
	x.leg = l
	if x.why != nil {
		_ = l.SetDeadline(time.Now())
	}
	x.mu.Unlock()
	o := wire.Open{
		AS: x.open.AS, HoldTime: uint16(hold), ID: x.open.ID,
		EVPN: true, RouteRefresh: true, AS4: x.open.AS4,
		// With graceful restart on its leg GoBGP sends End-of-RIB, which
		// every peer is glad of (RFC 4724 §2).
		Restart: wire.Restart{Present: true, EVPN: true, Forwarding: true, Time: 1},
	}
	if o.ID == x.ours.ID {
		o.ID = otherID(o.ID) // legal between ASes (RFC 6286 §2.1), but GoBGP refuses it
	}
	if _, err := l.Write(o.Append(nil)); err != nil {
		return nil, failure(err)
	}
	return l, nil
}

func otherID(id netip.Addr) netip.Addr {
	a := id.As4()
	a[3] ^= 1
	return netip.AddrFrom4(a)
}

// quietHold is the hold time, in seconds, of a leg whose peer wants none.
// GoBGP cannot do without: it takes 0 for the time a write may take.
const quietHold = 240

// pushEvery is how often a peer is sent all our routes again at most. GoBGP
// queues them without a bound, so a peer that asks without end, and takes
// nothing, could have all the memory.
const pushEvery = time.Second

// aside does what neither direction's reader does: it sends the refreshes that
// are asked for, and keeps GoBGP content while the peer, by agreement, sends
// no KEEPALIVEs.
func (x *session) aside(l *leg) {
	push, rest := x.push, (<-chan time.Time)(nil) // one of them is nil
	var feed <-chan time.Time
	if x.hold == 0 {
		t := time.NewTicker(quietHold / 4 * time.Second)
		defer t.Stop()
		feed = t.C
	}
	for {
		var err error
		select {
		case <-feed:
			_, err = l.Write(wire.AppendKeepalive(nil))
		case <-x.pull:
			err = x.send(wire.AppendRouteRefresh(nil), wire.TypeRouteRefresh)
		case <-push:
			_, err = l.Write(wire.AppendRouteRefresh(nil))
			push, rest = nil, time.After(pushEvery)
		case <-rest:
			push, rest = x.push, nil
		case <-x.quit:
			return
		}
		if err != nil {
			x.stop(failure(err))
			return
		}
	}
}

// send writes whole messages to the peer.
func (x *session) send(b []byte, types ...wire.Type) error {
	x.wmu.Lock()
	defer x.wmu.Unlock()
	x.mu.Lock()
	if x.why == nil {
		_ = x.conn.SetWriteDeadline(time.Now().Add(max(x.hold, openTimeout)))
	}
	x.mu.Unlock()
	if _, err := x.conn.Write(b); err != nil {
		return err
	}
	x.mu.Lock()
	for _, t := range types {
		x.sent.count(t)
	}
	x.mu.Unlock()
	return nil
}

func (x *session) count(t wire.Type) {
	x.mu.Lock()
	x.rcvd.count(t)
	x.mu.Unlock()
}

// refresh asks the peer for its routes (RFC 2918), and with both has GoBGP
// send ours. It does not wait for either.
func (x *session) refresh(both bool) {
	if !x.open.RouteRefresh {
		x.stop(&ending{
			text:   "its routes are needed again, and it cannot refresh them",
			cause:  LossNoRefresh,
			notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseReset},
		})
		return
	}
	if wish(x.pull); both {
		wish(x.push)
	}
}

func wish(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been asked for and not been sent
	}
}

// finish ends both connections, and tells the engine. With polite the peer's
// is still to be closed, when the peer has had time to read our goodbye.
func (x *session) finish() (polite bool) {
	x.mu.Lock()
	why, l, up := x.why, x.leg, !x.upAt.IsZero()
	x.mu.Unlock()
	// GoBGP must not get a word through any more: its goodbye would have
	// the peer drop our routes.
	if polite = why.notify != nil && x.goodbye(why) == nil; !polite {
		x.conn.Close()
	}
	if l != nil {
		x.p.s.server.hangup(l)
	}
	retain, long := x.retention(why)
	x.p.retire(x, why, retain)
	if up {
		x.p.log.Info("session down", "reason", why.text, "lasted", time.Since(x.upAt).Round(time.Second), "retain", retain, "long_lived", long)
		x.tell(&evpn.PeerDown{Peer: x.p.addr, Retain: retain, LongLived: long, Goodbye: why.goodbye})
	}
	return polite
}

// retention returns how long the peer's routes are to be kept, and how long
// after that as long-lived stale. The first is our own wish where the peer
// has none, or a shorter one; the second is the peer's, for that it asked.
// Without graceful restart the long-lived one is void (RFC 9494 §4.1).
func (x *session) retention(why *ending) (retain, long time.Duration) {
	if why.final && !why.leave {
		return 0, 0
	}
	s := x.p.s
	s.mu.Lock()
	retain = s.cfg.Retain
	s.mu.Unlock()
	r, l := x.open.Restart, x.open.LongLived
	if r.Present && r.EVPN {
		retain = max(retain, time.Duration(r.Time)*time.Second)
	}
	if r.Present && l.EVPN {
		long = time.Duration(l.Time) * time.Second
	}
	return retain, long
}

// goodbye sends the NOTIFICATION of an ending.
func (x *session) goodbye(why *ending) error {
	n := why.notify
	if why.final && x.open.Restart.Notification {
		// RFC 8538 §3.1: else the peer would wait for us to come back.
		n = &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseHardReset, Data: append([]byte{n.Code, n.Subcode}, n.Data...)}
	}
	if err := x.send(n.Append(nil), wire.TypeNotification); err != nil {
		return err
	}
	return x.conn.CloseWrite()
}

// tell gives the engine an event that must not be lost.
func (x *session) tell(ev evpn.Event) {
	select {
	case x.p.s.events <- ev:
	case <-x.p.s.ctx.Done():
	}
}
