package evpn

// Counters counts what happened in a VNI, and what few of its objects share.
// Unlike BDStatus it is not part of what Ready.Changes tells of.
type Counters struct {
	VNI        VNI
	Dests      int    // entries of the flood list: a VTEP may have several VNIs for this one
	FrozenMACs int    // as duplicates (RFC 7432 §15.1)
	FrozenIPs  int    // as duplicates (RFC 9161 §3.7)
	Moves      uint64 // of MACs from one place straight to another, since the VNI is served
}

// Counters returns those of the VNIs that are served, ascending. It costs no
// more than the VNIs and what is frozen.
func (e *Engine) Counters() []Counters {
	out := make([]Counters, 0, len(e.bds))
	at := make(map[VNI]int, len(e.bds))
	for _, v := range e.sortedBDs() {
		at[v.vni] = len(out)
		out = append(out, Counters{VNI: v.vni, Dests: len(v.flood), Moves: v.moves})
	}
	for k := range e.macContest.frozen {
		if i, ok := at[k.VNI]; ok {
			out[i].FrozenMACs++
		}
	}
	for k := range e.ipContest.frozen {
		if i, ok := at[k.VNI]; ok {
			out[i].FrozenIPs++
		}
	}
	return out
}
