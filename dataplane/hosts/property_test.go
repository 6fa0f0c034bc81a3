package hosts

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evpnd/evpnd/evpn"
)

// TestAnyOrder does to two broadcast domains whatever can happen, in any order.
// The books must balance at each step, the engine must know what the sources
// say, and nothing may be left when all is cleared.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, Config{ProbeInterval: 5 * time.Second})
		ip := func(i int) string { return []string{"172.18.0.%d", "2001:db8::%d"}[i%2] }
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			k := rapid.IntRange(1, 4).Draw(rt, "key")
			m := rapid.IntRange(1, 3).Draw(rt, "mac")
			port := rapid.IntRange(3, 4).Draw(rt, "port")
			at := addr(fmt.Sprintf(ip(k), k))
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1:
				r.SetMAC(mac(m), port, false)
			case 2:
				r.ClearMAC(mac(m))
			case 3, 4:
				r.Snoop(&Claim{Port: port, Kind: ClaimNA, MAC: mac(m), IP: at, Router: k == 1}, r.now)
			case 5:
				r.SetNeighbor(at, Binding{MAC: mac(m), Immutable: k == 2})
			case 6:
				r.ClearNeighbor(at)
			case 7:
				r.QueueProbe(&evpn.Probe{IP: at, MAC: mac(m), Conflict: port == 3}, r.now)
			case 8:
				r.until(r.now.Sub(start) + time.Duration(k)*time.Second)
			case 9:
				if k == 1 {
					r.Configure(Config{Off: m == 1, NoProbe: m == 2, ProbeInterval: 5 * time.Second}, 0)
				}
				r.events()
			}
			balanced(rt, r)
		}
		r.events()
		if len(r.told) != len(r.IPs()) {
			rt.Fatalf("the engine knows %v, and %v are local", r.told, r.IPs())
		}
		for k, e := range r.byIP {
			if e.claimed && !e.learned {
				continue // the engine keeps what it was told until the claim counts
			}
			if want, known := r.told[k]; known != (!e.neigh.MAC.IsZero() || e.learned) {
				rt.Fatalf("%s: the engine knows %q, the sources say %+v", k, want, *e)
			}
		}
		r.Clear()
		r.events()
		if c := r.tab.Counters(); c.Hosts != 0 || len(r.told)+len(r.byMAC)+len(r.claim)+len(r.tab.queue)+r.asked != 0 {
			rt.Fatalf("left after Clear: %d hosts, the engine knows %v, %v by MAC, %v by port, %d queued, %d asked",
				c.Hosts, r.told, r.byMAC, r.claim, len(r.tab.queue), r.asked)
		}
	})
}

// balanced holds all that is counted or indexed to the entries.
func balanced(t *rapid.T, r *rig) {
	claims, byMAC, asked := make(map[int]int), 0, 0
	for _, e := range r.byIP {
		at, here := r.macs.get(e.snooped.MAC)
		switch {
		case e.neigh.MAC.IsZero() && e.snooped.MAC.IsZero():
			t.Fatalf("%s is remembered for nothing", e.ip)
		case e.learned && !here:
			t.Fatalf("%s counts, and its MAC is not local", e.ip)
		case e.claimed && !e.learned && here && at.port == e.port:
			t.Fatalf("%s does not count, and its MAC is behind port %d", e.ip, e.port)
		case e.claimed && !e.learned && e.queued < 0, !e.claimed && !e.snooped.MAC.IsZero() && e.queued < 0:
			t.Fatalf("%s waits for ever: %+v", e.ip, *e)
		case e.queued >= 0 && r.tab.queue[e.queued] != e:
			t.Fatalf("%s is not where it says in the queue", e.ip)
		}
		if e.claimed {
			claims[e.port]++
			byMAC++
		} else if !e.snooped.MAC.IsZero() {
			asked++
		}
	}
	for port, n := range claims {
		if r.claim[port] != n {
			t.Fatalf("%d claims at port %d, counted %d", n, port, r.claim[port])
		}
	}
	for m, ips := range r.byMAC {
		byMAC -= len(ips)
		for _, ip := range ips {
			if e := r.byIP[ip]; e == nil || e.snooped.MAC != m {
				t.Fatalf("%s is listed under %s: %+v", ip, m, e)
			}
		}
	}
	if byMAC != 0 || len(claims) != len(r.claim) || asked != r.asked || r.tab.Counters().Hosts != len(r.byIP) {
		t.Fatalf("counts: %d too many by MAC, ports %v and %v, asked %d and %d", -byMAC, claims, r.claim, asked, r.asked)
	}
}
