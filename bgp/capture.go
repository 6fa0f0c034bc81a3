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

// Looking at what is not kept.
//
// A route that no VNI imports is not kept, nor is one that was discarded. Who
// wants to see it all the same has the peers send all of theirs again
// (RFC 2918) and looks on meanwhile. While nobody looks this costs one load
// of a pointer for each UPDATE.

// CapturedRoute is a route that came while somebody looked.
type CapturedRoute struct {
	Peer    netip.Addr
	Reach   evpn.Route   // of a discarded one what could be read
	Attrs   *evpn.Attrs  // nil when it was discarded
	Discard wire.Discard // why it was; 0: it was not
}

// PeerRefresh is what came of asking one peer.
type PeerRefresh struct {
	Peer   netip.Addr
	Routes int    // that it announced meanwhile
	Why    string // why it was not asked, for a person; empty: it was
	Open   bool   // it had not come to an end when the time was over
}

// Capture is what Look saw.
type Capture struct {
	Routes    []CapturedRoute // at most maxSeen, by peer and route
	More      int             // and how many that matched are left out
	Refreshes []PeerRefresh
}

const (
	// maxSeen bounds what one Look keeps.
	maxSeen = 256
	// lookPause is how long the peers are left alone after a Look at least, and
	// lookShare how many times as long as their answers took: to send all routes
	// again is work, for them and for us, and everyone may ask who may read.
	lookPause = 2 * time.Second
	lookShare = 5 // and no longer than 5 * lookMost
	// A peer does not say where its answer ends (that takes RFC 7313): it has
	// when it was silent for lookQuiet after its first route, or for lookFirst
	// before it. No longer than lookMost is waited.
	lookQuiet = time.Second
	lookFirst = 3 * time.Second
	lookMost  = 15 * time.Second
)

// looks are those who look, never changed: another one takes its place.
type looks []*onlooker

// onlooker is one who looks.
type onlooker struct {
	began time.Time

	mu    sync.Mutex
	match func(*evpn.Route, *evpn.Attrs) bool
	seen  []CapturedRoute
	more  int
	heard map[netip.Addr]*heard
}

type heard struct {
	routes    int
	first, at time.Time // of the first and the last
}

// Capture asks every established peer that can for all its routes again, and
// returns those that match, whether they are kept or not. match is called for
// every route that comes, with nil attributes for one that was discarded; it
// must be quick, keep nothing and be safe for concurrent use. progress is told
// how many routes came so far, twice a second. Peers without the
// route refresh capability are left alone. Calls wait for each other, and for
// the answers to one whose caller gave up. Any goroutine may call it; the error
// is that of ctx.
func (s *Speaker) Capture(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(routes int)) (Capture, error) {
	var next time.Time // when the peers may be asked again
	select {
	case next = <-s.looking:
	case <-ctx.Done():
		return Capture{}, ctx.Err()
	}
	select {
	case <-time.After(time.Until(next)):
	case <-ctx.Done():
		s.looking <- next
		return Capture{}, ctx.Err()
	}
	k := &onlooker{match: match, began: time.Now(), heard: make(map[netip.Addr]*heard)}
	s.looks.Store(&looks{k})
	out := Capture{Refreshes: s.askAll()}
	err := k.wait(ctx, out.Refreshes, progress)
	k.tell(&out)
	if err == nil {
		s.looked(k)
		return out, nil
	}
	// Whether somebody waits for the answer or not, the peers are at it.
	k.turnAway()
	go func() {
		_ = k.wait(s.ctx, out.Refreshes, func(int) {}) // when the Speaker ends there is nothing to wait for
		s.looked(k)
	}()
	return out, err
}

// looked ends a look, and has the peers left alone for a while.
func (s *Speaker) looked(k *onlooker) {
	s.looks.Store(nil)
	pause := lookPause
	k.mu.Lock()
	for _, h := range k.heard {
		pause = max(pause, lookShare*h.at.Sub(h.first))
	}
	k.mu.Unlock()
	s.looking <- time.Now().Add(pause)
}

// tell fills out with what was seen.
func (k *onlooker) tell(out *Capture) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out.Routes, out.More = k.seen, k.more
	for i := range out.Refreshes {
		if h := k.heard[out.Refreshes[i].Peer]; h != nil {
			out.Refreshes[i].Routes = h.routes
			out.Refreshes[i].Open = time.Since(h.at) < lookQuiet
		}
	}
	slices.SortStableFunc(out.Routes, func(a, b CapturedRoute) int {
		if c := a.Peer.Compare(b.Peer); c != 0 {
			return c
		}
		return a.Reach.NLRI.Compare(b.Reach.NLRI)
	})
}

// turnAway has k keep nothing more, and count on.
func (k *onlooker) turnAway() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.match, k.seen = func(*evpn.Route, *evpn.Attrs) bool { return false }, nil
}

// askAll asks the peers for their routes, by address.
func (s *Speaker) askAll() []PeerRefresh {
	var out []PeerRefresh
	for _, p := range s.list() {
		a := PeerRefresh{Peer: p.addr}
		p.mu.Lock()
		x, state := p.current, p.state
		p.mu.Unlock()
		switch {
		case state != Established || x == nil:
			a.Why = "the session is not established but " + string(state)
		case !x.open.RouteRefresh:
			a.Why = "the peer cannot send its routes again (it has no route refresh capability): evpnctl peer reset would have it do so"
		default:
			signal(x.refreshTheirs)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b PeerRefresh) int { return a.Peer.Compare(b.Peer) })
	return out
}

// wait returns when the peers have answered.
func (k *onlooker) wait(ctx context.Context, asked []PeerRefresh, progress func(int)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		routes, quiet := k.state(asked)
		if quiet || time.Since(k.began) > lookMost {
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

func (k *onlooker) state(asked []PeerRefresh) (routes int, quiet bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	quiet = true
	for _, a := range asked {
		if a.Why != "" {
			continue
		}
		h := k.heard[a.Peer]
		if h == nil {
			quiet = quiet && time.Since(k.began) > lookFirst
			continue
		}
		routes += h.routes
		quiet = quiet && time.Since(h.at) > lookQuiet
	}
	return routes, quiet
}

// see shows those who look what an UPDATE announced. l may be nil.
func (l *looks) see(peer netip.Addr, u *evpn.Update) {
	if l == nil || len(u.Reach) == 0 {
		return
	}
	for _, k := range *l {
		k.mu.Lock()
		k.hear(peer, len(u.Reach))
		for i := range u.Reach {
			k.take(&CapturedRoute{Peer: peer, Reach: u.Reach[i], Attrs: u.Attrs})
		}
		k.mu.Unlock()
	}
}

// listen has u's reader tell what it discards, while somebody looks.
func (u *fromPeer) listen(l *looks) {
	if l == nil {
		u.r.Dropped = nil
		return
	}
	peer := u.x.p.addr
	u.r.Dropped = func(r *evpn.Route, why wire.Discard) {
		for _, k := range *l {
			k.mu.Lock()
			k.hear(peer, 1)
			k.take(&CapturedRoute{Peer: peer, Reach: *r, Discard: why})
			k.mu.Unlock()
		}
	}
}

// hear counts routes. k.mu is held.
func (k *onlooker) hear(peer netip.Addr, routes int) {
	h := k.heard[peer]
	if h == nil {
		h = &heard{first: time.Now()}
		k.heard[peer] = h
	}
	h.routes += routes
	h.at = time.Now()
}

// take keeps a route that matches. k.mu is held.
func (k *onlooker) take(s *CapturedRoute) {
	switch {
	case !k.match(&s.Reach, s.Attrs):
	case len(k.seen) >= maxSeen:
		k.more++
	default:
		k.seen = append(k.seen, *s)
	}
}
