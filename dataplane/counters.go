package dataplane

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// Stats are counts since the start, but for the first three and Hosts.
type Stats struct {
	Wanted    int // entries desired
	Installed int // of them in the kernel
	Failed    int // of them failed, waiting for another try

	Writes   uint64 // messages written
	Failures uint64 // of them refused, with those that were not even tried
	Resyncs  uint64 // times that notices were lost and the tables were looked at again

	// Repaired are entries of ours that somebody removed or changed and that
	// were written again; after a loss those that were missing. Flood entries
	// that were missing after a loss are not counted where a bridge was checked
	// and not read (resync.go): it is not known which were.
	Repaired uint64
	Mended   uint64 // times that flags of a device were put right

	// By kind and whether they were removed, of the entries that the kernel
	// took; and by kind and error, of those that it refused, errno by name.
	// The maps are copies.
	Written map[Writing]uint64
	Refused map[Refusal]uint64

	Batch  Histogram // how long the kernel took for one batch of messages
	Behind Histogram // from a peer's message to all that follows from it in the kernel; see Lag
	// Lag is how old the first message is that the kernel is not yet as it
	// says; 0: it is as all say, but for what it refused.
	Lag time.Duration

	Claims  uint64 // ARP and ND messages of hosts that were snooped
	Ignored uint64 // and that were malformed or contradicted themselves
	hosts.Counters
}

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

// counters are those of Stats that only grow, while they do.
type counters struct {
	Stats
	written written
}

// refused counts n entries that the kernel did not take.
func (c *counters) refused(k kindIndex, n int, err error) {
	if c.Refused == nil {
		c.Refused = make(map[Refusal]uint64)
	}
	c.Refused[Refusal{kindNames[k], errName(err)}] += uint64(n)
}

// opKind returns what an op is for.
func opKind(op *kernel.Op) kindIndex {
	switch {
	case op.Family != kernel.Bridge:
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
