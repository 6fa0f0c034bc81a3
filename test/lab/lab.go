package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// T is the part of testing.T that a lab needs. The demo brings its own.
//
// Fatalf must not return. Cleanup functions run last in, first out, however
// the test ended.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Lab is a set of namespaces and the processes in them. Its methods, and
// those of what it makes, call T.Fatalf when something does not work, and so
// belong to the goroutine of the test.
type Lab struct {
	T
	prefix string // of the namespaces' names
	dir    string // sockets, configurations and logs
	reaper *reaper

	mu    sync.Mutex
	procs []*Proc
	kept  bool
	ended bool // nothing is to be started any more
}

// New makes an empty lab and sees to its removal when t ends.
func New(t T) *Lab {
	t.Helper()
	Need(t, Namespaces)
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatalf("lab: random name: %v", err)
	}
	// EVPND_LAB lets a test that starts a program with labs tell these from
	// others.
	l := &Lab{T: t, prefix: "evpnd-" + os.Getenv("EVPND_LAB") + hex.EncodeToString(id[:])}
	// Unix socket paths are short (108 bytes), so the directory is not
	// where TMPDIR says but where its name is short.
	l.dir = filepath.Join("/tmp", l.prefix)
	// First the promise to remove it: an interrupt can come in between.
	t.Cleanup(l.close)
	if err := l.create(l.begin); err != nil {
		t.Fatalf("lab: %v", err)
	}
	return l
}

// begin makes the directory, and the reaper that outlives the program.
func (l *Lab) begin() error {
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return err
	}
	r, err := startReaper(l.prefix, l.dir)
	if err != nil {
		_ = os.RemoveAll(l.dir)
		return err
	}
	l.reaper = r
	return nil
}

// Prefix returns what the names of the lab's namespaces begin with.
func (l *Lab) Prefix() string { return l.prefix }

// Dir returns the lab's directory, which goes with the lab.
func (l *Lab) Dir() string { return l.dir }

// Pids returns the processes of the lab that still run.
func (l *Lab) Pids() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var pids []int
	for _, p := range l.procs {
		if p.Running() {
			pids = append(pids, p.Pid())
		}
	}
	return pids
}

func (l *Lab) close() {
	l.mu.Lock()
	l.ended = true
	procs, kept := l.procs, l.kept
	l.mu.Unlock()
	if l.reaper == nil {
		return // nothing was made
	}
	if kept {
		l.reaper.dismiss()
		return
	}
	if l.Failed() {
		for _, p := range procs {
			l.Logf("last output of %s:\n%s", p.Name, indent(tail(p.Output(), 40)))
		}
	}
	for _, p := range procs {
		p.kill()
	}
	if out, err := l.reaper.reap(); err != nil {
		l.Errorf("lab: removing %s: %v\n%s", l.prefix, err, out)
	}
	if left := Leftovers(l.prefix); len(left) > 0 {
		l.Errorf("lab: left behind: %s", strings.Join(left, ", "))
	}
}

// create calls f, which makes something that goes with the lab, unless the lab
// has ended or is being removed: that can happen at any moment, when the
// program is interrupted.
func (l *Lab) create(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return errEnded
	}
	return f()
}

var errEnded = errors.New("the lab has ended")

// Leftovers lists the namespaces and directories that exist of labs whose
// prefix begins with prefix.
func Leftovers(prefix string) []string {
	var left []string
	for _, pattern := range []string{"/run/netns/", "/tmp/"} {
		found, _ := filepath.Glob(pattern + prefix + "*") // the pattern is well-formed
		left = append(left, found...)
	}
	return left
}

// run runs a program and returns what it printed on both outputs.
func (l *Lab) run(args ...string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, indent(string(out)))
	}
	return string(out), nil
}

// must is run for what has to work.
func (l *Lab) must(args ...string) string {
	l.Helper()
	out, err := l.run(args...)
	if err != nil {
		l.Fatalf("lab: %v", err)
	}
	return out
}

// Until waits until f says that what it looks at is as it should be. When it
// is not after d, the test ends with what f saw last.
func (l *Lab) Until(d time.Duration, what string, f func() (ok bool, seen string)) {
	l.Helper()
	start := time.Now()
	for pause := 2 * time.Millisecond; ; pause = min(pause*2, 100*time.Millisecond) {
		ok, seen := f()
		if ok {
			return
		}
		if time.Since(start) > d {
			l.Fatalf("not within %v: %s; last seen:\n%s", d, what, indent(seen))
		}
		time.Sleep(pause)
	}
}

// Holds fails the test when f does not stay true for d. It is for what must
// not happen, where there is no event to wait for.
func (l *Lab) Holds(d time.Duration, what string, f func() (ok bool, seen string)) {
	l.Helper()
	for start := time.Now(); time.Since(start) < d; time.Sleep(20 * time.Millisecond) {
		if ok, seen := f(); !ok {
			l.Fatalf("did not hold for %v: %s; last seen:\n%s", d, what, indent(seen))
		}
	}
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
