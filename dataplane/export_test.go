package dataplane

import (
	"time"

	"github.com/evpnd/evpnd/dataplane/hosts"
)

// Wait returns how long the loop may sleep now.
func (p *Plane) Wait() (d time.Duration) {
	p.requests.ask(func() {
		if !p.busy() {
			d = p.wait()
		}
	})
	return d
}

// SetDumpMost sets up to how many MACs a bridge is read in full after a loss.
// It is to be called before Run.
func (p *Plane) SetDumpMost(n int) { p.syncer.dumpMost = n }

// Rest returns for how long a sync would wait for the last one to be over.
func (p *Plane) Rest() (d time.Duration) {
	p.requests.ask(func() { d = p.syncer.rest(max(p.syncer.took, min(4*p.syncer.took, time.Second))) })
	return d
}

// Kept returns how many things a Plane remembers of devices and VNIs.
func (p *Plane) Kept() (n int) {
	p.requests.ask(func() {
		b, f := p.bds, p.syncer.flags
		n = b.topo.Len() + len(b.topo.Devices) + len(b.all) + b.index.Len() + len(b.gone) + b.hosts.Counters().Hosts +
			len(p.outbox.marked) + len(p.problems.all) + len(f.logged) + len(f.tries) + len(p.writer.queue) + len(p.writer.orphans)
	})
	return n
}

// Snoop gives claims to a Plane as its reader of frames does.
func (p *Plane) Snoop(x *hosts.Snooped) { p.requests.ask(func() { p.snooper.take(x) }) }

// WriteBatch is how many entries one write has.
const WriteBatch = writeBatch

// AtRest tells whether the kernel is known to hold what is desired and nothing
// else: nothing is to be written, or under way.
func (p *Plane) AtRest() (yes bool) {
	p.requests.ask(func() {
		yes = !p.busy()
		for _, d := range p.bds.all {
			for _, k := range d.kinds() {
				yes = yes && k.Desired() == k.Installed() && k.Len() == k.Desired()
			}
		}
	})
	return yes
}

// EchoMuted tells whether the Plane does not hear of changes of its own entries
// just now.
func (p *Plane) EchoMuted() (yes bool) {
	p.requests.ask(func() { yes = p.echo.muted })
	return yes
}
