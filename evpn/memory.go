package evpn

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// PersistentState is what the engine has decided, and nobody could tell it again
// after a restart: the kernel tells what is local, the peers tell the rest.
type PersistentState struct {
	// RDs are the numbers in the automatic route distinguishers of the VNIs.
	// Under another one the peers would take each route as a second one.
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

func newMemory() PersistentState {
	return PersistentState{
		RDs: make(map[VNI]uint16), Sequences: make(map[MACKey]uint32),
		MACs: make(map[MACKey]FrozenMAC), IPs: make(map[IPKey]FrozenIP),
		Bindings: make(map[IPKey]Bound),
	}
}

// memory is what is to be remembered of now, and what an earlier run
// remembered. The latter counts until the engine is in sync: by then all
// that is still there has shown itself.
type memory struct {
	now      PersistentState // its RDs are those of rdTable
	before   PersistentState
	version  uint64
	restored restored
}

// Restore tells a new engine what an earlier one knew. It is to be called
// before the first Step, at most once; the engine keeps m.
func (e *Engine) Restore(m PersistentState) {
	e.memory.before = m
	e.memory.restored.load(m.Bindings)
	e.rds.recall(m.RDs)
}

// PersistentState returns a copy of what is to be remembered, which Recall takes.
func (e *Engine) PersistentState() PersistentState {
	m := newMemory()
	maps.Copy(m.RDs, e.rds.index)
	for _, part := range []*PersistentState{&e.memory.before, &e.memory.now} { // what is so now beats what was
		maps.Copy(m.Sequences, part.Sequences)
		maps.Copy(m.MACs, part.MACs)
		maps.Copy(m.IPs, part.IPs)
		maps.Copy(m.Bindings, part.Bindings)
	}
	return m
}

// StateVersion returns a number that is another one whenever Memory is.
func (e *Engine) StateVersion() uint64 { return e.memory.version + e.rds.version }

// rememberPlace keeps the sequence of a MAC while it is here.
func (e *Engine) rememberPlace(key MACKey, p place) {
	seq := p.seq
	if !p.Local {
		seq = 0
	}
	old := e.memory.now.Sequences[key]
	switch {
	case old == seq:
		return
	case seq == 0:
		delete(e.memory.now.Sequences, key)
	default:
		e.memory.now.Sequences[key] = seq
	}
	e.memory.version++
}

// remember and forget keep what is frozen.
func remember[K comparable, V any](e *Engine, m map[K]V, k K, v V) {
	m[k] = v
	e.memory.version++
}

func forget[K comparable, V any](e *Engine, m map[K]V, k K) {
	if _, ok := m[k]; ok {
		delete(m, k)
		e.memory.version++
	}
}

// refreeze returns where a MAC is to be that was frozen before a restart: at
// the same place, as soon as that is vouched for again. Until all is known
// it is nowhere, so that what the kernel holds from before stays.
func (e *Engine) refreeze(v *vni, addr MAC, m *macEntry, next place, was FrozenMAC) place {
	key := MACKey{v.id, addr}
	p, ok := v.vouched(m, was.VTEP)
	switch {
	case !ok && !e.synced:
		return place{}
	case !ok:
		forget(e, e.memory.before.MACs, key)
		return next
	}
	delete(e.memory.before.MACs, key)
	m.moves = &moves{}
	e.freeze(v, addr, m, p, was.Since)
	return frozenAt(p)
}

// vouched returns m as its local port has it, or the best route through a
// VTEP, if there is one.
func (v *vni) vouched(m *macEntry, vtep netip.Addr) (place, bool) {
	if !vtep.IsValid() {
		if l := m.loc; l != nil && l.present {
			return l.place(), true
		}
		return place{}, false
	}
	best := m.best(v.vtep, &pathFilter{via: vtep})
	if best == nil {
		return place{}, false
	}
	return v.placeOf(best), true
}

// refreezeIP is refreeze for an address.
func (e *Engine) refreezeIP(v *vni, ip netip.Addr, h *ipEntry, next ipOwner, was FrozenIP) ipOwner {
	key := IPKey{v.id, ip}
	w, ok := v.claimed(ip, h, was.MAC)
	switch {
	case !ok && !e.synced:
		return ipOwner{}
	case !ok:
		forget(e, e.memory.before.IPs, key)
		return next
	}
	delete(e.memory.before.IPs, key)
	h.moves = &moves{}
	e.freezeIP(v, ip, h, w.mac, was.Since)
	return w
}

// forgetRestored ends that what an earlier run remembered counts.
func (e *Engine) forgetRestored() {
	before := e.memory.before
	for _, key := range slices.SortedFunc(maps.Keys(before.MACs), MACKey.compare) {
		if v := e.vnis[key.VNI]; v != nil && v.macs[key.MAC] != nil {
			e.reselect(v, key.MAC, v.macs[key.MAC])
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(before.IPs), IPKey.compare) {
		if v := e.vnis[key.VNI]; v != nil && v.ips[key.IP] != nil {
			e.reselectIP(v, key.IP, v.ips[key.IP])
		}
	}
	e.memory.before, e.memory.restored.unseen = PersistentState{}, nil
	e.memory.version++
}
