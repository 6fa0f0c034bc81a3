package evpn

import (
	"maps"
	"net/netip"
	"time"
)

// PersistentState is what the engine has decided, and nobody could tell it again
// after a restart: the kernel tells what is local, the peers tell the rest.
type PersistentState struct {
	// RDs are the numbers in the automatic route distinguishers of the
	// MAC-VRFs, by the VNI that names each. Under another one the peers would
	// take each route as a second one.
	RDs map[VNI]uint16
	// Sequences are the mobility sequences above 0 of the MACs that are here.
	// With a lower one others would not take our route (RFC 7432 §15).
	Sequences map[MACKey]uint32
	// MACs and IPs are those that are frozen as duplicates.
	MACs map[MACKey]FrozenMAC
	IPs  map[IPKey]FrozenIP
	// Bindings are the addresses of the local hosts. A host that is content
	// does not say them again only because we were away.
	Bindings map[IPKey]Bound
}

// Bound is what a local address is paired with.
type Bound struct {
	MAC MAC
	ND  ND
}

// FrozenMAC is where and since when a MAC is frozen.
type FrozenMAC struct {
	VTEP  netip.Addr // invalid: here
	Since time.Time
}

// FrozenIP is with which MAC and since when an address is frozen.
type FrozenIP struct {
	MAC   MAC
	Since time.Time
}

func newPersistentState() PersistentState {
	return PersistentState{
		RDs: make(map[VNI]uint16), Sequences: make(map[MACKey]uint32),
		MACs: make(map[MACKey]FrozenMAC), IPs: make(map[IPKey]FrozenIP),
		Bindings: make(map[IPKey]Bound),
	}
}

// persistence is what is to be remembered of now, and what an earlier run
// remembered, save what is frozen: that is with the contests. The latter counts until the engine is in sync: by then all
// that is still there has shown itself.
type persistence struct {
	now      PersistentState // its RDs are those of rdTable
	before   PersistentState
	version  uint64
	restored restored
}

// Restore tells a new engine what an earlier one knew. It is to be called
// before the first Step, at most once; the engine keeps m.
func (e *Engine) Restore(m PersistentState) {
	e.persist.before = m
	e.persist.restored.load(m.Bindings)
	for k, f := range m.MACs {
		e.macContest.freezeAgain(k, f.VTEP, f.Since)
	}
	for k, f := range m.IPs {
		e.ipContest.freezeAgain(k, f.MAC, f.Since)
	}
	e.rds.restore(m.RDs)
}

// PersistentState returns a copy of what is to be remembered, which Restore takes.
func (e *Engine) PersistentState() PersistentState {
	m := newPersistentState()
	maps.Copy(m.RDs, e.rds.index)
	for _, part := range []*PersistentState{&e.persist.before, &e.persist.now} { // what is so now beats what was
		maps.Copy(m.Sequences, part.Sequences)
		maps.Copy(m.Bindings, part.Bindings)
	}
	e.macContest.all(func(k MACKey, vtep netip.Addr, since time.Time) { m.MACs[k] = FrozenMAC{VTEP: vtep, Since: since} })
	e.ipContest.all(func(k IPKey, mac MAC, since time.Time) { m.IPs[k] = FrozenIP{MAC: mac, Since: since} })
	return m
}

// StateVersion returns a number that is another one whenever PersistentState is.
func (e *Engine) StateVersion() uint64 {
	return e.persist.version + e.rds.version + e.macContest.version + e.ipContest.version
}

// rememberPlace keeps the sequence of a MAC while it is here.
func (e *Engine) rememberPlace(key MACKey, p place) {
	seq := p.seq
	if !p.Local {
		seq = 0
	}
	old := e.persist.now.Sequences[key]
	switch {
	case old == seq:
		return
	case seq == 0:
		delete(e.persist.now.Sequences, key)
	default:
		e.persist.now.Sequences[key] = seq
	}
	e.persist.version++
}

// remember and forget keep what is in m, a part of the state.
func remember[K comparable, V any](e *Engine, m map[K]V, k K, v V) {
	m[k] = v
	e.persist.version++
}

func forget[K comparable, V any](e *Engine, m map[K]V, k K) {
	if _, ok := m[k]; ok {
		delete(m, k)
		e.persist.version++
	}
}

// forgetRestored ends that what an earlier run remembered counts.
func (e *Engine) forgetRestored() {
	e.macContest.forgetBefore(e)
	e.ipContest.forgetBefore(e)
	e.persist.before, e.persist.restored.unseen = PersistentState{}, nil
	e.persist.version++
}
