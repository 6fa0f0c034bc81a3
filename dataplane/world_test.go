package dataplane_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// world is a kernel with what an operator does to it. The same suite runs in
// each: on the fake and on the real one.
type world interface {
	// open returns another handle on the kernel.
	open(t testing.TB) dataplane.Kernel
	addBridge(name string)
	addVXLAN(name string, vni int, local, bridge string) // up; bridge may be empty
	addExternal(name string)                             // a VXLAN device of many VNIs, up
	addPort(name, bridge string)                         // up, with a carrier
	setUp(name string, up bool)
	setMaster(name, bridge string)
	rename(name, to string)
	del(name string)
	addAddr(dev, prefix string)
	portFlags(name string, learning, suppress bool)
	frame(port string, src evpn.MAC) // a broadcast frame comes in at a port
	claim(port string, c hosts.Claim)
	answer(port string, ip netip.Addr, m evpn.MAC) // a silent host that answers probes
}

func mac(i int) evpn.MAC { return evpn.MAC{0x02, 0x42, 0xac, byte(i >> 16), byte(i >> 8), byte(i)} }

// vtep is a VTEP and the VNI that most tests are about.
func vtep(i int) evpn.Via { return vtepIn(200, i) }

func vtepIn(vni evpn.VNI, i int) evpn.Via {
	return evpn.Via{VTEP: netip.AddrFrom4([4]byte{172, 30, byte(i >> 8), byte(i)}), VNI: vni}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// declared returns a configuration of declared VNIs, completed as that of a
// daemon is.
func declared(all ...topology.Declared) topology.Config {
	for i := range all {
		d := &all[i]
		d.Bridge = cmp.Or(d.Bridge, fmt.Sprintf("br%d", d.VNI))
		d.Device = cmp.Or(d.Device, fmt.Sprintf("vxlan%d", d.VNI))
		d.Local, d.Port = addr(local), topology.DefaultPort
	}
	return topology.Config{Declared: all}
}

// rig is a running Plane in a world.
type rig struct {
	t testing.TB
	world
	fatal interface{ Fatalf(string, ...any) } // t, or the property test's
	k     dataplane.Kernel                    // for the test's own looks and writes
	plane dataplane.Kernel                    // the Plane's
	p     *dataplane.Plane
	stop  func()

	taken, applied atomic.Int64 // batches of events

	mu     sync.Mutex
	vnis   map[evpn.VNI]netip.Addr
	macs   map[evpn.MACKey]evpn.LocalMAC
	ips    map[evpn.IPKey]evpn.LocalIP
	events int
	ever   map[evpn.MACKey]bool // local MACs that it was told of, if they are gone by now
}

func start(t testing.TB, w world, k dataplane.Kernel, cfg dataplane.Config) *rig {
	t.Helper()
	return startWith(t, w, k, cfg, func(*dataplane.Plane) {})
}

// startWith lets prepare change the Plane before it runs.
func startWith(t testing.TB, w world, k dataplane.Kernel, cfg dataplane.Config, prepare func(*dataplane.Plane)) *rig {
	t.Helper()
	r := &rig{
		t: t, fatal: t, world: w, k: w.open(t),
		vnis: make(map[evpn.VNI]netip.Addr), macs: make(map[evpn.MACKey]evpn.LocalMAC), ips: make(map[evpn.IPKey]evpn.LocalIP),
		ever: make(map[evpn.MACKey]bool),
	}
	if k == nil {
		k = w.open(t)
	}
	r.plane = k
	r.p = dataplane.New(k, cfg, slog.New(slog.DiscardHandler))
	prepare(r.p)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case batch := <-r.p.Events():
				r.taken.Add(1)
				r.apply(batch)
				r.applied.Add(1)
			}
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(r.stop)
	select {
	case <-r.p.Ready():
	case <-time.After(10 * time.Second):
		t.Fatalf("the Plane is not ready after 10 s; problems: %v", r.p.Problems())
	}
	return r
}

// apply does to the rig's view what the engine does with events.
func (r *rig) apply(batch []evpn.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events += len(batch)
	for _, ev := range batch {
		switch ev := ev.(type) {
		case *evpn.BDUp:
			r.vnis[ev.VNI] = ev.VTEP
		case *evpn.BDDown:
			delete(r.vnis, ev.VNI)
			for k := range r.macs {
				if k.VNI == ev.VNI {
					delete(r.macs, k)
				}
			}
			for k := range r.ips {
				if k.VNI == ev.VNI {
					delete(r.ips, k)
				}
			}
		case *evpn.LocalMAC:
			r.macs[evpn.MACKey{VNI: ev.VNI, MAC: ev.MAC}] = *ev
			r.ever[evpn.MACKey{VNI: ev.VNI, MAC: ev.MAC}] = true
		case *evpn.LocalMACGone:
			delete(r.macs, evpn.MACKey{VNI: ev.VNI, MAC: ev.MAC})
		case *evpn.LocalIP:
			r.ips[evpn.IPKey{VNI: ev.VNI, IP: ev.IP}] = *ev
		case *evpn.LocalIPGone:
			delete(r.ips, evpn.IPKey{VNI: ev.VNI, IP: ev.IP})
		default:
			r.t.Errorf("unexpected event %T", ev)
		}
	}
}

func (r *rig) wish(d evpn.Delta) {
	r.t.Helper()
	select {
	case r.p.Deltas() <- d:
	case <-time.After(20 * time.Second):
		r.t.Fatal("the Plane takes no wishes")
	}
}

func (r *rig) wishMAC(vni evpn.VNI, m evpn.MAC, d evpn.Via) {
	r.t.Helper()
	r.wish(evpn.Delta{FDB: []evpn.FDB{{VNI: vni, MAC: m, Via: d, Want: true}}})
}

func (r *rig) unwishMAC(vni evpn.VNI, m evpn.MAC) {
	r.t.Helper()
	r.wish(evpn.Delta{FDB: []evpn.FDB{{VNI: vni, MAC: m}}})
}

// until waits until cond holds; what it still misses is said on a failure.
func (r *rig) until(what string, cond func() string) {
	r.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		miss := cond()
		if miss == "" {
			return
		}
		if time.Now().After(deadline) {
			r.fatal.Fatalf("%s: %s\nproblems: %v\nVNIs: %+v\nstats: %+v", what, miss, r.p.Problems(), r.p.Devices(), r.p.Stats())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) untilTrue(what string, cond func() bool) {
	r.t.Helper()
	r.until(what, func() string {
		if cond() {
			return ""
		}
		return "is not so"
	})
}

// index returns the ifindex of a device, or 0.
func (r *rig) index(name string) int {
	r.t.Helper()
	links, err := r.k.Links()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == name {
			return l.Index
		}
	}
	return 0
}

// dump renders what the kernel holds behind a bridge, one line an entry, in
// the words of `bridge fdb show` and `ip neigh show`; without group
// addresses and the devices' own.
func (r *rig) dump(bridge string) string { r.t.Helper(); return dump(r.t, r.k, bridge) }

func dump(t testing.TB, k dataplane.Kernel, bridge string) string {
	t.Helper()
	links, err := k.Links()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[int]string)
	br := 0
	for _, l := range links {
		names[l.Index] = l.Name
		if l.Name == bridge {
			br = l.Index
		}
	}
	var lines []string
	if br != 0 {
		_ = k.FDB(br, func(e *kernel.Entry) {
			if e.Bridge != 0 && e.Bridge != br || !e.MAC.IsHost() && !e.MAC.IsZero() || e.Bridge != 0 && e.State&kernel.Permanent != 0 {
				return
			}
			lines = append(lines, fdbLine(e, names))
		})
		_ = k.Neighbors(func(e *kernel.Entry) {
			if e.Ifindex != br || e.IP.IsMulticast() || e.Flags&kernel.ExtLearned == 0 && e.State == kernel.NoARP {
				return
			}
			lines = append(lines, neighLine(e, names))
		})
	}
	slices.SortFunc(lines, cmp.Compare)
	return strings.Join(lines, "\n")
}

func fdbLine(e *kernel.Entry, names map[int]string) string {
	s := fmt.Sprintf("%s dev %s", e.MAC, names[e.Ifindex])
	if e.IP.IsValid() {
		s += fmt.Sprintf(" dst %s", e.IP)
	}
	if e.VLAN != 0 {
		s += fmt.Sprintf(" vlan %d", e.VLAN)
	}
	if e.VNI != 0 {
		s += fmt.Sprintf(" vni %d", e.VNI)
	}
	if e.SrcVNI != 0 {
		s += fmt.Sprintf(" src_vni %d", e.SrcVNI)
	}
	if e.Bridge == 0 {
		s += " self"
	}
	if e.Flags&kernel.ExtLearned != 0 {
		s += " extern_learn"
	}
	if e.Flags&kernel.Sticky != 0 {
		s += " sticky"
	}
	if e.Bridge != 0 {
		s += " master " + names[e.Bridge]
	}
	switch {
	case e.State&kernel.Permanent != 0:
		s += " permanent"
	case e.State&kernel.NoARP != 0:
		s += " static"
	}
	return s
}

func neighLine(e *kernel.Entry, names map[int]string) string {
	s := fmt.Sprintf("%s dev %s lladdr %s", e.IP, names[e.Ifindex], e.MAC)
	if e.Flags&kernel.ExtLearned != 0 {
		s += " extern_learn"
	}
	if e.Flags&kernel.Router != 0 {
		s += " router"
	}
	if e.State&kernel.NoARP != 0 {
		s += " NOARP"
	} else if e.State&kernel.Permanent != 0 {
		s += " PERMANENT"
	}
	return s
}

// holds waits until the kernel's tables behind a bridge have exactly these
// lines.
func (r *rig) holds(bridge string, lines ...string) {
	r.t.Helper()
	slices.Sort(lines)
	want := strings.Join(lines, "\n")
	r.until("tables of "+bridge, func() string {
		if got := r.dump(bridge); got != want {
			return fmt.Sprintf("kernel has\n%s\nwant\n%s", got, want)
		}
		return ""
	})
}

// knows waits until the engine's view of a VNI's local MACs is this.
func (r *rig) knows(vni evpn.VNI, want ...evpn.MAC) {
	r.t.Helper()
	slices.SortFunc(want, evpn.MAC.Compare)
	r.until("local MACs", func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		var got []evpn.MAC
		for k := range r.macs {
			if k.VNI == vni {
				got = append(got, k.MAC)
			}
		}
		slices.SortFunc(got, evpn.MAC.Compare)
		if !slices.Equal(got, want) {
			return fmt.Sprintf("engine knows %v, want %v", got, want)
		}
		return ""
	})
}

func (r *rig) serves(vni evpn.VNI, want netip.Addr) {
	r.t.Helper()
	r.until("served VNIs", func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if got := r.vnis[vni]; got != want {
			return fmt.Sprintf("VNI %d has VTEP %v, want %v", vni, got, want)
		}
		return ""
	})
}

func (r *rig) write(ops ...kernel.Op) {
	r.t.Helper()
	errs := make([]error, len(ops))
	if err := r.k.Write(ops, errs); err != nil {
		r.t.Fatal(err)
	}
	for i, err := range errs {
		if err != nil {
			r.t.Fatalf("write %+v: %v", ops[i], err)
		}
	}
}
