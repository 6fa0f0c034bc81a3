package metrics

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/state"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// State is what a scrape shows, as its owners know it at that moment.
type State struct {
	Version       string
	AS            uint32
	RouterID      netip.Addr // invalid: there is none yet
	Ready, Synced bool
	Alarms        map[string]int // how many stand of each kind

	Sessions   []bgp.PeerStatus
	Peers      []evpn.PeerStatus
	Advertised int

	VNIs     []evpn.BDStatus
	Counters []evpn.Counters
	VTEPs    int
	Devices  []dataplane.DeviceStatus

	Kernel dataplane.Stats
	Audits Audits
	Saves  state.Stats
}

// Audits counts since the start.
type Audits struct {
	Done, Differences, Repaired uint64
	Last                        *dataplane.Audit // of all VNIs; nil: none yet
}

// Source is where a scrape reads from. Any goroutine may call its functions.
type Source struct {
	// Read returns the state. It must not hold up the engine, and returns at
	// the latest when ctx ends; an error is the answer to the scrape.
	Read func(ctx context.Context) (*State, error)
	// Ready tells whether the daemon does its work.
	Ready func() bool
}

// readTimeout is how long a scrape waits for the parts of the daemon, which
// answer in milliseconds unless they have ended. It is less than the time
// that Prometheus gives by default, 10 seconds.
const readTimeout = 5 * time.Second

// collector implements prometheus.Collector.
type collector struct {
	read func(context.Context) (*State, error)
}

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range table {
		ch <- m.desc
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	s, err := c.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(ready.desc, err)
		return
	}
	out := sink{ch}
	out.daemon(s)
	for i := range s.Sessions {
		out.session(&s.Sessions[i])
	}
	for i := range s.Peers {
		out.peer(&s.Peers[i])
	}
	out.vnis(s)
	out.kernel(&s.Kernel)
	out.audit(&s.Audits)
	out.saves(&s.Saves)
}

// sink takes the values of one scrape.
type sink struct{ ch chan<- prometheus.Metric }

// set gives a value to a metric. Labels are in the order of the table. The name
// of an interface, as in the address of a link-local peer, can be any bytes; a
// label that is no UTF-8 fails the whole scrape.
func (o sink) set(m *metric, v float64, labels ...string) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "?")
	}
	o.ch <- prometheus.MustNewConstMetric(m.desc, m.typ, v, labels...)
}

func (o sink) count(m *metric, n uint64, labels ...string) { o.set(m, float64(n), labels...) }

func (o sink) number(m *metric, n int, labels ...string) { o.set(m, float64(n), labels...) }

func (o sink) yes(m *metric, b bool, labels ...string) {
	v := 0.0
	if b {
		v = 1
	}
	o.set(m, v, labels...)
}

// at sets a point in time, unless there was none.
func (o sink) at(m *metric, t time.Time, labels ...string) {
	if !t.IsZero() {
		o.set(m, float64(t.UnixNano())/1e9, labels...)
	}
}

func (o sink) times(m *metric, h *dataplane.Histogram) {
	upTo, n := make(map[float64]uint64, len(bounds)), uint64(0)
	for i, b := range bounds {
		n += h.Buckets[i]
		upTo[b] = n
	}
	o.ch <- prometheus.MustNewConstHistogram(m.desc, h.Count, h.Sum.Seconds(), upTo)
}

func (o sink) daemon(s *State) {
	o.set(buildInfo, 1, s.Version, runtime.Version())
	id := ""
	if s.RouterID.IsValid() {
		id = s.RouterID.String()
	}
	o.set(bgpInfo, 1, strconv.FormatUint(uint64(s.AS), 10), id)
	o.yes(ready, s.Ready)
	o.yes(synced, s.Synced)
	for kind, n := range s.Alarms {
		o.number(alarms, n, kind)
	}
	o.number(advertised, s.Advertised)
	o.number(remoteVTEPs, s.VTEPs)
}

var states = [...]bgp.State{bgp.Idle, bgp.Connect, bgp.Active, bgp.OpenSent, bgp.OpenConfirm, bgp.Established}

// session shows what the BGP side knows of a peer.
func (o sink) session(p *bgp.PeerStatus) {
	addr := p.Address.String()
	o.set(peerInfo, 1, addr, strconv.FormatUint(uint64(p.AS), 10), clean(p.Description), strconv.FormatBool(p.Dynamic))
	for _, st := range states {
		o.yes(peerState, st == p.State, addr, string(st))
	}
	o.at(peerSince, p.Since, addr)
	o.count(peerEstablished, p.Established, addr)
	for why, n := range p.Downs {
		o.count(peerLost, n, addr, string(why))
	}
	o.messages(peerReceived, &p.Received, addr)
	o.messages(peerSent, &p.Sent, addr)
	for t, n := range p.Routes.Reach {
		if n > 0 || kept(t) {
			o.count(peerAnnounced, n, addr, strconv.Itoa(t))
		}
	}
	for t, n := range p.Routes.Withdrawn {
		if n > 0 || kept(t) {
			o.count(peerWithdrawn, n, addr, strconv.Itoa(t))
		}
	}
	for why, n := range p.Routes.Discarded {
		if n > 0 {
			o.count(peerDiscarded, n, addr, wire.Discard(why).String())
		}
	}
	if p.MaxRoutes > 0 {
		o.number(peerLimit, p.MaxRoutes, addr)
	}
}

// kept tells whether routes of a type are used here: these have a value
// before the first comes.
func kept(t int) bool {
	return t == int(evpn.MACIP) || t == int(evpn.InclusiveMulticast)
}

func (o sink) messages(m *metric, n *bgp.Messages, addr string) {
	o.count(m, n.Open, addr, "open")
	o.count(m, n.Update, addr, "update")
	o.count(m, n.Notification, addr, "notification")
	o.count(m, n.Keepalive, addr, "keepalive")
	o.count(m, n.RouteRefresh, addr, "route-refresh")
}

// peer shows what the engine knows of a peer.
func (o sink) peer(p *evpn.PeerStatus) {
	addr := p.Peer.String()
	o.yes(peerEndOfRIB, p.EndOfRIB, addr)
	o.count(peerIgnored, p.Ignored, addr)
	o.count(peerRefused, p.Refused, addr)
	o.number(peerRoutes, p.Routes, addr)
	o.number(peerStale, p.Stale, addr)
}

func (o sink) vnis(s *State) {
	for i := range s.VNIs {
		v := &s.VNIs[i]
		vni := v.VNI.String()
		o.number(vniMACs, v.LocalMACs, vni, "local")
		o.number(vniMACs, v.RemoteMACs, vni, "remote")
		o.number(vniHosts, v.LocalIPs, vni, "local")
		o.number(vniHosts, v.RemoteIPs, vni, "remote")
	}
	for _, t := range s.Counters {
		vni := t.VNI.String()
		o.number(vniFlood, t.Dests, vni)
		o.number(vniFrozen, t.FrozenMACs, vni, "mac")
		o.number(vniFrozen, t.FrozenIPs, vni, "ip")
		o.count(vniMoves, t.Moves, vni)
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		vni, name, vtep := d.VNI.String(), clean(d.Name), ""
		if d.Local.IsValid() {
			vtep = d.Local.String()
		}
		o.set(vniInfo, 1, vni, name, clean(d.Bridge), vtep)
		if !slices.ContainsFunc(d.Problems, func(p topology.Problem) bool { return p.Kind == topology.NotSelected }) {
			o.yes(vniServed, d.Served, vni, name)
		}
		o.number(vniWanted, d.Wanted, vni, name)
		o.number(vniHeld, d.Held, vni, name)
		o.number(vniForeign, d.Foreign, vni, name)
	}
}

func (o sink) kernel(k *dataplane.Stats) {
	o.number(kernelEntries, k.Wanted)
	o.number(kernelPending, max(0, k.Wanted-k.Installed-k.Failed))
	o.number(kernelFailed, k.Failed)
	for _, kind := range []string{dataplane.KindFlood, dataplane.KindMAC, dataplane.KindNeighbor} {
		o.count(kernelWrites, k.Written[dataplane.Writing{Kind: kind}], kind, "add")
		o.count(kernelWrites, k.Written[dataplane.Writing{Kind: kind, Removed: true}], kind, "remove")
	}
	for r, n := range k.Refused {
		o.count(kernelErrors, n, r.Kind, r.Error)
	}
	o.count(kernelMessages, k.Writes)
	o.times(kernelBatch, &k.Batch)
	o.times(kernelBehind, &k.Behind)
	o.set(kernelLag, k.Lag.Seconds())
	o.count(resyncs, k.Resyncs)
	o.count(driftEntries, k.Repaired)
	o.count(driftDevices, k.Mended)
	o.number(hosts, k.Hosts)
	o.count(hostClaims, k.Claims)
	o.count(hostIgnored, k.Ignored)
	o.count(hostDropped, k.Dropped)
	o.count(hostProbes, k.Probes)
	o.count(hostsSilence, k.Silent)
}

func (o sink) audit(a *Audits) {
	o.count(audits, a.Done)
	o.count(auditDifferences, a.Differences)
	o.count(auditRepaired, a.Repaired)
	if l := a.Last; l != nil {
		o.at(auditTime, l.At)
		o.set(auditTook, l.Took.Seconds())
		o.number(auditEntries, l.Entries)
		o.number(auditLeft, l.Differences)
		o.number(auditForeign, l.Foreign)
	}
}

func (o sink) saves(s *state.Stats) {
	o.count(stateWrites, s.Saved)
	o.count(stateErrors, s.Failed)
	o.at(stateTime, s.Last)
}
