package mobility

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// What a virtual machine that moves does when it is at its new place.
const (
	announces = "announces itself" // a gratuitous ARP, as hypervisors send
	talks     = "talks"            // it sends all the time
	silent    = "is silent"        // it only answers
)

// The most pings of 100 a second that may be lost.
const (
	mayLose       = 5
	mayLoseSilent = 20
	// mayLoseFRR is for a move from or to FRR, whose part of it is not in
	// evpnd's hands.
	mayLoseFRR = 100
)

// overlap is how long the port at the old place stays up after the machine
// left it: what a hypervisor needs to tear it down.
const overlap = 50 * time.Millisecond

// migration is one move of one virtual machine.
type migration struct {
	from, to *lab.Node
	v        lab.VNI
	manner   string
	oldFirst bool // the port at the old place goes before the new one comes
}

// moved is what was seen of it from a third host.
type moved struct {
	lost, longest int // pings, and the most in a row
	known         time.Duration
	removals      int // of its entry in the kernel
}

// TestLiveMigration moves virtual machines between VTEPs while a host behind
// another evpnd pings them.
func TestLiveMigration(t *testing.T) {
	s := newSite(t, bare, full)
	pingers := map[int]*lab.Container{}
	for _, v := range []lab.VNI{bare, full} {
		pingers[v.VNI] = s.container(s.h4, v)
		pingers[v.VNI].Announce()
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "from\tto\tknown\tit\tfirst\tlost\tin a row\tfollowed after\tremovals")
	for _, pair := range [][2]*lab.Node{{s.h1, s.h3}, {s.h1, s.h2}, {s.h2, s.h1}} {
		for _, v := range []lab.VNI{bare, full} {
			for _, manner := range []string{announces, talks, silent} {
				for _, oldFirst := range []bool{false, true} {
					m := migration{pair[0], pair[1], v, manner, oldFirst}
					got := s.migrate(m, pingers[v.VNI])
					if got.lost > s.mayLose(m) { // or the machine was busy with other things
						t.Logf("%s: %d pings lost, once more", s.what(m), got.lost)
						got = s.migrate(m, pingers[v.VNI])
					}
					s.judge(t, m, got)
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%v\t%d\n", s.daemon(m.from), s.daemon(m.to),
						m.known(), m.manner, m.first(), got.lost, got.longest, got.known.Round(time.Millisecond), got.removals)
				}
			}
		}
	}
	w.Flush()
	t.Logf("100 pings a second to virtual machines that move:\n%s", table.String())
}

func (m migration) known() string {
	if m.v.VNI == full.VNI {
		return "MAC and IP"
	}
	return "MAC"
}

func (m migration) first() string {
	if m.oldFirst {
		return "old port goes"
	}
	return "new port comes"
}

// what names a migration.
func (s *site) what(m migration) string {
	return fmt.Sprintf("%s to %s, %s known, it %s, first the %s", s.daemon(m.from), s.daemon(m.to), m.known(), m.manner, m.first())
}

// mayLose returns how many pings it may cost.
func (s *site) mayLose(m migration) int {
	switch {
	case m.from == s.h2 || m.to == s.h2:
		return mayLoseFRR
	case m.manner == silent:
		return mayLoseSilent
	}
	return mayLose
}

func (s *site) judge(t *testing.T, m migration, got moved) {
	t.Helper()
	if got.lost > s.mayLose(m) {
		t.Errorf("%s: %d pings lost, want at most %d", s.what(m), got.lost, s.mayLose(m))
	}
	// What nobody has heard from at its new place is withdrawn and found
	// again; so is what had no place in between.
	if !m.oldFirst && m.manner != silent && got.removals != 0 {
		t.Errorf("%s: the third host's kernel had no entry %d times, want it replaced in place", s.what(m), got.removals)
	}
}

// migrate makes a virtual machine and moves it.
func (s *site) migrate(m migration, pinger *lab.Container) moved {
	s.Helper()
	watch := s.h4.WatchFDB(m.v.Device())
	mac, ip := s.address()
	first := s.arrival(watch, mac, m.from.VTEP)
	vm := m.from.VM(fmt.Sprintf("vm%d", s.hosts), m.v, mac, ip)
	s.ready(m.from, vm.Port)
	vm.IP("neigh", "add", pinger.IPv4.String(), "lladdr", pinger.MAC, "nud", "permanent", "dev", "eth0")
	vm.Announce()
	first()
	pinger.Reach(vm.IPv4, 5*time.Second)
	if m.manner == talks {
		talk := vm.StartPing(pinger.IPv4, 10*time.Millisecond)
		defer talk.Stop()
	}
	ping := pinger.StartPing(vm.IPv4, 10*time.Millisecond)
	answers := func(n int) {
		want := ping.Answers() + n
		s.Until(15*time.Second, fmt.Sprintf("%d more answers", n), func() (bool, string) {
			return ping.Answers() >= want, ping.Output() + "\n" + s.h4.Bridge("fdb", "show", "br", m.v.Bridge())
		})
	}
	answers(10)

	removals := watch.Removals(key(mac))
	arrived := s.arrival(watch, mac, m.to.VTEP)
	begun := s.move(m, vm)
	known := arrived().Sub(begun)
	answers(15)
	return moved{known: known, removals: watch.Removals(key(mac)) - removals}.count(ping.Stop())
}

// move takes the machine to its new place and returns when it got there.
func (s *site) move(m migration, vm *lab.VM) time.Time {
	s.Helper()
	was := vm.Plugged()
	cable := vm.Cable(m.to, m.v)
	if m.oldFirst {
		was.Down()
	}
	cable.Up()
	cable.Use()
	begun := time.Now()
	if m.manner == announces {
		vm.Announce()
	}
	if !m.oldFirst {
		time.Sleep(overlap)
		was.Down()
	}
	return begun
}

// arrival returns a function that waits until the watched kernel has the MAC
// behind the VTEP, and says since when it has.
func (s *site) arrival(watch *lab.FDBWatch, mac string, vtep netip.Addr) func() time.Time {
	when := watch.Await(func(w *lab.FDBWatch) bool { return w.At(key(mac)) == vtep })
	return func() (at time.Time) {
		s.Helper()
		select {
		case at = <-when:
		case <-time.After(15 * time.Second):
			s.Fatalf("the third host's kernel does not have %s behind %v:\n%s", mac, vtep, s.h4.Bridge("fdb", "show"))
		}
		return at
	}
}

var sequence = regexp.MustCompile(`icmp_seq=(\d+)`)

// count takes from what ping printed how many requests before the last answer
// had none.
func (m moved) count(r lab.PingResult) moved {
	answered, last := map[int]bool{}, 0
	for _, line := range strings.Split(r.Output, "\n") {
		if f := sequence.FindStringSubmatch(line); f != nil && strings.Contains(line, "bytes from") {
			n, _ := strconv.Atoi(f[1]) // digits, by the expression
			answered[n] = true
			last = max(last, n)
		}
	}
	row := 0
	for n := 1; n <= last; n++ {
		if answered[n] {
			row = 0
			continue
		}
		row++
		m.lost++
		m.longest = max(m.longest, row)
	}
	return m
}

// The count of lost pings finds what is missing, and not what is not.
func TestCount(t *testing.T) {
	out := ""
	for _, n := range []int{1, 2, 4, 7, 7, 8} {
		out += fmt.Sprintf("64 bytes from 172.20.1.2: icmp_seq=%d ttl=64 time=0.1 ms\n", n)
	}
	got := moved{}.count(lab.PingResult{Output: out + "From 172.20.1.1 icmp_seq=9 Destination Host Unreachable\n"})
	if got.lost != 3 || got.longest != 2 {
		t.Errorf("got %d lost, %d in a row, want 3 and 2", got.lost, got.longest)
	}
}
