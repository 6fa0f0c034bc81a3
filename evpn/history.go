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

// HistoryLen is how many moves are kept of a MAC. Only MACs that moved from
// one place to another cost anything.
const HistoryLen = 8

// history is the last moves of the MACs that moved last.
type history struct {
	moves map[MACKey][]Move // oldest first
	keys  []MACKey          // a ring: those in moves, by when they came in
	next  int
}

// maxHistory is of how many MACs the moves are kept, which bounds the memory
// to some 15 MB. It outlives the MACs: why one is gone is asked when it is.
const maxHistory = 16384

// record notes that a MAC went from one place to another. To appear out of
// nowhere is no move, unless the MAC has been seen before.
func (h *history) record(now time.Time, key MACKey, from, to place, x *path) {
	list, known := h.moves[key]
	if from.sameDoor(to.Location) || from.Nowhere() && !known {
		return
	}
	if !known {
		h.admit(key)
	}
	if len(list) == HistoryLen {
		list = slices.Delete(list, 0, 1)
	}
	h.moves[key] = append(list, Move{At: now, From: from.Location, To: to.Location, Seq: to.seq, Cause: cause(from, to, x)})
}

// admit makes room for a MAC.
func (h *history) admit(key MACKey) {
	if h.moves == nil {
		h.moves = make(map[MACKey][]Move)
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
