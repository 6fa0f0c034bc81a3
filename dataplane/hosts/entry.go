package hosts

import (
	"net/netip"
	"time"
)

// ipEntry is one IP address of a broadcast domain and who vouches for it: the
// neighbor table of the bridge, the host itself, or both. An address that only
// the engine asks for has an entry until a host answers or does not.
type ipEntry struct {
	b  *BD
	ip netip.Addr

	neigh   Binding   // of the neighbor table; without MAC: it has none
	snooped Binding   // that the host claimed, or that the engine asks for
	claimed bool      // the host claimed it
	learned bool      // and the bridge has its MAC behind a port: the claim counts
	port    int       // at which the claim came in
	at      time.Time // of the last claim, or of the engine's question

	due      time.Time // when it is to be looked at
	queued   int       // its position in Table.queue, -1 when it is not there
	probes   int       // since the last claim
	hasSlot  bool      // due is its turn among those of its broadcast domain
	conflict bool      // another VTEP advertises the address as well; the next claim ends that
}

func (b *BD) entry(ip netip.Addr) *ipEntry {
	e := b.byIP[ip]
	if e == nil {
		e = &ipEntry{b: b, ip: ip, queued: -1}
		b.byIP[ip] = e
		b.t.counters.Hosts++
	}
	return e
}

// merged returns what the engine is told: the newest binding, with the flags
// of each source that has the same MAC.
func (e *ipEntry) merged(newest Binding) Binding {
	for _, x := range []Binding{e.neigh, e.snooped} {
		if x.MAC == newest.MAC && !x.MAC.IsZero() && (x == e.neigh || e.learned) {
			newest.Router = newest.Router || x.Router
			newest.Override = newest.Override || x.Override
			newest.Immutable = newest.Immutable || x.Immutable
		}
	}
	return newest
}

// report brings what the engine is told of e in step with its sources. newest
// is the last word of one of them; without a MAC a source went, and the other
// counts.
func (b *BD) report(e *ipEntry, newest Binding) {
	switch {
	case e.neigh.Immutable:
		newest = e.neigh
	case !newest.MAC.IsZero():
	case e.learned:
		newest = e.snooped
	default:
		newest = e.neigh
	}
	if !newest.MAC.IsZero() {
		if b.ips.set(e.ip, e.merged(newest)) {
			b.markChanged()
		}
		return
	}
	if b.ips.clear(e.ip) {
		b.markChanged()
	}
	if e.snooped.MAC.IsZero() {
		delete(b.byIP, e.ip)
		b.t.counters.Hosts--
	}
}

// SetNeighbor records what the neighbor table of the bridge says of ip. An
// immutable binding is a permanent entry.
func (b *BD) SetNeighbor(ip netip.Addr, to Binding) {
	e := b.entry(ip)
	if e.neigh == to {
		return
	}
	e.neigh = to
	b.report(e, to)
}

// ClearNeighbor records that the neighbor table says nothing of ip.
func (b *BD) ClearNeighbor(ip netip.Addr) {
	if e := b.byIP[ip]; e != nil && !e.neigh.MAC.IsZero() {
		e.neigh = Binding{}
		b.report(e, Binding{})
	}
}
