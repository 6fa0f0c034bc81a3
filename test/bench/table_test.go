//go:build !race

package bench

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// record is where a scenario notes what it measured, for one contender in one
// round.
type record struct {
	full bool // full size, or as small as shows that it works
	who  string
	all  *results
}

// size returns how many of something there are: n, or a twentieth of it.
func (r *record) size(n int) int {
	if r.full {
		return n
	}
	return n / 20
}

func (r *record) number(what string, v float64) { r.note(what, "", v) }

func (r *record) seconds(what string, d time.Duration) { r.note(what, "s", d.Seconds()) }

func (r *record) millis(what string, d time.Duration) { r.note(what, "ms", d.Seconds()*1e3) }

func (r *record) bytes(what string, n int) { r.note(what, "MB", float64(n)/(1<<20)) }

func (r *record) percent(what string, part float64) { r.note(what, "%", part*100) }

func (r *record) note(what, unit string, v float64) {
	k := key{what, r.who}
	if !slices.Contains(r.all.order, what) {
		r.all.order = append(r.all.order, what)
	}
	r.all.unit[what] = unit
	r.all.values[k] = append(r.all.values[k], v)
}

// settle waits until a contender has done what is still to do after a change,
// so that it is not measured with the next.
func (r *record) settle(g *rig) {
	g.Helper()
	if g.procs == nil {
		return
	}
	const pause = 200 * time.Millisecond
	last := g.cpu()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		time.Sleep(pause)
		now := g.cpu()
		if now-last < pause/10 {
			return
		}
		last = now
	}
	g.Fatalf("%s does not come to rest", r.who)
}

type key struct{ what, who string }

// results are all values of all rounds.
type results struct {
	order  []string
	unit   map[string]string
	values map[key][]float64
}

func newResults() *results {
	return &results{unit: map[string]string{}, values: map[key][]float64{}}
}

// median returns the median of the rounds, and whether there is any.
func (r *results) median(what, who string) (float64, bool) {
	v := r.values[key{what, who}]
	return median(v), len(v) > 0
}

// median returns the median of values, 0 of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// goal is what a figure of evpnd should not exceed: a value, and its ratio to
// the limit and to FRR. Zero: no such bound.
type goal struct{ value, limit, frr float64 }

// goals are those of the project, by figure.
var goals = map[string]goal{
	"add":                 {limit: 1.3, frr: 0.6},
	"changes of a move":   {value: 1},
	"move":                {frr: 0.5},
	"withdraw":            {frr: 0.5},
	"add MAC+IP":          {limit: 1.3},
	"session lost":        {limit: 1.3},
	"tell a peer":         {value: 0.5},
	"memory":              {value: 120},
	"memory of a million": {value: 900},

	"one MAC via GoBGP, median":         {value: 5},
	"one MAC via GoBGP, 99 %":           {value: 20},
	"one MAC via GoBGP, loaded, median": {value: 5},
	"one MAC via GoBGP, loaded, 99 %":   {value: 20},

	"API: first page of MACs":   {value: 100},
	"API: one MAC":              {value: 5},
	"a VTEP leaves 1,000 lists": {value: 1},

	"restart, changes":            {value: 0},
	"restart, in sync":            {value: 3},
	"CPU at idle":                 {value: 1},
	"CPU at idle, audit included": {value: 1},
}

// table prints all figures, and which goals are missed.
func (r *results) table() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "| what\t| evpnd\t| limit\t| FRR\t| to the limit\t| to FRR\t| goal\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, what := range r.order {
		v, _ := r.median(what, evpnd.name)
		l, hasLimit := r.median(what, theLimit.name)
		f, hasFRR := r.median(what, frr.name)
		cell := func(v float64, has bool) string {
			if !has {
				return "-"
			}
			return strings.TrimSpace(fmt.Sprintf("%.3g %s", v, r.unit[what]))
		}
		ratio := func(by float64, has bool) string {
			if !has || by == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", v/by)
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", what, cell(v, true), cell(l, hasLimit), cell(f, hasFRR),
			ratio(l, hasLimit), ratio(f, hasFRR), r.judge(what, v, l, f))
	}
	w.Flush()
	return out.String()
}

// judge says of a figure what its goal is and whether it is met.
func (r *results) judge(what string, v, limit, frr float64) string {
	g, ok := goals[what]
	if !ok {
		return "-"
	}
	var parts []string
	one := func(most, v float64, format string) {
		if most == 0 {
			return
		}
		s := fmt.Sprintf(format, most)
		if v > most*1.0005 {
			s += " MISSED"
		}
		parts = append(parts, s)
	}
	one(g.value, v, "%.3g "+strings.ReplaceAll(r.unit[what], "%", "%%"))
	if limit > 0 {
		one(g.limit, v/limit, "%.2g x limit")
	}
	if frr > 0 {
		one(g.frr, v/frr, "%.2g x FRR")
	}
	return strings.Join(parts, ", ")
}
