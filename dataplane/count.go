package dataplane

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Writing is a kind of write that Stats counts.
type Writing struct {
	Kind    string // KindFlood, KindMAC or KindNeighbor
	Removed bool
}

// Refusal is a kind of failed write that Stats counts. Error is the name of
// an errno, as in ENOSPC; held: an entry that evpnd did not make is in the
// way; other.
type Refusal struct {
	Kind  string // as of Writing
	Error string
}

// kindOf has the names that are shown.
var kindOf = [...]string{kindFlood: KindFlood, kindFDB: KindMAC, kindNeigh: KindNeighbor}

// written counts the entries that the kernel took, by kind, those that were
// added and those that were removed: an array, since it is done for each.
type written [len(kindOf)][2]uint64

func (w *written) count(k kind, removed bool) { w[k][count(removed)]++ }

func (w *written) shown() map[Writing]uint64 {
	out := make(map[Writing]uint64)
	for k, n := range w {
		if kindOf[k] != "" {
			out[Writing{kindOf[k], false}], out[Writing{kindOf[k], true}] = n[0], n[1]
		}
	}
	return out
}

// countRefused counts an entry that it did not take.
func (s *Stats) countRefused(k kind, err error) {
	if s.Refused == nil {
		s.Refused = make(map[Refusal]uint64)
	}
	s.Refused[Refusal{kindOf[k], errName(err)}]++
}

// kindOf returns what an op is for.
func opKind(op *Op) kind {
	switch {
	case op.Family != Bridge:
		return kindNeigh
	case op.MAC.IsZero():
		return kindFlood
	}
	return kindFDB
}

func errName(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, new(heldError)), errors.Is(err, errStill), errors.Is(err, errTaken):
		return "held"
	case errors.As(err, &errno) && unix.ErrnoName(errno) != "":
		return unix.ErrnoName(errno)
	}
	return "other"
}
