package evpn

import "time"

// Ready is what has followed from the events and was not handed out before.
// Its parts are to be carried out in the order of the fields; where two are
// for different consumers, as the kernel and the peers, either may be late.
//
// Nothing is lost by a consumer that is slow, and nothing queues up for it: an
// object that changes again before it is handed out is handed out once, as it
// is then.
type Ready struct {
	// Kernel is what is wanted of the kernel now. In it additions are to be
	// made in the order of its lists and removals the other way round.
	Kernel Delta
	// Synced says that the peers have told all they have, or that the wait for
	// it is over, and that nothing is wanted of the kernel beyond Kernel: once
	// that is done, what an earlier run left there may be removed. It stays
	// true but for the moments in which more is wanted.
	Synced bool
	// Adverts are the routes to announce and to withdraw, in their order. The
	// End-of-RIB of a session must not go out before the first of those that
	// were ready when it came up.
	Adverts []Advert
	// Refresh says that all peers are to be asked for their routes again
	// (RFC 2918), because some were not kept that are wanted now.
	Refresh bool
	// Peers is what is to be done about single peers, by address, each once.
	Peers []PeerAction
	// Changes are the objects that may look different to a watcher; what they
	// look like is to be asked of the engine. It comes last: by then the others
	// are under way.
	Changes []Change
	// Next is when a Tick is needed at the latest, if no event comes before;
	// zero: nothing waits.
	Next time.Time
}

// Room is how much of each part of a Ready the consumers can take: about so
// many objects, zero for none. A Ready fetched with no room for a part leaves
// that part to a later one.
type Room struct {
	Kernel  int
	Adverts int
	Changes int
	Peers   bool // Refresh and Peers
}

// Ready hands out what there is, up to room. What it has handed out it has
// forgotten.
func (e *Engine) Ready(room Room) (r Ready) {
	if room.Kernel > 0 {
		r.Kernel = e.takeDelta(room.Kernel)
	}
	r.Synced = e.synced && e.wanting() == 0
	if room.Adverts > 0 {
		r.Adverts = e.takeAdverts(room.Adverts)
	}
	if room.Peers {
		r.Refresh, r.Peers = e.takeRefresh(), e.takePeerActions()
	}
	if room.Changes > 0 {
		r.Changes = e.takeChanges(room.Changes)
	}
	r.Next, _ = e.deadline()
	return r
}

// wanting is for how many objects what is wanted of the kernel was not handed
// out.
func (e *Engine) wanting() int { return e.flood.len() + e.fdb.len() + e.neigh.len() }
