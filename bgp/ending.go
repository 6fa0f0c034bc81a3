package bgp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/evpnd/evpnd/bgp/wire"
)

// ending is why a session ends. It is an error so that it can be the cause
// of a context.
type ending struct {
	text   string
	cause  DownReason         // empty: what notify says
	notify *wire.Notification // to send; nil: close without a word
	final  bool               // we end it for good: no routes are to be kept, on either side
	leave  bool               // with final: but we keep theirs
	// goodbye says that the peer ends it for good.
	goodbye bool
}

func (e *ending) Error() string { return e.text }

// endingOf returns why ctx is done: the ending it was cancelled with, or a
// silent one when Run is over.
func endingOf(ctx context.Context) *ending {
	var e *ending
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return &ending{text: "stopped"}
}

// failure makes an ending of a read or write error.
func failure(err error) *ending {
	switch {
	case errors.Is(err, io.EOF):
		return &ending{text: "the peer closed the connection", cause: DownClosed}
	case errors.Is(err, syscall.ECONNRESET):
		return &ending{text: "the peer reset the connection", cause: DownReset}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ending{text: "the peer did not answer in time", cause: DownTimeout}
	}
	return &ending{text: dialError(err).Error(), cause: DownNetwork}
}

// refusal is the ending that answers what the peer has sent.
func refusal(n *wire.Notification, what string) *ending {
	return &ending{text: fmt.Sprintf("%s; we sent: %v", what, n), notify: n}
}

// notified is the ending that a NOTIFICATION of the peer makes.
func notified(n *wire.Notification) *ending {
	text := fmt.Sprintf("the peer sent: %v", n)
	if in := n.Inner(); in != n {
		text += fmt.Sprintf(" (%v)", in)
	}
	return &ending{text: text, cause: DownNotified, goodbye: n.Final()}
}

// ownEnding is the ending that GoBGP decides on.
func ownEnding(n *wire.Notification) *ending {
	if n.Code == wire.CodeHoldTimer {
		return &ending{text: "the peer was silent for longer than the hold time", notify: n}
	}
	return &ending{text: fmt.Sprintf("we sent: %v", n), notify: n}
}
