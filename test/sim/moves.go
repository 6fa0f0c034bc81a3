package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/peer"
)

// moved is what moves at a rate did.
type moved struct {
	Rate     int     // asked for; 0 is as fast as the VTEP takes them
	Reached  float64 // moves a second, from the first to the last in the kernel
	Share    float64 // of one core, that the VTEP took
	Kernel   float64 // of Share, in the fake kernel
	Median   time.Duration
	P99      time.Duration
	Moves    int
	Messages int64 // to the kernel
}

// bytesOf is what a reflector sends of moves: two UPDATEs each, none packed,
// for hardly two have all attributes in common.
func (w *world) bytesOf(ms []move, reflector byte) (out []byte) {
	for _, m := range ms {
		out = append(append(out, w.announce(m, reflector)...), w.withdraw(m)...)
	}
	return out
}

// move has MACs move at a rate for a time; with rate 0, n of them as fast as
// can be. The delay of a move is from when it was due until the kernel has
// it. What is due within a millisecond is sent at once.
func (w *world) move(rate, n int) (r moved, err error) {
	const step = time.Millisecond
	ms := w.moves(n)
	// Ready to be sent, so that what is measured is the VTEP.
	var batches [2][][]byte
	var due []time.Duration // of each move
	per := func(i int) int { return int(int64(i) * int64(rate) * int64(step) / int64(time.Second)) }
	for from, i := 0, 1; from < n; i++ {
		to := n
		if rate > 0 {
			to = min(per(i), n)
		}
		for r := range batches {
			batches[r] = append(batches[r], w.bytesOf(ms[from:to], byte(r+1)))
		}
		for ; from < to; from++ {
			due = append(due, time.Duration(i-1)*step)
		}
	}
	var none []arrival
	if err := w.vtep.Call("VTEP.Record", true, &none); err != nil {
		return r, err
	}
	before, err := w.usage()
	if err != nil {
		return r, err
	}
	begin := time.Now()
	errs := make(chan error, 2)
	for i, s := range w.reflectors {
		go func() { errs <- play(s, batches[i], begin, step) }()
	}
	for range w.reflectors {
		if err := <-errs; err != nil {
			return r, err
		}
	}
	// The last withdrawal follows the last announcement, and changes nothing in
	// the kernel.
	if _, err := w.await(Await{Writes: before.Writes + int64(n)}); err != nil {
		return r, err
	}
	after, err := w.usage()
	if err != nil {
		return r, err
	}
	wall := time.Since(begin)
	var seen []arrival
	if err := w.vtep.Call("VTEP.Record", false, &seen); err != nil {
		return r, err
	}
	delays, last, err := delaysOf(ms, due, begin, seen)
	if err != nil {
		return r, err
	}
	r = moved{
		Rate: rate, Moves: n, Reached: float64(n) / last.Seconds(),
		Share:  (after.CPU - before.CPU).Seconds() / wall.Seconds(),
		Kernel: (after.Kernel - before.Kernel).Seconds() / wall.Seconds(),
		Median: delays[n/2], P99: delays[n*99/100], Messages: after.Writes - before.Writes,
	}
	return r, w.check()
}

// play sends one batch a step. When the other end does not keep up it is
// late, and sends on without a pause.
func play(s *peer.Speaker, batches [][]byte, begin time.Time, step time.Duration) error {
	for i, b := range batches {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * step)))
		if len(b) == 0 {
			continue
		}
		if err := s.Write(b); err != nil {
			return fmt.Errorf("move %d: %w", i, err)
		}
	}
	return nil
}

// delaysOf returns how long each move took, ascending, and when the last one
// was done.
func delaysOf(ms []move, due []time.Duration, begin time.Time, seen []arrival) ([]time.Duration, time.Duration, error) {
	type key struct {
		mac  evpn.MAC
		vtep [4]byte
	}
	at := make(map[key]int64, len(seen))
	for _, a := range seen {
		if _, ok := at[key{a.MAC, a.VTEP}]; !ok {
			at[key{a.MAC, a.VTEP}] = a.At
		}
	}
	var last time.Duration
	delays := make([]time.Duration, len(ms))
	for i, m := range ms {
		t, ok := at[key{peer.MAC(m.mac), vtepAddr(m.to).As4()}]
		if !ok {
			return nil, 0, fmt.Errorf("the move of MAC %v from %v to %v is not in the kernel", peer.MAC(m.mac), vtepAddr(m.from), vtepAddr(m.to))
		}
		done := time.Unix(0, t).Sub(begin)
		delays[i], last = done-due[i], max(last, done)
	}
	slices.Sort(delays)
	return delays, last, nil
}
