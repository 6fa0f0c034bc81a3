package dataplane

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/entries"
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

// kindNames are those that are shown.
var kindNames = [numKinds]string{kindFlood: KindFlood, kindFDB: KindMAC, kindNeigh: KindNeighbor}

// written counts the entries that the kernel took, by kind, those that were
// added and those that were removed: an array, since it is done for each.
type written [numKinds][2]uint64

func (w *written) count(k kindIndex, removed bool) { w[k][count(removed)]++ }

func (w *written) shown() map[Writing]uint64 {
	out := make(map[Writing]uint64)
	for k, n := range w {
		out[Writing{kindNames[k], false}], out[Writing{kindNames[k], true}] = n[0], n[1]
	}
	return out
}

// countRefused counts n entries that it did not take.
func (s *Stats) countRefused(k kindIndex, n int, err error) {
	if s.Refused == nil {
		s.Refused = make(map[Refusal]uint64)
	}
	s.Refused[Refusal{kindNames[k], errName(err)}] += uint64(n)
}

// opKind returns what an op is for.
func opKind(op *Op) kindIndex {
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
	case errors.As(err, new(entries.ForeignError)), errors.Is(err, errTaken):
		return "held"
	case errors.As(err, &errno) && unix.ErrnoName(errno) != "":
		return unix.ErrnoName(errno)
	}
	return "other"
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
