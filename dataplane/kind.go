package dataplane

import (
	"errors"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// kind is one kind of entry of one broadcast domain, as the writer sees it. A
// new kind is a file with a spec, a field of bdState, and a place in the list
// that bdState.kinds returns.
type kind interface {
	is() kindIndex

	// next appends to b what is to be written, or removed, next; false: nothing
	// is. For each entry in b settle or putBack is called, in the order of next.
	next(d *bdState, b *batch, remove bool, now time.Time) bool
	// settle records what the kernel said of an entry. The error is that of the
	// entry when it is to be tried again.
	settle(w *writer, d *bdState, err error, now time.Time) error
	// putBack records that an entry was not written, or, when it is not
	// answered, perhaps not.
	putBack(answered bool)
	// removals appends what removes all that the kernel has, or may have.
	removals(d *bdState, ops []kernel.Op) []kernel.Op
	// failures calls yield with each entry that failed.
	failures(yield func(text string, f entries.Failure))

	// These are those of entries.Set.
	Busy() bool
	Len() int
	Desired() int
	Installed() int
	Failed() int
	Refused() int
	Retry(now time.Time) (queued int, next time.Time)
	Requeue() int
	Sweep()
	Reset()
}

// kindIndex is the place of a kind in the list of all.
type kindIndex uint8

const (
	kindFlood kindIndex = iota
	kindFDB
	kindNeigh
	numKinds
)

// kinds are all kinds of entry, in the order of additions: a VTEP is flooded to
// before MACs are sent to it, and a MAC is known before the address of its host.
// Removals go the other way round.
func (d *bdState) kinds() [numKinds]kind {
	return [...]kind{kindFlood: &d.flood, kindFDB: &d.fdb, kindNeigh: &d.neigh}
}

// spec is what is particular to a kind.
type spec[K comparable, V entries.Value] struct {
	is kindIndex
	// text is an entry in the words of a problem.
	text func(K) string
	// encode appends the messages that make a change.
	encode func(d *bdState, c entries.Change[K, V], ops []kernel.Op) []kernel.Op
	// removal appends the messages that remove all of an entry, whatever it is.
	removal func(d *bdState, k K, v V, ops []kernel.Op) []kernel.Op
	// mayExist says that an entry may be added that is there.
	mayExist bool
	// A kind whose entries have several parts has these. either returns what may
	// be there when it is not known how far a replacement went. rest returns
	// what is there when the first part was not there to be removed, unless
	// nothing is.
	either func(have, value V) V
	rest   func(v V) (V, bool)
	// installed follows an entry that was added.
	installed func(w *writer, d *bdState, k K)
}

// table is a kind of entry: what is desired and what the kernel has.
type table[K comparable, V entries.Value] struct {
	*entries.Set[K, V]
	spec *spec[K, V]
}

func (t *table[K, V]) is() kindIndex { return t.spec.is }

func (t *table[K, V]) next(d *bdState, b *batch, remove bool, now time.Time) bool {
	c, ok := t.Next(remove, now)
	if ok {
		b.ops = t.spec.encode(d, c, b.ops)
	}
	return ok
}

func (t *table[K, V]) settle(w *writer, d *bdState, err error, now time.Time) error {
	c := t.Taken()
	if c.Remove && errors.Is(err, syscall.ENOENT) && t.spec.rest != nil {
		if rest, ok := t.spec.rest(c.Value); ok {
			t.Maybe(c.Key, rest)
			t.PutBack(c)
			return nil
		}
	}
	switch {
	case err == nil,
		c.Remove && (errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV)),
		!c.Remove && t.spec.mayExist && errors.Is(err, syscall.EEXIST):
		w.counters.written.count(t.spec.is, c.Remove)
		t.Done(c)
		if !c.Remove && t.spec.installed != nil {
			t.spec.installed(w, d, c.Key)
		}
		return nil
	}
	if !c.Remove && t.spec.either != nil {
		t.Maybe(c.Key, t.spec.either(c.Have, c.Value))
	}
	t.Fail(c.Key, err, now)
	w.log.Debug("cannot write an entry; trying again", "vni", d.vni, "entry", t.spec.text(c.Key), "err", err)
	return err
}

func (t *table[K, V]) putBack(answered bool) {
	c := t.Taken()
	switch {
	case answered:
		t.PutBack(c)
	case t.spec.either != nil:
		t.Unanswered(c, t.spec.either(c.Have, c.Value))
	default:
		t.Unanswered(c, c.Value)
	}
}

func (t *table[K, V]) removals(d *bdState, ops []kernel.Op) []kernel.Op {
	for k, e := range t.Sorted() {
		if e.Present {
			ops = t.spec.removal(d, k, e.Value, ops)
		}
	}
	return ops
}

func (t *table[K, V]) failures(yield func(string, entries.Failure)) {
	for k, f := range t.Failures() {
		yield(t.spec.text(k), f)
	}
}
