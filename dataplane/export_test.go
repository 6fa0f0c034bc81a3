package dataplane

import (
	"time"

	"github.com/evpnd/evpnd/dataplane/hosts"
)

// Wait returns how long the Plane may sleep now.
func (p *Plane) Wait() time.Duration { return p.wait() }

// SetDumpMost sets up to how many MACs a bridge is read in full after a loss.
// It is to be called before Run.
func (p *Plane) SetDumpMost(n int) { p.dumpMost = n }

// Rest returns for how long a sync would wait for the last one to be over.
func (p *Plane) Rest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rest(max(p.lastSync, min(4*p.lastSync, time.Second)))
}

// Kept returns how many things a Plane remembers of devices and VNIs.
func (p *Plane) Kept() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topo.Len() + len(p.topo.Devices) + len(p.domains) + p.index.Len() + len(p.noisy) +
		len(p.trouble) + len(p.told) + len(p.mends) + len(p.gone) + len(p.writes) + len(p.left) + p.hosts.Counters().Hosts
}

// Snoop gives claims to a Plane as its reader of frames does.
func (p *Plane) Snoop(x *hosts.Snooped) { p.step(func() { p.snoop(x) }) }

// WriteBatch is how many entries one write has.
const WriteBatch = writeBatch

// AtRest tells whether the kernel is known to hold what is wished and nothing
// else: nothing is to be written, or under way.
func (p *Plane) AtRest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.domains {
		for _, k := range d.kinds() {
			if k.Desired() != k.Installed() || k.Len() != k.Desired() {
				return false
			}
		}
	}
	return true
}
