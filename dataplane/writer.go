package dataplane

import (
	"errors"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
)

const (
	// writeRun is how many batches are written before other inputs are looked
	// at again: some 5 ms.
	writeRun = 8

	// The pauses after the kernel took nothing at all.
	pauseFirst = 200 * time.Millisecond
	pauseMost  = 10 * time.Second
)

// errTaken says that a frame from a local port took a MAC that is desired as
// remote. It is for the engine to answer.
var errTaken = errors.New("a host on a local port uses this MAC")

// writer brings the kernel to what is desired, a batch at a time. While the
// kernel is busy with one, the one before is settled and the next is composed. No
// other input is looked at until a run of batches is over, for what it says could be of
// before the write or of after it.
type writer struct {
	*env
	echo *echo

	queue   []*bdState  // that may have something to write, each once
	orphans []kernel.Op // removals from devices that are served no more

	bd         *bdState // whose batches are being written; nil: none are
	batch      *batch   // that the kernel has
	ahead      *batch   // the one after it
	run        int      // batches of this run
	to         chan *batch
	from       chan struct{} // has a value when batch is written
	pause      time.Duration // before the kernel is tried again; doubled each time
	since      time.Time     // when the first message was read whose Delta is not written; zero: all are
	deviceGone func()        // follows an error that says so
}

func newWriter(e *env, ec *echo) *writer {
	return &writer{env: e, echo: ec, batch: newBatch(), ahead: newBatch(), to: make(chan *batch), from: make(chan struct{}, 1)}
}

// serve writes what work hands over, until the writer is closed. It has a
// goroutine of its own.
func (w *writer) serve() {
	for b := range w.to {
		b.write(w.k)
		w.from <- struct{}{}
	}
}

// close waits for the batch that the kernel has, and ends serve.
func (w *writer) close() {
	if w.busy() {
		<-w.from
	}
	close(w.to)
}

// enqueue puts d among those that may have something to write.
func (w *writer) enqueue(d *bdState) {
	if !d.queued {
		d.queued = true
		w.queue = append(w.queue, d)
	}
}

// busy tells whether the kernel has a batch; written follows.
func (w *writer) busy() bool { return w.bd != nil }

// ready tells whether there is something to write now.
func (w *writer) ready() bool {
	return len(w.queue)+len(w.orphans) > 0 && !w.due.pending(pauseEnds)
}

// work writes what is next.
func (w *writer) work(now time.Time) {
	w.due.passed(pauseEnds, now)
	if w.due.passed(retryDue, now) {
		w.retry(now)
	}
	if len(w.orphans) > 0 && w.ready() {
		w.removeOrphans(now)
	}
	if len(w.queue) > 0 && w.ready() {
		w.start()
	}
	if w.pause != 0 && !w.busy() && len(w.queue)+len(w.orphans) == 0 {
		// What could not be written is not desired any more.
		w.tookSome()
	}
}

// start begins to write the broadcast domain whose turn it is.
func (w *writer) start() {
	d := w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	d.queued = false
	w.bds.forget(d) // a device that went may have left it behind
	if !d.attached() || d.need != needNothing || !d.busy() {
		return
	}
	w.bd, w.run = d, 0
	w.ahead.clear()
	switch w.compose(w.batch); {
	case len(w.batch.ops) == 0:
		w.end()
	case w.begin(w.batch):
		w.composeAhead()
	default:
		w.written()
	}
}

// begin has the kernel take a batch. One that is so small that a hand-over
// takes longer than what it saves is written at once; begin returns false then.
func (w *writer) begin(b *batch) bool {
	w.echo.mute()
	w.run++
	if !b.full() {
		b.write(w.k)
		return false
	}
	w.to <- b
	return true
}

// composeAhead makes the next batch while the kernel has one, unless others are
// to have a turn first.
func (w *writer) composeAhead() {
	if w.run < writeRun && !w.due.pending(pauseEnds) {
		w.compose(w.ahead)
	}
}

func (w *writer) compose(b *batch) {
	b.compose(w.bd, time.Now())
	for _, k := range w.bd.kinds() {
		if n := k.Refused(); n > 0 {
			w.failed(k, n, entries.ForeignError{})
		}
	}
}

// written follows a batch that is written: the next goes to the kernel before
// this one is settled.
func (w *writer) written() {
	for {
		b, next := w.batch, w.ahead
		if err := w.outcome(b); err != nil {
			w.putBack(b, next, err)
			return
		}
		if len(next.ops) == 0 {
			w.settle(b)
			w.end()
			return
		}
		handedOver := w.begin(next)
		w.settle(b)
		b.clear()
		w.batch, w.ahead = next, b
		if handedOver {
			w.composeAhead()
			return
		}
	}
}

// end ends a run.
func (w *writer) end() {
	d := w.bd
	w.bd = nil
	if d.busy() {
		w.enqueue(d)
	}
}

// outcome returns an error when the kernel took nothing at all of a batch, or
// may not have.
func (w *writer) outcome(b *batch) error {
	w.counters.Batch.observe(b.took)
	w.counters.Writes += uint64(len(b.ops))
	if b.err == nil && refused(b.errs[:len(b.ops)]) {
		return w.testPrivilege()
	}
	return b.err
}

// testPrivilege returns EPERM when the kernel takes no writes from us at all: it
// looks at the privilege before it looks at the device, and no device has index
// 0. A single entry may be refused with EPERM for itself.
func (w *writer) testPrivilege() error {
	errs := []error{nil}
	if err := w.put([]kernel.Op{{Verb: kernel.Delete, Entry: kernel.Entry{Family: kernel.Bridge, Flags: kernel.Self}}}, errs); err != nil {
		return err
	}
	if errors.Is(errs[0], syscall.EPERM) {
		return errs[0]
	}
	return nil
}

// put writes ops at once.
func (w *writer) put(ops []kernel.Op, errs []error) error {
	w.echo.mute()
	began := time.Now()
	err := w.k.Write(ops, errs)
	w.counters.Batch.observe(time.Since(began))
	return err
}

// settle records what the kernel said of each entry of a batch.
func (w *writer) settle(b *batch) {
	now, kinds := time.Now(), w.bd.kinds()
	w.tookSome()
	b.results(func(r ref, err error) {
		k := kinds[r.kind]
		if err = k.settle(w, w.bd, err, now); err != nil {
			w.failed(k, 1, err)
			w.react(err, now)
		}
	})
}

// putBack ends a run in which the kernel took nothing of b, or did not answer,
// and has not seen next. All writing pauses.
func (w *writer) putBack(b, next *batch, err error) {
	w.counters.Failures++
	kinds := w.bd.kinds()
	for _, r := range b.refs {
		kinds[r.kind].putBack(b.err == nil)
		w.counters.refused(r.kind, 1, err)
	}
	for _, r := range next.refs {
		kinds[r.kind].putBack(true)
	}
	w.enqueue(w.bd)
	w.bd = nil
	w.tookNothing(err, time.Now())
}

// tookNothing pauses all writing.
func (w *writer) tookNothing(err error, now time.Time) {
	w.pause = min(max(2*w.pause, pauseFirst), pauseMost)
	w.due.set(pauseEnds, now.Add(w.pause))
	if w.problems.set(topology.Problem{Kind: ProblemWrite, Text: "nothing can be written to the kernel: " + advice(err)}) {
		w.log.Error("nothing can be written to the kernel; trying again", "err", err)
	}
}

func (w *writer) tookSome() {
	w.pause = 0
	w.problems.clear(ProblemWrite, 0, "")
}

// failed counts entries that could not be written, and has them tried again.
func (w *writer) failed(k kind, n int, err error) {
	w.counters.Failures += uint64(n)
	w.counters.refused(k.is(), n, err)
	w.retrySoon()
}

// react does what an error says of more than its entry.
func (w *writer) react(err error, now time.Time) {
	switch {
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EOPNOTSUPP):
		w.deviceGone() // or it is a port no more
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		// The kernel is short of memory: give it time.
		w.due.set(pauseEnds, now.Add(pauseFirst))
	}
}

// retrySoon has failed entries looked at, of which one may be due.
func (w *writer) retrySoon() { w.due.by(retryDue, time.Now().Add(entries.RetryFirst)) }

// retry queues the failed entries whose time has come.
func (w *writer) retry(now time.Time) {
	for _, d := range w.bds.sorted() {
		for _, k := range d.kinds() {
			n, next := k.Retry(now)
			w.due.by(retryDue, next)
			if n > 0 {
				// Those that fail again set the time anew.
				w.enqueue(d)
			}
		}
	}
}

// began records when the first message was read whose Delta is to be written.
func (w *writer) began(at time.Time) {
	if w.since.IsZero() {
		w.since = at
	}
}

// caughtUp notes that all deltas are written, when it is so.
func (w *writer) caughtUp() {
	if !w.since.IsZero() && !w.busy() && len(w.queue) == 0 && !w.due.pending(syncDue) {
		w.counters.Behind.observe(time.Since(w.since))
		w.since = time.Time{}
	}
}

// lag returns how old the first message is whose Delta is not written.
func (w *writer) lag() time.Duration {
	if w.since.IsZero() {
		return 0
	}
	return time.Since(w.since)
}
