package dataplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

const (
	// eventBatch bounds the events handed over at once, writeBatch the
	// entries that one write has, and writeRun the writes before the Plane
	// looks at its inputs again: some 5 ms.
	eventBatch = 512
	writeBatch = 128
	writeRun   = 8

	// linkPause gathers the notices of one change of devices, which come in
	// bursts; a read of all devices follows.
	linkPause = 10 * time.Millisecond
	// lostPause lets a storm of notices pass before all is read again.
	lostPause = 100 * time.Millisecond

	// The pauses after the kernel refused everything.
	holdFirst = 200 * time.Millisecond
	holdMost  = 10 * time.Second
)

// Plane keeps kernel and engine in step. One goroutine, that of Run, owns
// all of it; mu lets the methods that may be called from any goroutine read
// it between two steps.
type Plane struct {
	k   Kernel
	log *slog.Logger

	events chan []evpn.Event
	deltas chan evpn.Delta
	ready  chan struct{}
	poke   chan struct{} // something in the next group is new

	ask struct {
		sync.Mutex
		cfg    *Config
		sweep  bool
		reread []evpn.VNI
	}

	auditing sync.Mutex // one audit at a time
	second   sync.Mutex // of the kernel's second reader

	mu      sync.Mutex
	cfg     Config
	topo    *topology.Topology // of the last sync
	domains map[evpn.VNI]*domain
	index   topology.Index[*domain]
	noisy   map[*domain]struct{} // of which the engine may have to be told
	trouble map[troubleKey]topology.Problem
	told    map[int]bool // devices whose mending was logged
	mends   map[int]mending
	sweep   bool
	stats   Stats // but for what Stats works out
	written written

	writes   []*domain // that have something to write, each once
	syncAt   time.Time // when devices are to be read; zero: not
	syncedAt time.Time // the end of the last sync, and how long it took
	lastSync time.Duration
	reread   bool // and entries with them, for notices were lost
	dumpMost int  // MACs of a bridge that are read in full then
	gone     map[int]bool
	retryAt  time.Time // when failed entries are to be looked at
	holdTill time.Time // no writes before
	hold     time.Duration
	again    time.Duration // pause after a failed read
	first    bool          // the first read is done

	since   time.Time // when the first message was read whose wishes are not written; zero: they are
	batches [2]*batch
	pen     chan *batch   // what is to be written
	penned  chan struct{} // it is
	hushed  bool          // our own additions are not told
	loudAt  time.Time     // until then at least

	left []Op // deletions that devices that are served no more still need

	pending []evpn.Event // composed, and not yet taken

	snoopOff bool         // nothing can be snooped
	hosts    *hosts.Table // local MACs and addresses, and the probes that are due
	probes   []hosts.Probe
}

// mending is how often the flags of a device had to be set in a row.
type mending struct {
	tries int
	last  time.Time
}

// New returns a Plane for a kernel. Nothing is read or written before Run.
func New(k Kernel, cfg Config, log *slog.Logger) *Plane {
	return &Plane{
		k: k, log: log, cfg: cfg,
		events:  make(chan []evpn.Event),
		deltas:  make(chan evpn.Delta),
		ready:   make(chan struct{}),
		poke:    make(chan struct{}, 1),
		topo:    topology.Resolve(topology.NewView(nil, nil), &cfg.Topology, nil),
		domains: make(map[evpn.VNI]*domain),
		noisy:   make(map[*domain]struct{}),
		trouble: make(map[troubleKey]topology.Problem),
		told:    make(map[int]bool),
		mends:   make(map[int]mending),
		gone:    make(map[int]bool),
		batches: [2]*batch{newBatch(), newBatch()},
		pen:     make(chan *batch),
		penned:  make(chan struct{}),
		hushed:  true,
		hosts:   hosts.New(rand.Uint64()),

		dumpMost: dumpMost,
	}
}

// Ready is closed when the kernel was read for the first time and all that
// was found has been taken from Events.
func (p *Plane) Ready() <-chan struct{} { return p.ready }

// Events gives what the kernel holds: *evpn.VNIUp, VNIDown, LocalMAC,
// LocalMACGone, LocalIP and LocalIPGone, at most about eventBatch at once.
// While nobody takes them they gather as one mark an object. The channel is
// never closed.
func (p *Plane) Events() <-chan []evpn.Event { return p.events }

// Deltas takes wishes. It is unbuffered: a send returns when the Plane has
// them, which it does between two batches of writes. The Plane must be
// running, and does not touch the slices after it has read them.
func (p *Plane) Deltas() chan<- evpn.Delta { return p.deltas }

// Sweep says that what is wanted is known in full: entries adopted at the
// start, or found later, that nobody wishes are removed from now on. Any
// goroutine may call it, more than once.
func (p *Plane) Sweep() {
	p.ask.Lock()
	p.ask.sweep = true
	p.ask.Unlock()
	p.nudge()
}

// Configure replaces the configuration; VNIs that it does not concern feel
// nothing. It returns what is wrong with cfg, and then nothing changes. Any
// goroutine may call it.
func (p *Plane) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	p.ask.Lock()
	p.ask.cfg = &cfg
	p.ask.Unlock()
	p.nudge()
	return nil
}

func (p *Plane) nudge() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// Run works until ctx is done and then returns nil, or until the kernel
// cannot be watched. Entries stay in the kernel. A Plane runs once.
func (p *Plane) Run(ctx context.Context) error {
	if err := p.cfg.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	notices, err := p.k.Watch(ctx)
	if err != nil {
		cancel()
		return fmt.Errorf("dataplane: %w", err)
	}
	defer func() {
		cancel()
		for range notices { // until the feeding goroutine is gone
		}
	}()
	p.mu.Lock()
	p.syncAt = time.Now()
	p.mu.Unlock()
	snooped, err := p.k.Snoop(ctx)
	if err != nil {
		p.cannotSnoop(err)
	}
	defer func() {
		cancel()
		for snooped != nil {
			if _, ok := <-snooped; !ok {
				return
			}
		}
	}()
	go pen(p.k, p.pen, p.penned)
	defer close(p.pen)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if len(p.pending) == 0 {
			p.pending = p.takeEvents()
		}
		var out chan []evpn.Event
		if len(p.pending) > 0 {
			out = p.events
		} else {
			p.tellReady()
		}
		timer.Reset(p.wait())
		select {
		case <-ctx.Done():
			return nil
		case batch, ok := <-notices:
			if !ok && ctx.Err() != nil {
				return nil
			}
			if !ok {
				return errors.New("dataplane: the kernel's notices ended")
			}
			p.step(func() { p.notices(batch) })
		case x, ok := <-snooped:
			if !ok {
				snooped = nil
				continue
			}
			p.step(func() { p.snoop(&x) })
		case d := <-p.deltas:
			p.step(func() { p.wish(&d) })
		case out <- p.pending:
			p.step(p.received)
		case <-p.poke:
			p.step(p.asked)
		case <-timer.C:
		}
		p.work()
	}
}

func (p *Plane) step(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *Plane) tellReady() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.first {
		return
	}
	select {
	case <-p.ready:
	default:
		close(p.ready)
	}
}

// wait returns how long the Plane may sleep when no input comes.
func (p *Plane) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.syncAt
	due := []time.Time{p.retryAt, p.holdTill, p.hosts.Next(), {}}
	if p.hushed {
		due[3] = p.loudAt
	}
	for _, t := range due {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if len(p.writes)+len(p.left) > 0 && p.holdTill.IsZero() {
		return 0
	}
	if next.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(next))
}

// work does what is due.
func (p *Plane) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.syncAt.IsZero() && !p.syncAt.After(now) {
		p.sync()
	}
	if !p.retryAt.IsZero() && !p.retryAt.After(now) {
		p.retry(now)
	}
	if !p.holdTill.IsZero() && !p.holdTill.After(now) {
		p.holdTill = time.Time{}
	}
	if len(p.left) > 0 && p.holdTill.IsZero() {
		p.clean(now)
	}
	if len(p.writes) > 0 && p.holdTill.IsZero() {
		p.write()
	}
	p.caughtUp()
	p.listenAgain(now)
	p.sendProbes(now)
	if p.hold != 0 && len(p.writes)+len(p.left) == 0 {
		// What could not be written is wished no more.
		p.hold = 0
		p.clearTrouble(ProblemWrite, 0, "")
	}
}

// asked takes over what other goroutines asked for.
func (p *Plane) asked() {
	p.ask.Lock()
	cfg, sweep, reread := p.ask.cfg, p.ask.sweep, p.ask.reread
	p.ask.cfg, p.ask.sweep, p.ask.reread = nil, false, nil
	p.ask.Unlock()
	if cfg != nil {
		p.cfg = *cfg
		p.syncSoon(0)
	}
	for _, vni := range reread {
		if d := p.domains[vni]; d != nil && d.attached() {
			d.need = needRead
			p.syncSoon(0)
		}
	}
	if sweep && !p.sweep {
		p.sweep = true
		for _, d := range p.sorted() {
			for _, k := range d.kinds() {
				k.Sweep()
			}
			p.enqueue(d)
		}
	}
}

// wish takes wishes over.
func (p *Plane) wish(delta *evpn.Delta) {
	p.unseen(delta)
	for i := range delta.Flood {
		f := &delta.Flood[i]
		if d := p.wished(f.VNI, f.Want); d == nil {
			continue
		} else if f.Want {
			d.flood.Want(f.Via, entries.Flood{})
		} else {
			d.flood.Unwant(f.Via)
		}
	}
	for i := range delta.FDB {
		f := &delta.FDB[i]
		if d := p.wished(f.VNI, f.Want); d == nil {
			continue
		} else if f.Want {
			d.fdb.Want(f.MAC, entries.Remote(f.Via, f.Sticky))
		} else {
			d.fdb.Unwant(f.MAC)
		}
	}
	for i := range delta.Neigh {
		n := &delta.Neigh[i]
		if d := p.wished(n.VNI, n.Want); d == nil {
			continue
		} else if n.Want {
			d.neigh.Want(n.IP, entries.Neigh{MAC: n.MAC, Router: n.Router})
		} else {
			d.neigh.Unwant(n.IP)
		}
	}
	p.queueProbes(delta.Probe)
	if p.since.IsZero() {
		p.since = delta.Since
	}
}

// caughtUp notes that all that was wished is written, when it is so.
func (p *Plane) caughtUp() {
	if !p.since.IsZero() && len(p.writes) == 0 && p.syncAt.IsZero() {
		p.stats.Behind.observe(time.Since(p.since))
		p.since = time.Time{}
	}
}

// wished returns the domain that a wish is about and queues it, or nil when
// there is none and nothing is wanted of it.
func (p *Plane) wished(vni evpn.VNI, want bool) *domain {
	d := p.domains[vni]
	if d == nil {
		if !want {
			return nil
		}
		d = p.newDomain(vni)
		p.domains[vni] = d
	}
	p.enqueue(d)
	return d
}

// enqueue puts d among those that may have something to write.
func (p *Plane) enqueue(d *domain) {
	if !d.queued {
		d.queued = true
		p.writes = append(p.writes, d)
	}
}

func (p *Plane) sorted() []*domain {
	all := make([]*domain, 0, len(p.domains))
	for _, d := range p.domains {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *domain) int { return cmp.Compare(a.vni, b.vni) })
	return all
}

// takeEvents composes the next events from what is marked: VNIs first, for
// the engine knows a local host only in a VNI that is up.
func (p *Plane) takeEvents() []evpn.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []evpn.Event
	for _, d := range p.evqueue() {
		if d.upDirty {
			d.upDirty = false
			if d.up {
				out = append(out, &evpn.BDUp{VNI: d.vni, VTEP: d.vtep})
			} else if d.toldUp {
				out = append(out, &evpn.BDDown{VNI: d.vni})
			}
			if d.up && !d.toldUp {
				d.local.Readvertise()
			}
			d.toldUp = d.up
		}
		if d.toldUp {
			out = d.local.Events(out, eventBatch)
		}
		if len(out) >= eventBatch {
			break
		}
	}
	return out
}

// evqueue returns the domains of which the engine is to be told something.
func (p *Plane) evqueue() []*domain {
	for _, b := range p.hosts.Changed() {
		if d := p.domains[b.VNI()]; d != nil {
			p.noisy[d] = struct{}{}
		}
	}
	var out []*domain
	for d := range p.noisy {
		if d.upDirty || d.toldUp && d.local.Pending() {
			out = append(out, d)
		} else {
			delete(p.noisy, d)
		}
	}
	slices.SortFunc(out, func(a, b *domain) int {
		return cmp.Or(count(b.upDirty)-count(a.upDirty), cmp.Compare(a.vni, b.vni))
	})
	return out
}
