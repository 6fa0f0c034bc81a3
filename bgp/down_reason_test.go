package bgp

import (
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/bgp/wire"
)

func TestLoss(t *testing.T) {
	cease := func(sub uint8) *ending {
		return &ending{notify: &wire.Notification{Code: wire.CodeCease, Subcode: sub}}
	}
	for _, c := range []struct {
		why  *ending
		want DownReason
	}{
		{failure(io.EOF), DownClosed},
		{failure(syscall.ECONNRESET), DownReset},
		{failure(os.ErrDeadlineExceeded), DownTimeout},
		{failure(syscall.EHOSTUNREACH), DownNetwork},
		{notified(&wire.Notification{Code: wire.CodeHoldTimer}), DownNotified},
		{ownEnding(&wire.Notification{Code: wire.CodeHoldTimer}), DownHoldTimer},
		{refusal(&wire.Notification{Code: wire.CodeUpdate, Subcode: 1}, "x"), DownProtocol},
		{configChange(), DownConfigured},
		{cease(wire.CeaseDeconfigured), DownConfigured},
		{cease(wire.CeaseReset), DownOperator},
		{cease(wire.CeaseShutdown), DownOperator},
		{cease(wire.CeaseMaxPrefixes), DownLimit},
		{collided(), DownReplaced},
		{&ending{text: "stopped"}, DownOther},
	} {
		if got := c.why.downReason(); got != c.want {
			t.Errorf("%q is counted as %q, want %q", c.why.text, got, c.want)
		}
	}
}
