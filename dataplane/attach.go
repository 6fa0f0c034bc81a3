package dataplane

import (
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// attach brings the broadcast domains in step with the devices.
func (s *syncer) attach(topo *topology.Topology) {
	news := slices.ContainsFunc(topo.Devices, func(d topology.Device) bool { return !s.bds.topo.IsVXLAN(d.Ifindex) })
	s.bds.topo = topo
	if news {
		s.forgetBehindVXLAN()
	}
	for vni := range topo.Attached {
		s.bds.make(vni)
	}
	s.bds.index = topology.Index[*bdState]{}
	for _, d := range s.bds.sorted() {
		var at topology.Attachment
		dev := topo.Attached[d.vni]
		if dev != nil {
			at = dev.At
		}
		if d.attached() && (!d.at.SameTables(at) || at.Uses(s.bds.gone)) {
			s.detach(d, at)
		}
		if dev == nil {
			continue
		}
		if !d.attached() {
			d.need = needRead
		}
		d.at, d.name, d.bridge = at, dev.Name, dev.Bridge
		s.bds.index.Add(d.at, d)
		s.setUp(d, dev.Served, dev.Local)
	}
	s.writer.forgetOrphans()
	clear(s.bds.gone)
}

// forgetBehindVXLAN forgets local MACs behind ports that turn out to be VXLAN
// devices: a frame may come out of one before the devices are read.
func (s *syncer) forgetBehindVXLAN() {
	for _, d := range s.bds.sorted() {
		for _, mac := range d.local.MACs() {
			if port, _ := d.local.Port(mac); s.bds.topo.IsVXLAN(port) {
				s.writer.notLocal(d, mac)
			}
		}
	}
}

// detach follows a device that went, was made again, or left its bridge.
func (s *syncer) detach(d *bdState, to topology.Attachment) {
	if s.bds.topo.Unselected(d.at) {
		s.writer.unserve(d)
	}
	if d.at.SVI != to.SVI && s.bds.topo.Link(d.at.SVI) != nil && !s.bds.gone[d.at.SVI] {
		s.writer.leaveBridge(d)
	}
	s.setUp(d, false, netip.Addr{})
	d.local.Clear()
	d.vlans = make(map[evpn.MAC]struct{})
	for _, k := range d.kinds() {
		k.Reset()
	}
	d.at, d.name, d.bridge = topology.Attachment{}, "", ""
}

func (s *syncer) setUp(d *bdState, up bool, vtep netip.Addr) {
	if !d.setVTEP(up, vtep) {
		return
	}
	s.outbox.mark(d)
	if up {
		s.log.Info("VNI is served", "vni", d.vni, "device", d.name, "vtep", vtep)
	} else {
		s.log.Info("VNI is not served any more", "vni", d.vni, "device", d.name)
	}
}
