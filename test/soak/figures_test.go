package soak

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

const (
	settleLimit = 45 * time.Second
	heapSlack   = 2 << 20 // bytes
	// speakAgain is how often hosts say where they are when it is not known:
	// what they said while a VNI was not served was heard by nobody.
	speakAgain = 2 * time.Second
	// heapGOGC is that of the daemons: a collection at every tenth more.
	heapGOGC = "10"
)

// figures are what must be the same at the end.
type figures struct {
	exact string // one fact a line
	heap  map[string]uint64
	// resident is for the reader: the kernel takes back what it likes.
	resident map[string]uint64
}

// settle waits until everything is well, and what it looks at has not
// changed for some readings.
func (s *site) settle() figures {
	s.Helper()
	const still = 8
	var f figures
	same := 0
	s.Until(settleLimit, "the site is settled", func() (bool, string) {
		if bad := s.unwell(); bad != "" {
			same = 0
			return false, bad
		}
		now := s.facts()
		if now != f.exact {
			same = 0
		}
		f.exact = now
		same++
		return same >= still, now
	})
	f.heap, f.resident = s.heaps()
	return f
}

// same waits until the site is as it was, and fails when it does not become
// so. It returns what it has become.
func (s *site) same(was figures) figures {
	s.Helper()
	s.Until(settleLimit, "everything is as it was", func() (bool, string) {
		if bad := s.unwell(); bad != "" {
			return false, bad
		}
		now := s.facts()
		return now == was.exact, diff(was.exact, now)
	})
	f := figures{exact: was.exact}
	f.heap, f.resident = s.heaps()
	for _, v := range s.vteps {
		if now, most := f.heap[v.Short], was.heap[v.Short]+was.heap[v.Short]/5+heapSlack; now > most {
			s.Errorf("%s: heap of %d KiB, it was %d: want %d at most", v.Short, now>>10, was.heap[v.Short]>>10, most>>10)
		}
	}
	return f
}

// unwell says what is not as it should be, and nothing when all is well.
func (s *site) unwell() string {
	for _, v := range s.vteps {
		st := v.Status()
		if st.Process.Goroutines == 0 || st.Process.OpenFiles == 0 {
			return v.Short + " does not tell what it takes of the machine: is it another version?"
		}
		if !st.Synced || !st.InSync || len(st.Alarms) > 0 {
			return fmt.Sprintf("%s: %+v", v.Short, st)
		}
		for _, p := range v.Peers() {
			if p.State != "established" {
				return fmt.Sprintf("%s: peer %v is %s", v.Short, p.Address, p.State)
			}
		}
		if out, err := v.Try("audit"); err != nil {
			return v.Short + ": " + out
		}
	}
	bad := s.disagreement()
	if bad != "" && time.Since(s.spoke) > speakAgain {
		s.announceAll()
	}
	return bad
}

// disagreement says what a VTEP has elsewhere than where the host is.
func (s *site) disagreement() string {
	want := map[string]string{}
	for _, c := range s.containers {
		want[fmt.Sprintf("%d %s", c.vni.VNI, c.MAC)] = fmt.Sprintf("%v at %v", c.IPv4, c.home.VTEP)
	}
	for _, g := range s.guests {
		want[fmt.Sprintf("%d %s", g.vni.VNI, g.mac)] = fmt.Sprintf("%v at %v", g.ip, g.home.home.VTEP)
	}
	for _, v := range s.vteps {
		got := map[string]string{}
		for _, m := range v.macs() {
			at := m.VTEP
			if m.Origin == "local" {
				at = v.VTEP.String()
			}
			var ips []string
			for _, ip := range m.IPs {
				ips = append(ips, ip.String())
			}
			got[fmt.Sprintf("%d %s", m.VNI, m.MAC)] = strings.Join(ips, " ") + " at " + at
		}
		if !maps.Equal(got, want) {
			return v.Short + " has other hosts than there are:\n" + diff(lines(want), lines(got))
		}
	}
	return ""
}

func (v *vtep) macs() []lab.MAC {
	var all []lab.MAC
	_ = json.Unmarshal([]byte(v.Ctl("mac", "list", "-o", "json")), &all) // what it does not say is missed
	return all
}

func lines(m map[string]string) string {
	var all []string
	for k, v := range m {
		all = append(all, k+" "+v)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// facts is what must be equal, one a line.
func (s *site) facts() string {
	var all []string
	add := func(v *vtep, format string, args ...any) {
		all = append(all, v.Short+" "+fmt.Sprintf(format, args...))
	}
	for _, v := range s.vteps {
		st := v.Status()
		add(v, "goroutines: %d", st.Process.Goroutines)
		add(v, "open files: %d", st.Process.OpenFiles)
		for kind, n := range files(v.Pid()) {
			add(v, "files of kind %s: %d", kind, n)
		}
		for _, l := range strings.Split(v.Bridge("fdb", "show"), "\n") {
			l = strings.TrimSpace(l)
			// Those of the devices' own MACs are the kernel's, and a flush
			// of the churn takes them for good.
			if !strings.Contains(l, " master ") || !strings.HasSuffix(l, " permanent") {
				add(v, "fdb: %s", l)
			}
		}
		for _, l := range strings.Split(v.IP("neigh", "show"), "\n") {
			// Those of the underlay are the kernel's own, and age.
			if !strings.Contains(l, "dev eth0") {
				add(v, "neighbor: %s", strings.TrimSpace(l))
			}
		}
		for _, l := range strings.Split(v.IP("-br", "link"), "\n") {
			if f := strings.Fields(l); len(f) > 0 {
				name, _, _ := strings.Cut(f[0], "@")
				add(v, "device: %s %s", name, f[1])
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// files counts the open files of a process by kind: those of /dev by name,
// and each family of sockets for itself.
func files(pid int) map[string]int {
	proc := fmt.Sprintf("/proc/%d/", pid)
	sockets := map[string]string{} // inode: family
	for _, family := range []string{"netlink", "packet", "unix", "tcp", "tcp6", "udp"} {
		b, _ := os.ReadFile(proc + "net/" + family) // without it they are "socket"
		for _, l := range strings.Split(string(b), "\n") {
			for _, f := range strings.Fields(l) {
				sockets[family+f] = family
			}
		}
	}
	kinds := map[string]int{}
	all, _ := filepath.Glob(proc + "fd/*") // the pattern is well-formed
	for _, f := range all {
		to, err := os.Readlink(f)
		if err != nil {
			continue // closed meanwhile
		}
		kind, inode, _ := strings.Cut(to, ":[")
		inode = strings.TrimSuffix(inode, "]")
		for _, family := range []string{"netlink", "packet", "unix", "tcp", "tcp6", "udp"} {
			if kind == "socket" && sockets[family+inode] != "" {
				kind = family
			}
		}
		kinds[kind]++
	}
	return kinds
}

// heaps returns what the daemons have on the heap after three collections
// from now on, and what they have of the machine's memory. Three, because
// what a sync.Pool holds survives one, and the finalizers take one more.
func (s *site) heaps() (heap, resident map[string]uint64) {
	s.Helper()
	heap, resident = map[string]uint64{}, map[string]uint64{}
	for _, v := range s.vteps {
		from := v.Status().Process.GCCycles
		s.Until(settleLimit, v.Short+": three collections", func() (bool, string) {
			v.Ctl("route", "list") // which makes garbage
			p := v.Status().Process
			heap[v.Short], resident[v.Short] = p.HeapLiveBytes, p.ResidentBytes
			return p.GCCycles >= from+3, fmt.Sprintf("%d collections, there were %d", p.GCCycles, from)
		})
	}
	return heap, resident
}

// diff shows the lines that only one of two texts has.
func diff(was, now string) string {
	count := map[string]int{}
	for _, l := range strings.Split(was, "\n") {
		count[l]--
	}
	for _, l := range strings.Split(now, "\n") {
		count[l]++
	}
	var out []string
	for l, n := range count {
		switch {
		case n < 0:
			out = append(out, "- "+l)
		case n > 0:
			out = append(out, "+ "+l)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	return strings.Join(out, "\n")
}
