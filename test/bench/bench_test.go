//go:build !race

package bench

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// scenario is something that is measured for each of some contenders.
type scenario struct {
	name string
	run  func(b lab.T, c contender, rec *record)
	who  []contender
}

var scenarios = []scenario{
	{"routes", routes, []contender{evpnd, theLimit, frr}},
	{"lost", lost, []contender{evpnd, theLimit, frr}},
	{"pairs", pairs, []contender{evpnd, theLimit, frr}},
	{"origin", origin, []contender{evpnd, frr}},
	{"one", one, []contender{evpnd, frr}},
	{"million", million, []contender{evpnd, theLimit}},
	{"floods", floods, []contender{withoutHold, theLimit}},
	{"restart", restart, []contender{evpnd}},
	{"idle", idle, []contender{evpnd}},
	{"loss", loss, []contender{evpnd}},
}

// TestFigures measures all scenarios and prints the table. Without
// EVPND_BENCH it does so in small and once, with evpnd and the limit, to see
// that they work. EVPND_BENCH is a regular expression of the scenarios to run
// at full size, and EVPND_BENCH_ROUNDS how often (5).
func TestFigures(t *testing.T) {
	only, full := os.LookupEnv("EVPND_BENCH")
	match, err := regexp.Compile("^(" + only + ")$")
	if err != nil {
		t.Fatalf("EVPND_BENCH: %v", err)
	}
	rounds := 1
	if full {
		rounds = 5
	}
	if s := os.Getenv("EVPND_BENCH_ROUNDS"); s != "" {
		if rounds, err = strconv.Atoi(s); err != nil || rounds < 1 {
			t.Fatalf("EVPND_BENCH_ROUNDS=%s: want a number from 1", s)
		}
	}
	all := newResults()
	for _, s := range scenarios {
		if only != "" && !match.MatchString(s.name) {
			continue
		}
		for round := range rounds {
			for _, c := range s.who {
				if !full && c.name == frr.name {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/%s", s.name, round+1, c.name), func(t *testing.T) {
					lab.Need(t, c.needs...)
					s.run(t, c, &record{full: full, who: c.name, all: all})
				})
			}
		}
	}
	t.Logf("medians of %d rounds\n%s", rounds, all.table())
}
