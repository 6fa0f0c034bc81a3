package soak

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// short is how long the churn lasts unless SOAK_TIME says otherwise.
const short = "20s"

// After any amount of churn nothing is left of it.
func TestSoak(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.FRRouting)
	d, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK_TIME"), short))
	if err != nil {
		t.Fatalf("SOAK_TIME: %v", err)
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("SOAK_SEED"), fmt.Sprint(time.Now().Unix())), 10, 64)
	if err != nil {
		t.Fatalf("SOAK_SEED: %v", err)
	}
	t.Logf("churn for %v; SOAK_SEED=%d repeats it", d, seed)
	t.Setenv("GOGC", heapGOGC) // of what is started from here on, not of this program
	s := newSite(t, rand.New(rand.NewPCG(seed, 0)))
	for i := range operations {
		s.do(&operations[i])
	}
	s.home()
	before := s.settle()
	s.did = map[string]int{}
	s.churn(d)
	s.home()
	after := s.same(before)
	s.clean()
	t.Logf("seed %d, %v of churn:\n%s\n%s", seed, d, s.tally(), s.compared(before, after))
}

// clean looks for what no daemon may ever print.
func (s *site) clean() {
	s.Helper()
	for _, v := range s.vteps {
		for _, bad := range []string{"panic:", "DATA RACE", "fatal error:", "level=ERROR"} {
			if strings.Contains(v.Output(), bad) {
				s.Errorf("%s printed %q:\n%s", v.Short, bad, v.Output())
			}
		}
	}
}

// compared shows the figures of the daemons before and after.
func (s *site) compared(before, after figures) string {
	var b strings.Builder
	for _, v := range s.vteps {
		p := v.Status().Process
		fmt.Fprintf(&b, "%s: %d goroutines and %d files as before, heap %d KiB and before %d, resident %d KiB and before %d\n", v.Short,
			p.Goroutines, p.OpenFiles, after.heap[v.Short]>>10, before.heap[v.Short]>>10, after.resident[v.Short]>>10, before.resident[v.Short]>>10)
	}
	fmt.Fprintf(&b, "%d facts about kernels and daemons equal", strings.Count(after.exact, "\n")+1)
	return b.String()
}
