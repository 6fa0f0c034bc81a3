// Command report reads what go test -json writes, and makes of it what a
// person wants to read: the closing line of each package as go test has it,
// all that failed tests said, and at the end how many tests passed, failed
// and were skipped, and why.
//
//	go test -json ./... | report
//
// The exit status is 1 when a test failed, and also when one was skipped
// although nothing may be: with CI=true or EVPND_REQUIRE_ALL=1.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	strict := os.Getenv("CI") == "true" || os.Getenv("EVPND_REQUIRE_ALL") == "1"
	if !report(os.Stdin, os.Stdout, strict) {
		os.Exit(1)
	}
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of what does not build
	Test       string
	Output     string
}

// id names a test, or with an empty test a package.
type id struct{ pkg, test string }

// run is what has been seen so far.
type run struct {
	out                     io.Writer
	said                    map[id][]string
	passed, failed, skipped int
	packages                int
	broken                  []string            // packages and tests that failed
	reasons                 map[string][]string // why, and what was skipped for it
}

// report copies what matters from in to out, and says whether all is well.
func report(in io.Reader, out io.Writer, strict bool) bool {
	start := time.Now()
	r := &run{out: out, said: map[id][]string{}, reasons: map[string][]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // from go itself
			continue
		}
		r.event(e)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintf(out, "reading the results: %v\n", err)
		r.broken = append(r.broken, "the results could not be read to their end")
	}
	if r.packages == 0 {
		r.broken = append(r.broken, "no tests were run")
	}
	ok := len(r.broken) == 0 && (r.skipped == 0 || !strict)
	r.summary(ok, strict, time.Since(start))
	return ok
}

func (r *run) event(e event) {
	k := id{e.Package, e.Test}
	switch e.Action {
	case "output":
		if e.Test == "" && closing(e.Output) {
			fmt.Fprint(r.out, e.Output)
		}
		r.said[k] = append(r.said[k], e.Output)
		return
	case "build-output":
		fmt.Fprint(r.out, e.Output)
		return
	case "build-fail":
		r.broken = append(r.broken, e.ImportPath+" does not build")
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	said := r.said[k]
	delete(r.said, k)
	if e.Test == "" {
		r.packages++
		if e.Action == "fail" {
			r.broken = append(r.broken, e.Package)
			r.print(said, true)
		}
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		r.broken = append(r.broken, e.Package+" "+e.Test)
		r.print(said, false)
	case "skip":
		r.skipped++
		why := reason(said)
		r.reasons[why] = append(r.reasons[why], e.Package+" "+e.Test)
	}
}

// closing says whether a line is one of those that go test ends a package
// with.
func closing(line string) bool {
	for _, begin := range []string{"ok  \t", "FAIL\t", "?   \t"} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

func (r *run) print(said []string, closed bool) {
	for _, s := range said {
		if strings.HasPrefix(s, "=== ") || closed && closing(s) {
			continue
		}
		fmt.Fprint(r.out, s)
	}
}

// reason finds in the output of a skipped test what it said of it.
func reason(said []string) string {
	for _, s := range slices.Backward(said) {
		s = strings.TrimSpace(s)
		if s == "" || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "===") {
			continue
		}
		if _, text, ok := strings.Cut(s, ".go:"); ok {
			if _, text, ok = strings.Cut(text, ": "); ok {
				return text
			}
		}
		return s
	}
	return "no reason given"
}

func (r *run) summary(ok, strict bool, took time.Duration) {
	w := r.out
	fmt.Fprintf(w, "\n== %d packages, %d tests passed, %d failed, %d skipped, in %v\n",
		r.packages, r.passed, r.failed, r.skipped, took.Round(time.Second))
	for _, b := range r.broken {
		fmt.Fprintf(w, "   FAILED  %s\n", b)
	}
	for _, why := range slices.Sorted(maps.Keys(r.reasons)) {
		fmt.Fprintf(w, "   %s\n", why)
		for _, t := range r.reasons[why] {
			fmt.Fprintf(w, "           %s\n", t)
		}
	}
	switch {
	case ok && r.skipped > 0:
		fmt.Fprintf(w, "== passed, but for what was skipped\n")
	case ok:
		fmt.Fprintf(w, "== passed, nothing was skipped\n")
	case strict && r.skipped > 0:
		fmt.Fprintf(w, "== FAILED (nothing may be skipped here)\n")
	default:
		fmt.Fprintf(w, "== FAILED\n")
	}
}
