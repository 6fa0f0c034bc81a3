package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// syncSoon has the devices read after a pause, or longer where reading them
// takes long and was just done: with thousands of devices it must not take all
// the time.
func (p *Plane) syncSoon(pause time.Duration) {
	at := time.Now().Add(max(pause, p.rest(min(4*p.lastSync, time.Second))))
	if p.syncAt.IsZero() || at.Before(p.syncAt) {
		p.syncAt = at
	}
}

// rest returns what is left of a pause after the last sync.
func (p *Plane) rest(pause time.Duration) time.Duration { return time.Until(p.syncedAt.Add(pause)) }

// sync reads the devices and follows what changed.
func (p *Plane) sync() {
	start := time.Now()
	p.syncAt = time.Time{}
	if err := p.readLinks(); err != nil {
		p.failRead(err)
		return
	}
	if p.declare() {
		// Devices were made or removed: what follows needs them as they are.
		if err := p.readLinks(); err != nil {
			p.failRead(err)
			return
		}
	}
	chosen := p.choose()
	p.attach(chosen)
	if p.reread {
		for _, d := range p.domains {
			if d.dev != 0 {
				d.need = max(d.need, needCheck)
			}
		}
	}
	if err := p.read(); err != nil {
		p.failRead(err)
		return
	}
	p.reread = false
	p.again = 0
	p.clearTrouble(ProblemRead, 0, "")
	p.mend()
	p.snoopPorts()
	p.drop()
	p.first = true
	p.syncedAt = time.Now()
	p.lastSync = p.syncedAt.Sub(start)
}

// failRead has all read again after a pause.
func (p *Plane) failRead(err error) {
	p.again = min(max(2*p.again, 100*time.Millisecond), 10*time.Second)
	p.syncSoon(p.again)
	p.setTrouble(Problem{Kind: ProblemRead, Text: fmt.Sprintf("%v; it is tried again", err)})
	p.log.Warn("cannot read the kernel's tables; trying again", "err", err, "pause", p.again)
}

func (p *Plane) readLinks() error {
	links, err := p.k.Links()
	if err != nil {
		return err
	}
	addrs, err := p.k.Addrs()
	if err != nil {
		return err
	}
	known, news := p.vxlans, false
	p.links = make(map[int]*Link, len(links))
	p.vxlans = make(map[int]bool)
	for i := range links {
		p.links[links[i].Index] = &links[i]
		if links[i].VXLAN != nil {
			p.vxlans[links[i].Index] = true
			news = news || !known[links[i].Index]
		}
	}
	if news {
		p.clearTunnels()
	}
	p.own = make(map[netip.Addr]bool, len(addrs))
	p.under = make(map[netip.Addr]int, len(addrs))
	for _, a := range addrs {
		p.own[a.IP] = true
		p.under[a.IP] = a.Ifindex
	}
	return nil
}

// clearTunnels forgets local MACs behind ports that turn out to be VXLAN
// devices: a frame may come out of one before the devices are read.
func (p *Plane) clearTunnels() {
	for _, d := range p.sorted() {
		for _, mac := range d.local.MACs() {
			if port, _ := d.local.Port(mac); p.vxlans[port] {
				p.clearMAC(d, mac)
			}
		}
	}
}

// byIndex returns the devices, ascending.
func (p *Plane) byIndex() []*Link {
	out := make([]*Link, 0, len(p.links))
	for _, l := range p.links {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *Link) int { return cmp.Compare(a.Index, b.Index) })
	return out
}

func (p *Plane) linkNamed(name string) *Link {
	for _, l := range p.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// choice is the device that serves a VNI, and how.
type choice struct {
	link *Link
	vtep netip.Addr
	up   bool
}

// choose judges every VXLAN device: which serve a VNI, and why others do
// not. It fills p.seen.
func (p *Plane) choose() map[evpn.VNI]choice {
	chosen := make(map[evpn.VNI]choice)
	p.seen = p.seen[:0]
	for _, l := range p.byIndex() {
		if l.VXLAN == nil {
			continue
		}
		v := l.VXLAN
		st := DeviceStatus{VNI: v.VNI, Device: l.Name, Ifindex: l.Index, Local: v.Local, Port: v.Port, MTU: l.MTU, Made: made(l)}
		if br := p.links[l.Master]; br != nil && br.Kind == "bridge" {
			st.Bridge = br.Name
		}
		no := func(kind ProblemKind, format string, args ...any) {
			st.Problems = append(st.Problems, Problem{
				Kind: kind, VNI: v.VNI, Device: l.Name, Text: fmt.Sprintf(format, args...),
			})
		}
		usable := p.usable(l, no)
		if other, ok := chosen[v.VNI]; ok && usable {
			keep := p.domains[v.VNI]
			if keep == nil || keep.dev != l.Index {
				no(ProblemDuplicate, "VNI %d is served by device %s already: remove one of the two", v.VNI, other.link.Name)
				usable = false
			} else {
				p.demote(other.link, l)
			}
		}
		if usable {
			c := choice{link: l, vtep: v.Local}
			if !c.vtep.IsValid() {
				c.vtep = p.cfg.VTEP
			}
			c.up = p.canForward(l, c.vtep, no)
			p.checkFlags(l, c.vtep, no)
			chosen[v.VNI] = c
			st.Served, st.Local = c.up, c.vtep
		}
		p.seen = append(p.seen, st)
	}
	return chosen
}

// demote records that a device lost its VNI to another that had it before.
func (p *Plane) demote(l, to *Link) {
	for i := range p.seen {
		if st := &p.seen[i]; st.Ifindex == l.Index {
			st.Served = false
			st.Problems = append(st.Problems, Problem{
				Kind: ProblemDuplicate, VNI: st.VNI, Device: l.Name,
				Text: fmt.Sprintf("VNI %d is served by device %s already: remove one of the two", st.VNI, to.Name),
			})
		}
	}
}

// usable tells whether entries may be written to a VXLAN device.
func (p *Plane) usable(l *Link, no func(ProblemKind, string, ...any)) bool {
	v := l.VXLAN
	br := p.links[l.Master]
	switch {
	case v.External || v.VNIFilter:
		no(ProblemExternal, "device %s takes its VNI from metadata (external): evpnd serves devices with one VNI", l.Name)
	case !v.VNI.Valid():
		no(ProblemExternal, "device %s has no VNI", l.Name)
	case !p.cfg.selects(l.Name, v.VNI):
		no(ProblemNotSelected, "VNI %d of device %s is not selected by the configuration", v.VNI, l.Name)
	case br == nil || br.Kind != "bridge":
		no(ProblemNoBridge, "device %s is no port of a bridge: ip link set %s master BRIDGE", l.Name, l.Name)
	case br.VLANFiltering:
		no(ProblemVLAN, "bridge %s filters VLANs, which evpnd does not serve: use a bridge of its own for VNI %d", br.Name, v.VNI)
	default:
		return true
	}
	return false
}

// canForward tells whether a usable device can forward.
func (p *Plane) canForward(l *Link, vtep netip.Addr, no func(ProblemKind, string, ...any)) bool {
	br := p.links[l.Master]
	ok := true
	if !l.Up {
		no(ProblemDown, "device %s is down: ip link set %s up", l.Name, l.Name)
		ok = false
	}
	if !br.Up {
		no(ProblemDown, "bridge %s is down: ip link set %s up", br.Name, br.Name)
		ok = false
	}
	if !vtep.IsValid() {
		no(ProblemNoLocal, "device %s has no local address: make it with `local ADDRESS`, or configure the VTEP address", l.Name)
		ok = false
	}
	return ok
}

// The bytes that VXLAN puts round a frame (RFC 7348 §5): outer IP, UDP,
// VXLAN and the inner Ethernet header.
const (
	overhead4 = 50
	overhead6 = 70
)

// checkFlags notes what is unusual about a device and cannot be mended.
func (p *Plane) checkFlags(l *Link, vtep netip.Addr, no func(ProblemKind, string, ...any)) {
	v := l.VXLAN
	if v.Remote.IsValid() {
		no(ProblemDefaultDest, "device %s sends all unknown frames to %s as well: make it again without `remote` and `group`", l.Name, v.Remote)
	}
	if v.Port != DefaultPort {
		no(ProblemPort, "device %s uses UDP port %d, not %d: that works only where every VTEP does", l.Name, v.Port, DefaultPort)
	}
	if most := p.mtuFor(vtep, v.Lower); most != 0 && p.links[l.Master].MTU > most {
		no(ProblemMTU, "bridge %s has MTU %d, but the underlay carries no more than %d: ip link set %s mtu %d",
			p.links[l.Master].Name, p.links[l.Master].MTU, most, p.links[l.Master].Name, most)
	}
}

// mtuFor returns the largest inner MTU for a VTEP address, or 0 where the
// underlay device is not known from it, as with an address of the loopback.
func (p *Plane) mtuFor(vtep netip.Addr, lower int) int {
	if lower == 0 {
		lower = p.under[vtep]
	}
	u := p.links[lower]
	if u == nil || u.Name == "lo" || !vtep.IsValid() {
		return 0
	}
	if vtep.Is4() {
		return u.MTU - overhead4
	}
	return u.MTU - overhead6
}

// attach brings the domains in step with the chosen devices.
func (p *Plane) attach(chosen map[evpn.VNI]choice) {
	for vni := range chosen {
		if p.domains[vni] == nil {
			p.domains[vni] = p.newDomain(vni)
		}
	}
	p.byDev = make(map[int]*domain, len(chosen))
	p.byBr = make(map[int][]*domain, len(chosen))
	for _, d := range p.sorted() {
		c := chosen[d.vni]
		dev, br := 0, 0
		if c.link != nil {
			dev, br = c.link.Index, c.link.Master
		}
		if d.dev != 0 && (d.dev != dev || d.bridge != br || p.gone[dev] || p.gone[br]) {
			p.detach(d, dev, br)
		}
		if dev == 0 {
			continue
		}
		d.name, d.remote = c.link.Name, c.link.VXLAN.Remote
		if d.dev == 0 {
			d.dev, d.bridge, d.need = dev, br, needRead
		}
		p.byDev[dev] = d
		p.byBr[br] = append(p.byBr[br], d)
		p.setUp(d, c.up, c.vtep)
	}
	p.forgetLeft()
	clear(p.gone)
}

// detach follows a device that went, was made again, or left its bridge.
func (p *Plane) detach(d *domain, to, bridge int) {
	if old := p.links[d.dev]; to == 0 && old != nil && old.VXLAN != nil && !p.cfg.selects(old.Name, d.vni) {
		p.leave(d)
	}
	if d.bridge != bridge && p.links[d.bridge] != nil && !p.gone[d.bridge] {
		p.leaveBridge(d)
	}
	p.setUp(d, false, netip.Addr{})
	d.local.Clear()
	d.vlans = make(map[evpn.MAC]struct{})
	for _, k := range d.kinds() {
		k.Reset()
	}
	d.dev, d.bridge, d.name = 0, 0, ""
}

func (p *Plane) setUp(d *domain, up bool, vtep netip.Addr) {
	if !d.setVTEP(up, vtep) {
		return
	}
	p.noisy[d] = struct{}{}
	if up {
		p.log.Info("VNI is served", "vni", d.vni, "device", d.name, "vtep", vtep)
	} else {
		p.log.Info("VNI is not served any more", "vni", d.vni, "device", d.name)
	}
}

// drop forgets the domains that hold nothing.
func (p *Plane) drop() {
	for _, d := range p.domains {
		p.dropIfEmpty(d)
	}
}

func (p *Plane) dropIfEmpty(d *domain) {
	if d.empty() && !d.queued {
		delete(p.domains, d.vni)
		delete(p.noisy, d)
	}
}

// mendTries is how often the flags of a device are set that look wrong again
// at once, before it is left alone until holdMost has passed: an old kernel
// may not have them, or somebody else sets them as fast as we do.
const mendTries = 3

// mend sets what must be on each served device, and what it can of it.
func (p *Plane) mend() {
	p.forgetMended()
	for _, d := range p.sorted() {
		l := p.links[d.dev]
		if l == nil {
			continue
		}
		port := l.Port != nil && (l.Port.Learning || !l.Port.NeighSuppress)
		if !port && !l.VXLAN.Learning {
			delete(p.mends, l.Index)
			p.clearTrouble(ProblemFlags, d.vni, l.Name)
			continue
		}
		p.mendOne(d, l, port)
	}
}

// forgetMended drops what is remembered of devices that are gone, or serve
// no VNI any more, or have another name.
func (p *Plane) forgetMended() {
	gone := func(ifindex int) bool { return p.links[ifindex] == nil }
	maps.DeleteFunc(p.mends, func(i int, _ mending) bool { return gone(i) })
	maps.DeleteFunc(p.told, func(i int, _ bool) bool { return gone(i) })
	maps.DeleteFunc(p.trouble, func(k troubleKey, _ Problem) bool {
		d := p.domains[k.vni]
		return k.kind == ProblemFlags && (d == nil || d.dev == 0 || d.name != k.device)
	})
}

func (p *Plane) mendOne(d *domain, l *Link, port bool) {
	var err error
	m := p.mends[l.Index]
	now := time.Now()
	switch {
	case m.tries >= mendTries && now.Sub(m.last) < holdMost:
		err = errors.New("they are set and look wrong again at once: see who else sets them")
	case port:
		err = p.k.SetPort(l.Index, false, true)
	}
	if l.VXLAN.Learning && err == nil {
		err = p.k.SetVXLANLearning(l.Index, false)
	}
	if err != nil {
		p.setTrouble(Problem{
			Kind: ProblemFlags, VNI: d.vni, Device: l.Name,
			Text: fmt.Sprintf("cannot set `learning off neigh_suppress on` and `nolearning` on device %s: %s", l.Name, advice(err)),
		})
		p.syncSoon(holdMost)
		return
	}
	p.stats.Mended++
	if m.tries++; m.tries > mendTries {
		m.tries = 1
	}
	m.last = now
	p.mends[l.Index] = m
	if !p.told[l.Index] {
		p.told[l.Index] = true
		p.log.Info("set bridge port to learning off and neigh_suppress on, and the device to nolearning", "vni", d.vni, "device", l.Name)
	}
}
