// Package run runs an engine between a dataplane and the BGP sessions. A Go
// program that is to be a VTEP brings a dataplane of its own, or takes that of
// this module, and has a Runner do the rest; Example is such a program, whole.
//
// The engine is a state machine without goroutines, clock or I/O. A Runner is
// the goroutine that owns one: it feeds it what the dataplane, the sessions and
// the clock say, and hands on what follows.
//
//	Dataplane.Events --+                                  +--> Dataplane.Deltas
//	Sessions.Events ---+--> Run: Engine.Step, then Ready -+--> Sessions.Adverts
//	Do ----------------+        (one goroutine)           +--> publish (watchers)
//
// What holds:
//
//   - The goroutine never waits for a consumer, and nothing queues up. What a
//     slow one has not taken yet is marked in the engine, each object once, and
//     worked out when it is ready for it; only the one batch on offer may be a
//     little behind, and what changed meanwhile follows in the next.
//   - The sessions may come later than the dataplane (Attach), so that what is
//     local is announced before End-of-RIB: peers see no gap.
//   - The dataplane is told to Sweep once, when all that is wanted of it has
//     been handed over.
//   - Whoever wants to know something of the engine asks on its goroutine (Do).
package run

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Dataplane is what forwards: dataplane.Plane for a Linux kernel, or one of the
// program's own. Its methods are called on the Runner's goroutine.
type Dataplane interface {
	// Events says what is local: which broadcast domains can forward (BDUp),
	// and which MACs and addresses are behind ports here. What comes together
	// is taken in together.
	Events() <-chan []evpn.Event
	// Deltas takes what is wanted, one batch at a time: each is a list of
	// objects and what is wanted of them now, to be carried out in the order
	// that evpn.Delta gives. The next is offered when it has been received, so
	// a dataplane that is busy leaves it.
	Deltas() chan<- evpn.Delta
	// Sweep says that all that is wanted has been received: entries of an
	// earlier run that were not wanted by then may go. It is called once, and
	// must not block.
	Sweep()
}

// Sessions is what speaks to the peers: bgp.Speaker. Its methods are called on
// the Runner's goroutine and must not block.
type Sessions interface {
	// Events says what the peers say: PeerUp, Routes, EndOfRIB and PeerDown of
	// each, in their order.
	Events() <-chan evpn.Event
	// Adverts takes routes to announce and to withdraw, in their order, one
	// batch at a time.
	Adverts() chan<- []evpn.Advert
	// Refresh asks all peers for their routes again.
	Refresh()
	// RefreshPeer asks one peer for its routes again; EndAtLimit ends its
	// session because it sent more than it may.
	RefreshPeer(netip.Addr)
	EndAtLimit(netip.Addr)
	// Begin says that what was known when the sessions were attached has
	// been announced, so that End-of-RIB may follow it.
	Begin()
}

// batch is how many objects are handed on at once: enough to keep a writer
// busy while the next are worked out, little enough to stay up to date.
const batch = 4096

// tickEvery is how exact the engine's clock is while events come.
const tickEvery = 10 * time.Millisecond

// Runner owns the engine.
type Runner struct {
	engine   *evpn.Engine
	plane    Dataplane
	sessions chan Sessions
	calls    chan func(*evpn.Engine)
	publish  func([]evpn.Change)
	stopped  chan struct{}
}

// ErrStopped is what Do returns when the engine does not run any more.
var ErrStopped = errors.New("evpnd is shutting down")

// New returns a Runner of engine. publish takes the changes for watchers;
// it is called on the engine's goroutine and must not block.
func New(engine *evpn.Engine, plane Dataplane, publish func([]evpn.Change)) *Runner {
	return &Runner{
		engine: engine, plane: plane, publish: publish,
		sessions: make(chan Sessions), calls: make(chan func(*evpn.Engine)), stopped: make(chan struct{}),
	}
}

// Attach brings the sessions in, which may come later than the kernel: their
// identity can depend on what it holds. Any goroutine may call it, once.
func (c *Runner) Attach(ctx context.Context, s Sessions) error {
	select {
	case c.sessions <- s:
		return nil
	case <-c.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do runs f on the engine's goroutine and waits for it. f must be short: all
// else waits meanwhile. Any goroutine but the engine's may call it.
func (c *Runner) Do(ctx context.Context, f func(*evpn.Engine)) error {
	done := make(chan struct{})
	select {
	case c.calls <- func(e *evpn.Engine) { defer close(done); f(e) }:
		<-done
		return nil
	case <-c.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop is the state of Run between two events.
type loop struct {
	delta    evpn.Delta
	adverts  []evpn.Advert
	sessions Sessions
	ticked   time.Time
	swept    bool
	begun    bool
	timer    *time.Timer
}

// Run owns the engine until ctx ends.
func (c *Runner) Run(ctx context.Context) error {
	defer close(c.stopped)
	l := loop{timer: time.NewTimer(0)}
	defer l.timer.Stop()
	c.tick(&l)
	for {
		c.handOn(&l)
		var (
			deltas  chan<- evpn.Delta
			adverts chan<- []evpn.Advert
			routes  <-chan evpn.Event
		)
		if !l.delta.Empty() {
			deltas = c.plane.Deltas()
		}
		if l.sessions != nil {
			routes = l.sessions.Events()
			if len(l.adverts) > 0 {
				adverts = l.sessions.Adverts()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case evs := <-c.plane.Events():
			c.tick(&l)
			for _, ev := range evs {
				c.engine.Step(ev)
			}
		case ev := <-routes:
			c.tick(&l)
			c.engine.Step(ev)
		case f := <-c.calls:
			c.tick(&l)
			f(c.engine)
		case deltas <- l.delta:
			l.delta = evpn.Delta{}
		case adverts <- l.adverts:
			l.adverts = nil
		case s := <-c.sessions:
			l.sessions = s
		case <-l.timer.C:
			l.ticked = time.Time{}
			c.tick(&l)
		}
	}
}

// handOn fetches what the consumers can take next: one that still has a batch
// to take is offered no other.
func (c *Runner) handOn(l *loop) {
	room := evpn.Room{Changes: batch}
	if l.delta.Empty() {
		room.Kernel = batch
	}
	if l.sessions != nil {
		room.Peers = true
		if len(l.adverts) == 0 {
			room.Adverts = batch
		}
	}
	r := c.engine.Ready(room)
	if room.Kernel > 0 {
		l.delta = r.Kernel
	}
	if r.Synced && l.delta.Empty() && !l.swept {
		l.swept = true
		c.plane.Sweep()
	}
	if room.Adverts > 0 {
		l.adverts = r.Adverts
	}
	if l.sessions != nil {
		c.askPeers(l, &r)
	}
	for ; len(r.Changes) > 0; r = c.engine.Ready(evpn.Room{Changes: batch}) {
		c.publish(r.Changes)
	}
	if r.Next.IsZero() {
		l.timer.Stop()
	} else {
		l.timer.Reset(max(time.Millisecond, time.Until(r.Next)))
	}
}

// askPeers does what is to be done about the sessions beside handing on routes.
func (c *Runner) askPeers(l *loop, r *evpn.Ready) {
	if len(l.adverts) == 0 && !l.begun {
		l.begun = true
		l.sessions.Begin()
	}
	if r.Refresh {
		l.sessions.Refresh()
	}
	for _, a := range r.Peers {
		if a.Reset {
			l.sessions.EndAtLimit(a.Peer)
		} else {
			l.sessions.RefreshPeer(a.Peer)
		}
	}
}

// tick tells the engine the time, unless it was told just now.
func (c *Runner) tick(l *loop) {
	now := time.Now()
	if now.Sub(l.ticked) < tickEvery {
		return
	}
	l.ticked = now
	c.engine.Step(&evpn.Tick{Now: now})
}
