package bgp

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evpnd/evpnd/bgp/gobgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// session is one TCP connection to a peer, from the OPEN to its end.
type session struct {
	p             *peer
	conn          *net.TCPConn
	incoming      bool
	began         time.Time
	verdict       chan bool     // from peer.run, once
	quit          chan struct{} // closed by stop
	refreshTheirs chan struct{} // the peer's routes are wanted again
	refreshOurs   chan struct{} // ours are
	accepted      bool          // owned by peer.run

	// Set before the session is handed to peer.run, constant then.
	ours      wire.Open
	open      wire.Open // the peer's
	openAt    time.Time
	hold      time.Duration // negotiated, 0: none
	keepalive time.Duration // between KEEPALIVEs

	lastRead atomic.Int64 // unix nanoseconds

	wmu sync.Mutex // a message to the peer is written whole

	mu          sync.Mutex
	why         *ending // not nil: the session is ending
	leg         *gobgp.Leg
	hasPeerOpen bool // open is there
	upAt        time.Time
	rcvd, sent  Messages
	counts      wire.Counts
}

// openTimeout is how long a connection may live without the peer's OPEN.
const openTimeout = time.Minute

func newSession(p *peer, conn *net.TCPConn, incoming bool) *session {
	return &session{
		p: p, conn: conn, incoming: incoming, began: time.Now(),
		verdict: make(chan bool, 1), quit: make(chan struct{}),
		refreshTheirs: make(chan struct{}, 1), refreshOurs: make(chan struct{}, 1),
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
		x.leg.Stop()
	}
}

// lastWords is how long a peer may take to take our NOTIFICATION.
const lastWords = time.Second

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
	wg.Go(func() { x.stop(x.relayToPeer(l)) })
	wg.Go(func() { x.refreshLoop(l) })
	why = x.relayFromPeer(in, l)
	x.stop(why)
	wg.Wait()
	return why
}

// join has GoBGP hold the session on this connection.
func (x *session) join(ctx context.Context) (*gobgp.Leg, *ending) {
	l, err := x.p.s.server.Join(ctx, gobgp.Neighbor{
		AS: x.open.AS, LocalAS: x.p.cfg.LocalAS, ID: x.open.ID, AS4: x.open.AS4, HoldTime: x.hold, Keepalive: x.keepalive,
	})
	if err != nil {
		return nil, refusal(&wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseOutOfResource}, err.Error())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leg = l
	if x.why != nil {
		l.Stop()
	}
	return l, nil
}

// refreshEvery is how often a peer is sent all our routes again at most. GoBGP
// queues them without a bound, so a peer that asks without end, and takes
// nothing, could have all the memory.
const refreshEvery = time.Second

// refreshLoop sends the refreshes that are asked for, in both directions.
func (x *session) refreshLoop(l *gobgp.Leg) {
	ours, next := x.refreshOurs, (<-chan time.Time)(nil) // one of them is nil
	for {
		var err error
		select {
		case <-x.refreshTheirs:
			err = x.send(wire.AppendRouteRefresh(nil))
		case <-ours:
			err = l.Refresh()
			ours, next = nil, time.After(refreshEvery)
		case <-next:
			ours, next = x.refreshOurs, nil
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
func (x *session) send(msgs []byte) error {
	x.wmu.Lock()
	defer x.wmu.Unlock()
	x.mu.Lock()
	if x.why == nil {
		_ = x.conn.SetWriteDeadline(time.Now().Add(max(x.hold, openTimeout)))
	}
	x.mu.Unlock()
	if _, err := x.conn.Write(msgs); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for n, _ := wire.Split(msgs); n > 0; n, _ = wire.Split(msgs) {
		x.sent.count(wire.TypeOf(msgs))
		msgs = msgs[n:]
	}
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
			cause:  DownNoRefresh,
			notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseReset},
		})
		return
	}
	if signal(x.refreshTheirs); both {
		signal(x.refreshOurs)
	}
}

// signal leaves word in c, unless there is one already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
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
		x.p.s.server.Leave(l)
	}
	retain, long := x.retention(why)
	x.p.retire(x, why, retain)
	if up {
		x.p.log.Info("session down", "reason", why.text, "lasted", time.Since(x.upAt).Round(time.Second), "retain", retain, "long_lived", long)
		x.emit(&evpn.PeerDown{Peer: x.p.addr, Retain: retain, LongLived: long, Goodbye: why.goodbye})
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
	if err := x.send(n.Append(nil)); err != nil {
		return err
	}
	return x.conn.CloseWrite()
}

// emit gives the engine an event that must not be lost.
func (x *session) emit(ev evpn.Event) {
	select {
	case x.p.s.events <- ev:
	case <-x.p.s.ctx.Done():
	}
}

// established notes that the session is up, and tells the engine, unless it
// is ending already.
func (x *session) established() bool {
	x.mu.Lock()
	if x.why != nil {
		x.mu.Unlock()
		return false
	}
	x.upAt = time.Now()
	x.mu.Unlock()
	x.p.setState(x, Established)
	x.p.log.Info("session established", "as", x.open.AS, "router_id", x.open.ID, "hold", x.hold)
	x.emit(&evpn.PeerUp{
		Peer: x.p.addr, RouterID: x.open.ID, Internal: x.p.cfg.internal(x.open.AS), Limit: x.p.cfg.RouteLimit,
		Lost: x.p.lost(&x.open),
	})
	return true
}

// What other goroutines ask of a session.

func (x *session) stopped() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.why != nil
}

func (x *session) hasOpen() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.hasPeerOpen
}

func (x *session) upSince() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.upAt
}

func (x *session) at() State {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.upAt.IsZero():
		return Established
	case x.hasPeerOpen:
		return OpenConfirm
	}
	return OpenSent
}

func (x *session) silence() time.Duration { return time.Since(time.Unix(0, x.lastRead.Load())) }

// addTo adds the counters of x to what is shown of its peer.
func (x *session) addTo(st *PeerStatus) {
	x.mu.Lock()
	defer x.mu.Unlock()
	st.Received.add(&x.rcvd)
	st.Sent.add(&x.sent)
	st.Routes.Add(&x.counts)
}

// show adds what is known of the connection.
func (x *session) show(st *PeerStatus) {
	st.LocalAddress = x.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	st.RemotePort = x.conn.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
	st.Incoming = x.incoming
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.hasPeerOpen {
		return
	}
	st.AS, st.RouterID = x.open.AS, x.open.ID
	st.HoldTime, st.Keepalive = x.hold, x.keepalive
	st.Capabilities = capabilities(&x.open)
}
