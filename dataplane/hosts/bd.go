package hosts

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Table has the broadcast domains of a node, and the probes that are due in
// any of them.
type Table struct {
	queue        probeQueue
	limit        rateLimiter // of the node
	limitedUntil time.Time   // no probe before
	rand         *rand.Rand  // spreads the probes of hosts that spoke at once
	changed      []*BD       // since the last call of Changed, each once
	counters     Counters
}

// Counters are counts since the start, but for Hosts.
type Counters struct {
	Hosts   int    // local IP addresses that are known, or probed for
	Dropped uint64 // claims beyond the bounds of a MAC, a port or a broadcast domain
	Probes  uint64 // probes sent to hosts
	Silent  uint64 // hosts that did not answer
}

// New returns a Table without broadcast domains. The seed is of the times of
// probes: with the same seed and inputs they are the same.
func New(seed uint64) *Table {
	return &Table{limit: rateLimiter{rate: DefaultProbeRate}, rand: rand.New(rand.NewPCG(seed, 0))}
}

// SetProbeRate bounds the probes of the node to some a second; 0 means
// DefaultProbeRate.
func (t *Table) SetProbeRate(rate int) { t.limit.rate = (&Config{ProbeRate: rate}).rate() }

// Counters returns counts.
func (t *Table) Counters() Counters { return t.counters }

// Changed returns the broadcast domains in which a MAC or an address came, went
// or changed since the last call. The slice is valid until another method is
// called.
func (t *Table) Changed() []*BD {
	out := t.changed
	for _, b := range out {
		b.changed = false
	}
	t.changed = t.changed[:0]
	return out
}

// BD is one broadcast domain: its local MACs and IP addresses.
type BD struct {
	t       *Table
	vni     evpn.VNI
	changed bool // it is in t.changed

	macs  localTable[evpn.MAC, place]
	ips   localTable[netip.Addr, Binding]
	byIP  map[netip.Addr]*ipEntry
	byMAC map[evpn.MAC][]netip.Addr // addresses that a MAC claimed
	claim map[int]int               // how many addresses are claimed at a port
	asked int                       // entries that only the engine asks for

	snoop    bool          // claims are taken
	noProbe  bool          // no host is probed
	interval time.Duration // of silence after which a host is probed, 0: never
	gap      time.Duration // between the first probes of two hosts
	slot     time.Time     // of the next first probe
	bound    Bound         // that claims broke last
	boundAt  time.Time
}

// place is where a local MAC is.
type place struct {
	port   int
	static bool
}

// Binding is the MAC that has an IP address, and the flags of RFC 9047 that are
// advertised with it.
type Binding struct {
	MAC                         evpn.MAC
	Router, Override, Immutable bool
}

// AddBD returns a broadcast domain in which nothing is local and nothing is
// snooped. The Table forgets it with Clear.
func (t *Table) AddBD(vni evpn.VNI) *BD {
	return &BD{
		t: t, vni: vni,
		macs: newLocalTable[evpn.MAC, place](), ips: newLocalTable[netip.Addr, Binding](),
		byIP: make(map[netip.Addr]*ipEntry), byMAC: make(map[evpn.MAC][]netip.Addr), claim: make(map[int]int),
	}
}

// VNI returns the number that b was added with.
func (b *BD) VNI() evpn.VNI { return b.vni }

func (b *BD) markChanged() {
	if !b.changed {
		b.changed = true
		b.t.changed = append(b.t.changed, b)
	}
}

// Configure sets how the hosts of b are found. ageing is the bridge's ageing
// time. It is to be called again when either changes. When c switches snooping
// off, all that was snooped is taken back.
func (b *BD) Configure(c Config, ageing time.Duration) {
	if c.Off {
		b.StopSnooping()
		return
	}
	b.snoop, b.noProbe = true, c.NoProbe
	b.gap = time.Second / time.Duration(c.rate())
	b.interval = c.interval(ageing)
}

// Snooping tells whether claims are taken.
func (b *BD) Snooping() bool { return b.snoop }

// StopSnooping takes back all that was snooped, until Configure.
func (b *BD) StopSnooping() {
	if !b.snoop {
		return
	}
	b.snoop = false
	b.bound = Bound{}
	for _, ip := range sortedKeys(b.byIP) {
		if e := b.byIP[ip]; !e.snooped.MAC.IsZero() {
			b.withdraw(e)
		}
	}
}

// Clear records that nothing is local, as when the device of b is gone, and
// stops the snooping.
func (b *BD) Clear() {
	b.StopSnooping()
	for _, ip := range b.IPs() {
		b.ClearNeighbor(ip)
	}
	for _, mac := range b.MACs() {
		b.ClearMAC(mac)
	}
}

// SetMAC records that the bridge has a host's MAC behind a port: static, or
// learned.
func (b *BD) SetMAC(mac evpn.MAC, port int, static bool) {
	if !b.macs.set(mac, place{port, static}) {
		return
	}
	b.markChanged()
	for _, ip := range b.byMAC[mac] {
		if e := b.byIP[ip]; e.port == port && !e.learned {
			e.learned = true
			b.scheduleProbe(e)
			b.report(e, e.snooped)
		}
	}
}

// ClearMAC records that a MAC is not behind a local port, and takes back its
// claims. It returns whether the MAC was local.
func (b *BD) ClearMAC(mac evpn.MAC) bool {
	if !b.macs.clear(mac) {
		return false
	}
	b.markChanged()
	for _, ip := range slices.Clone(b.byMAC[mac]) {
		if e := b.byIP[ip]; e.learned {
			b.withdraw(e)
		}
	}
	return true
}

// MACs returns the local MACs, ascending.
func (b *BD) MACs() []evpn.MAC { return b.macs.local(sortMACs) }

// IPs returns the local addresses, ascending.
func (b *BD) IPs() []netip.Addr { return b.ips.local(sortIPs) }

// Port returns the port that a local MAC is behind.
func (b *BD) Port(mac evpn.MAC) (ifindex int, local bool) {
	at, local := b.macs.get(mac)
	return at.port, local
}

// Pending tells whether Events has something to tell.
func (b *BD) Pending() bool { return b.macs.dirty+b.ips.dirty > 0 }

// MACPending tells whether Events has something to tell of a MAC.
func (b *BD) MACPending(mac evpn.MAC) bool { return b.macs.m[mac].dirty }

// Readvertise has Events tell all that is local, to an engine that knows
// nothing of it.
func (b *BD) Readvertise() {
	b.macs.readvertise(sortMACs)
	b.ips.readvertise(sortIPs)
	b.markChanged()
}

// Events appends what the engine must be told to out: *evpn.LocalMAC and
// LocalMACGone, and when there are no more of them LocalIP and LocalIPGone. It
// stops when out has most events.
func (b *BD) Events(out []evpn.Event, most int) []evpn.Event {
	for len(out) < most {
		mac, at, here, ok := b.macs.next()
		switch {
		case !ok:
			return b.ipEvents(out, most)
		case here:
			out = append(out, &evpn.LocalMAC{VNI: b.vni, MAC: mac, Port: at.port, Static: at.static})
		default:
			out = append(out, &evpn.LocalMACGone{VNI: b.vni, MAC: mac})
		}
	}
	return out
}

func (b *BD) ipEvents(out []evpn.Event, most int) []evpn.Event {
	for len(out) < most {
		ip, to, here, ok := b.ips.next()
		switch {
		case !ok:
			return out
		case here:
			out = append(out, &evpn.LocalIP{
				VNI: b.vni, IP: ip, MAC: to.MAC,
				Router: to.Router, Override: to.Override, Immutable: to.Immutable,
			})
		default:
			out = append(out, &evpn.LocalIPGone{VNI: b.vni, IP: ip})
		}
	}
	return out
}

func sortMACs(k []evpn.MAC)  { slices.SortFunc(k, evpn.MAC.Compare) }
func sortIPs(k []netip.Addr) { slices.SortFunc(k, netip.Addr.Compare) }

func sortedKeys(m map[netip.Addr]*ipEntry) []netip.Addr {
	keys := make([]netip.Addr, 0, len(m))
	for ip := range m {
		keys = append(keys, ip)
	}
	sortIPs(keys)
	return keys
}
