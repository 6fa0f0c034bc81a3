package dataplane

import "sync"

// All state belongs to the loop. Others read it by a request, which the loop
// answers between two steps, also while the kernel is busy with a write or a
// dump; and change it by a command, which waits until the kernel is done.

// requests has one goroutine at a time use the state: the loop's while it runs,
// else one that asks.
type requests struct {
	c    chan func()
	idle chan struct{} // has one value while no loop runs
}

func newRequests() requests {
	r := requests{c: make(chan func()), idle: make(chan struct{}, 1)}
	r.idle <- struct{}{}
	return r
}

// ask calls f in the goroutine of the loop, or in its own when none runs. It
// returns when f has, and panics when f does: the loop goes on. Any goroutine but
// the loop's may call it.
func (r *requests) ask(f func()) {
	var failed any
	done := make(chan struct{})
	answer := func() {
		defer close(done)
		defer func() { failed = recover() }()
		f()
	}
	select {
	case r.c <- answer:
		if <-done; failed != nil {
			panic(failed)
		}
	case <-r.idle:
		defer r.release()
		f()
	}
}

// acquire begins the time in which the caller's goroutine answers the requests
// that come on c; release ends it.
func (r *requests) acquire() { <-r.idle }
func (r *requests) release() { r.idle <- struct{}{} }

// commands are changes that other goroutines want, in order. They never wait
// for the loop.
type commands struct {
	mu   sync.Mutex
	list []func()
	news chan struct{} // has a value when list may have something
}

func newCommands() commands { return commands{news: make(chan struct{}, 1)} }

// post has the loop call f. Any goroutine may call it.
func (c *commands) post(f func()) {
	c.mu.Lock()
	c.list = append(c.list, f)
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// run calls what was posted.
func (c *commands) run() {
	c.mu.Lock()
	list := c.list
	c.list = nil
	c.mu.Unlock()
	for _, f := range list {
		f()
	}
}
