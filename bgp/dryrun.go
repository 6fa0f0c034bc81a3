package bgp

import (
	"fmt"
	"net/netip"
	"slices"
)

// PeerChange is what would become of one peer.
type PeerChange struct {
	Peer   netip.Addr
	Kind   PeerChangeKind
	Reason string // for a person: why, and what becomes of its routes
}

// PeerChangeKind names a kind of change; it is stable and shown to users.
type PeerChangeKind string

// The kinds of PeerChange.
const (
	PeerAdded   PeerChangeKind = "added"
	PeerRemoved PeerChangeKind = "removed" // its session ends, and its routes go at once
	PeerReset   PeerChangeKind = "reset"   // its session begins anew, its routes are kept meanwhile
)

// Validate returns what is wrong with c, as Configure would.
func (c Config) Validate() error {
	_, err := c.checked()
	return err
}

// DryRun tells what Configure would do to the peers, by address, and does
// nothing. Any goroutine may call it.
func (s *Speaker) DryRun(cfg Config) ([]PeerChange, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	old := s.cfg
	peers := make(map[netip.Addr]*peer, len(s.peers))
	for addr, p := range s.peers {
		peers[addr] = p
	}
	s.mu.Unlock()
	var out []PeerChange
	for addr, p := range peers {
		switch _, change := cfg.changeOf(p); {
		case change == peerGoes:
			out = append(out, PeerChange{addr, PeerRemoved, "it is configured no more; it is told goodbye, and its routes go at once"})
		case change == peerBegins:
			out = append(out, PeerChange{addr, PeerReset, "its settings change; its routes are used as stale until it has sent them again"})
		case old.AS != cfg.AS || old.RouterID != cfg.RouterID:
			out = append(out, PeerChange{addr, PeerReset, fmt.Sprintf(
				"we become AS %d with the router id %v; its routes are used as stale until it has sent them again", cfg.AS, cfg.RouterID)})
		}
	}
	for i := range cfg.Peers {
		if w := &cfg.Peers[i]; peers[w.Address] == nil {
			out = append(out, PeerChange{w.Address, PeerAdded, "what it will send is not known before"})
		}
	}
	slices.SortFunc(out, func(a, b PeerChange) int { return a.Peer.Compare(b.Peer) })
	return out, nil
}
