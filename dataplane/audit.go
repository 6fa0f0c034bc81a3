package dataplane

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Kinds of entries in a Finding.
const (
	KindFlood    = "flood"
	KindMAC      = "mac"
	KindNeighbor = "neighbor"
)

// Finding is one entry of which the routes, the desired entries and the kernel do not
// say the same, or one that is not ours.
type Finding struct {
	VNI    evpn.VNI
	Device string     // the VXLAN device; the bridge's for a neighbor
	Kind   string     // KindFlood, KindMAC or KindNeighbor
	MAC    evpn.MAC   // KindMAC
	IP     netip.Addr // KindNeighbor: the host; KindFlood: the VTEP
	Label  evpn.VNI   // KindFlood: evpn.Via.VNI

	// What each of the three has: a destination, or the MAC of a neighbor.
	// Empty: nothing.
	Routes, Desired, Kernel string
	Reason                  string // why they differ, or what it is
	// Foreign entries are no difference. They are not ours, and are left
	// alone.
	Foreign bool
}

// Audit is what a comparison found.
type Audit struct {
	At          time.Time
	Took        time.Duration // without the time it waited for differences to last
	Entries     int           // that were compared
	Differences int           // Findings that are not foreign
	Foreign     int           // and those that are
	Findings    []Finding     // by VNI, kind and key; at most MaxFindings of each sort
}

// MaxFindings bounds the list of an Audit, not its counts.
const MaxFindings = 10000

// auditAgain is how long a difference must last to be one: what changes while
// it is looked at differs for a moment, and what somebody changed is about to
// be put back.
const auditAgain = 1500 * time.Millisecond

// Audit compares three ways, VNI by VNI, what the routes want, what is desired
// of the kernel, and what the kernel holds. routes returns what the engine
// wants of a VNI, as (*evpn.Engine).Wanted does. vni is 0 for all. It reads
// all entries of the bridges that serve, which takes long where one VXLAN
// device has many (a second for 100,000); the Plane goes on meanwhile. Any
// goroutine may call it; calls wait for each other.
func (p *Plane) Audit(ctx context.Context, vni evpn.VNI, routes func(context.Context, evpn.VNI) (evpn.Delta, error)) (*Audit, error) {
	p.auditing.Lock()
	defer p.auditing.Unlock()
	out := &Audit{At: time.Now()}
	waited := time.Duration(0)
	for _, n := range p.attached(vni) {
		first, entries, err := p.compare(ctx, n, routes)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(first, func(f Finding) bool { return !f.Foreign }) {
			select {
			case <-time.After(auditAgain):
				waited += auditAgain
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			again, _, err := p.compare(ctx, n, routes)
			if err != nil {
				return nil, err
			}
			first = lasting(first, again)
		}
		out.Entries += entries
		out.add(first)
	}
	out.Took = time.Since(out.At) - waited
	return out, nil
}

// lasting returns what both lists have, and what is foreign in the second.
func lasting(first, again []Finding) []Finding {
	seen := make(map[Finding]bool, len(first))
	for _, f := range first {
		f.Reason = "" // it may say how often was tried
		seen[f] = true
	}
	return slices.DeleteFunc(again, func(f Finding) bool {
		f.Reason = ""
		return !f.Foreign && !seen[f]
	})
}

func (a *Audit) add(list []Finding) {
	for _, f := range list {
		n := &a.Differences
		if f.Foreign {
			n = &a.Foreign
		}
		if *n++; *n <= MaxFindings {
			a.Findings = append(a.Findings, f)
		}
	}
}

// attached returns the VNIs that have a device, or the one that is asked for.
func (p *Plane) attached(vni evpn.VNI) (out []evpn.VNI) {
	p.requests.ask(func() {
		for _, d := range p.bds.sorted() {
			if d.attached() && (vni == 0 || d.vni == vni) {
				out = append(out, d.vni)
			}
		}
	})
	return out
}

// compare makes the findings of one VNI, and tells how many entries it looked
// at. The order of the three looks matters for what changes in between: what
// the routes want is desired a little later, and written after that.
func (p *Plane) compare(ctx context.Context, vni evpn.VNI, routes func(context.Context, evpn.VNI) (evpn.Delta, error)) ([]Finding, int, error) {
	want, err := routes(ctx, vni)
	if err != nil {
		return nil, 0, err
	}
	var c *comparison
	var r *reading
	p.requests.ask(func() { c, r = p.bds.comparison(vni) })
	if c == nil {
		return nil, 0, nil
	}
	p.second.Lock()
	err = c.read(p.k.Second(), r)
	p.second.Unlock()
	if err != nil {
		return nil, 0, fmt.Errorf("audit of VNI %d: %w", vni, err)
	}
	c.flood(want.Flood, r)
	c.macs(want.FDB, r)
	c.neighbors(want.Neigh, r)
	slices.SortFunc(c.out, Finding.compare)
	return c.out, c.entries, nil
}

// comparison begins the comparison of one VNI: it has what is desired, and a
// reading for the kernel's entries. Nil: the VNI has no device.
func (b *bds) comparison(vni evpn.VNI) (*comparison, *reading) {
	d := b.get(vni)
	if d == nil || !d.attached() {
		return nil, nil
	}
	// Neighbors of a bridge with several VNIs may be those of another.
	neighbors := d.at.NeighborKey(netip.Addr{})
	return &comparison{
		vni: vni, device: d.name, bridge: d.bridge, sweep: b.sweep,
		desired: wanted{wantedOf(&d.flood), wantedOf(&d.fdb), wantedOf(&d.neigh)},
		shared:  len(b.index.Of(&neighbors)) > 1,
	}, newReading(d, b.topo.View)
}

func (f Finding) compare(o Finding) int {
	if f.Kind != o.Kind {
		return strings.Compare(f.Kind, o.Kind)
	}
	if x := f.MAC.Compare(o.MAC); x != 0 {
		return x
	}
	if f.Foreign != o.Foreign {
		return count(f.Foreign) - count(o.Foreign)
	}
	return cmp.Or(f.IP.Compare(o.IP), cmp.Compare(f.Label, o.Label))
}

// wanted are the desired entries of a VNI at one moment, with why some fail.
type wanted struct {
	flood map[evpn.Via]wantedEntry[entries.Flood]
	fdb   map[evpn.MAC]wantedEntry[entries.FDB]
	neigh map[netip.Addr]wantedEntry[entries.Neigh]
}

type wantedEntry[V entries.Value] struct {
	val V
	err error
}

func wantedOf[K comparable, V entries.Value](t *table[K, V]) map[K]wantedEntry[V] {
	out := make(map[K]wantedEntry[V], t.Desired())
	for k, e := range t.All() {
		if e.Desired {
			f, _ := t.Failure(k)
			out[k] = wantedEntry[V]{e.Value, f.Err}
		}
	}
	return out
}

// comparison gathers the findings of one VNI.
type comparison struct {
	vni     evpn.VNI
	device  string
	bridge  string
	sweep   bool // what nobody desires is to go
	shared  bool
	desired wanted
	entries int
	out     []Finding
}

func (c *comparison) read(t Tables, r *reading) error {
	if err := t.FDB(r.at.Bridge, r.add); err != nil {
		return err
	}
	return t.Neighbors(r.add)
}

// compare notes a finding unless all three say the same. f has the key.
func (c *comparison) compare(f Finding, routes, desired, kernel string, err error) {
	c.entries++
	if routes == desired && desired == kernel {
		return
	}
	if routes == "" && desired == "" && !c.sweep {
		return // of an earlier run, and kept until all is known
	}
	f.VNI, f.Routes, f.Desired, f.Kernel = c.vni, routes, desired, kernel
	switch {
	case routes != desired:
		f.Reason = "the writer has not taken over what the routes say"
	case err != nil:
		f.Reason = advice(err)
	case desired == "":
		f.Reason = "nobody wishes it any more, and it was not removed"
	case kernel == "":
		f.Reason = "it is missing in the kernel"
	default:
		f.Reason = "somebody changed it in the kernel"
	}
	c.out = append(c.out, f)
}

func (c *comparison) foreign(f Finding, kernel, what string) {
	f.VNI, f.Kernel, f.Reason, f.Foreign = c.vni, kernel, what, true
	c.out = append(c.out, f)
}

func (c *comparison) flood(want []evpn.Flood, r *reading) {
	routes := make(map[evpn.Via]bool, len(want))
	for _, f := range want {
		routes[f.Via] = f.Want
	}
	text := func(d evpn.Via, there bool) string {
		if !there {
			return ""
		}
		return d.Text(c.vni)
	}
	keys := union(union(union(nil, routes), c.desired.flood), r.flood)
	for d := range keys {
		w, desired := c.desired.flood[d]
		_, there := r.flood[d]
		c.compare(Finding{Kind: KindFlood, Device: c.device, IP: d.VTEP, Label: d.VNI},
			text(d, routes[d]), text(d, desired), text(d, there), w.err)
	}
}

func (c *comparison) macs(want []evpn.FDB, r *reading) {
	text := func(f entries.FDB, there bool) string {
		if !there {
			return ""
		}
		return f.Text(c.vni)
	}
	routes := make(map[evpn.MAC]entries.FDB, len(want))
	for _, f := range want {
		routes[f.MAC] = entries.Remote(f.Via, f.Sticky)
	}
	kernel := make(map[evpn.MAC]string, len(r.ours))
	for mac, m := range r.ours {
		switch local := r.macs[mac] != nil; {
		case !r.isOurs(mac, m):
		case m.Has(entries.Device) && !m.Has(entries.Bridge) && !local:
			kernel[mac] = m.Text(c.vni) + " (in the VXLAN device alone)"
		case !m.Has(entries.Device):
			kernel[mac] = "(in the bridge alone)"
		case m.Has(entries.Bridge) || c.desired.fdb[mac].err == nil:
			kernel[mac] = m.Text(c.vni)
		}
	}
	for mac := range union(union(union(nil, routes), c.desired.fdb), kernel) {
		x, ok := routes[mac]
		w, desired := c.desired.fdb[mac]
		if !desired && r.macs[mac] != nil && kernel[mac] != "" && !r.ours[mac].Has(entries.Bridge) {
			continue // a host here took it, and the device's part is about to go
		}
		c.compare(Finding{Kind: KindMAC, Device: c.device, MAC: mac}, text(x, ok), text(w.val, desired), kernel[mac], w.err)
	}
	for mac, d := range r.other {
		c.foreign(Finding{Kind: KindMAC, Device: c.device, MAC: mac}, d.Text(c.vni), "an entry of the VXLAN device that evpnd did not make")
	}
}

func (c *comparison) neighbors(want []evpn.Neigh, r *reading) {
	text := func(n entries.Neigh, there bool) string {
		if !there {
			return ""
		}
		return n.String()
	}
	routes := make(map[netip.Addr]entries.Neigh, len(want))
	for _, n := range want {
		routes[n.IP] = entries.Neigh{MAC: n.MAC, Router: n.Router}
	}
	inKernel := make(map[netip.Addr]string, len(r.ips))
	for i := range r.ips {
		e := &r.ips[i]
		f := Finding{Kind: KindNeighbor, Device: c.bridge, IP: e.IP}
		switch _, desired := c.desired.neigh[e.IP]; {
		case isOurNeigh(e):
			if desired || !c.shared {
				inKernel[e.IP] = neighOf(e).String()
			}
		case e.State&(kernel.Permanent|kernel.NoARP) != 0:
			c.foreign(f, e.MAC.String(), "a static neighbor that evpnd did not make")
		}
	}
	for ip := range union(union(union(nil, routes), c.desired.neigh), inKernel) {
		x, ok := routes[ip]
		w, desired := c.desired.neigh[ip]
		c.compare(Finding{Kind: KindNeighbor, Device: c.bridge, IP: ip}, text(x, ok), text(w.val, desired), inKernel[ip], w.err)
	}
}

// union adds the keys of m to a set, which it makes when it is nil.
func union[K comparable, V any](set map[K]struct{}, m map[K]V) map[K]struct{} {
	if set == nil {
		set = make(map[K]struct{}, len(m))
	}
	for k := range m {
		set[k] = struct{}{}
	}
	return set
}
