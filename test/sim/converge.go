package main

import (
	"fmt"
	"runtime"
	"time"
)

// converged is what the first convergence of a VTEP took.
type converged struct {
	site
	Took   time.Duration // from the first byte that the reflectors send to the last entry in the kernel
	CPU    time.Duration // of the VTEP
	Kernel time.Duration // of CPU, in the fake kernel
	Bytes  int           // that both reflectors sent
	Memory Memory
}

// converge sends everything, and waits for the last entry.
func (w *world) converge() (c converged, err error) {
	tables := w.tables()
	c.site, c.Bytes = w.site, len(tables[0])+len(tables[1])
	runtime.GC() // not while the VTEP is measured
	before, err := w.usage()
	if err != nil {
		return c, err
	}
	begin := time.Now()
	if err := w.write(tables); err != nil {
		return c, err
	}
	if _, err := w.await(Await{}); err != nil {
		return c, err
	}
	after, err := w.usage()
	if err != nil {
		return c, err
	}
	c.Took = time.Unix(0, after.Last).Sub(begin)
	c.CPU, c.Kernel = after.CPU-before.CPU, after.Kernel-before.Kernel
	if err := w.check(); err != nil {
		return c, err
	}
	return c, w.vtep.Call("VTEP.Memory", struct{}{}, &c.Memory)
}

// lost is what the loss of a reflector does to a VTEP, and its return.
type lost struct {
	site
	Noticed  time.Duration // from the end of the connection until the engine has it as down
	Returned time.Duration // from the first byte of the new session's routes until all are taken in
	CPU      time.Duration // of the VTEP, for the return
	Changes  int64         // messages to the kernel, from the loss until after the return
}

// lose takes the first reflector away without a word, and brings it back.
func (w *world) lose() (l lost, err error) {
	l.site = w.site
	before, err := w.usage()
	if err != nil {
		return l, err
	}
	begin := time.Now()
	w.reflectors[0].Close()
	at, err := w.await(Await{Down: w.addr(0).Addr()})
	if err != nil {
		return l, fmt.Errorf("after the loss of a reflector: %w", err)
	}
	l.Noticed = at.Sub(begin)
	table := w.table(1)
	if err := w.accept(0); err != nil {
		return l, err
	}
	runtime.GC()
	idle, err := w.usage()
	if err != nil {
		return l, err
	}
	begin = time.Now()
	if err := w.reflectors[0].Write(table); err != nil {
		return l, err
	}
	if at, err = w.await(Await{}); err != nil {
		return l, fmt.Errorf("after the return of a reflector: %w", err)
	}
	l.Returned = at.Sub(begin)
	after, err := w.usage()
	if err != nil {
		return l, err
	}
	l.CPU, l.Changes = after.CPU-idle.CPU, after.Writes-before.Writes
	return l, w.check()
}
