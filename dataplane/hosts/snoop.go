package hosts

import (
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// The bounds of what is remembered of claims. A host can claim any number of
// addresses, and sender addresses cost it nothing.
const (
	maxIPsPerMAC  = 64
	maxIPsPerPort = 16 << 10
	maxIPsPerBD   = 64 << 10

	// learnTimeout is how long a claim waits for the bridge to have its MAC
	// behind the port at which it came in.
	learnTimeout = 5 * time.Second

	// boundShown is for how long a bound counts as broken after the last
	// claim that broke it.
	boundShown = time.Minute
)

// Bound is a bound that claims broke: of the addresses of MAC, which is behind
// Port; without MAC of those at Port; without both of those of the broadcast
// domain.
type Bound struct {
	Max  int // addresses; 0: no bound is broken
	MAC  evpn.MAC
	Port int // ifindex
}

// Broken returns the bound that a claim broke last, if that was less than a
// minute ago.
func (b *BD) Broken(now time.Time) (Bound, bool) {
	return b.bound, b.bound.Max != 0 && now.Sub(b.boundAt) < boundShown
}

// Snoop takes a claim over. c.Port must be a port of the bridge that is no VXLAN
// device, c.MAC not the address of a port, and c.IP not one of this node. It
// returns whether c broke a bound, and none was broken in the minute before.
func (b *BD) Snoop(c *Claim, now time.Time) (broke bool) {
	if !b.snoop || !c.MAC.IsHost() || !evpn.IsHostIP(c.IP) {
		return false
	}
	e := b.byIP[c.IP]
	known := e != nil && e.claimed && e.snooped.MAC == c.MAC
	if known && e.port == c.Port {
		e.spoke(now)
		if c.Kind != ClaimNA || c.Router == e.snooped.Router && (e.snooped.Override || !c.Override) {
			return false
		}
	}
	if !known {
		if bound := b.exceeds(e, c); bound.Max != 0 {
			b.t.counters.Dropped++
			broke = now.Sub(b.boundAt) > boundShown
			b.bound, b.boundAt = bound, now
			return broke
		}
		e = b.entry(c.IP)
		b.forgetClaim(e)
		e.snooped, e.claimed = Binding{MAC: c.MAC}, true
		b.byMAC[c.MAC] = append(b.byMAC[c.MAC], c.IP)
		e.port = c.Port
		b.claim[e.port]++
	}
	if e.port != c.Port {
		b.releasePort(e.port)
		e.port = c.Port
		b.claim[e.port]++
	}
	e.spoke(now)
	if c.Kind == ClaimNA {
		// Linux answers a probe to its unicast address without O, and one to
		// all nodes with it: what was said once counts.
		e.snooped.Router, e.snooped.Override = c.Router, e.snooped.Override || c.Override
	}
	at, here := b.macs.get(c.MAC)
	if e.learned = here && (e.learned || at.port == c.Port); !e.learned {
		// Until the claim counts the engine keeps what it was told: an address
		// that passes to another MAC is replaced, not withdrawn.
		b.t.queueAt(e, now.Add(learnTimeout))
		return false
	}
	b.scheduleProbe(e)
	b.report(e, e.snooped)
	return false
}

// spoke records that the host of e spoke.
func (e *ipEntry) spoke(now time.Time) { e.at, e.probes, e.conflict = now, 0, false }

// exceeds returns the bound that a new claim would break, or none.
func (b *BD) exceeds(e *ipEntry, c *Claim) Bound {
	replaces := e != nil && !e.snooped.MAC.IsZero()
	switch {
	case len(b.byMAC[c.MAC]) >= maxIPsPerMAC:
		return Bound{Max: maxIPsPerMAC, MAC: c.MAC, Port: c.Port}
	case b.claim[c.Port] >= maxIPsPerPort:
		return Bound{Max: maxIPsPerPort, Port: c.Port}
	case !replaces && len(b.byIP) >= maxIPsPerBD:
		return Bound{Max: maxIPsPerBD}
	}
	return Bound{}
}

// forgetClaim takes the claim of e back, or the engine's question. The caller
// reports it.
func (b *BD) forgetClaim(e *ipEntry) {
	if !e.claimed && !e.snooped.MAC.IsZero() {
		b.asked--
	}
	if e.claimed {
		ips := b.byMAC[e.snooped.MAC]
		if i := slices.Index(ips, e.ip); i >= 0 {
			ips = slices.Delete(ips, i, i+1)
		}
		if len(ips) == 0 {
			delete(b.byMAC, e.snooped.MAC)
		} else {
			b.byMAC[e.snooped.MAC] = ips
		}
		b.releasePort(e.port)
	}
	e.snooped, e.claimed, e.learned, e.probes, e.conflict = Binding{}, false, false, 0, false
	b.t.unqueue(e)
}

func (b *BD) releasePort(port int) {
	if b.claim[port]--; b.claim[port] <= 0 {
		delete(b.claim, port)
	}
}

// withdraw takes the claim of e back, or the engine's question, and reports it.
func (b *BD) withdraw(e *ipEntry) {
	b.forgetClaim(e)
	b.report(e, Binding{})
}
