package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what a terminal is told.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	told chan struct{} // one place
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.told <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

func TestProgress(t *testing.T) {
	s := &screen{told: make(chan struct{}, 1)}
	p := &progress{text: "listing"}
	p.counted(1234)
	p.begin(s, time.Millisecond)
	<-s.told
	p.say("still listing")
	p.end()
	p.end()
	got := s.text.String()
	if !strings.HasPrefix(got, clearLine+"listing, 1234 so far (0s)") || !strings.HasSuffix(got, clearLine) {
		t.Errorf("the terminal was told %q", got)
	}

	// One that ends in time says nothing.
	s = &screen{told: make(chan struct{}, 1)}
	(&progress{}).begin(s, time.Hour).end()
	if s.text.Len() != 0 {
		t.Errorf("a quick command said %q", s.text.String())
	}

	// A file is no terminal: nothing runs, and nothing is told.
	f, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p := newProgress(f, "x"); p.out != nil {
		t.Error("a file is taken for a terminal")
	}
	newProgress(s, "x").end()

	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	on := newProgress(tty, "x")
	defer on.end()
	if on.out == nil {
		t.Error("a terminal is not taken for one")
	}
}
