package hostile

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

func TestMain(m *testing.M) { lab.Main(m) }

const asn = 65000

var (
	node     = netip.MustParseAddr("10.90.1.1")
	port     = netip.AddrPortFrom(node, 179)
	attacker = netip.MustParseAddr("10.90.1.254")
	honest   = netip.MustParseAddr("10.90.1.253")
	stopped  = netip.MustParseAddr("10.90.1.251") // a limit of routes, and no more are taken
	reset    = netip.MustParseAddr("10.90.1.250") // a limit of routes, and a reset
	dialed   = netip.MustParseAddr("10.90.1.249") // evpnd connects to it, too
	vni      = lab.VNI{VNI: 100}
	vni6     = lab.VNI{VNI: 106, Local: netip.MustParseAddr("2001:db8:1::1")}

	// What the peers announce. The MACs of the honest one begin at a million.
	bad   = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.201")}
	bad6  = peer.Source{AS: asn, VNI: 106, VTEP: netip.MustParseAddr("2001:db8:1::201")}
	good  = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.202")}
	flood = peer.Source{AS: asn, VNI: 100, VTEP: netip.MustParseAddr("10.90.1.203")}
)

const (
	honestFirst = 1_000_000
	honestMACs  = 100
	limit       = 1000
)

// world is an evpnd that is attacked, and those around it.
type world struct {
	*lab.Lab
	t       *testing.T // of the attack
	node    *lab.Node
	evpnd   *lab.Evpnd
	pid     int
	watches []*lab.FDBWatch
	outside *lab.NS // where all the peers are
	honest  *peer.Speaker
	live    *peer.Speaker // the attacker's session
	next    int           // the first MAC that no attack has used
	table   []row
}

// row is one line of the report.
type row struct{ attack, rule, outcome string }

func newWorld(t *testing.T) *world {
	l := lab.New(t)
	w := &world{Lab: l, t: t, next: 1}
	under := l.Fabric("underlay")
	w.outside = l.NS("outside")
	var all []netip.Prefix
	for _, a := range []netip.Addr{attacker, honest, stopped, reset, dialed, netip.MustParseAddr("10.90.1.66")} {
		all = append(all, netip.PrefixFrom(a, 24))
	}
	under.Attach(w.outside, "eth0", all...)
	n := under.Node("h1", netip.PrefixFrom(node, 24))
	n.Addr("eth0", netip.PrefixFrom(vni6.Local, 64))
	n.AddVNI(vni)
	n.AddVNI(vni6)
	w.node = n
	w.watches = []*lab.FDBWatch{n.WatchFDB(vni.Device()), n.WatchFDB(vni6.Device())}
	w.evpnd = n.Evpnd(fmt.Sprintf(`bgp:
  asn: %d
  router-id: %v
  peers:
    - {address: %v, asn: %[1]d, passive: true}
    - {address: %[4]v, asn: %[1]d, passive: true}
    - {address: %[5]v, asn: %[1]d, passive: true, max-routes: %[7]d}
    - {address: %[6]v, asn: %[1]d, passive: true, max-routes: %[7]d, max-routes-action: reset}
    - {address: %[8]v, asn: %[1]d, connect-retry: 100ms}
`, asn, node, attacker, honest, stopped, reset, limit, dialed))
	w.pid = w.evpnd.Pid()
	w.honest = w.connect(honest)
	w.honest.KeepAlive(5 * time.Second)
	w.write(w.honest, good.Flood(), good.Announce(honestFirst, honestFirst+honestMACs), peer.Unreach())
	w.Until(10*time.Second, "the routes of the honest peer are in the kernel", func() (bool, string) {
		return w.kernelHas(honestFirst, honestFirst+honestMACs, good.VTEP)
	})
	return w
}

// connect brings a session up from an address. One that ended just now may
// still be in the way.
func (w *world) connect(from netip.Addr) *peer.Speaker {
	w.t.Helper()
	var s *peer.Speaker
	w.Until(10*time.Second, fmt.Sprintf("a session from %v", from), func() (bool, string) {
		var err error
		if s, err = peer.Dial(w.outside, from, port); err != nil {
			return false, err.Error()
		}
		if err = s.Establish(peer.Open(asn, from)); err != nil {
			s.Close()
			return false, err.Error()
		}
		return true, ""
	})
	w.Cleanup(s.Close)
	return s
}

// session returns the attacker's session, up.
func (w *world) session() *peer.Speaker {
	w.t.Helper()
	if w.live != nil {
		select {
		case <-w.live.Ended():
		default:
			return w.live
		}
		w.live.Close()
	}
	w.live = w.connect(attacker)
	return w.live
}

// drop ends the attacker's session, and waits until evpnd has seen it: another
// connection would be a collision before.
func (w *world) drop() {
	w.t.Helper()
	if w.live == nil {
		return
	}
	w.live.Close()
	w.live = nil
	w.Until(10*time.Second, "the attacker's session is down", func() (bool, string) {
		s := w.status(attacker)
		return s.State != "established", s.State
	})
}

func (w *world) write(s *peer.Speaker, messages ...[]byte) {
	w.t.Helper()
	for _, b := range messages {
		if err := s.Write(b); err != nil {
			w.t.Fatalf("write to evpnd: %v", err)
		}
	}
}

// macs sets numbers of MACs aside for an attack.
func (w *world) macs(n int) int {
	w.next += n
	return w.next - n
}

// where returns the VTEP that the kernel sends the frames for a MAC to.
func (w *world) where(i int) netip.Addr {
	for _, k := range w.watches {
		if a := k.Where(peer.MAC(i)); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

// kernelHas tells whether the kernel has the MACs from up to, but without, to
// behind the VTEP, and which it has not.
func (w *world) kernelHas(from, to int, vtep netip.Addr) (bool, string) {
	for i := from; i < to; i++ {
		if a := w.where(i); a != vtep {
			return false, fmt.Sprintf("MAC %v is behind %v, want %v", peer.MAC(i), a, vtep)
		}
	}
	return true, ""
}

// used waits until the kernel has the MACs of the attacker.
func (w *world) used(from, to int) {
	w.t.Helper()
	w.Until(10*time.Second, "the good routes are in the kernel", func() (bool, string) {
		ok, seen := w.kernelHas(from, to, bad.VTEP)
		if !ok && to-from == 1 && w.where(from) == bad6.VTEP {
			ok = true
		}
		return ok, seen
	})
}

// after sends one more good route, and waits for it: what was sent before has
// been dealt with then.
func (w *world) after(s *peer.Speaker) {
	w.t.Helper()
	i := w.macs(1)
	w.write(s, bad.Reach(bad.MACRoute(i)))
	w.used(i, i+1)
}

// status is what evpnctl peer show says of a peer.
type status struct {
	State       string            `json:"state"`
	Received    int               `json:"received"`
	Ignored     int               `json:"ignored"`
	Advertised  int               `json:"advertised"`
	Refused     int               `json:"refused"`
	Discarded   map[string]uint64 `json:"discarded"`
	LastError   string            `json:"last_error"`
	Established int               `json:"established_count"`
}

func (w *world) status(of netip.Addr) (s status) {
	w.t.Helper()
	out := w.evpnd.Ctl("peer", "show", of.String(), "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		w.t.Fatalf("evpnctl peer show: %v\n%s", err, out)
	}
	return s
}

// ends waits for the end of a session, which must be that NOTIFICATION.
func (w *world) ends(s *peer.Speaker, want *wire.Notification) {
	w.t.Helper()
	n, err := s.Notification(10 * time.Second)
	switch {
	case err != nil:
		w.t.Fatalf("%v, want %v", err, want)
	case n == nil:
		w.t.Fatalf("the session ended without a NOTIFICATION (%v), want %v", s.Err(), want)
	case n.Code != want.Code || n.Subcode != want.Subcode:
		w.t.Fatalf("the session ended with %v (%d/%d), want %v", n, n.Code, n.Subcode, want)
	}
}

// unharmed holds that nobody but the attacker noticed anything.
func (w *world) unharmed() {
	w.t.Helper()
	if !w.evpnd.Running() || w.evpnd.Pid() != w.pid {
		w.t.Fatalf("evpnd has ended:\n%s", w.evpnd.Output())
	}
	select {
	case <-w.honest.Ended():
		w.t.Fatalf("the honest peer's session ended: %v", w.honest.Err())
	default:
	}
	if s := w.status(honest); s.State != "established" || s.Established != 1 || len(s.Discarded) > 0 {
		w.t.Errorf("the honest peer: %+v, want one session and nothing discarded", s)
	}
	if ok, seen := w.kernelHas(honestFirst, honestFirst+honestMACs, good.VTEP); !ok {
		w.t.Errorf("the honest peer's routes: %s", seen)
	}
	for i := honestFirst; i < honestFirst+honestMACs; i++ {
		if n := w.watches[0].Removals(peer.MAC(i)); n > 0 {
			w.t.Errorf("the kernel's entry of %v was removed %d times", peer.MAC(i), n)
		}
	}
}

// attack runs one attack, which returns what came of it.
func (w *world) attack(name, rule string, f func() string) {
	w.t.Run(name, func(t *testing.T) {
		outer := w.t
		w.t = t
		defer func() { w.t = outer }()
		outcome := f()
		w.unharmed()
		if t.Failed() {
			outcome = "FAILED"
		}
		w.table = append(w.table, row{name, rule, outcome})
	})
}

func (w *world) report() {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ATTACK\tRULE\tOUTCOME")
	for _, r := range w.table {
		rule, _, _ := strings.Cut(r.rule, ":")
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.attack, rule, r.outcome)
	}
	tw.Flush()
	w.t.Logf("%d attacks on one evpnd:\n%s", len(w.table), b.String())
}

// TestHostile sends every attack to one evpnd.
func TestHostile(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	w := newWorld(t)
	for _, e := range corpus(t) {
		w.attack(e.Name, e.Rule, func() string { return w.play(&e) })
	}
	for _, a := range attacks {
		w.attack(a.name, a.rule, func() string { return a.run(w) })
	}
	w.report()
}
