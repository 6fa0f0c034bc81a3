//go:build !race

package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

const asn = 65000

// router is the address of the one BGP peer.
var router = netip.MustParseAddr("10.90.1.254")

// contender is one of what is compared.
type contender struct {
	name  string
	needs []lab.Requirement
	// start starts the control plane on a node that talks to the peers, and
	// returns its processes. nil: it is the limit.
	start func(n *lab.Node, peers ...netip.Addr) []*lab.Proc
}

var (
	evpnd    = contender{"evpnd", []lab.Requirement{lab.Namespaces}, startEvpnd}
	frr      = contender{"FRR", []lab.Requirement{lab.Namespaces, lab.FRRouting}, startFRR}
	theLimit = contender{"limit", []lab.Requirement{lab.Namespaces}, nil}
)

func startEvpnd(n *lab.Node, peers ...netip.Addr) []*lab.Proc {
	return []*lab.Proc{evpndOn(n, "", peers...).Proc}
}

// evpndOn starts evpnd with nothing configured that need not be, but for the
// lines of bgp that more has.
func evpndOn(n *lab.Node, more string, peers ...netip.Addr) *lab.Evpnd {
	conf := fmt.Sprintf("vtep:\n  address: %v\nbgp:\n  asn: %d\n  router-id: %[1]v\n%[3]s  peers:\n", n.VTEP, asn, more)
	for _, p := range peers {
		conf += fmt.Sprintf("    - address: %v\n      asn: %d\n", p, asn)
	}
	return n.Evpnd(conf)
}

func startFRR(n *lab.Node, peers ...netip.Addr) []*lab.Proc {
	conf := fmt.Sprintf("router bgp %d\n bgp router-id %v\n no bgp default ipv4-unicast\n", asn, n.VTEP)
	family := " address-family l2vpn evpn\n  advertise-all-vni\n"
	for _, p := range peers {
		conf += fmt.Sprintf(" neighbor %v remote-as %d\n neighbor %[1]v timers connect 1\n", p, asn)
		family += fmt.Sprintf("  neighbor %v activate\n", p)
	}
	f := n.FRR(conf + family)
	return []*lab.Proc{f.BGPd, f.Zebra}
}

// change is one thing that happens, in both forms: what a peer says of it,
// and what the limit writes.
type change struct {
	said    []byte
	written rawChange
	ends    bool // the session, by what is said
}

// rig is a node with one contender on it, and the peer that drives it.
type rig struct {
	lab.T
	node  *lab.Node
	procs []*lab.Proc
	speak *peer.Speaker // nil: the limit
	raw   *raw
}

// pair makes a node, and the namespace of the peer beside it.
func pair(b lab.T) (*lab.Node, *lab.NS) {
	b.Helper()
	l := lab.New(b)
	under := l.Fabric("underlay")
	other := l.NS("peer")
	under.Attach(other, "eth0", netip.PrefixFrom(router, 24))
	return under.Node("h1", netip.MustParsePrefix("10.90.1.1/24")), other
}

// newRig makes a node, which prepare may give devices, starts the contender
// on it, and brings the session up.
func newRig(b lab.T, c contender, prepare func(*lab.Node)) *rig {
	b.Helper()
	node, other := pair(b)
	r := &rig{T: b, node: node}
	prepare(r.node)
	if c.start == nil {
		r.raw = newRaw(b, r.node.NS)
		return r
	}
	listener := listen(b, other, router)
	r.procs = c.start(r.node, router)
	r.speak = accept(b, listener, router, nil)
	r.speak.KeepAlive(30 * time.Second)
	return r
}

// listen has BGP peers connect to an address of the namespace.
func listen(b lab.T, n *lab.NS, addr netip.Addr) (listener net.Listener) {
	b.Helper()
	if err := n.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(addr, 179).String())
		return err
	}); err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { listener.Close() })
	return listener
}

func accept(b lab.T, listener net.Listener, id netip.Addr, tap func(wire.Type, []byte)) *peer.Speaker {
	b.Helper()
	s, err := peer.AcceptTap(listener, asn, id, 20*time.Second, tap)
	if err != nil {
		b.Fatalf("session: %v", err)
	}
	b.Cleanup(s.Close)
	return s
}

// make makes a change happen.
func (r *rig) make(c change) {
	r.Helper()
	if err := r.try(c); err != nil {
		r.Fatalf("%v", errors.Join(err, r.ended()))
	}
}

func (r *rig) try(c change) error {
	if r.raw != nil {
		return r.raw.write(c.written)
	}
	return r.speak.Write(c.said)
}

// measure notes how long a change takes until the kernel has told what f waits
// for, and the time on cores that it takes until the contender is at rest.
// Unlike the first, the second is hardly larger on a busy machine.
func (r *rig) measure(rec *record, what string, t *tally, c change, f func() bool) {
	r.Helper()
	before := r.cpu()
	rec.seconds(what, r.time(what, t, c, f))
	rec.settle(r)
	rec.seconds(what+", CPU", r.cpu()-before)
}

// time makes a change happen and returns how long it took until the kernel
// has told what f waits for.
func (r *rig) time(what string, t *tally, c change, f func() bool) time.Duration {
	r.Helper()
	t.reset()
	failed := make(chan error, 1)
	begin := time.Now()
	go func() { failed <- r.try(c) }()
	broken := r.ended
	if c.ends {
		broken = func() error { return nil }
	}
	at, err := t.until(patience, broken, f)
	if err = errors.Join(err, <-failed); err != nil {
		r.Fatalf("%s: %v", what, err)
	}
	r.Logf("%-14s %6.3f s, the first after %.3f s", what, at.Sub(begin).Seconds(), t.first.Sub(begin).Seconds())
	return at.Sub(begin)
}

// ended returns why the session ended, if it did.
func (r *rig) ended() error {
	if r.speak == nil {
		return nil
	}
	select {
	case <-r.speak.Ended():
		return fmt.Errorf("session: %w\n%s", r.speak.Err(), r.procs[0].Output())
	default:
		return nil
	}
}

// patience is how long a change may take to be in the kernel.
const patience = 4 * time.Minute

// status returns a value of /proc/PID/status, in bytes, of all processes
// together.
func (r *rig) status(key string) int {
	r.Helper()
	total := 0
	for _, p := range r.procs {
		total += procStatus(r, p, key)
	}
	return total
}

func procStatus(b lab.T, p *lab.Proc, key string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		b.Fatalf("%v", err)
	}
	_, rest, _ := strings.Cut(string(text), key+":")
	var kB int
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		b.Fatalf("%s of %s: %v", key, p.Name, err)
	}
	return kB << 10
}

// cpu returns how long the processes have run on a core so far.
func (r *rig) cpu() time.Duration {
	r.Helper()
	if r.raw != nil {
		return r.raw.spent
	}
	var total time.Duration
	for _, p := range r.procs {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
		if err != nil {
			r.Fatalf("%v", err)
		}
		// utime and stime are fields 14 and 15, in ticks of 10 ms; the second
		// may hold spaces.
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		var u, s int
		if _, err := fmt.Sscan(f[11]+" "+f[12], &u, &s); err != nil {
			r.Fatalf("times of %s: %v", p.Name, err)
		}
		total += time.Duration(u+s) * 10 * time.Millisecond
	}
	return total
}
