package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plan is what is measured. The defaults are those of docs/performance.md.
type plan struct {
	site
	macs    []int // sizes for the curve over MACs; the last one is also that of the moves
	vteps   []int // sizes for the curve over VTEPs
	macsAt  int   // MACs of that curve
	rates   []int // moves a second
	clients []int // of a real reflector
	runs    int
	out     string
	only    string
	taken   float64
}

func main() {
	if isChild() {
		serve()
		return
	}
	log.SetFlags(0)
	p := plan{
		macs: []int{10_000, 30_000, 100_000, 300_000, 1_000_000}, vteps: []int{10, 30, 100, 300, 1000},
		rates:   []int{100, 300, 1000, 3000, 10_000, 20_000, 30_000, 50_000, 70_000, 100_000},
		clients: []int{1, 3, 10, 30, 100, 300, 1000},
	}
	numbers(&p.macs, "macs", "MACs, ascending")
	numbers(&p.vteps, "vteps", "VTEPs of the site, ascending; the last one is that of all else")
	numbers(&p.rates, "rates", "moves a second")
	numbers(&p.clients, "clients", "clients of a real reflector, ascending")
	flag.IntVar(&p.macsAt, "macs-at", 200_000, "MACs when the number of VTEPs is what changes")
	flag.IntVar(&p.runs, "runs", 3, "runs of each convergence, of which the median counts")
	flag.IntVar(&p.VNIs, "vnis", 10, "VNIs")
	flag.Uint64Var(&p.Seed, "seed", 1, "of everything that is drawn")
	flag.StringVar(&p.out, "o", "docs/img", "folder for the pictures")
	flag.Float64Var(&p.taken, "taken", 0, "moves a second that one VTEP takes, for the part reflector alone")
	flag.StringVar(&p.only, "only", "", "one part: vtep, vteps or reflector")
	flag.Parse()
	if err := p.run(); err != nil {
		log.Fatal(err)
	}
}

// numbers is a flag of numbers with commas between them.
func numbers(v *[]int, name, usage string) {
	var text []string
	for _, n := range *v {
		text = append(text, strconv.Itoa(n))
	}
	flag.Func(name, usage+" (default "+strings.Join(text, ",")+")", func(s string) error {
		*v = nil
		for f := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(f)
			if err != nil || n < 1 {
				return fmt.Errorf("%q: want numbers above 0 with commas between them", f)
			}
			*v = append(*v, n)
		}
		return nil
	})
}

func (p *plan) run() error {
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	p.VTEPs = p.vteps[len(p.vteps)-1]
	taken := p.taken
	if p.only == "" || p.only == "vtep" {
		var err error
		if taken, err = p.runVTEP(); err != nil {
			return err
		}
	}
	if p.only == "" || p.only == "vteps" {
		if err := p.runVTEPs(); err != nil {
			return err
		}
	}
	if p.only == "" || p.only == "reflector" {
		return p.runReflectors(taken)
	}
	return nil
}

// runVTEP measures convergence, the loss of a reflector, and moves.
func (p *plan) runVTEP() (taken float64, err error) {
	var cs []converged
	var ls []lost
	var ms []moved
	var after Memory
	for i, n := range p.macs {
		s := p.site
		s.MACs = n
		c := make([]converged, p.runs)
		l := make([]lost, p.runs)
		for j := range p.runs {
			if err := in(s, func(w *world) (err error) {
				if c[j], err = w.converge(); err != nil {
					return err
				}
				log.Printf("%+v", c[j])
				if l[j], err = w.lose(); err != nil {
					return err
				}
				log.Printf("%+v", l[j])
				if i+1 == len(p.macs) && j+1 == p.runs {
					if ms, err = p.moves(w); err == nil {
						err = w.vtep.Call("VTEP.Memory", struct{}{}, &after)
					}
				}
				return err
			}); err != nil {
				return 0, err
			}
		}
		cs = append(cs, median(c, func(c converged) time.Duration { return c.Took }))
		ls = append(ls, median(l, func(l lost) time.Duration { return l.Returned }))
	}
	taken = ms[len(ms)-1].Reached
	report(os.Stdout, cs, ls, ms, &after)
	return taken, draw(p.out, chartsOfVTEP(cs, ls, ms))
}

// in has f work in a world of its own.
func in(s site, f func(*world) error) error {
	w, err := newWorld(s)
	if err == nil {
		defer w.end()
		err = f(w)
	}
	if err != nil {
		return fmt.Errorf("%d VTEPs, %d MACs: %w", s.VTEPs, s.MACs, err)
	}
	return nil
}

// median returns the run that is in the middle by its time.
func median[T any](runs []T, by func(T) time.Duration) T {
	slices.SortFunc(runs, func(a, b T) int { return cmp.Compare(by(a), by(b)) })
	return runs[len(runs)/2]
}

// moves measures every rate, and then how many moves the VTEP takes.
func (p *plan) moves(w *world) (ms []moved, err error) {
	const seconds, burst = 5, 200_000
	for _, rate := range append(p.rates, 0) {
		n := rate * seconds
		if rate == 0 {
			n = min(burst, w.MACs)
		}
		m, err := w.move(rate, n)
		if err != nil {
			return nil, fmt.Errorf("%d moves a second: %w", rate, err)
		}
		log.Printf("%+v", m)
		ms = append(ms, m)
	}
	return ms, nil
}

// runVTEPs measures convergence over the number of VTEPs.
func (p *plan) runVTEPs() error {
	var cs []converged
	for _, n := range p.vteps {
		s := p.site
		s.VTEPs, s.MACs = n, p.macsAt
		c := make([]converged, p.runs)
		for j := range c {
			if err := in(s, func(w *world) (err error) { c[j], err = w.converge(); return err }); err != nil {
				return err
			}
			log.Printf("%+v", c[j])
		}
		cs = append(cs, median(c, func(c converged) time.Duration { return c.Took }))
	}
	reportVTEPs(os.Stdout, cs)
	return draw(p.out, chartsOfVTEPs(cs))
}

// runReflectors measures those that are there.
func (p *plan) runReflectors(taken float64) error {
	// Go gives its children the limit of before its own start, unless it is
	// set; each session is a descriptor at both ends.
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var rs []passedOn
	for _, k := range reflectors {
		if _, err := exec.LookPath(k.needs); err != nil {
			log.Printf("%s is left out: %v", k.name, err)
			continue
		}
		// About so many seconds each, should the cost grow with the clients.
		const seconds, least, most = 4, 200, 50_000
		moves := 5000 * senders / (p.clients[0] + senders)
		for i, n := range p.clients {
			if i > 0 {
				last := &rs[len(rs)-1]
				moves = int(last.Rate * seconds * float64(last.Clients+senders) / float64(n+senders))
			}
			r, err := benchReflector(k, n, min(max(moves, least), most), p.Seed)
			for try := 1; err != nil && try < 3; try++ {
				// With 1,000 clients a session of FRR's fails now and then.
				log.Printf("again: %v", err)
				r, err = benchReflector(k, n, min(max(moves, least), most), p.Seed)
			}
			if err != nil {
				return err
			}
			log.Printf("%+v", r)
			rs = append(rs, r)
		}
	}
	reportReflectors(os.Stdout, rs, taken)
	return draw(p.out, chartsOfReflectors(rs, taken))
}
