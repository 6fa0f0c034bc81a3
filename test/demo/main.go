// Command demo shows on the real kernel what evpnd is for.
//
// It brings up three hosts with a container each, on one container network
// over VXLAN, in network namespaces; one evpnd a host; and then shows what a
// reader of the README is promised, with the real output of evpnctl, bridge,
// ip and ping. Every claim that it makes is checked, and the exit status is
// 0 only when all of them held. Nothing is left behind unless KEEP=1.
//
//	make demo
//	make demo KEEP=1
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func main() {
	how := lab.Enter()
	s := &show{start: time.Now()}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-signals
		s.interrupt()
		s.cleanup()
		lab.RemoveBuilt()
		os.Exit(128 + int(sig.(syscall.Signal)))
	}()
	os.Exit(s.run(func() { play(s, how, os.Getenv("KEEP") == "1") }))
}

// show is the lab.T of the demo: it talks to the reader, and ends at the
// first claim that does not hold.
type show struct {
	start time.Time

	mu          sync.Mutex
	failed      bool
	interrupted bool
	cleanups    []func()
}

// ended unwinds the stack of a demo that failed.
type ended struct{}

// run plays the demo, cleans up, and returns the exit status.
func (s *show) run(play func()) int {
	func() {
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				s.cleanup()
				panic(r)
			}
		}()
		play()
	}()
	s.cleanup()
	lab.RemoveBuilt()
	if s.Failed() {
		return 1
	}
	return 0
}

// interrupt makes the goroutine that plays fall silent, and stop as soon as
// something fails for it.
func (s *show) interrupt() {
	s.say("\nInterrupted: removing everything.")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
}

func (s *show) cleanup() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}

func (s *show) Cleanup(f func()) {
	s.mu.Lock()
	if s.interrupted {
		s.mu.Unlock()
		select {} // it is being cleaned up already
	}
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// Helper is what everything that a lab does begins with. After an interrupt
// nothing new begins: the other goroutine ends the program.
func (s *show) Helper() {
	s.mu.Lock()
	interrupted := s.interrupted
	s.mu.Unlock()
	if interrupted {
		select {}
	}
}

func (s *show) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *show) Logf(format string, args ...any) { s.say(format, args...) }

func (s *show) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	fmt.Printf("   FAILED: "+format+"\n", args...)
}

func (s *show) Fatalf(format string, args ...any) {
	s.Helper()
	s.Errorf(format, args...)
	panic(ended{})
}

// Skipf is what a lab does when the machine lacks something.
func (s *show) Skipf(format string, args ...any) {
	s.Fatalf("%s", strings.TrimPrefix(fmt.Sprintf(format, args...), "SKIPPED, "))
}

func (s *show) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.interrupted {
		fmt.Printf(format+"\n", args...)
	}
}

// step begins a part of the demo.
func (s *show) step(title, text string) {
	s.say("\n== %s", title)
	for line := range strings.Lines(text) {
		s.say("   %s", strings.TrimRight(line, "\n"))
	}
}

// command shows a command and what it printed.
func (s *show) command(where, command, out string) {
	s.say("\n   %s$ %s", where, command)
	for line := range strings.Lines(strings.TrimRight(out, "\n")) {
		s.say("     %s", strings.TrimRight(line, "\n"))
	}
}

// claim says something to the reader that is checked.
func (s *show) claim(ok bool, format string, args ...any) {
	if !ok {
		s.Fatalf("this should be true and is not: "+format, args...)
	}
	s.say("   [ok] "+format, args...)
}
