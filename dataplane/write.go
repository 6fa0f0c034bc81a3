package dataplane

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/topology"
)

// ref is an entry in a batch, which has one or more consecutive ops.
type ref struct {
	kind   kindIndex
	remove bool
	ops    uint8
}

// batch is what is written at once. Its memory is used again.
type batch struct {
	ops  []Op
	errs []error // of ops, once they are written
	refs []ref
	err  error // of the writing as a whole
	sent bool  // the pen has it
	took time.Duration
}

func newBatch() *batch {
	const n = 3*writeBatch + 4
	return &batch{ops: make([]Op, 0, n), errs: make([]error, n), refs: make([]ref, 0, n)}
}

func (b *batch) clear() { b.ops, b.refs = b.ops[:0], b.refs[:0] }

// errTaken says that a frame from a local port took a MAC that is wished as
// remote. It is for the engine to answer.
var errTaken = errors.New("a host on a local port uses this MAC")

// write writes the next batches of the domain whose turn it is.
func (p *Plane) write() {
	d := p.writes[0]
	p.writes = append(p.writes[:0], p.writes[1:]...)
	d.queued = false
	p.dropIfEmpty(d) // a device that went may have left it behind
	if !d.attached() || d.need != needNothing || !d.busy() {
		return
	}
	if p.writeDomain(d) && d.busy() {
		p.enqueue(d)
	}
}

// writeDomain writes the next batches of d, writeRun at most, fewer when the
// kernel is to be given time. While the kernel is busy with one, the one before
// is settled and the next is composed; no other input is looked at meanwhile,
// for what it says could be of before the write or of after it. It returns
// false when the kernel took nothing at all.
func (p *Plane) writeDomain(d *domain) bool {
	b, next := p.batches[0], p.batches[1]
	p.compose(d, b)
	if len(b.ops) == 0 {
		return true
	}
	p.begin(b)
	for n := 1; ; n++ {
		next.clear()
		if n < writeRun && b.sent && p.holdTill.IsZero() {
			p.compose(d, next)
		}
		if err := p.finish(b); err != nil {
			p.refusedAll(d, err, b, next)
			return false
		}
		if len(next.ops) == 0 {
			p.settleAll(d, b)
			return true
		}
		p.begin(next)
		p.settleAll(d, b)
		b, next = next, b
	}
}

// begin hands a batch to the pen, unless it is so small that this would take
// longer than what it saves: finish writes it then.
func (p *Plane) begin(b *batch) {
	p.quiet()
	if b.sent = len(b.refs) >= writeBatch; b.sent {
		p.pen <- b
	}
}

// finish returns when a batch is written. The error says that the kernel took
// nothing at all.
func (p *Plane) finish(b *batch) error {
	p.mu.Unlock()
	if b.sent {
		<-p.penned
	} else {
		b.write(p.k)
	}
	p.mu.Lock()
	p.stats.Batch.observe(b.took)
	p.stats.Writes += uint64(len(b.ops))
	if b.err == nil && refused(b.errs[:len(b.ops)]) {
		return p.probe()
	}
	return b.err
}

// write has the kernel take b, and notes how long it took.
func (b *batch) write(k Kernel) {
	began := time.Now()
	b.err = k.Write(b.ops, b.errs[:len(b.ops)])
	b.took = time.Since(began)
}

// pen is a goroutine beside that of Run. It writes what begin hands it.
func pen(k Kernel, in <-chan *batch, out chan<- struct{}) {
	for b := range in {
		b.write(k)
		out <- struct{}{}
	}
}

// settleAll records what the kernel said of each entry of a batch.
func (p *Plane) settleAll(d *domain, b *batch) {
	now := time.Now()
	p.hold = 0
	p.clearTrouble(ProblemWrite, 0, "")
	kinds, at := d.kinds(), 0
	for _, r := range b.refs {
		var err error
		for j := at; j < at+int(r.ops); j++ {
			if err == nil && (r.remove || b.ops[j].Verb != Delete) { // a deletion before an addition may find nothing
				err = b.errs[j]
			}
		}
		at += int(r.ops)
		k := kinds[r.kind]
		if err = k.settle(p, d, err, now); err != nil {
			p.failed(k, 1, err)
			p.react(err, now)
		}
	}
}

// refused tells whether every op was refused with EPERM.
func refused(errs []error) bool {
	for _, err := range errs {
		if !errors.Is(err, syscall.EPERM) {
			return false
		}
	}
	return true
}

// probe returns EPERM when the kernel takes no writes from us at all: it
// looks at the privilege before it looks at the device, which there is none
// of with index 0. A single entry may be refused with EPERM for itself.
func (p *Plane) probe() error {
	op := Op{Verb: Delete, Entry: Entry{Family: Bridge, Flags: Self}}
	errs := []error{nil}
	if err := p.put([]Op{op}, errs); err != nil {
		return err
	}
	if errors.Is(errs[0], syscall.EPERM) {
		return errs[0]
	}
	return nil
}

// refusedAll puts back b, which was not written or has no answer, and next, which
// the kernel has not seen, and pauses all writing.
func (p *Plane) refusedAll(d *domain, err error, b, next *batch) {
	p.stats.Failures++
	kinds := d.kinds()
	for _, r := range b.refs {
		kinds[r.kind].putBack(b.err == nil)
		p.stats.countRefused(r.kind, 1, err)
	}
	for _, r := range next.refs {
		kinds[r.kind].putBack(true)
	}
	p.enqueue(d)
	p.refusedWrites(err, time.Now())
}

// refusedWrites pauses all writing.
func (p *Plane) refusedWrites(err error, now time.Time) {
	p.hold = min(max(2*p.hold, holdFirst), holdMost)
	p.holdTill = now.Add(p.hold)
	if p.setTrouble(topology.Problem{Kind: ProblemWrite, Text: "nothing can be written to the kernel: " + advice(err)}) {
		p.log.Error("nothing can be written to the kernel; trying again", "err", err)
	}
}

// compose takes the next entries of d off their queues: additions in the order
// of the kinds, then removals the other way round, so that nothing is removed
// before what replaces it is there.
func (p *Plane) compose(d *domain, b *batch) {
	b.clear()
	now, kinds := time.Now(), d.kinds()
	for _, k := range kinds {
		b.fill(d, k, false, now)
	}
	for _, k := range slices.Backward(kinds[:]) {
		b.fill(d, k, true, now)
	}
	for _, k := range kinds {
		if n := k.Refused(); n > 0 {
			p.failed(k, n, entries.ForeignError{})
		}
	}
}

// fill adds entries of one kind while there is room.
func (b *batch) fill(d *domain, k kind, remove bool, now time.Time) {
	for len(b.refs) < writeBatch {
		n := len(b.ops)
		if !k.next(d, b, remove, now) {
			return
		}
		b.refs = append(b.refs, ref{kind: k.is(), remove: remove, ops: uint8(len(b.ops) - n)})
	}
}

// failed counts entries that could not be written, and has them tried again.
func (p *Plane) failed(k kind, n int, err error) {
	p.stats.Failures += uint64(n)
	p.stats.countRefused(k.is(), n, err)
	p.retrySoon()
}

// react does what an error says of more than its entry.
func (p *Plane) react(err error, now time.Time) {
	switch {
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EOPNOTSUPP):
		// The device went, or is a port no more: see what is there.
		p.syncSoon(0)
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		// The kernel is short of memory: give it time.
		p.holdTill = now.Add(holdFirst)
	}
}

func (p *Plane) retrySoon() {
	if at := time.Now().Add(entries.RetryFirst); p.retryAt.IsZero() || at.Before(p.retryAt) {
		p.retryAt = at
	}
}

// retry queues the failed entries whose time has come.
func (p *Plane) retry(now time.Time) {
	p.retryAt = time.Time{}
	later := func(t time.Time) {
		if !t.IsZero() && (p.retryAt.IsZero() || t.Before(p.retryAt)) {
			p.retryAt = t
		}
	}
	for _, d := range p.sorted() {
		for _, k := range d.kinds() {
			n, next := k.Retry(now)
			later(next)
			if n > 0 {
				// Those that fail again set the time anew.
				p.enqueue(d)
			}
		}
	}
}
