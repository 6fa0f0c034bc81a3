package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// env is what all parts of a Plane use.
type env struct {
	k        Kernel
	log      *slog.Logger
	bds      *bds
	due      *deadlines
	problems *problems
	counters *counters
}

// Plane keeps kernel and engine in step. It is a loop that owns its parts: the
// goroutine of Run alone uses them, save that a dump and a batch are read and
// written by goroutines of their own, of which the loop waits for one at a time.
type Plane struct {
	env
	cfg Config

	syncer   syncer
	observer observer
	writer   *writer
	echo     echo
	snooper  snooper
	outbox   outbox

	events   chan []evpn.Event
	deltas   chan evpn.Delta
	ready    chan struct{}
	requests requests
	commands commands

	auditing sync.Mutex // one audit at a time
	second   sync.Mutex // of the kernel's second reader
}

// New returns a Plane for a kernel. Nothing is read or written before Run.
func New(k Kernel, cfg Config, log *slog.Logger) *Plane {
	p := &Plane{
		env: env{
			k: k, log: log,
			bds:      newBDs(&cfg.Topology),
			due:      &deadlines{},
			problems: &problems{log: log, all: make(map[problemKey]topology.Problem)},
			counters: &counters{},
		},
		cfg:      cfg,
		events:   make(chan []evpn.Event),
		deltas:   make(chan evpn.Delta),
		ready:    make(chan struct{}),
		requests: newRequests(),
		commands: newCommands(),
	}
	e := &p.env
	p.echo = echo{env: e, muted: true}
	p.outbox = outbox{bds: p.bds, marked: make(map[*bdState]struct{})}
	p.writer = newWriter(e, &p.echo)
	p.writer.deviceGone = func() { p.syncer.soon(0) }
	p.snooper = snooper{env: e, cfg: &p.cfg, syncSoon: p.syncer.soon}
	p.observer = observer{env: e, writer: p.writer, syncer: &p.syncer, outbox: &p.outbox}
	p.syncer = syncer{
		env: e, cfg: &p.cfg, writer: p.writer, observer: &p.observer, outbox: &p.outbox, snooper: &p.snooper,
		flags:    &flags{env: e, syncSoon: p.syncer.soon, tries: make(map[int]flagTries), logged: make(map[int]bool)},
		dumpMost: dumpMost, dumped: make(chan struct{}, 1),
	}
	return p
}

// Ready is closed when the kernel was read for the first time and all that
// was found has been taken from Events.
func (p *Plane) Ready() <-chan struct{} { return p.ready }

// Events gives what the kernel holds: *evpn.VNIUp, VNIDown, LocalMAC,
// LocalMACGone, LocalIP and LocalIPGone, at most about eventBatch at once.
// While nobody takes them they gather as one mark an object. The channel is
// never closed.
func (p *Plane) Events() <-chan []evpn.Event { return p.events }

// Deltas takes what the engine desires. It is unbuffered: a send returns when the Plane has
// them, which it does between two batches of writes. The Plane must be
// running, and does not touch the slices after it has read them.
func (p *Plane) Deltas() chan<- evpn.Delta { return p.deltas }

// Sweep says that what is desired is known in full: entries adopted at the
// start, or found later, that nobody desires are removed from now on. Any
// goroutine may call it, more than once; it does not wait.
func (p *Plane) Sweep() {
	p.commands.post(func() {
		if p.bds.sweep {
			return
		}
		p.bds.sweep = true
		for _, d := range p.bds.sorted() {
			for _, k := range d.kinds() {
				k.Sweep()
			}
			p.writer.enqueue(d)
		}
	})
}

// Configure replaces the configuration; broadcast domains that it does not
// concern feel nothing. It returns what is wrong with cfg, and then nothing
// changes. Any goroutine may call it; it does not wait.
func (p *Plane) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	p.commands.post(func() {
		p.cfg = cfg
		p.syncer.soon(0)
	})
	return nil
}

// Reread has all entries of a VNI read again and brought in step with what is
// desired. Any goroutine may call it; it does not wait.
func (p *Plane) Reread(vni evpn.VNI) {
	p.commands.post(func() {
		if d := p.bds.get(vni); d != nil && d.attached() {
			d.need = needRead
			p.syncer.soon(0)
		}
	})
}

// Run works until ctx is done and then returns nil, or until the kernel
// cannot be watched. Entries stay in the kernel. A Plane runs once.
func (p *Plane) Run(ctx context.Context) error {
	if err := p.cfg.Validate(); err != nil {
		return err
	}
	p.requests.acquire()
	defer p.requests.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	notices, err := p.k.Watch(ctx)
	if err != nil {
		return fmt.Errorf("dataplane: %w", err)
	}
	snooped, err := p.k.Snoop(ctx)
	if err != nil {
		p.snooper.cannot(err)
	}
	defer func() { // until the goroutines that feed them are gone
		cancel()
		drain(notices)
		if snooped != nil {
			drain(snooped)
		}
	}()
	go p.writer.serve()
	defer p.writer.close()
	defer p.syncer.close()
	now := time.Now()
	p.due.set(syncDue, now)
	p.due.set(unmuteDue, now)
	return p.loop(ctx, notices, snooped)
}

func drain[T any](c <-chan T) {
	for range c {
	}
}

// loop takes one input at a time and does what is due after it. While the kernel
// has a batch, or entries are read, it answers requests and looks at nothing
// else: what an input says could be of before that or of after it. Inputs have a
// turn before the kernel is busy again: many entries are written in many runs.
func (p *Plane) loop(ctx context.Context, notices <-chan []Notice, snooped <-chan hosts.Snooped) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		waited := p.busy()
		if waited {
			select {
			case <-ctx.Done():
				return nil
			case f := <-p.requests.c:
				f()
			case <-p.writer.from:
				p.writer.written()
			case <-p.syncer.dumped:
				p.syncer.finish()
			}
		} else {
			out := p.out()
			timer.Reset(p.wait())
			select {
			case <-ctx.Done():
				return nil
			case f := <-p.requests.c:
				f()
			case batch, ok := <-notices:
				if !ok && ctx.Err() != nil {
					return nil
				}
				if !ok {
					return errors.New("dataplane: the kernel's notices ended")
				}
				p.observer.notices(batch)
			case x, ok := <-snooped:
				if !ok {
					snooped = nil // closed channels are always ready
				}
				p.snooper.take(&x)
			case d := <-p.deltas:
				p.take(&d)
			case out <- p.outbox.pending:
				p.observer.reported(p.outbox.taken())
			case <-p.commands.news:
				p.commands.run()
			case <-timer.C:
			}
		}
		now := time.Now()
		if !waited {
			p.begin(now)
		}
		p.work(now)
	}
}

// busy tells whether the loop waits for the kernel.
func (p *Plane) busy() bool { return p.writer.busy() || p.syncer.busy() }

// out returns where the next events go; nil: nowhere, for there are none. All
// that was found in the first read is taken then.
func (p *Plane) out() chan<- []evpn.Event {
	if len(p.outbox.next()) > 0 {
		return p.events
	}
	if p.syncer.first {
		select {
		case <-p.ready:
		default:
			close(p.ready)
		}
	}
	return nil
}

// wait returns how long the loop may sleep when no input comes.
func (p *Plane) wait() time.Duration {
	next := p.due.next(p.bds.hosts.Next())
	switch {
	case p.writer.ready():
		return 0
	case next.IsZero():
		return time.Hour
	}
	return max(0, time.Until(next))
}

// begin begins what is due that the kernel may be busy with.
func (p *Plane) begin(now time.Time) {
	if p.due.passed(syncDue, now) {
		p.syncer.start(now)
	}
	if !p.busy() {
		p.writer.work(now)
	}
}

// work does what else is due, unless the kernel is busy.
func (p *Plane) work(now time.Time) {
	if p.busy() {
		return
	}
	p.writer.caughtUp()
	p.echo.unmute(now, p.writer.ready())
	p.snooper.sendProbes(now)
}
