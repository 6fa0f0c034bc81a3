package api

import (
	"testing"

	"google.golang.org/grpc/codes"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Shutdown hands on what was asked for, and answers before the daemon ends.
func TestShutdown(t *testing.T) {
	b := newBed(t, 0, nil)
	_, err := b.Shutdown(t.Context(), &evpndv1.ShutdownRequest{})
	wantError(t, err, codes.FailedPrecondition, "part of another program")

	var asked []bool
	b.srv.deps.Shutdown = func(withdraw bool) string {
		asked = append(asked, withdraw)
		go b.stop() // as the daemon does: the answer has to get through
		return "one peer hangs"
	}
	res, err := b.Shutdown(t.Context(), &evpndv1.ShutdownRequest{Withdraw: true})
	if err != nil || res.GetWarning() != "one peer hangs" || len(asked) != 1 || !asked[0] {
		t.Errorf("answer %v, %v; asked for %v", res, err, asked)
	}
}
