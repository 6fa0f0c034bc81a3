package bgp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evpnd/evpnd/bgp/gobgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// Speaker holds the sessions with all peers. See the package comment.
type Speaker struct {
	log     *slog.Logger
	events  chan evpn.Event
	adverts chan []evpn.Advert
	ready   chan struct{}
	begun   chan struct{} // closed when sessions may begin
	begin   chan struct{} // Begin asks for that
	reconf  chan struct{} // next is to be applied
	started time.Time

	server *gobgp.Server
	ran    atomic.Bool
	ctx    context.Context // of Run

	rib      sync.Mutex // held while GoBGP's routes change
	routes   map[evpn.NLRI]evpn.Advert
	standing atomic.Int64

	captured    atomic.Pointer[capture] // the one that runs, or nil
	captureTurn chan time.Time          // holds when the next may begin

	mu        sync.Mutex
	cfg       Config
	next      *Config
	closing   bool // Shutdown was called
	peers     map[netip.Addr]*peer
	listeners map[netip.AddrPort]*listener
	problems  map[string]Problem
	wg        sync.WaitGroup
}

// New returns a Speaker that does nothing until Run. An error lists all that
// is wrong with cfg.
func New(cfg Config, log *slog.Logger) (*Speaker, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s := &Speaker{
		log:         log,
		cfg:         cfg,
		events:      make(chan evpn.Event, 16),
		adverts:     make(chan []evpn.Advert, 16),
		ready:       make(chan struct{}),
		begun:       make(chan struct{}),
		begin:       make(chan struct{}, 1),
		reconf:      make(chan struct{}, 1),
		captureTurn: make(chan time.Time, 1),
		routes:      make(map[evpn.NLRI]evpn.Advert),
		peers:       make(map[netip.Addr]*peer),
		listeners:   make(map[netip.AddrPort]*listener),
		problems:    make(map[string]Problem),
	}
	s.captureTurn <- time.Time{}
	return s, nil
}

// Run speaks to the peers until ctx is done, and returns when everything it
// started has ended. The connections are closed without a word then, so that
// the peers keep our routes (RFC 4724); call Shutdown first to say goodbye.
// It may be called once.
func (s *Speaker) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("bgp: a Speaker runs once")
	}
	s.ctx, s.started = ctx, time.Now()
	s.server = gobgp.New(s.log)
	if err := s.server.Start(ctx, s.cfg.AS, s.cfg.RouterID); err != nil {
		return err
	}
	defer s.server.Stop()
	defer s.wg.Wait()
	hold := s.cfg.Hold
	s.wg.Go(func() { s.advertise(ctx, hold) })
	s.apply(s.cfg)
	close(s.ready)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.reconf:
			s.mu.Lock()
			old, cfg := s.cfg, *s.next
			s.mu.Unlock()
			if err := s.reapply(old, cfg); err != nil {
				return err
			}
		}
	}
}

// Ready is closed when the sessions are configured: from then on the peers
// are being connected to, unless Config.Hold delays it.
func (s *Speaker) Ready() <-chan struct{} { return s.ready }

// Events delivers *evpn.PeerUp, *evpn.Routes, *evpn.EndOfRIB and
// *evpn.PeerDown, in order for each peer. It is never closed. While
// nobody receives, the TCP connections of the peers stand still; their sessions
// stay up.
func (s *Speaker) Events() <-chan evpn.Event { return s.events }

// Adverts takes the routes to announce and withdraw. One goroutine sends, and
// batches take effect in their order. It takes batches only while Run runs.
func (s *Speaker) Adverts() chan<- []evpn.Advert { return s.adverts }

// Begin ends Config.Hold: every batch that was sent to Adverts before is
// announced, then sessions begin. Any goroutine may call it, more than once.
func (s *Speaker) Begin() {
	select {
	case s.begin <- struct{}{}:
	default:
	}
}

// Configure replaces the configuration. Peers that did not change feel
// nothing; those that did are connected anew, and those that are gone are
// told so. Another AS or router id restarts every session, with a CEASE
// "other configuration change". It returns when cfg is checked; the change
// itself is made by Run. Any goroutine may call it.
func (s *Speaker) Configure(cfg Config) error {
	cfg, err := cfg.checked()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.next = &cfg
	s.mu.Unlock()
	select {
	case s.reconf <- struct{}{}:
	default:
	}
	return nil
}

// Refresh asks every established peer for all its routes again (RFC 2918).
// Where the peer cannot do that the session is reset. Any goroutine may call
// it.
func (s *Speaker) Refresh() {
	for _, p := range s.list() {
		p.refresh(false)
	}
}

// Reset ends the session with a peer, which begins anew at once; soft, it
// only has both sides send their routes again. A peer that is left alone
// because of its limit may come back at once. Any goroutine may call it. It
// fails when there is no such peer, or for soft, when its session is down.
func (s *Speaker) Reset(addr netip.Addr, soft bool) error {
	p := s.find(addr)
	if p == nil {
		return fmt.Errorf("bgp: no peer %v is configured or connected", addr)
	}
	if soft {
		if !p.refresh(true) {
			return fmt.Errorf("bgp: the session with %v is not established", addr)
		}
		return nil
	}
	p.stopSessions(&ending{
		text:   "reset by the operator",
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseReset},
	})
	p.setHoldOff(time.Time{})
	return nil
}

// Shutdown tells every peer goodbye for good: they drop our routes at once
// (RFC 4486 administrative shutdown, RFC 8538 hard reset). Theirs are kept,
// as they are when Run ends: hosts here can still send. It returns when all
// sessions have ended or ctx is done. No session begins after it; Run is to
// be ended next.
func (s *Speaker) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	bye := &ending{
		text: "shut down", final: true, leave: true,
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseShutdown},
	}
	peers := s.list()
	for _, p := range peers {
		p.cancel(bye)
	}
	for _, p := range peers {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *Speaker) list() []*peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := make([]*peer, 0, len(s.peers))
	for _, p := range s.peers {
		peers = append(peers, p)
	}
	return peers
}
