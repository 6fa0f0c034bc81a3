package hosts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// TestSilence has a host be silent: three probes a second apart, then its
// address is gone, and its MAC stays.
func TestSilence(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		r := newRig(t, Config{ProbeInterval: 40 * time.Second})
		r.SetMAC(mac(1), 3, false)
		r.Snoop(says(3, 1, ip(1)), r.now)
		r.want("a host spoke", "mac "+mac(1).String()+" port 3", "ip "+ip(1)+" "+mac(1).String())
		got := r.until(29 * time.Second)
		if len(got) != 0 {
			t.Errorf("probes within three quarters of the interval: %q", got)
		}
		got = r.until(time.Minute)
		if len(got) != 3 {
			t.Fatalf("probes %q, want three", got)
		}
		var at []time.Duration
		for _, s := range got {
			when, what, _ := strings.Cut(s, ": ")
			if want := fmt.Sprintf("%s %s port 3", ip(1), mac(1)); what != want {
				t.Errorf("probe %q, want %q", what, want)
			}
			d, err := time.ParseDuration(when)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, d)
		}
		if at[0] < 30*time.Second || at[0] > 40*time.Second {
			t.Errorf("first probe after %v of silence, want the last quarter of 40 s", at[0])
		}
		if at[1]-at[0] != time.Second || at[2]-at[1] != time.Second {
			t.Errorf("probes at %v, want them a second apart", at)
		}
		r.want("it did not answer", "no ip "+ip(1))
		if macs := r.MACs(); !slices.Equal(macs, []evpn.MAC{mac(1)}) {
			t.Errorf("local MACs %v, want %v alone", macs, mac(1))
		}
		if c, want := r.tab.Counters(), (Counters{Probes: 3, Silent: 1}); c != want {
			t.Errorf("counters %+v, want %+v", c, want)
		}
	})
}

// TestAnswer has a host answer its second probe: it stays, and is probed again
// an interval later.
func TestAnswer(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		r := newRig(t, Config{ProbeInterval: 40 * time.Second})
		r.SetMAC(mac(1), 3, false)
		r.Snoop(says(3, 1, ip(1)), r.now)
		for len(r.until(r.now.Sub(start)+500*time.Millisecond)) == 0 {
		}
		first := r.now
		if got := r.until(first.Sub(start) + time.Second); len(got) != 1 {
			t.Fatalf("second probe: %q", got)
		}
		r.Snoop(says(3, 1, ip(1)), r.now)
		answered := r.now.Sub(start)
		if got := r.until(answered + 29*time.Second); len(got) != 0 {
			t.Errorf("probes right after an answer: %q", got)
		}
		if got := r.until(answered + 40*time.Second); len(got) == 0 {
			t.Error("a host that answered once is not probed again")
		}
		r.knows("it answered", ip(1)+" "+mac(1).String())
		if c := r.tab.Counters(); c.Silent != 0 || c.Hosts != 1 {
			t.Errorf("counters %+v, want one host that is not silent", c)
		}
	})
}

// TestIntervals works the interval out as the configuration has it.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		c      Config
		ageing time.Duration
		want   time.Duration
	}{
		{Config{}, 300 * time.Second, 100 * time.Second},
		{Config{}, 60 * time.Second, 20 * time.Second},
		{Config{}, 0, 100 * time.Second},
		{Config{ProbeInterval: time.Minute}, 300 * time.Second, time.Minute},
		{Config{ProbeInterval: time.Minute, NoProbe: true}, 300 * time.Second, 0},
	} {
		if got := c.c.interval(c.ageing); got != c.want {
			t.Errorf("%+v, ageing %v: probes after %v, want %v", c.c, c.ageing, got, c.want)
		}
	}
	for _, c := range []Config{{ProbeInterval: -1}, {ProbeRate: -1}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}

// TestQueueProbe has the engine ask for an address of a MAC that was just
// learned here.
func TestQueueProbe(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		r := newRig(t, Config{})
		r.SetMAC(mac(1), 3, false)
		r.QueueProbe(&evpn.Probe{VNI: 200, IP: addr(ip(1)), MAC: mac(1)}, r.now)
		r.QueueProbe(&evpn.Probe{VNI: 200, IP: addr(ip(2)), MAC: mac(1)}, r.now)
		want := []string{"0s: " + ip(1) + " " + mac(1).String() + " port 3", "0s: " + ip(2) + " " + mac(1).String() + " port 3"}
		if got := r.until(0); !slices.Equal(got, want) {
			t.Errorf("probes %q, want %q", got, want)
		}
		r.knows("nobody answered yet")
		r.Snoop(says(3, 1, ip(1)), r.now)
		r.knows("one answered", ip(1)+" "+mac(1).String())
		if got := r.until(10 * time.Second); len(got) != 2 {
			t.Errorf("probes %q, want two more to the silent one", got)
		}
		r.knows("one did not", ip(1)+" "+mac(1).String())
		if c, want := r.tab.Counters(), (Counters{Hosts: 1, Probes: 4, Silent: 1}); c != want {
			t.Errorf("counters %+v, want %+v", c, want)
		}
	})
}

// TestQueueProbeAsksNothing has the engine ask what is known, or cannot be
// asked.
func TestQueueProbeAsksNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		q    evpn.Probe
	}{
		{"it spoke by itself", Config{}, evpn.Probe{IP: addr("172.18.0.1"), MAC: mac(1)}},
		{"another MAC claims it", Config{}, evpn.Probe{IP: addr("172.18.0.1"), MAC: mac(2)}},
		{"a conflict over an address that it has not", Config{}, evpn.Probe{IP: addr("172.18.0.2"), MAC: mac(1), Conflict: true}},
		{"a conflict over another MAC's", Config{}, evpn.Probe{IP: addr("172.18.0.1"), MAC: mac(2), Conflict: true}},
		{"no host's address", Config{}, evpn.Probe{IP: addr("224.0.0.1"), MAC: mac(1)}},
		{"probes are off", Config{NoProbe: true}, evpn.Probe{IP: addr("172.18.0.3"), MAC: mac(1)}},
		{"snooping is off", Config{Off: true}, evpn.Probe{IP: addr("172.18.0.3"), MAC: mac(1)}},
	} {
		r := newRig(t, c.cfg)
		r.SetMAC(mac(1), 3, false)
		r.SetMAC(mac(2), 3, false)
		r.Snoop(says(3, 1, "172.18.0.1"), r.now)
		r.QueueProbe(&c.q, r.now)
		if got := r.until(10 * time.Second); len(got) != 0 {
			t.Errorf("%s: probes %q", c.name, got)
		}
	}
}

// TestConflict has another VTEP advertise an address of a host that is gone: it
// is lost, with what the neighbor table learned of it, unless an operator bound
// it.
func TestConflict(t *testing.T) {
	each(t, func(t *testing.T, ip func(int) string) {
		for _, c := range []struct {
			name    string
			neigh   Binding
			answers bool
			want    []string
			probes  int
		}{
			{"silent", Binding{}, false, nil, 3},
			{"silent, and in the neighbor table", bind(1), false, nil, 3},
			{"silent, and bound by an operator", Binding{MAC: mac(1), Immutable: true}, false, []string{ip(1) + " " + mac(1).String() + " immutable"}, 3},
			{"answers", Binding{}, true, []string{ip(1) + " " + mac(1).String()}, 1},
		} {
			r := newRig(t, Config{})
			r.SetMAC(mac(1), 3, false)
			r.Snoop(says(3, 1, ip(1)), r.now)
			if !c.neigh.MAC.IsZero() {
				r.SetNeighbor(addr(ip(1)), c.neigh)
			}
			for range 2 {
				r.QueueProbe(&evpn.Probe{IP: addr(ip(1)), MAC: mac(1), Conflict: true}, r.now)
			}
			probes := len(r.until(0))
			if c.answers {
				r.Snoop(says(3, 1, ip(1)), r.now)
			}
			probes += len(r.until(10 * time.Second))
			r.knows(c.name, c.want...)
			if probes != c.probes {
				t.Errorf("%s: %d probes, want %d", c.name, probes, c.probes)
			}
		}
	})
}

// TestRates has many hosts be silent at once: first probes go at the rate of
// the broadcast domain, all at that of the node.
func TestRates(t *testing.T) {
	const n = 400
	r := newRig(t, Config{ProbeInterval: 10 * time.Second, ProbeRate: 20})
	r.tab.SetProbeRate(50)
	for i := range n {
		r.SetMAC(mac(1+i), 3, false)
		r.Snoop(says(3, 1+i, fmt.Sprintf("172.18.%d.%d", i/250, 1+i%250)), r.now)
	}
	perSecond := make(map[int]int)
	first, seen := make(map[int]int), make(map[string]bool)
	for _, s := range r.until(2 * time.Minute) {
		at, what, _ := strings.Cut(s, ": ")
		d, err := time.ParseDuration(at)
		if err != nil {
			t.Fatal(err)
		}
		perSecond[int(d/time.Second)]++
		if !seen[what] {
			seen[what] = true
			first[int(d/time.Second)]++
		}
	}
	total := 0
	for s, k := range perSecond {
		total += k
		if k > 50+5 {
			t.Errorf("%d probes in second %d, more than the node may send", k, s)
		}
		if first[s] > 20+1 {
			t.Errorf("%d first probes in second %d, more than the broadcast domain may send", first[s], s)
		}
	}
	if total != 3*n {
		t.Errorf("%d probes, want three a host", total)
	}
	if c := r.tab.Counters(); c.Hosts != 0 || c.Silent != n {
		t.Errorf("counters %+v, want all silent", c)
	}
}

// TestUnsent does not count the silence of a host whose probes could not be
// sent.
func TestUnsent(t *testing.T) {
	r := newRig(t, Config{ProbeInterval: 10 * time.Second})
	r.SetMAC(mac(1), 3, false)
	r.Snoop(says(3, 1, "172.18.0.1"), r.now)
	tries := 0
	for r.now.Before(start.Add(time.Minute)) {
		r.now = r.tab.Next()
		for _, p := range r.tab.Due(nil, r.now) {
			tries++
			r.tab.Unsent(&p)
		}
	}
	r.knows("no probe was sent", "172.18.0.1 "+mac(1).String())
	if tries < 40 {
		t.Errorf("%d tries in a minute, want one a second", tries)
	}
}
