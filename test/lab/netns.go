package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// NS is a network namespace of the lab.
type NS struct {
	Short string // its name within the lab
	Name  string // its name for ip netns
	lab   *Lab
}

// NS makes a namespace with lo up. IPv6 addresses in it are usable at once:
// nobody else can have them, so they are not asked for (RFC 4862 §5.4).
func (l *Lab) NS(name string) *NS {
	l.Helper()
	n := &NS{Short: name, Name: l.prefix + "-" + name, lab: l}
	if err := l.addNamespace(n.Name); err != nil {
		l.Fatalf("lab: namespace %s: %v", name, err)
	}
	n.Sysctl("net/ipv6/conf/all/accept_dad", "0")
	n.Sysctl("net/ipv6/conf/default/accept_dad", "0")
	n.Sysctl("net/ipv6/conf/default/dad_transmits", "0")
	n.IP("link", "set", "lo", "up")
	if err := l.create(func() error { return os.MkdirAll(n.Dir(), 0o755) }); err != nil {
		l.Fatalf("lab: %v", err)
	}
	return n
}

// Adopt returns a namespace that somebody else has made, and will remove, by
// its name for ip netns.
func (l *Lab) Adopt(short, name string) *NS {
	l.Helper()
	n := &NS{Short: short, Name: name, lab: l}
	if err := l.create(func() error { return os.MkdirAll(n.Dir(), 0o755) }); err != nil {
		l.Fatalf("lab: %v", err)
	}
	return n
}

func (l *Lab) addNamespace(name string) error {
	return l.create(func() error {
		_, err := l.run("ip", "netns", "add", name)
		return err
	})
}

// Dir returns the directory of the namespace's files.
func (n *NS) Dir() string { return filepath.Join(n.lab.dir, n.Short) }

// IP runs the ip command on the namespace.
func (n *NS) IP(args ...string) string {
	n.lab.Helper()
	return n.lab.must(append([]string{"ip", "-n", n.Name}, args...)...)
}

// Bridge runs the bridge command on the namespace.
func (n *NS) Bridge(args ...string) string {
	n.lab.Helper()
	return n.lab.must(append([]string{"bridge", "-n", n.Name}, args...)...)
}

// Run runs a program in the namespace and returns what it printed.
func (n *NS) Run(args ...string) (string, error) {
	return n.lab.run(append([]string{"ip", "netns", "exec", n.Name}, args...)...)
}

// Must is Run for what has to work.
func (n *NS) Must(args ...string) string {
	n.lab.Helper()
	return n.lab.must(append([]string{"ip", "netns", "exec", n.Name}, args...)...)
}

// Do calls f on a thread that is in the namespace: sockets that f opens and
// files under /proc/sys/net belong to it.
func (n *NS) Do(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		restore, err := n.enter()
		if err == nil {
			err = f()
			if rerr := restore(); rerr == nil {
				runtime.UnlockOSThread()
			}
			// A thread that stays locked ends with its goroutine, so that
			// no other goroutine ever finds itself in the namespace.
		}
		result <- err
	}()
	return <-result
}

// enter moves the thread into the namespace. It must come back, even though
// it could end: the main thread never ends, and a program whose main thread
// is in a namespace counts as one of the lab's processes for the reaper.
func (n *NS) enter() (restore func() error, err error) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("own namespace: %w", err)
	}
	fd, err := unix.Open("/run/netns/"+n.Name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setns(fd, unix.CLONE_NEWNET)
		_ = unix.Close(fd)
	}
	if err != nil {
		_ = unix.Close(home)
		return nil, fmt.Errorf("enter namespace %s: %w", n.Name, err)
	}
	return func() error {
		defer unix.Close(home)
		return unix.Setns(home, unix.CLONE_NEWNET)
	}, nil
}

// Sysctl sets a value under /proc/sys, for instance net/ipv4/ip_forward.
func (n *NS) Sysctl(key, value string) {
	n.lab.Helper()
	if err := n.Do(func() error {
		return os.WriteFile("/proc/sys/"+key, []byte(value), 0)
	}); err != nil {
		n.lab.Fatalf("lab: %s: sysctl %s=%s: %v", n.Short, key, value, err)
	}
}

// Addr gives a device an address.
func (n *NS) Addr(dev string, addr netip.Prefix) {
	n.lab.Helper()
	args := []string{"address", "add", addr.String(), "dev", dev}
	if addr.Addr().Is6() {
		args = append(args, "nodad")
	}
	n.IP(args...)
}

// Link connects two namespaces with a veth pair, up at both ends.
func (l *Lab) Link(a *NS, devA string, b *NS, devB string) {
	l.Helper()
	a.IP("link", "add", "name", devA, "type", "veth", "peer", "name", devB, "netns", b.Name)
	a.IP("link", "set", devA, "up")
	b.IP("link", "set", devB, "up")
}

// FDBEntry is what bridge fdb shows of an entry.
type FDBEntry struct {
	MAC    string   `json:"mac"`
	Dev    string   `json:"ifname"`
	Dst    string   `json:"dst"`
	Master string   `json:"master"`
	State  string   `json:"state"`
	Flags  []string `json:"flags"`
}

// FDB returns the entries of a device as bridge fdb shows them.
func (n *NS) FDB(dev string) []FDBEntry {
	n.lab.Helper()
	var entries []FDBEntry
	n.decode(n.lab.must("bridge", "-n", n.Name, "-j", "fdb", "show", "dev", dev), &entries)
	return entries
}

// Neighbor is what ip neigh shows of an entry.
type Neighbor struct {
	IP    netip.Addr `json:"dst"`
	MAC   string     `json:"lladdr"`
	State []string   `json:"state"`
	Proto string     `json:"protocol"`
	// Extern is null when the entry carries the mark of a control plane
	// (extern_learn), and absent otherwise.
	Extern json.RawMessage `json:"extern_learn"`
}

// ExternLearned says whether the entry carries the mark of a control plane.
func (e Neighbor) ExternLearned() bool { return e.Extern != nil }

// Neighbors returns the neighbor entries of a device.
func (n *NS) Neighbors(dev string) []Neighbor {
	n.lab.Helper()
	var entries []Neighbor
	n.decode(n.lab.must("ip", "-n", n.Name, "-j", "neigh", "show", "dev", dev), &entries)
	return entries
}

func (n *NS) decode(out string, v any) {
	n.lab.Helper()
	if strings.TrimSpace(out) == "" { // no entries are not always []
		out = "null"
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		n.lab.Fatalf("lab: %s: reading JSON: %v\n%s", n.Short, err, out)
	}
}
