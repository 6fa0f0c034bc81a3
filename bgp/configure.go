package bgp

import (
	"context"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/bgp/wire"
)

// reapply makes cfg what is in force. Only Run calls it.
func (s *Speaker) reapply(old, cfg Config) error {
	if old.AS == cfg.AS && old.RouterID == cfg.RouterID {
		s.apply(cfg)
		return nil
	}
	s.log.Info("own AS or router id changed, every session begins anew", "as", cfg.AS, "router_id", cfg.RouterID)
	s.stopPeers(s.list(), configChange())
	s.rib.Lock()
	s.server.Stop()
	err := s.server.Start(s.ctx, cfg.AS, cfg.RouterID)
	if err == nil {
		s.announceAll()
	}
	s.rib.Unlock()
	if err != nil {
		return err
	}
	s.apply(cfg)
	return nil
}

func configChange() *ending {
	return &ending{
		text:   "its configuration changed",
		notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseConfigChange},
	}
}

// apply starts and stops listeners and peers until they are those of cfg.
func (s *Speaker) apply(cfg Config) {
	var gone, changed []*peer
	s.mu.Lock()
	s.cfg = cfg
	for _, p := range s.peers {
		switch w, change := cfg.changeOf(p); {
		case change == peerGoes:
			gone = append(gone, p)
		case change == peerBegins:
			changed = append(changed, p)
		case w != nil:
			p.describe(w.Description)
		}
	}
	s.mu.Unlock()
	for _, p := range gone {
		p.cancel(&ending{
			text: "removed from the configuration", final: true,
			notify: &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseDeconfigured},
		})
	}
	s.stopPeers(append(changed, gone...), configChange())
	s.listen(&cfg)
	for i := range cfg.Peers {
		s.start(&cfg.Peers[i], false)
	}
}

// peerChange is what becomes of a peer that is there when a configuration is
// applied.
type peerChange uint8

const (
	peerStays  peerChange = iota
	peerBegins            // its session begins anew
	peerGoes
)

// changeOf returns what becomes of p under c, and what c has of it when it is
// configured by its address.
func (c *Config) changeOf(p *peer) (*Peer, peerChange) {
	if i := slices.IndexFunc(c.Peers, func(w Peer) bool { return w.Address == p.addr }); i >= 0 {
		if w := &c.Peers[i]; !p.dynamic && w.Session == p.cfg && w.Port == p.port {
			return w, peerStays
		}
		return &c.Peers[i], peerBegins
	}
	if d := c.rangeOf(p.addr); p.dynamic && d != nil && d.Session == p.cfg {
		return nil, peerStays
	}
	return nil, peerGoes
}

// stopPeers ends peers, with why unless they have been told already, and
// waits for them.
func (s *Speaker) stopPeers(peers []*peer, why *ending) {
	for _, p := range peers {
		p.cancel(why)
	}
	for _, p := range peers {
		<-p.done
	}
}

// start makes a peer, unless it is there, and returns it; nil when no session
// may begin any more.
func (s *Speaker) start(c *Peer, dynamic bool) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.peers[c.Address]; p != nil {
		return p
	}
	if s.closing || s.ctx.Err() != nil {
		return nil
	}
	p := newPeer(s, c, dynamic)
	ctx, cancel := context.WithCancelCause(s.ctx)
	p.cancel = cancel
	s.peers[c.Address] = p
	s.wg.Go(func() {
		defer cancel(nil)
		p.run(ctx)
		s.mu.Lock()
		delete(s.peers, p.addr)
		s.mu.Unlock()
		close(p.done)
	})
	return p
}

// rangeOf returns the narrowest dynamic range that addr is in, or nil.
func (c *Config) rangeOf(addr netip.Addr) *Dynamic {
	var best *Dynamic
	for i := range c.Dynamic {
		d := &c.Dynamic[i]
		if d.Range.Contains(addr.WithZone("")) && (best == nil || d.Range.Bits() > best.Range.Bits()) {
			best = d
		}
	}
	return best
}

// listen starts and stops listeners, and gives them the keys of cfg.
func (s *Speaker) listen(cfg *Config) {
	addrs := cfg.Listen
	var ended []*listener
	s.mu.Lock()
	for addr, l := range s.listeners {
		if !slices.Contains(addrs, addr) {
			delete(s.listeners, addr)
			ended = append(ended, l)
		}
	}
	s.mu.Unlock()
	for _, l := range ended {
		l.cancel()
		<-l.done
	}
	for _, addr := range addrs {
		s.mu.Lock()
		l := s.listeners[addr]
		if l == nil {
			l = newListener(s, addr)
			s.listeners[addr] = l
		}
		s.mu.Unlock()
		l.setKeys(cfg)
	}
}
