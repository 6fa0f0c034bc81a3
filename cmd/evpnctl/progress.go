package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progressAfter is how long a command may take before it says what it does,
// and progressEvery how often it says so again.
const (
	progressAfter = 2 * time.Second
	progressEvery = 500 * time.Millisecond
)

// progress is one line on standard error that says what a command that takes
// long is about, and goes before the answer comes. There is none where standard
// error is not a terminal, and a list that scrolls by on one ends it. A nil
// *progress tells nobody.
type progress struct {
	out  io.Writer // nil: nobody is told
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	text  string
	count int
	shown bool
}

// newProgress begins to tell after a while.
func newProgress(stderr io.Writer, text string) *progress {
	p := &progress{text: text}
	if !isTerminal(stderr) {
		return p
	}
	return p.begin(stderr, progressAfter)
}

func (p *progress) begin(out io.Writer, after time.Duration) *progress {
	p.out, p.stop, p.done = out, make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(p.done)
		next := time.NewTimer(after)
		defer next.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-next.C:
				p.show(time.Since(began))
				next.Reset(progressEvery)
			}
		}
	}()
	return p
}

// clearLine goes to the beginning of the line and empties it (ECMA-48 EL).
const clearLine = "\r\x1b[K"

func (p *progress) show(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text
	if p.count > 0 {
		text += fmt.Sprintf(", %d so far", p.count)
	}
	p.shown = true
	fmt.Fprintf(p.out, "%s%s (%s)", clearLine, text, span(took))
}

// say replaces what is told.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// counted says how many objects have come.
func (p *progress) counted(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count = n
}

// end takes the line away. It may be called more than once.
func (p *progress) end() {
	if p == nil || p.out == nil {
		return
	}
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	<-p.done
	if p.shown {
		_, _ = io.WriteString(p.out, clearLine)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
