package dataplane

import "time"

// Wait returns how long the Plane may sleep now.
func (p *Plane) Wait() time.Duration { return p.wait() }

// Kept returns how many things a Plane remembers of devices and VNIs.
func (p *Plane) Kept() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links) + len(p.domains) + len(p.byDev) + len(p.byBr) + len(p.noisy) + len(p.vxlans) + len(p.seen) +
		len(p.trouble) + len(p.told) + len(p.mends) + len(p.gone) + len(p.writes) + len(p.left) + len(p.vigil)
}

// Hear gives claims to a Plane as its listener does.
func (p *Plane) Hear(x *Heard) { p.step(func() { p.hear(x) }) }
