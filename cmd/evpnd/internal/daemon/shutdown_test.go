package daemon

import (
	"context"
	"testing"
)

// A daemon that has no session yet ends all the same, with a goodbye or
// without.
func TestShutdownWithoutSessions(t *testing.T) {
	for _, withdraw := range []bool{false, true} {
		d := newDaemon(t, small)
		var ctx context.Context
		ctx, d.end = context.WithCancel(t.Context())
		if warning := d.shutdown(withdraw); warning != "" || ctx.Err() == nil {
			t.Errorf("withdraw %v: warning %q, ended: %v", withdraw, warning, ctx.Err())
		}
	}
}
