package dataplane

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/kernel"
)

// writeBatch is how many entries one write has.
const writeBatch = 128

// ref is an entry in a batch, which has one or more consecutive ops.
type ref struct {
	kind   kindIndex
	remove bool
	ops    uint8
}

// batch is what is written at once. Its memory is used again.
type batch struct {
	ops  []kernel.Op
	errs []error // of ops, once they are written
	refs []ref
	err  error // of the writing as a whole
	took time.Duration
}

func newBatch() *batch {
	const n = 3*writeBatch + 4
	return &batch{ops: make([]kernel.Op, 0, n), errs: make([]error, n), refs: make([]ref, 0, n)}
}

func (b *batch) clear() { b.ops, b.refs = b.ops[:0], b.refs[:0] }

// compose makes b the next entries of d: additions in the order of the kinds,
// then removals the other way round, so that nothing is removed before what
// replaces it is there.
func (b *batch) compose(d *bdState, now time.Time) {
	b.clear()
	kinds := d.kinds()
	for _, k := range kinds {
		b.fill(d, k, false, now)
	}
	for _, k := range slices.Backward(kinds[:]) {
		b.fill(d, k, true, now)
	}
}

// fill adds entries of one kind while there is room.
func (b *batch) fill(d *bdState, k kind, remove bool, now time.Time) {
	for len(b.refs) < writeBatch {
		n := len(b.ops)
		if !k.next(d, b, remove, now) {
			return
		}
		b.refs = append(b.refs, ref{kind: k.is(), remove: remove, ops: uint8(len(b.ops) - n)})
	}
}

// full tells whether there is no room for another entry.
func (b *batch) full() bool { return len(b.refs) >= writeBatch }

// write has the kernel take b, and notes how long it took.
func (b *batch) write(k Kernel) {
	began := time.Now()
	b.err = k.Write(b.ops, b.errs[:len(b.ops)])
	b.took = time.Since(began)
}

// results calls yield with what the kernel said of each entry.
func (b *batch) results(yield func(r ref, err error)) {
	at := 0
	for _, r := range b.refs {
		var err error
		for j := at; j < at+int(r.ops); j++ {
			if err == nil && (r.remove || b.ops[j].Verb != kernel.Delete) { // a deletion before an addition may find nothing
				err = b.errs[j]
			}
		}
		at += int(r.ops)
		yield(r, err)
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
