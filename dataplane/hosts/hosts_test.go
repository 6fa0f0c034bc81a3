package hosts

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// start is the time at which every test begins.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func mac(i int) evpn.MAC       { return evpn.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)} }
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
func bind(i int) Binding       { return Binding{MAC: mac(i)} }
func says(port, i int, ip string) *Claim {
	kind := ClaimARP
	if strings.Contains(ip, ":") {
		kind = ClaimNS
	}
	return &Claim{Port: port, Kind: kind, MAC: mac(i), IP: addr(ip)}
}

// rig is a broadcast domain whose clock the test moves.
type rig struct {
	*BD
	t    testing.TB
	tab  *Table
	now  time.Time
	told map[netip.Addr]string // that the engine knows, from the events
}

func newRig(t testing.TB, c Config) *rig {
	tab := New(1)
	r := &rig{t: t, tab: tab, BD: tab.AddBD(200), now: start, told: make(map[netip.Addr]string)}
	r.Configure(c, 300*time.Second)
	return r
}

// events takes all events and renders them.
func (r *rig) events() []string {
	var out []string
	for _, ev := range r.Events(nil, 1<<20) {
		switch ev := ev.(type) {
		case *evpn.LocalMAC:
			out = append(out, fmt.Sprintf("mac %s port %d", ev.MAC, ev.Port))
		case *evpn.LocalMACGone:
			out = append(out, fmt.Sprintf("no mac %s", ev.MAC))
		case *evpn.LocalIP:
			s := ev.MAC.String()
			for _, f := range []struct {
				on   bool
				name string
			}{{ev.Router, " router"}, {ev.Override, " override"}, {ev.Immutable, " immutable"}} {
				if f.on {
					s += f.name
				}
			}
			r.told[ev.IP] = s
			out = append(out, fmt.Sprintf("ip %s %s", ev.IP, s))
		case *evpn.LocalIPGone:
			if _, ok := r.told[ev.IP]; !ok {
				r.t.Errorf("%s is gone, and was never told", ev.IP)
			}
			delete(r.told, ev.IP)
			out = append(out, fmt.Sprintf("no ip %s", ev.IP))
		default:
			r.t.Errorf("unexpected event %T", ev)
		}
	}
	return out
}

func (r *rig) want(what string, want ...string) {
	r.t.Helper()
	if got := r.events(); !slices.Equal(got, want) {
		r.t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

// knows holds what the engine knows by now to the addresses wanted.
func (r *rig) knows(what string, want ...string) {
	r.t.Helper()
	r.events()
	var got []string
	for ip, s := range r.told {
		got = append(got, ip.String()+" "+s)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: the engine knows %q, want %q", what, got, want)
	}
}

// until does what is due up to a time after the start, and returns the probes
// with the time of each.
func (r *rig) until(after time.Duration) []string {
	var out []string
	for {
		next := r.tab.Next()
		if next.IsZero() || next.After(start.Add(after)) {
			r.now = start.Add(after)
			return out
		}
		if next.After(r.now) {
			r.now = next
		}
		for _, p := range r.tab.Due(nil, r.now) {
			out = append(out, fmt.Sprintf("%v: %s %s port %d", r.now.Sub(start).Round(time.Millisecond), p.IP, p.MAC, p.Port))
		}
	}
}

// each runs a test for both address families.
func each(t *testing.T, f func(t *testing.T, ip func(int) string)) {
	t.Run("IPv4", func(t *testing.T) { f(t, func(i int) string { return fmt.Sprintf("172.18.0.%d", i) }) })
	t.Run("IPv6", func(t *testing.T) { f(t, func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }) })
}

// TestNoticeOrder gives the same three notices in every order: the engine ends
// up knowing the same.
func TestNoticeOrder(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		for _, c := range []struct {
			name  string
			neigh Binding
			want  string
		}{
			{"two sources that agree", bind(1), ip(1) + " " + mac(1).String()},
			{"a router in the neighbor table", Binding{MAC: mac(1), Router: true}, ip(1) + " " + mac(1).String() + " router"},
			{"a permanent entry beats the claim", Binding{MAC: mac(2), Immutable: true}, ip(1) + " " + mac(2).String() + " immutable"},
			{"a permanent entry of the same MAC", Binding{MAC: mac(1), Immutable: true}, ip(1) + " " + mac(1).String() + " immutable"},
		} {
			for _, order := range []string{"mcn", "mnc", "cmn", "cnm", "nmc", "ncm"} {
				r := newRig(t, Config{})
				for _, step := range order {
					r.now = r.now.Add(time.Second)
					r.until(r.now.Sub(start))
					switch step {
					case 'm':
						r.SetMAC(mac(1), 3, false)
					case 'c':
						r.Snoop(says(3, 1, ip(1)), r.now)
					case 'n':
						r.SetNeighbor(addr(ip(1)), c.neigh)
					}
				}
				r.knows(c.name+", in the order "+order, c.want)
			}
		}
	})
}

// TestNewestWins has both sources name different MACs: the last word counts,
// and when its source goes the other's does.
func TestNewestWins(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		r := newRig(t, Config{})
		r.SetMAC(mac(1), 3, false)
		r.Snoop(says(3, 1, ip(1)), r.now)
		r.knows("a claim", ip(1)+" "+mac(1).String())
		r.SetNeighbor(addr(ip(1)), bind(2))
		r.knows("the neighbor table changed after it", ip(1)+" "+mac(2).String())
		r.SetMAC(mac(3), 4, false)
		r.Snoop(says(4, 3, ip(1)), r.now)
		r.knows("another host claims it", ip(1)+" "+mac(3).String())
		r.ClearMAC(mac(3))
		r.knows("that one's MAC went", ip(1)+" "+mac(2).String())
		r.ClearNeighbor(addr(ip(1)))
		r.knows("neither source has it")
		if c := r.tab.Counters(); c.Hosts != 0 {
			t.Errorf("%d hosts are remembered, want none", c.Hosts)
		}
	})
}

// TestClaimWaitsForMAC has a claim come in before its MAC. It counts when the
// bridge has the MAC behind that port within five seconds.
func TestClaimWaitsForMAC(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		port  int
		known bool
	}{
		{"a moment later", time.Millisecond, 3, true},
		{"just in time", 4900 * time.Millisecond, 3, true},
		{"too late", 5100 * time.Millisecond, 3, false},
		{"behind another port", time.Millisecond, 4, false},
	} {
		r := newRig(t, Config{})
		r.Snoop(says(3, 1, "172.18.0.1"), r.now)
		r.knows(c.name + ", before")
		r.until(c.after)
		r.SetMAC(mac(1), c.port, false)
		r.until(10 * time.Second)
		if c.known {
			r.knows(c.name, "172.18.0.1 "+mac(1).String())
		} else {
			r.knows(c.name)
			if n := r.tab.Counters().Hosts; n != 0 {
				t.Errorf("%s: %d hosts are remembered, want none", c.name, n)
			}
		}
	}
}

// TestHostMovesToAnotherPort keeps the binding of a host whose MAC the bridge
// moves to another port, whatever is told first.
func TestHostMovesToAnotherPort(t *testing.T) {
	for _, claimFirst := range []bool{true, false} {
		r := newRig(t, Config{})
		r.SetMAC(mac(1), 3, false)
		r.Snoop(says(3, 1, "172.18.0.1"), r.now)
		r.events()
		if claimFirst {
			r.Snoop(says(4, 1, "172.18.0.1"), r.now)
			r.SetMAC(mac(1), 4, false)
		} else {
			r.SetMAC(mac(1), 4, false)
			r.Snoop(says(4, 1, "172.18.0.1"), r.now)
		}
		r.want(fmt.Sprintf("claim first: %v", claimFirst), "mac "+mac(1).String()+" port 4")
		if got := r.claim; len(got) != 1 || got[4] != 1 {
			t.Errorf("claims by port %v, want one at port 4", got)
		}
	}
}

// TestFlagsOfNA keeps O once it was said, and follows R.
func TestFlagsOfNA(t *testing.T) {
	r := newRig(t, Config{})
	r.SetMAC(mac(1), 3, false)
	na := Claim{Port: 3, Kind: ClaimNA, MAC: mac(1), IP: addr("2001:db8::1"), Router: true}
	told := "2001:db8::1 " + mac(1).String()
	for _, c := range []struct {
		router, override bool
		want             string
	}{
		{true, false, " router"},
		{true, true, " router override"},
		{true, false, " router override"},
		{false, false, " override"},
	} {
		na.Router, na.Override = c.router, c.override
		r.Snoop(&na, r.now)
		r.knows(fmt.Sprintf("NA with R %v, O %v", c.router, c.override), told+c.want)
	}
}

// TestNotHosts takes no claim that cannot be a host's.
func TestNotHosts(t *testing.T) {
	r := newRig(t, Config{})
	for _, ip := range []string{"0.0.0.0", "127.0.0.1", "169.254.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"} {
		r.Snoop(says(3, 1, ip), r.now)
	}
	group := says(3, 1, "172.18.0.1")
	group.MAC[0] |= 1
	r.Snoop(group, r.now)
	if c := r.tab.Counters(); c != (Counters{}) {
		t.Errorf("counters %+v, want nothing remembered", c)
	}
	r.Snoop(says(3, 1, "fe80::1"), r.now)
	if c := r.tab.Counters(); c.Hosts != 1 {
		t.Errorf("counters %+v, want the link-local host", c)
	}
}

// TestBounds goes beyond each bound of claims.
func TestBounds(t *testing.T) {
	ip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	claim := func(r *rig, port, m, i int) bool {
		return r.Snoop(&Claim{Port: port, Kind: ClaimARP, MAC: evpn.MAC{2, 0, 0, byte(m >> 16), byte(m >> 8), byte(m)}, IP: ip(i)}, r.now)
	}
	for _, c := range []struct {
		name string
		max  int
		port func(i int) int
		mac  func(i int) int
		want Bound
	}{
		{"one MAC", maxIPsPerMAC, func(int) int { return 3 }, func(int) int { return 1 }, Bound{Max: maxIPsPerMAC, MAC: mac(1), Port: 3}},
		{"one port", maxIPsPerPort, func(int) int { return 3 }, func(i int) int { return i }, Bound{Max: maxIPsPerPort, Port: 3}},
		{"many ports", maxIPsPerBD, func(i int) int { return i % 8 }, func(i int) int { return i }, Bound{Max: maxIPsPerBD}},
	} {
		r := newRig(t, Config{})
		for i := range c.max {
			if claim(r, c.port(i), c.mac(i), i) {
				t.Fatalf("%s: claim %d breaks a bound", c.name, i)
			}
		}
		if _, broken := r.Broken(r.now); broken {
			t.Errorf("%s: broken by as many as are allowed", c.name)
		}
		if !claim(r, c.port(0), c.mac(0), 1<<20) {
			t.Errorf("%s: one claim more does not break it", c.name)
		}
		if claim(r, c.port(0), c.mac(0), 1<<20+1) {
			t.Errorf("%s: the next claim is told again", c.name)
		}
		if got, broken := r.Broken(r.now); !broken || got != c.want {
			t.Errorf("%s: broken %v: %+v, want %+v", c.name, broken, got, c.want)
		}
		if got := r.tab.Counters(); got.Hosts != c.max || got.Dropped != 2 {
			t.Errorf("%s: %+v, want %d hosts and two claims dropped", c.name, got, c.max)
		}
		claim(r, c.port(0), c.mac(0), 0)
		if got := r.tab.Counters(); got.Dropped != 2 {
			t.Errorf("%s: a claim that is known is dropped", c.name)
		}
		if _, broken := r.Broken(r.now.Add(boundShown)); broken {
			t.Errorf("%s: still broken a minute later", c.name)
		}
	}
}

// TestKnownClaimAllocatesNothing repeats a claim.
func TestKnownClaimAllocatesNothing(t *testing.T) {
	r := newRig(t, Config{})
	c := says(3, 1, "172.18.0.1")
	r.SetMAC(mac(1), 3, false)
	r.Snoop(c, r.now)
	r.events()
	if n := testing.AllocsPerRun(100, func() { r.now = r.now.Add(time.Second); r.Snoop(c, r.now) }); n != 0 {
		t.Errorf("%v allocations for a claim that is known", n)
	}
	r.want("a claim that is known")
}

// TestUntold has a MAC and an address come and go before the engine takes the
// events: it is told nothing, or the last state once.
func TestUntold(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 5000 {
		r.SetMAC(mac(1), 3+i%2, false)
		r.Snoop(says(3+i%2, 1, "172.18.0.1"), r.now)
		r.ClearMAC(mac(1))
	}
	if r.Pending() {
		t.Error("a host that is gone again is still to be told")
	}
	r.want("it came and went")
	if n := len(r.macs.queue) + len(r.ips.queue); n > 5000 {
		t.Errorf("%d keys wait in the queues", n)
	}
	r.SetMAC(mac(1), 4, true)
	r.SetMAC(mac(1), 3, false)
	r.want("it came", "mac "+mac(1).String()+" port 3")
	r.ClearMAC(mac(1))
	r.SetMAC(mac(1), 4, false)
	r.want("it went and came", "mac "+mac(1).String()+" port 4")
}

// TestReadvertise tells an engine that has forgotten all that is local, in
// order.
func TestReadvertise(t *testing.T) {
	r := newRig(t, Config{})
	for _, i := range []int{3, 1, 2} {
		r.SetMAC(mac(i), 3, false)
		r.Snoop(says(3, i, fmt.Sprintf("172.18.0.%d", i)), r.now)
	}
	r.events()
	r.ClearMAC(mac(2))
	r.Readvertise()
	r.want("all again",
		"mac "+mac(1).String()+" port 3", "mac "+mac(3).String()+" port 3",
		"ip 172.18.0.1 "+mac(1).String(), "ip 172.18.0.3 "+mac(3).String())
}

// TestStopSnooping keeps what the neighbor table says; Clear keeps nothing.
func TestStopSnooping(t *testing.T) {
	r := newRig(t, Config{})
	r.SetMAC(mac(1), 3, false)
	r.SetMAC(mac(2), 3, false)
	r.Snoop(says(3, 1, "172.18.0.1"), r.now)
	r.Snoop(says(3, 2, "172.18.0.2"), r.now)
	r.SetNeighbor(addr("172.18.0.2"), bind(2))
	r.QueueProbe(&evpn.Probe{IP: addr("172.18.0.3"), MAC: mac(1)}, r.now)
	r.events()
	r.Configure(Config{Off: true}, 0)
	r.want("snooping is off", "no ip 172.18.0.1")
	r.Snoop(says(3, 1, "172.18.0.1"), r.now)
	r.want("a claim while it is off")
	if !r.tab.Next().IsZero() {
		t.Error("something is due while snooping is off")
	}
	r.Clear()
	r.want("nothing is local", "no mac "+mac(1).String(), "no mac "+mac(2).String(), "no ip 172.18.0.2")
	if c := r.tab.Counters(); c.Hosts != 0 {
		t.Errorf("%d hosts are remembered, want none", c.Hosts)
	}
}

// TestChanged names a broadcast domain once, and only when something changed.
func TestChanged(t *testing.T) {
	r := newRig(t, Config{})
	other := r.tab.AddBD(300)
	vnis := func() (out []evpn.VNI) {
		for _, b := range r.tab.Changed() {
			out = append(out, b.VNI())
		}
		return out
	}
	r.SetMAC(mac(1), 3, false)
	r.SetMAC(mac(2), 3, false)
	if got := vnis(); !slices.Equal(got, []evpn.VNI{200}) {
		t.Errorf("changed: %v, want 200 once", got)
	}
	r.SetMAC(mac(1), 3, false)
	if got := vnis(); len(got) != 0 {
		t.Errorf("changed: %v, though nothing did", got)
	}
	other.SetNeighbor(addr("172.18.0.1"), bind(1))
	if got := vnis(); !slices.Equal(got, []evpn.VNI{300}) {
		t.Errorf("changed: %v, want 300", got)
	}
}
