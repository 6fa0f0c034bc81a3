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
		{failure(io.EOF), LossClosed},
		{failure(syscall.ECONNRESET), LossReset},
		{failure(os.ErrDeadlineExceeded), LossTimeout},
		{failure(syscall.EHOSTUNREACH), LossNetwork},
		{told(&wire.Notification{Code: wire.CodeHoldTimer}), LossNotified},
		{ownEnding(&wire.Notification{Code: wire.CodeHoldTimer}), LossHoldTimer},
		{refusal(&wire.Notification{Code: wire.CodeUpdate, Subcode: 1}, "x"), LossProtocol},
		{configChange(), LossConfigured},
		{cease(wire.CeaseDeconfigured), LossConfigured},
		{cease(wire.CeaseReset), LossOperator},
		{cease(wire.CeaseShutdown), LossOperator},
		{cease(wire.CeaseMaxPrefixes), LossLimit},
		{collided(), LossReplaced},
		{&ending{text: "stopped"}, LossOther},
	} {
		if got := c.why.loss(); got != c.want {
			t.Errorf("%q is counted as %q, want %q", c.why.text, got, c.want)
		}
	}
}
