package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/dataplane/topology"
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
	view, err := p.readView()
	if err == nil {
		view, err = p.declare(view)
	}
	if err != nil {
		p.failRead(err)
		return
	}
	p.attach(topology.Resolve(view, &p.cfg.Topology, p.topo))
	if p.reread {
		for _, d := range p.domains {
			if d.attached() {
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
	p.setTrouble(topology.Problem{Kind: ProblemRead, Text: fmt.Sprintf("%v; it is tried again", err)})
	p.log.Warn("cannot read the kernel's tables; trying again", "err", err, "pause", p.again)
}

// readView reads the devices and their addresses.
func (p *Plane) readView() (*topology.View, error) {
	links, err := p.k.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := p.k.Addrs()
	if err != nil {
		return nil, err
	}
	return topology.NewView(links, addrs), nil
}

// attach brings the broadcast domains in step with the devices.
func (p *Plane) attach(topo *topology.Topology) {
	news := slices.ContainsFunc(topo.Devices, func(d topology.Device) bool { return !p.topo.IsVXLAN(d.Ifindex) })
	p.topo = topo
	if news {
		p.forgetBehindVXLAN()
	}
	for vni := range topo.Attached {
		if p.domains[vni] == nil {
			p.domains[vni] = p.newDomain(vni)
		}
	}
	p.index = topology.Index[*domain]{}
	for _, d := range p.sorted() {
		var at topology.Attachment
		dev := topo.Attached[d.vni]
		if dev != nil {
			at = dev.At
		}
		if d.attached() && (!d.at.SameTables(at) || p.gone[at.VXLAN] || p.gone[at.Bridge]) {
			p.detach(d, at)
		}
		if dev == nil {
			continue
		}
		if !d.attached() {
			d.need = needRead
		}
		d.at, d.name, d.bridge = at, dev.Name, dev.Bridge
		p.index.Add(d.at, d)
		p.setUp(d, dev.Served, dev.Local)
	}
	p.forgetLeft()
	clear(p.gone)
}

// forgetBehindVXLAN forgets local MACs behind ports that turn out to be VXLAN
// devices: a frame may come out of one before the devices are read.
func (p *Plane) forgetBehindVXLAN() {
	for _, d := range p.sorted() {
		for _, mac := range d.local.MACs() {
			if port, _ := d.local.Port(mac); p.topo.IsVXLAN(port) {
				p.clearMAC(d, mac)
			}
		}
	}
}

// detach follows a device that went, was made again, or left its bridge.
func (p *Plane) detach(d *domain, to topology.Attachment) {
	if p.topo.Unselected(d.at) {
		p.leave(d)
	}
	if d.at.Bridge != to.Bridge && p.topo.Link(d.at.Bridge) != nil && !p.gone[d.at.Bridge] {
		p.leaveBridge(d)
	}
	p.setUp(d, false, netip.Addr{})
	d.local.Clear()
	d.vlans = make(map[evpn.MAC]struct{})
	for _, k := range d.kinds() {
		k.Reset()
	}
	d.at, d.name, d.bridge = topology.Attachment{}, "", ""
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
