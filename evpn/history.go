package evpn

import (
	"slices"
	"time"
)

// Move is one change of the place of a MAC.
type Move struct {
	At    time.Time
	From  Location
	To    Location
	Seq   uint32 // after the move
	Cause string // for a person: "seen on a local port", "withdrawn", "higher mobility sequence ..."
}

// HistoryLen is how many moves are kept of a MAC. A MAC that never moved costs
// nothing.
const HistoryLen = 8

// maxHistory is how many keys a history has, which bounds the memory of one of
// MACs to some 18 MB.
const maxHistory = 16384

// history is the last moves of the keys that moved last. It outlives them: an
// operator asks why a MAC is gone when it is gone.
type history[K comparable] struct {
	moves map[K][]Move // oldest first
	keys  []K          // a ring: those in moves, in the order they came in
	next  int
}

// wants tells whether a change of location is to be recorded. To appear out of
// nowhere is no move, unless the key is in the history already.
func (h *history[K]) wants(key K, from, to Location) bool {
	if from.sameDoor(to) {
		return false
	}
	_, known := h.moves[key]
	return known || !from.Nowhere()
}

// record adds a move of a key.
func (h *history[K]) record(key K, m Move) {
	list, known := h.moves[key]
	if !known {
		h.admit(key)
	}
	if len(list) == HistoryLen {
		list = slices.Delete(list, 0, 1)
	}
	h.moves[key] = append(list, m)
}

// admit makes room for a key.
func (h *history[K]) admit(key K) {
	if h.moves == nil {
		h.moves = make(map[K][]Move)
	}
	if len(h.keys) < maxHistory {
		h.keys = append(h.keys, key)
		return
	}
	delete(h.moves, h.keys[h.next])
	h.keys[h.next] = key
	h.next = (h.next + 1) % maxHistory
}

// cause says why a MAC went from one place to another, for a person.
func cause(from, to place, x *path) string {
	switch {
	case to.Local && from.Local:
		return "seen on another local port"
	case to.Local:
		return "seen on a local port"
	case to.Nowhere() && from.Local:
		return "gone from its local port"
	case to.Nowhere():
		return "withdrawn"
	case from.Nowhere():
		return "announced by " + x.attrs.NextHop.String()
	case from.stale && !to.stale:
		return "announced afresh, while the other route is known only from a session that is down"
	case to.sticky && !from.sticky:
		return "announced as sticky"
	case to.seq > from.seq:
		return "announced with a higher mobility sequence"
	case to.seq == from.seq && to.Via.VTEP.Less(from.Via.VTEP):
		return "announced with the same mobility sequence by a lower VTEP address"
	case from.Local:
		return "gone from its local port, and announced elsewhere"
	}
	return "the other route was withdrawn"
}

// History returns the last moves of a MAC, oldest first: at most HistoryLen,
// and none of a MAC that never moved. The MAC need not be known any more.
func (e *Engine) History(vni VNI, mac MAC) []Move {
	return slices.Clone(e.history.moves[MACKey{vni, mac}])
}
