// Package faults breaks what can break between two VTEPs, daemons and
// reflectors, while their hosts ping each other, and counts what is lost and
// what changes in the kernels.
package faults

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

const (
	interval = 10 * time.Millisecond // between two pings
	pause    = time.Second           // between the end of a daemon and its start
	limit    = 40 * time.Second      // for everything to be as before
)

// complete says whether everything is to be run, at full length and with FRR
// beside evpnd: make faults.
func complete() bool { return os.Getenv("EVPND_FAULTS") == "all" }

// fault is what goes wrong, and is put right.
type fault struct {
	name string
	do   func(s *site)
	// most is how many pings may be lost in either direction with evpnd, by
	// the kind of the reflector.
	most map[string]int
	// still are the nodes in whose kernel nothing may change with evpnd.
	still map[string]string
}

var none = map[string]int{}

// vtepFaults happen to the daemon on h1. What a reflector without graceful
// restart does about it is to withdraw all that h1 has told; what h1 holds
// itself stays.
var vtepFaults = []fault{
	{"VTEP daemon: SIGTERM, start", restartVTEP(syscall.SIGTERM, vtep.start), map[string]int{frr84: 30}, map[string]string{frr84: "h1", gobgp: "h1 h2"}},
	{"VTEP daemon: kill -9, start", restartVTEP(syscall.SIGKILL, vtep.start), map[string]int{frr84: 30}, map[string]string{frr84: "h1", gobgp: "h1 h2"}},
	{"VTEP daemon: upgrade", restartVTEP(syscall.SIGTERM, vtep.upgrade), map[string]int{frr84: 30}, map[string]string{frr84: "h1", gobgp: "h1 h2"}},
}

// everywhere is the wish that nothing changes.
var everywhere = map[string]string{frr84: "h1 h2", gobgp: "h1 h2"}

// unlessGoBGP is the same where GoBGP ends one session after the other, and
// withdraws the routes of the first from the next.
var unlessGoBGP = map[string]string{frr84: "h1 h2"}

var reflectorFaults = []fault{
	{"reflector: kill -9, start", restartReflector(syscall.SIGKILL, pause), none, everywhere},
	{"reflector: SIGTERM, start", restartReflector(syscall.SIGTERM, pause), none, unlessGoBGP},
	{"reflector: gone, longer than hold time", restartReflector(syscall.SIGKILL, (holdTime+1)*time.Second), none, everywhere},
	{"reflector: all sessions reset", func(s *site) {
		s.fall(s.rrs[0].reset)
	}, none, unlessGoBGP},
	{"reflector: packets dropped until hold time", func(s *site) {
		s.fall(func() { s.under.Cut(s.rrs[0].port) })
		s.under.Mend(s.rrs[0].port)
	}, none, everywhere},
}

// fall does what ends the sessions with the reflectors, and waits until both
// VTEPs have seen it.
func (s *site) fall(do func()) {
	s.Helper()
	one, two := s.v1.falls(), s.v2.falls()
	do()
	s.Until(limit, "both VTEPs have seen the session fall", func() (bool, string) {
		a, b := s.v1.falls(), s.v2.falls()
		return (a > one || s.v1.sessions() < len(s.rrs)) && (b > two || s.v2.sessions() < len(s.rrs)), fmt.Sprintf("h1 %d times and before %d, h2 %d and %d", a, one, b, two)
	})
}

func restartVTEP(sig syscall.Signal, start func(vtep)) func(*site) {
	return func(s *site) {
		s.v1.end(sig)
		time.Sleep(pause)
		start(s.v1)
	}
}

func restartReflector(sig syscall.Signal, pause time.Duration) func(*site) {
	return func(s *site) {
		s.rrs[0].end(sig)
		time.Sleep(pause)
		s.rrs[0].start()
	}
}

// TestFaults breaks one thing after the other, and prints the table of what
// it cost.
func TestFaults(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Ping, lab.FRRouting)
	var all table
	t.Run("sites", func(t *testing.T) {
		for _, c := range []struct {
			frr    bool
			kinds  []string
			faults []fault
		}{
			{false, []string{frr84}, append(vtepFaults, reflectorFaults...)},
			{false, []string{gobgp}, append(vtepFaults, reflectorFaults...)},
			{false, []string{frr84, gobgp}, []fault{lost}},
			{true, []string{frr84}, append(vtepFaults[:2:2], reflectorFaults...)},
			{true, []string{gobgp}, append(vtepFaults[:2:2], reflectorFaults...)},
			{true, []string{frr84, gobgp}, []fault{lost}},
		} {
			daemon := "evpnd"
			if c.frr {
				daemon = "FRR"
			}
			if c.frr && !complete() {
				continue // a comparison, no test of evpnd: make faults
			}
			t.Run(daemon+" by "+strings.Join(c.kinds, " and "), func(t *testing.T) {
				if !complete() {
					t.Parallel() // whole figures want the machine for themselves
				}
				s := newSite(t, options{frr: c.frr}, c.kinds...)
				for _, f := range c.faults {
					r := s.suffer(&f)
					r.daemon = daemon
					all.add(r)
					if !c.frr {
						s.judge(&f, r)
					}
				}
			})
		}
	})
	t.Logf("%d pings a second in each direction between hosts of two VTEPs\n%s", time.Second/interval, all.String())
}

// lost is the loss of one reflector of two, for good as far as the hosts can
// tell, and of the other after the first is back.
var lost = fault{"one of two reflectors: kill -9, start", func(s *site) {
	for _, r := range s.rrs {
		r.end(syscall.SIGKILL)
		time.Sleep(pause)
		r.start()
		s.whole()
	}
}, none, map[string]string{frr84 + ", " + gobgp: "h1 h2"}}

// row is what a fault cost.
type row struct {
	daemon, fault, reflector string
	there, back              lab.PingResult
	h1, h2                   changes
	repair                   time.Duration
}

// changes are those in a kernel.
type changes []lab.Notice

// of returns those of neighbors, or of forwarding entries.
func (c changes) of(neighbors bool) (some changes) {
	for _, n := range c {
		if n.Neighbor == neighbors {
			some = append(some, n)
		}
	}
	return some
}

func (c changes) String() string {
	var b strings.Builder
	for _, n := range c {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

// suffer has the hosts ping each other over a fault, until all is as before.
func (s *site) suffer(f *fault) row {
	s.Helper()
	s.introduce()
	// With a preload ping makes up for the time it wakes up late: without it
	// 10 ms become 20.
	there, back := s.c1.StartPing(s.c2.IPv4, interval, "-l", "3"), s.c2.StartPing(s.c1.IPv4, interval, "-l", "3")
	answered := func(n int) {
		s.Helper()
		a, b := there.Answers(), back.Answers()
		s.Until(limit, "pings are answered", func() (bool, string) {
			return there.Answers() >= a+n && back.Answers() >= b+n, there.Output()
		})
	}
	answered(20)
	h1, h2 := len(s.w1.Notices()), len(s.w2.Notices())
	begin := time.Now()
	f.do(s)
	s.whole()
	r := row{fault: f.name, reflector: s.kinds(), repair: time.Since(begin)}
	answered(50)
	if complete() {
		time.Sleep(14*time.Second - time.Since(begin)) // as long as the figures that these are compared with
	}
	r.h1, r.h2 = s.w1.Notices()[h1:], s.w2.Notices()[h2:]
	r.there, r.back = there.Stop(), back.Stop()
	s.Logf("%s, %s: %s; back %s; kernel changes %d and %d; repaired after %v", r.fault, r.reflector, r.there.Summary, r.back.Summary, len(r.h1), len(r.h2), r.repair)
	return r
}

func (s *site) kinds() string {
	var k []string
	for _, r := range s.rrs {
		k = append(k, r.kind)
	}
	return strings.Join(k, ", ")
}

// judge holds what a fault cost against what it may cost.
func (s *site) judge(f *fault, r row) {
	s.Helper()
	most := f.most[r.reflector]
	if a, b := r.there.Lost(), r.back.Lost(); a > most || b > most {
		s.Errorf("%s, reflector %s: %d and %d pings lost, want %d at most", r.fault, r.reflector, a, b, most)
	}
	for node, c := range map[string]changes{"h1": r.h1, "h2": r.h2} {
		if strings.Contains(f.still[r.reflector], node) && len(c) > 0 {
			s.Errorf("%s, reflector %s: %d changes in the kernel of %s, want none:\n%v", r.fault, r.reflector, len(c), node, c)
		}
	}
	for _, v := range []vtep{s.v1, s.v2} {
		if strings.Contains(v.output(), "panic:") || strings.Contains(v.output(), "DATA RACE") {
			s.Errorf("%s: evpnd crashed:\n%s", r.fault, v.output())
		}
		// Of what these peers send nothing gives a reason to end a session
		// (RFC 7606).
		if strings.Contains(v.output(), "we sent: UPDATE message error") {
			s.Errorf("%s: evpnd reset a session:\n%s", r.fault, v.output())
		}
	}
}

// table is all rows, in the order of the suite.
type table struct {
	mu   sync.Mutex
	rows []row
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

// String renders the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| VTEPs | reflector | fault | sent | lost | sent back | lost back | FDB changes h1, h2 | neighbor changes h1, h2 | repaired after |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	slices.SortStableFunc(t.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.daemon, a.daemon), cmp.Compare(len(a.reflector), len(b.reflector)))
	})
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %d, %d | %d, %d | %.1f s |\n", r.daemon, r.reflector, r.fault,
			r.there.Transmitted, r.there.Lost(), r.back.Transmitted, r.back.Lost(), len(r.h1.of(false)), len(r.h2.of(false)),
			len(r.h1.of(true)), len(r.h2.of(true)), r.repair.Seconds())
	}
	return b.String()
}
