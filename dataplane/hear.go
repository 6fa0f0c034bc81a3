package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// The bounds of what is remembered of hosts that were heard. A host can
// claim any number of addresses, and sender addresses cost it nothing.
const (
	maxIPsPerMAC  = 64
	maxIPsPerPort = 16 << 10
	maxIPsPerVNI  = 64 << 10

	// unlearned is how long a claim waits for the bridge to have its MAC
	// behind the port that it came in at. The two are told on different
	// ways, a moment apart.
	unlearned = 5 * time.Second
)

// ClaimKind says which message a Claim was in.
type ClaimKind uint8

// The kinds of Claim.
const (
	ClaimARP ClaimKind = iota + 1 // request or reply (RFC 826)
	ClaimNS                       // neighbor solicitation (RFC 4861 §4.3)
	ClaimNA                       // neighbor advertisement (RFC 4861 §4.4)
)

// Claim is a host's word, in a frame that came in at a port of a bridge,
// that IP is at MAC, which the frame came from.
type Claim struct {
	Port     int // ifindex
	Kind     ClaimKind
	IP       netip.Addr
	MAC      evpn.MAC
	Router   bool // R of a neighbor advertisement
	Override bool // and its O
}

// Snooped is what came in together.
type Snooped struct {
	Claims  []Claim
	Ignored int // frames that contradict themselves, or are malformed
}

// ProbeRequest asks the host with MAC, behind Port, whether it still has IP. It
// comes from the address From, which is the port's own: the bridge then
// keeps the answer to itself.
type ProbeRequest struct {
	Port int // ifindex
	From evpn.MAC
	IP   netip.Addr
	MAC  evpn.MAC
}

// address is what is told of a local IP address.
type address struct {
	mac                         evpn.MAC
	router, override, immutable bool
}

// host is one local IP address and who vouches for it: the neighbor table
// of a bridge, the host itself, or both. It is there also while the engine
// wants an answer of it that has not come.
type host struct {
	d  *domain
	ip netip.Addr

	neigh address // as the neighbor table has it; no MAC: it does not
	said  address // as it was heard, or is asked for
	heard bool    // said was heard
	here  bool    // and the bridge has its MAC behind a port: it counts
	port  int     // that it was heard at
	at    time.Time

	due   time.Time // when it is to be looked at
	tries int       // questions since it was heard
	pos   int       // in Plane.vigil, -1 when not there

	slotted bool // due is its turn among those of its VNI
	doubt   bool // another VTEP tells of another that has ip; its next word ends that
}

// told returns what the engine is to know of h. The newest evidence wins; a
// flag counts when either source has it.
func (h *host) told(newest address) address {
	for _, x := range []address{h.neigh, h.said} {
		if x.mac == newest.mac && !x.mac.IsZero() && (x == h.neigh || h.here) {
			newest.router = newest.router || x.router
			newest.override = newest.override || x.override
			newest.immutable = newest.immutable || x.immutable
		}
	}
	return newest
}

func (d *domain) host(ip netip.Addr) *host {
	h := d.hosts[ip]
	if h == nil {
		h = &host{d: d, ip: ip, pos: -1}
		d.hosts[ip] = h
	}
	return h
}

// tell brings what the engine is told of h in step with its evidence, of
// which newest is the last that came, or none when one went.
func (p *Plane) tell(h *host, newest address) {
	switch {
	case h.neigh.immutable:
		newest = h.neigh
	case !newest.mac.IsZero():
	case h.here:
		newest = h.said
	default:
		newest = h.neigh
	}
	if !newest.mac.IsZero() {
		if h.d.ips.set(h.ip, h.told(newest)) {
			p.noisy[h.d] = struct{}{}
		}
		return
	}
	if h.d.ips.clear(h.ip) {
		p.noisy[h.d] = struct{}{}
	}
	if h.said.mac.IsZero() {
		delete(h.d.hosts, h.ip)
	}
}

// setIP records what the neighbor table says of ip.
func (p *Plane) setIP(d *domain, ip netip.Addr, to address) {
	h := d.host(ip)
	if h.neigh == to {
		return
	}
	h.neigh = to
	p.tell(h, to)
}

// clearIP records that the neighbor table says nothing of ip.
func (p *Plane) clearIP(d *domain, ip netip.Addr) {
	if h := d.hosts[ip]; h != nil && !h.neigh.mac.IsZero() {
		h.neigh = address{}
		p.tell(h, address{})
	}
}

// hear takes over what hosts said.
func (p *Plane) hear(x *Snooped) {
	p.stats.Claims += uint64(len(x.Claims))
	p.stats.Ignored += uint64(x.Ignored)
	now := time.Now()
	for i := range x.Claims {
		c := &x.Claims[i]
		l := p.links[c.Port]
		if l == nil || p.vxlans[c.Port] || c.MAC == l.MAC || !c.MAC.IsHost() || !hostAddr(c.IP) || p.own[c.IP] {
			continue
		}
		for _, d := range p.byBr[l.Master] {
			if d.listen && d.fixed[c.MAC]&ownAddress == 0 {
				p.claim(d, c, now)
			}
		}
	}
}

// claim takes over what one host said. One that says what is known costs
// nothing.
func (p *Plane) claim(d *domain, c *Claim, now time.Time) {
	h := d.hosts[c.IP]
	if h != nil && h.heard && h.said.mac == c.MAC && (h.here || h.port == c.Port) {
		h.at, h.tries, h.doubt = now, 0, false
		if c.Kind != ClaimNA || c.Router == h.said.router && (h.said.override || !c.Override) {
			return
		}
	}
	if h == nil || h.said.mac != c.MAC || !h.heard {
		if bound := p.bounded(d, h, c); bound != "" {
			p.stats.Dropped++
			if now.Sub(d.boundAt) > boundShown {
				p.log.Warn("hosts claim too many addresses; the rest is not announced", "vni", d.vni, "bound", bound)
			}
			d.bound, d.boundAt = bound, now
			return
		}
		h = d.host(c.IP)
		p.forgetSaid(h)
		h.said = address{mac: c.MAC}
		h.heard, h.here = true, false
		d.macIPs[c.MAC] = append(d.macIPs[c.MAC], c.IP)
		h.port = c.Port
		d.portIPs[h.port]++
	}
	if h.port != c.Port {
		d.portIPs[h.port]--
		h.port = c.Port
		d.portIPs[h.port]++
	}
	h.at, h.tries, h.doubt = now, 0, false
	if c.Kind == ClaimNA {
		// Linux answers a question to its unicast address without O, and
		// one to all with it: what was once said counts.
		h.said.router, h.said.override = c.Router, h.said.override || c.Override
	}
	at, ok := d.macs.m[c.MAC]
	if h.here = ok && at.here && (h.here || at.val.port == c.Port); !h.here {
		p.watch(h, now.Add(unlearned))
		return
	}
	p.watchHost(h)
	p.tell(h, h.said)
}

// bounded says which bound a new claim would break, or nothing.
func (p *Plane) bounded(d *domain, h *host, c *Claim) string {
	replaces := h != nil && !h.said.mac.IsZero()
	switch {
	case len(d.macIPs[c.MAC]) >= maxIPsPerMAC:
		return fmt.Sprintf("MAC %s on port %s claims more than %d addresses", c.MAC, p.links[c.Port].Name, maxIPsPerMAC)
	case d.portIPs[c.Port] >= maxIPsPerPort:
		return fmt.Sprintf("hosts on port %s claim more than %d addresses", p.links[c.Port].Name, maxIPsPerPort)
	case !replaces && len(d.hosts) >= maxIPsPerVNI:
		return fmt.Sprintf("hosts claim more than %d addresses", maxIPsPerVNI)
	}
	return ""
}

// forgetSaid takes back what h said, or was to be asked. The caller tells.
func (p *Plane) forgetSaid(h *host) {
	d := h.d
	if !h.heard && !h.said.mac.IsZero() {
		d.asked--
	}
	if h.heard {
		ips := d.macIPs[h.said.mac]
		if i := slices.Index(ips, h.ip); i >= 0 {
			ips = slices.Delete(ips, i, i+1)
		}
		if len(ips) == 0 {
			delete(d.macIPs, h.said.mac)
		} else {
			d.macIPs[h.said.mac] = ips
		}
		if d.portIPs[h.port]--; d.portIPs[h.port] <= 0 {
			delete(d.portIPs, h.port)
		}
	}
	h.said, h.heard, h.here, h.tries, h.doubt = address{}, false, false, 0, false
	p.unwatch(h)
}

// silent takes back what h said and tells it.
func (p *Plane) silent(h *host) {
	p.forgetSaid(h)
	p.tell(h, address{})
}

// learned has the claims of a MAC count that the bridge has behind a port.
func (p *Plane) learned(d *domain, mac evpn.MAC, port int) {
	for _, ip := range d.macIPs[mac] {
		if h := d.hosts[ip]; h.port == port && !h.here {
			h.here = true
			p.watchHost(h)
			p.tell(h, h.said)
		}
	}
}

// forgotten takes back the claims of a MAC that the bridge has no more.
func (p *Plane) forgotten(d *domain, mac evpn.MAC) {
	for _, ip := range slices.Clone(d.macIPs[mac]) {
		if h := d.hosts[ip]; h.here {
			p.silent(h)
		}
	}
}

// deaf takes back all that was heard in d.
func (p *Plane) deaf(d *domain) {
	for _, h := range d.hosts {
		if !h.said.mac.IsZero() {
			p.silent(h)
		}
	}
	d.bound = ""
}

// listen has the local ports of the served VNIs heard.
func (p *Plane) listen() {
	var ports []int
	for _, d := range p.sorted() {
		was := d.listen
		hosts := p.cfg.hosts(d.vni)
		if d.listen = d.dev != 0 && !hosts.Off; was && !d.listen {
			p.deaf(d)
		}
		if br := p.links[d.bridge]; d.listen && br != nil {
			d.setHosts(&hosts, br.Ageing)
		}
	}
	// A port that is down is heard from the moment it comes up: many a host
	// announces itself then, and never again.
	for i, l := range p.links {
		if !p.vxlans[i] && slices.ContainsFunc(p.byBr[l.Master], func(d *domain) bool { return d.listen }) {
			ports = append(ports, i)
		}
	}
	slices.Sort(ports)
	if p.mute {
		return
	}
	if err := p.k.SnoopPorts(ports); err != nil {
		p.setTrouble(Problem{Kind: ProblemHosts, Text: fmt.Sprintf(
			"cannot listen for ARP and ND on all local ports: %s; it is tried again", hearAdvice(err))})
		p.syncSoon(holdMost)
		return
	}
	p.clearTrouble(ProblemHosts, 0, "")
}

// deafness records that nothing can be heard at all.
func (p *Plane) deafness(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
	p.setTrouble(Problem{Kind: ProblemHosts, Text: "cannot listen for ARP and ND on local ports: " + hearAdvice(err)})
}

func hearAdvice(err error) string {
	if errors.Is(err, syscall.EPERM) {
		return fmt.Sprintf("%v: evpnd needs CAP_NET_RAW in this network namespace", err)
	}
	return err.Error()
}
