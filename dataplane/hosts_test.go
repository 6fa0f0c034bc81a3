package dataplane_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// says lets the frame of a claim of a bridge's host come in at a port.
func says(w world, port string, ip string, m evpn.MAC) {
	w.claim(port, hosts.Claim{Kind: hosts.ClaimARP, IP: addr(ip), MAC: m})
}

// hosts waits until the engine's view of a VNI's local addresses is this,
// as "ADDRESS MAC flags".
func (r *rig) hosts(vni evpn.VNI, want ...string) {
	r.t.Helper()
	r.until("local addresses", func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		got := make(map[string]bool)
		for k, x := range r.ips {
			if k.VNI != vni {
				continue
			}
			s := fmt.Sprintf("%s %s", k.IP, x.MAC)
			for _, f := range []struct {
				on   bool
				name string
			}{{x.Router, " router"}, {x.Override, " override"}, {x.Immutable, " immutable"}} {
				if f.on {
					s += f.name
				}
			}
			got[s] = true
		}
		for _, s := range want {
			if !got[s] {
				return fmt.Sprintf("engine knows %v, want %v", got, want)
			}
		}
		if len(got) != len(want) {
			return fmt.Sprintf("engine knows %v, want %v", got, want)
		}
		return ""
	})
}

func testHeard(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	says(w, "p0", "172.18.0.11", mac(1))
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	w.claim("p1", hosts.Claim{Kind: hosts.ClaimNA, IP: addr("2001:db8::12"), MAC: mac(2), Router: true, Override: true})
	v6 := "2001:db8::12 " + mac(2).String() + " router override"
	r.hosts(200, "172.18.0.11 "+mac(1).String(), v6)
	// The address passes to another MAC, and the host to another port.
	says(w, "p0", "172.18.0.11", mac(3))
	r.hosts(200, "172.18.0.11 "+mac(3).String(), v6)
	says(w, "p1", "172.18.0.11", mac(3))
	r.untilTrue("the port of a host that moved", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.p.PortName(r.macs[evpn.MACKey{VNI: 200, MAC: mac(3)}].Port) == "p1"
	})
	r.hosts(200, "172.18.0.11 "+mac(3).String(), v6)
	// With its MAC a binding goes; that of the other host stays.
	r.wishMAC(200, mac(2), vtep(2))
	r.hosts(200, "172.18.0.11 "+mac(3).String())
	w.setUp("p1", false)
	r.hosts(200)
	w.setUp("p1", true)
	says(w, "p1", "172.18.0.11", mac(3))
	r.hosts(200, "172.18.0.11 "+mac(3).String())
}

// testTwoSources has the neighbor table and the host itself vouch for an
// address: it goes when neither does any more.
func testTwoSources(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	neigh := kernel.Entry{
		Family: kernel.IPv4, Ifindex: r.index("br0"), State: kernel.Permanent, MAC: mac(1), IP: addr("172.18.0.11"),
	}
	says(w, "p0", "172.18.0.11", mac(1))
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	r.write(kernel.Op{Verb: kernel.Replace, Entry: neigh})
	r.hosts(200, "172.18.0.11 "+mac(1).String()+" immutable")
	// What an operator bound no host takes.
	says(w, "p1", "172.18.0.11", mac(2))
	says(w, "p1", "172.18.0.12", mac(2))
	r.hosts(200, "172.18.0.11 "+mac(1).String()+" immutable", "172.18.0.12 "+mac(2).String())
	r.write(kernel.Op{Verb: kernel.Delete, Entry: neigh})
	r.hosts(200, "172.18.0.11 "+mac(2).String(), "172.18.0.12 "+mac(2).String())
	w.setUp("p1", false)
	r.hosts(200)
}

// testNotHosts claims what is no local host's.
func testNotHosts(t *testing.T, w world) {
	plain(w)
	w.addAddr("br0", "172.18.0.1/24")
	r := start(t, w, nil, dataplane.Config{VNIHosts: map[evpn.VNI]hosts.Config{300: {Off: true}}})
	w.addBridge("br3")
	w.addVXLAN("vx3", 300, local, "br3")
	w.addPort("p3", "br3")
	r.serves(200, addr(local))
	r.serves(300, addr(local))
	says(w, "p3", "172.18.0.9", mac(9)) // not listened to
	says(w, "p0", "172.18.0.1", mac(1)) // the bridge's own
	says(w, "p0", "169.254.0.1", mac(1))
	says(w, "p0", "172.18.0.11", mac(1))
	r.knows(300, mac(9))
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	r.hosts(300)
	// Neither when it is switched off while it works.
	if err := r.p.Configure(dataplane.Config{Hosts: hosts.Config{Off: true}}); err != nil {
		t.Fatal(err)
	}
	r.hosts(200)
}

// testSilence has hosts asked: one answers, one does not.
func testSilence(t *testing.T, w world) {
	plain(w)
	w.answer("p0", addr("172.18.0.11"), mac(1))
	r := start(t, w, nil, dataplane.Config{Hosts: hosts.Config{ProbeInterval: 500 * time.Millisecond}})
	r.serves(200, addr(local))
	says(w, "p0", "172.18.0.11", mac(1))
	says(w, "p1", "172.18.0.12", mac(2))
	begin := time.Now()
	r.hosts(200, "172.18.0.11 "+mac(1).String(), "172.18.0.12 "+mac(2).String())
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("gone after %v: three probes a second apart take longer", took)
	}
	r.untilTrue("who answers is asked again", func() bool { return r.p.Stats().Probes >= 6 })
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	if n := r.p.Stats().Silent; n != 1 {
		t.Errorf("%d hosts were silent, want 1", n)
	}
	r.knows(200, mac(1), mac(2)) // and no question was learned from
}

// testMovedHere has the engine ask for a host that it knows from another
// node, and whose MAC has just been seen here.
func testMovedHere(t *testing.T, w world) {
	plain(w)
	w.answer("p0", addr("172.18.0.11"), mac(1))
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	begin := time.Now()
	r.wish(evpn.Delta{Probe: []evpn.Probe{
		{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1)},
		{VNI: 200, IP: addr("172.18.0.12"), MAC: mac(1)},
		{VNI: 201, IP: addr("172.18.0.12"), MAC: mac(1)},
	}})
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	t.Logf("found after %v", time.Since(begin))
	r.untilTrue("who does not answer is forgotten", func() bool { return r.p.Stats().Hosts == 1 })
	if n := r.p.Stats().Probes; n != 4 {
		t.Errorf("%d probes, want one to the one, three to the other", n)
	}
}

// testDoubt has the engine doubt addresses of hosts that were heard, because
// others have them elsewhere: one host still answers for its, one does not.
func testDoubt(t *testing.T, w world) {
	plain(w)
	w.answer("p0", addr("172.18.0.11"), mac(1))
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	says(w, "p0", "172.18.0.11", mac(1))
	says(w, "p0", "172.18.0.12", mac(1))
	r.hosts(200, "172.18.0.11 "+mac(1).String(), "172.18.0.12 "+mac(1).String())
	r.wish(evpn.Delta{Probe: []evpn.Probe{
		{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1), Conflict: true},
		{VNI: 200, IP: addr("172.18.0.12"), MAC: mac(1), Conflict: true},
		{VNI: 200, IP: addr("172.18.0.13"), MAC: mac(1), Conflict: true}, // it never had it
		{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(2), Conflict: true}, // nor did this one
	}})
	r.hosts(200, "172.18.0.11 "+mac(1).String())
	if n := r.p.Stats().Probes; n != 4 {
		t.Errorf("%d probes, want one to who answers, three to who does not, and none else", n)
	}
	// Both were asked once, not again for the same doubt.
	if n := r.p.Stats().Silent; n != 1 {
		t.Errorf("%d hosts were silent, want 1", n)
	}
}

// testBounds has one host claim more addresses than it may.
func testBounds(t *testing.T, w world) {
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	var want []string
	for i := range 68 {
		ip := netip.AddrFrom4([4]byte{172, 18, 0, byte(1 + i)})
		says(w, "p0", ip.String(), mac(1))
		if i < 64 {
			want = append(want, fmt.Sprintf("%s %s", ip, mac(1)))
		}
	}
	says(w, "p0", "172.18.0.100", mac(2))
	r.hosts(200, append(want, "172.18.0.100 "+mac(2).String())...)
	r.untilTrue("a problem says so", func() bool {
		for _, p := range r.p.Problems() {
			if p.Kind == dataplane.ProblemHosts && p.VNI == 200 {
				return true
			}
		}
		return false
	})
	if n := r.p.Stats().Dropped; n != 4 {
		t.Errorf("%d claims dropped, want 4", n)
	}
}

func TestDeaf(t *testing.T) {
	for _, method := range []string{"Snoop", "SnoopPorts"} {
		w := newPretend()
		plain(w)
		k := w.Open()
		k.FailCalls(func(m string) error {
			if m == method {
				return syscall.EPERM
			}
			return nil
		})
		r := start(t, w, k, dataplane.Config{})
		r.serves(200, addr(local))
		says(w, "p0", "172.18.0.11", mac(1))
		r.knows(200, mac(1)) // the rest works
		r.untilTrue("a problem names the capability", func() bool {
			for _, p := range r.p.Problems() {
				if p.Kind == dataplane.ProblemHosts && strings.Contains(p.Text, "CAP_NET_RAW") {
					return true
				}
			}
			return false
		})
	}
}

// TestNoProbe keeps a silent host as long as the bridge has its MAC.
func TestNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPretend()
		plain(w)
		r := start(t, w, nil, dataplane.Config{Hosts: hosts.Config{NoProbe: true}})
		defer r.stop()
		says(w, "p0", "172.18.0.11", mac(1))
		r.hosts(200, "172.18.0.11 "+mac(1).String())
		r.wish(evpn.Delta{Probe: []evpn.Probe{{VNI: 200, IP: addr("172.18.0.12"), MAC: mac(1)}}})
		time.Sleep(time.Hour)
		r.hosts(200, "172.18.0.11 "+mac(1).String())
		if n := len(w.Probes()); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

// TestProbePace has a thousand hosts be silent. They are asked within a
// third of the ageing time, no faster than configured, and are gone before
// the bridge would forget their MACs.
func TestProbePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, rate = 1000, 50
		w := newPretend()
		plain(w)
		r := start(t, w, nil, dataplane.Config{VNIHosts: map[evpn.VNI]hosts.Config{200: {ProbeRate: rate}}})
		defer r.stop()
		for i := range n {
			says(w, "p0", netip.AddrFrom4([4]byte{172, 18, byte(i >> 8), byte(1 + i%250)}).String(), mac(i+1))
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		known := r.p.Stats().Hosts
		if known < n*9/10 {
			t.Fatalf("%d hosts known", known)
		}
		time.Sleep(70 * time.Second)
		if n := len(w.Probes()); n != 0 {
			t.Errorf("%d probes before 75 s", n)
		}
		most := 0
		for range 230 {
			time.Sleep(time.Second)
			synctest.Wait()
			most = max(most, len(w.Probes()))
		}
		// First probes are bound to the rate of the VNI; the second and
		// third follow each after a second, within the node's.
		if most > hosts.DefaultProbeRate+hosts.DefaultProbeRate/10 || most < rate {
			t.Errorf("up to %d probes a second", most)
		}
		if st := r.p.Stats(); st.Hosts != 0 || int(st.Silent) != known || int(st.Probes) != 3*known {
			t.Errorf("%d hosts left of %d, %d silent, %d probes", st.Hosts, known, st.Silent, st.Probes)
		}
	})
}

// TestKnownClaimsCostNothing repeats what is known: that allocates nothing
// and tells nobody.
func TestKnownClaimsCostNothing(t *testing.T) {
	w := newPretend()
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	var x hosts.Snooped
	var want []string
	for i := range 100 {
		c := hosts.Claim{
			Port: r.index("p0"), Kind: hosts.ClaimARP, MAC: mac(1 + i), IP: netip.AddrFrom4([4]byte{172, 18, 0, byte(1 + i)}),
		}
		x.Claims = append(x.Claims, c)
		want = append(want, fmt.Sprintf("%s %s", c.IP, c.MAC))
		w.Claim("p0", c)
	}
	r.hosts(200, want...)
	r.mu.Lock()
	before := r.events
	r.mu.Unlock()
	var none hosts.Snooped
	asking := testing.AllocsPerRun(100, func() { r.p.Snoop(&none) })
	if n := testing.AllocsPerRun(100, func() { r.p.Snoop(&x) }); n > asking {
		t.Errorf("%v allocations for %d claims that are known, and %v for none", n, len(x.Claims), asking)
	}
	r.wishMAC(200, mac(500), vtep(2)) // taken after what the claims would have told
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events != before {
		t.Errorf("%d events for claims that are known", r.events-before)
	}
}
