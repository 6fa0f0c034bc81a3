package dataplane

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, Bounds[0], Bounds[0] + 1, Bounds[len(Bounds)-1], time.Hour} {
		h.observe(d)
	}
	if h.Count != 5 || h.Buckets[0] != 2 || h.Buckets[1] != 1 || h.Buckets[len(Bounds)-1] != 1 {
		t.Errorf("%+v", h)
	}
	if want := 2*Bounds[0] + 1 + Bounds[len(Bounds)-1] + time.Hour; h.Sum != want {
		t.Errorf("sum %v, want %v", h.Sum, want)
	}
	for i := range len(Bounds) - 1 {
		if Bounds[i] >= Bounds[i+1] {
			t.Errorf("bounds %d and %d are not ascending", i, i+1)
		}
	}
}

func TestErrName(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, "ENOSPC"},
		{fmt.Errorf("x: %w", syscall.EPERM), "EPERM"},
		{entries.ForeignError{By: entries.OwnAddress}, "held"},
		{entries.ForeignError{By: entries.StaticNeighbor}, "held"},
		{errTaken, "held"},
		{errors.New("x"), "other"},
		{syscall.Errno(9999), "other"},
	} {
		if got := errName(c.err); got != c.want {
			t.Errorf("%v is counted as %q, want %q", c.err, got, c.want)
		}
	}
}
