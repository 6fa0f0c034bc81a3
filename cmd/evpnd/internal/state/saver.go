package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Bounds of how often the file is written: soon after a change, since a
// crash forgets what is not saved, but not all the time.
const (
	saveFirst = 50 * time.Millisecond
	saveRetry = 5 * time.Second
	// share is how much of its time saving may take, as one part of so many.
	share = 20
)

// Core lends the engine, as api.Core does.
type Core interface {
	Do(ctx context.Context, f func(*evpn.Engine)) error
}

// Saver saves the engine's PersistentState whenever it changes.
type Saver struct {
	dir   string
	log   *slog.Logger
	wake  chan struct{}
	saved uint64 // the version that is in the file
	valid bool   // saved counts

	mu      sync.Mutex
	problem string
	stats   Stats
}

// Stats counts the writes of the file since the start.
type Stats struct {
	Saved  uint64
	Failed uint64
	Last   time.Time // that it was saved; zero: not yet
}

// Stats returns counts. Any goroutine may call it.
func (k *Saver) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

func (k *Saver) count(ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ok {
		k.stats.Saved++
		k.stats.Last = time.Now()
	} else {
		k.stats.Failed++
	}
}

// NewSaver returns a Saver for a directory, and what is remembered there.
// It never fails: what is wrong is logged, and told by Problem.
func NewSaver(dir string, log *slog.Logger) (*Saver, evpn.PersistentState) {
	k := &Saver{dir: dir, log: log, wake: make(chan struct{}, 1)}
	m, err := Load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		log.Info("no state of an earlier run", "directory", dir)
	case err != nil:
		k.setProblem(err.Error())
	}
	return k, m
}

// Wake tells the Saver that something may have changed. Any goroutine may
// call it; it does not block.
func (k *Saver) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Problem returns what is wrong with the state, empty when nothing is. Any
// goroutine may call it.
func (k *Saver) Problem() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

func (k *Saver) setProblem(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if text != "" && text != k.problem {
		k.log.Warn(text)
	}
	k.problem = text
}

// Run saves until ctx is done. What has changed after that is Last's to save.
func (k *Saver) Run(ctx context.Context, core Core) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return nil
		}
		pause.Reset(k.check(ctx, core))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// check saves if there is something to save, and returns how long to wait
// before the next look.
func (k *Saver) check(ctx context.Context, core Core) time.Duration {
	var m evpn.PersistentState
	var v uint64
	changed := false
	err := core.Do(ctx, func(e *evpn.Engine) {
		if v = e.StateVersion(); !k.valid || v != k.saved {
			m, changed = e.PersistentState(), true
		}
	})
	if err != nil || !changed {
		return saveFirst
	}
	began := time.Now()
	if !k.save(m, v) {
		k.Wake()
		return saveRetry
	}
	return max(saveFirst, share*time.Since(began))
}

// Last saves what the engine remembers at its end. Nobody else may use e.
func (k *Saver) Last(e *evpn.Engine) {
	if v := e.StateVersion(); !k.valid || v != k.saved {
		k.save(e.PersistentState(), v)
	}
}

func (k *Saver) save(m evpn.PersistentState, v uint64) bool {
	err := Save(k.dir, m)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(k.dir, 0o750); err == nil {
			err = Save(k.dir, m)
		}
	}
	k.count(err == nil)
	if err != nil {
		k.setProblem(fmt.Sprintf("cannot save what outlives a restart (route distinguishers, mobility sequences, frozen addresses): %v: "+
			"make the directory writable for evpnd, or set state.directory to another one", err))
		return false
	}
	k.saved, k.valid = v, true
	k.setProblem("")
	return true
}
