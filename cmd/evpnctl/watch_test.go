package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// told is an output that calls once when it has been given text.
type told struct {
	bytes.Buffer
	text string
	call func()
}

func (w *told) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if w.call != nil && strings.Contains(w.String(), w.text) {
		w.call()
		w.call = nil
	}
	return n, err
}

// Being interrupted is how a watch ends; quiet is not slow.
func TestWatchIsInterrupted(t *testing.T) {
	const timeout = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &told{text: `"resume_token":"quiet"`, call: func() { time.AfterFunc(2*timeout, cancel) }}
	var trouble bytes.Buffer
	code := run(ctx, []string{"watch", "--resume", "quiet", "-o", "json", "--timeout", timeout.String(), "--api", serve(t)}, out, &trouble)
	if code != exitDone || trouble.Len() > 0 || out.call != nil {
		t.Errorf("exit status %d, %q, output %q; want none, nothing and the token", code, &trouble, out)
	}
}
