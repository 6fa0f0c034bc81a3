package dataplane

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

const (
	// askTries is how often a host is asked, askPause apart, before its
	// silence counts.
	askTries = 3
	askPause = time.Second

	// defaultAgeing is the ageing time that a bridge starts with; one that
	// ages nothing (0) is taken to have it.
	defaultAgeing = 300 * time.Second

	// maxAsked bounds the answers that the engine waits for, of one VNI.
	maxAsked = 4096
)

// vigil are the hosts that are to be looked at, the most urgent first. The
// time of one that speaks is not moved at once: when it is come to, its next
// one is reckoned from when it last spoke.
type vigil []*host

func (v vigil) Len() int           { return len(v) }
func (v vigil) Less(i, j int) bool { return v[i].due.Before(v[j].due) }
func (v vigil) Swap(i, j int)      { v[i], v[j] = v[j], v[i]; v[i].pos, v[j].pos = i, j }
func (v *vigil) Push(x any)        { h := x.(*host); h.pos = len(*v); *v = append(*v, h) }

func (v *vigil) Pop() any {
	old := *v
	h := old[len(old)-1]
	old[len(old)-1] = nil
	*v = old[:len(old)-1]
	h.pos = -1
	return h
}

// watch has h looked at when due.
func (p *Plane) watch(h *host, due time.Time) {
	h.due = due
	if h.pos < 0 {
		heap.Push(&p.vigil, h)
	} else {
		heap.Fix(&p.vigil, h.pos)
	}
}

// watchHost has h looked at when it has been silent too long.
func (p *Plane) watchHost(h *host) {
	if h.d.interval == 0 {
		p.unwatch(h)
		return
	}
	// Many hosts that spoke at once are not to be asked at once.
	p.watch(h, h.at.Add(h.d.interval-rand.N(h.d.interval/4+1)))
}

func (p *Plane) unwatch(h *host) {
	if h.pos >= 0 {
		heap.Remove(&p.vigil, h.pos)
	}
}

// setHosts takes over how the hosts of d are to be treated.
func (d *domain) setHosts(h *Hosts, ageing time.Duration) {
	d.noProbe = h.NoProbe
	d.gap = time.Second / time.Duration(h.ProbeRate)
	if ageing == 0 {
		ageing = defaultAgeing
	}
	d.interval = h.ProbeInterval
	switch {
	case h.NoProbe:
		d.interval = 0
	case d.interval == 0:
		d.interval = ageing / 3
	}
}

// pace bounds a rate. Its zero value but for rate is full.
type pace struct {
	rate int
	free float64
	at   time.Time
}

// wait returns how long nothing may be sent.
func (a *pace) wait(now time.Time) time.Duration {
	// A tenth of a second's worth may go at once.
	most := max(1, float64(a.rate)/10)
	if a.at.IsZero() {
		a.free = most
	} else {
		a.free = min(most, a.free+now.Sub(a.at).Seconds()*float64(a.rate))
	}
	a.at = now
	if a.free >= 1 {
		return 0
	}
	return max(time.Millisecond, time.Duration((1-a.free)/float64(a.rate)*float64(time.Second)))
}

// inquire takes over the engine's questions. They go before all others.
func (p *Plane) inquire(probes []evpn.Probe) {
	now := time.Now()
	for _, q := range probes {
		d := p.domains[q.VNI]
		if d == nil || !d.listen || d.noProbe || !q.MAC.IsHost() || !hostAddr(q.IP) {
			continue
		}
		h := d.hosts[q.IP]
		switch {
		case h != nil && h.here && h.said.mac == q.MAC:
			if q.Conflict && !h.doubt {
				h.doubt = true
				p.watch(h, now)
			}
			continue // it spoke by itself
		case q.Conflict:
			continue // it is not known from here any more
		case h != nil && !h.said.mac.IsZero():
			// It is known otherwise: what a host said weighs more than what
			// another node did.
			continue
		case d.asked >= maxAsked:
			p.stats.Dropped++
			continue
		}
		h = d.host(q.IP)
		h.said, h.tries, h.at = address{mac: q.MAC}, 0, now
		d.asked++
		p.watch(h, now.Add(-time.Hour))
	}
}

// look looks at the hosts that are due.
func (p *Plane) look(now time.Time) {
	p.paceTill = time.Time{}
	p.pace.rate = p.cfg.Hosts.ProbeRate
	if p.pace.rate == 0 {
		p.pace.rate = DefaultProbeRate
	}
	for len(p.vigil) > 0 {
		h := p.vigil[0]
		switch {
		case h.due.After(now):
			return
		case h.heard && h.tries == 0 && !h.doubt && p.resting(h, now):
		case h.tries >= askTries:
			p.stats.Silent++
			if h.doubt && !h.neigh.immutable {
				// What the neighbor table learned of it once is no better: the
				// kernel does not ask before it sends there.
				h.neigh = address{}
			}
			p.silent(h)
		case h.heard && !h.slotted && h.d.slot.After(now):
			// The bound of this VNI: each waits once, for a time of its own.
			h.slotted = true
			p.watch(h, h.d.slot)
			h.d.slot = h.d.slot.Add(h.d.gap)
		default:
			if pause := p.pace.wait(now); pause > 0 {
				p.paceTill = now.Add(pause)
				return
			}
			p.question(h, now)
		}
	}
}

// resting puts a host that need not be asked yet where it belongs.
func (p *Plane) resting(h *host, now time.Time) bool {
	switch {
	case !h.here:
		p.silent(h) // the bridge never learned its MAC
	case h.d.interval == 0:
		p.unwatch(h)
	case h.at.Add(h.d.interval * 3 / 4).After(now):
		p.watchHost(h)
	default:
		return false
	}
	return true
}

// question asks h whether it is there.
func (p *Plane) question(h *host, now time.Time) {
	h.tries++
	p.watch(h, now.Add(askPause))
	at, ok := h.d.macs.m[h.said.mac]
	if !ok || !at.here {
		return
	}
	l := p.links[at.val.port]
	if l == nil {
		return
	}
	if !h.slotted {
		if h.d.slot.Before(now) {
			h.d.slot = now
		}
		h.d.slot = h.d.slot.Add(h.d.gap)
	}
	h.slotted = false
	p.pace.free--
	p.stats.Probes++
	if err := p.k.SendProbe(ProbeRequest{Port: l.Index, From: l.MAC, IP: h.ip, MAC: h.said.mac}); err != nil {
		p.log.Debug("cannot ask a host whether it is there; trying again", "vni", h.d.vni, "mac", h.said.mac, "ip", h.ip, "err", err)
		if h.heard {
			h.tries-- // silence says nothing where nothing was asked
		}
	}
}
