package bgp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// A route that no broadcast domain imports is not kept, nor is one that was
// discarded. A capture shows them all the same: the peers send all of their
// routes again (RFC 2918), and the relay shows them to it. Without a capture
// this costs one load of a pointer for each UPDATE.

// CapturedRoute is a route that came during a capture.
type CapturedRoute struct {
	Peer    netip.Addr
	Route   evpn.Route  // of a discarded one what could be read
	Attrs   *evpn.Attrs // nil when it was discarded
	Discard Discard     // why it was; 0: it was not
}

// Discard is why a route was not taken as announced; zero is that it was. String
// is a stable name to count by, Reason a sentence.
type Discard = wire.Discard

// PeerRefresh is what came of asking one peer for its routes.
type PeerRefresh struct {
	Peer    netip.Addr
	State   State          // of its session when the capture began
	Skipped RefreshSkipped // why it was not asked; empty: it was
	Routes  int            // that it announced meanwhile
	Open    bool           // it was still sending when the time was over
}

// RefreshSkipped is why a peer was not asked for its routes, as one of a few
// stable names.
type RefreshSkipped string

// The reasons to skip a peer.
const (
	SkippedDown      RefreshSkipped = "not-established"  // its session is in State
	SkippedNoRefresh RefreshSkipped = "no-route-refresh" // it has not the capability (RFC 2918 §2); a reset would have it send its routes
)

// Capture is what came of (*Speaker).Capture.
type Capture struct {
	Routes    []CapturedRoute // those that matched, by peer and route, at most 256
	More      int             // how many that matched are left out
	Refreshes []PeerRefresh   // of each peer, by address
}

const (
	// maxCaptured bounds what one capture keeps.
	maxCaptured = 256
	// capturePause is how long the peers are left alone after a capture at
	// least, and captureShare how many times as long as their answers took: to
	// send all routes again is work, for them and for us, and everyone may ask
	// who may read.
	capturePause = 2 * time.Second
	captureShare = 5 // and no longer than 5 * captureMost
	// A peer does not say where its answer ends (that takes RFC 7313): it has
	// when it was silent for captureQuiet after its first route, or for
	// captureFirst before it. No longer than captureMost is waited.
	captureQuiet = time.Second
	captureFirst = 3 * time.Second
	captureMost  = 15 * time.Second
)

// capture is a capture that runs.
type capture struct {
	began time.Time

	mu      sync.Mutex
	match   func(*evpn.Route, *evpn.Attrs) bool
	routes  []CapturedRoute
	more    int
	answers map[netip.Addr]*answer
}

// answer is what a peer has sent during a capture.
type answer struct {
	routes      int
	first, last time.Time
}

// Capture asks every established peer that can for all its routes again, and
// returns those that match, whether they are kept or not. match is called for
// every route that comes, with nil attributes for one that was discarded; it
// must be quick, keep nothing and be safe for concurrent use. progress is told
// how many routes came so far, twice a second. Peers without the route refresh
// capability are left alone. Calls wait for each other, and for the answers to
// one whose caller gave up. Any goroutine may call it; the error is that of ctx.
func (s *Speaker) Capture(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(routes int)) (Capture, error) {
	var next time.Time // when the peers may be asked again
	select {
	case next = <-s.captureTurn:
	case <-ctx.Done():
		return Capture{}, ctx.Err()
	}
	select {
	case <-time.After(time.Until(next)):
	case <-ctx.Done():
		s.captureTurn <- next
		return Capture{}, ctx.Err()
	}
	c := &capture{match: match, began: time.Now(), answers: make(map[netip.Addr]*answer)}
	s.captured.Store(c)
	out := Capture{Refreshes: s.refreshAll()}
	err := c.wait(ctx, out.Refreshes, progress)
	c.result(&out)
	if err == nil {
		s.endCapture(c)
		return out, nil
	}
	// The peers go on sending, although the caller has given up.
	c.cancel()
	go func() {
		_ = c.wait(s.ctx, out.Refreshes, func(int) {}) // when the Speaker ends there is nothing to wait for
		s.endCapture(c)
	}()
	return out, err
}

// endCapture ends a capture, and has the peers left alone for a while.
func (s *Speaker) endCapture(c *capture) {
	s.captured.Store(nil)
	pause := capturePause
	c.mu.Lock()
	for _, a := range c.answers {
		pause = max(pause, captureShare*a.last.Sub(a.first))
	}
	c.mu.Unlock()
	s.captureTurn <- time.Now().Add(pause)
}

// result fills out with what was captured.
func (c *capture) result(out *Capture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Routes, out.More = c.routes, c.more
	for i := range out.Refreshes {
		if a := c.answers[out.Refreshes[i].Peer]; a != nil {
			out.Refreshes[i].Routes = a.routes
			out.Refreshes[i].Open = time.Since(a.last) < captureQuiet
		}
	}
	slices.SortStableFunc(out.Routes, func(a, b CapturedRoute) int {
		if n := a.Peer.Compare(b.Peer); n != 0 {
			return n
		}
		return a.Route.NLRI.Compare(b.Route.NLRI)
	})
}

// cancel has c keep no more routes. It goes on counting them.
func (c *capture) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.match, c.routes = func(*evpn.Route, *evpn.Attrs) bool { return false }, nil
}

// refreshAll asks the peers for their routes, by address.
func (s *Speaker) refreshAll() []PeerRefresh {
	var out []PeerRefresh
	for _, p := range s.list() {
		p.mu.Lock()
		x, r := p.current, PeerRefresh{Peer: p.addr, State: p.state}
		p.mu.Unlock()
		switch {
		case r.State != Established || x == nil:
			r.Skipped = SkippedDown
		case !x.open.RouteRefresh:
			r.Skipped = SkippedNoRefresh
		default:
			signal(x.refreshTheirs)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b PeerRefresh) int { return a.Peer.Compare(b.Peer) })
	return out
}

// wait returns when the peers have answered.
func (c *capture) wait(ctx context.Context, asked []PeerRefresh, progress func(int)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		routes, quiet := c.state(asked)
		if quiet || time.Since(c.began) > captureMost {
			return nil
		}
		if n%5 == 0 {
			progress(routes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// state returns how many routes have come, and whether all answers have ended.
func (c *capture) state(asked []PeerRefresh) (routes int, quiet bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	quiet = true
	for _, r := range asked {
		if r.Skipped != "" {
			continue
		}
		a := c.answers[r.Peer]
		if a == nil {
			quiet = quiet && time.Since(c.began) > captureFirst
			continue
		}
		routes += a.routes
		quiet = quiet && time.Since(a.last) > captureQuiet
	}
	return routes, quiet
}

// observe takes what an UPDATE announced. c may be nil.
func (c *capture) observe(peer netip.Addr, u *evpn.Update) {
	if c == nil || len(u.Reach) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(peer, len(u.Reach))
	for i := range u.Reach {
		c.keep(&CapturedRoute{Peer: peer, Route: u.Reach[i], Attrs: u.Attrs})
	}
}

// observeDropped has the reader of a session tell c what it discards. Without
// a capture it tells nobody.
func (u *fromPeer) observeDropped(c *capture) {
	if c == nil {
		u.r.Dropped = nil
		return
	}
	peer := u.x.p.addr
	u.r.Dropped = func(r *evpn.Route, why Discard) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.count(peer, 1)
		c.keep(&CapturedRoute{Peer: peer, Route: *r, Discard: why})
	}
}

// count counts routes of a peer. c.mu is held.
func (c *capture) count(peer netip.Addr, routes int) {
	a := c.answers[peer]
	if a == nil {
		a = &answer{first: time.Now()}
		c.answers[peer] = a
	}
	a.routes += routes
	a.last = time.Now()
}

// keep keeps a route that matches. c.mu is held.
func (c *capture) keep(r *CapturedRoute) {
	switch {
	case !c.match(&r.Route, r.Attrs):
	case len(c.routes) >= maxCaptured:
		c.more++
	default:
		c.routes = append(c.routes, *r)
	}
}
