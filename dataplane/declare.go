package dataplane

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evpnd/evpnd/evpn"
)

// aliasPrefix marks the devices that evpnd made: the kernel keeps a device's
// alias (IFLA_IFALIAS) as long as the device, so a restarted evpnd knows its
// own.
const aliasPrefix = "evpnd: made for VNI "

func alias(vni evpn.VNI) string { return aliasPrefix + vni.String() }

// made tells whether evpnd made a device.
func made(l *Link) bool { return strings.HasPrefix(l.Alias, aliasPrefix) }

// declare makes what is declared and missing, and removes what it made and
// is declared no more. It returns whether devices changed.
func (p *Plane) declare() bool {
	changed := p.undeclare()
	for _, d := range p.cfg.Declared {
		d = d.filled(&p.cfg)
		did, err := p.makeDeclared(d)
		changed = changed || did
		if err != nil {
			p.setTrouble(Problem{Kind: ProblemDeclare, VNI: d.VNI, Text: fmt.Sprintf("declared VNI %d: %v", d.VNI, err)})
			p.syncSoon(holdMost)
		} else {
			p.clearTrouble(ProblemDeclare, d.VNI, "")
		}
	}
	return changed
}

// undeclare removes the devices that were made for VNIs or under names that
// are declared no more. A bridge that has other ports by now stays.
func (p *Plane) undeclare() bool {
	mine := p.orphans()
	maps.DeleteFunc(p.trouble, func(k troubleKey, _ Problem) bool {
		switch {
		case k.kind != ProblemDeclare:
			return false
		case k.device == "":
			return !slices.ContainsFunc(p.cfg.Declared, func(d Declared) bool { return d.VNI == k.vni })
		}
		return !slices.ContainsFunc(mine, func(l *Link) bool { return l.Name == k.device })
	})
	changed := false
	removed := make(map[int]bool)
	for _, l := range mine {
		used := p.hasPorts(l, removed)
		vni, _ := evpn.ParseVNI(strings.TrimPrefix(l.Alias, aliasPrefix))
		if used {
			p.setTrouble(Problem{Kind: ProblemDeclare, VNI: vni, Device: l.Name, Text: fmt.Sprintf(
				"bridge %s was made for VNI %d, which is declared no more, but it has other ports: ip link del %s when they are gone", l.Name, vni, l.Name)})
			continue
		}
		if err := p.k.Remove(l.Index); err != nil {
			p.setTrouble(Problem{Kind: ProblemDeclare, VNI: vni, Device: l.Name, Text: fmt.Sprintf(
				"cannot remove device %s, which was made for VNI %d: %s", l.Name, vni, advice(err))})
			continue
		}
		p.log.Info("removed a device that is declared no more", "vni", vni, "device", l.Name)
		removed[l.Index], changed = true, true
	}
	return changed
}

// orphans returns the devices that were made for VNIs or under names that are
// declared no more: VXLAN devices first, so that their bridges are found
// without them.
func (p *Plane) orphans() []*Link {
	keep := make(map[string]bool)
	for _, d := range p.cfg.Declared {
		d = d.filled(&p.cfg)
		keep[d.Bridge+"\x00"+alias(d.VNI)] = true
		keep[d.Device+"\x00"+alias(d.VNI)] = true
	}
	var mine []*Link
	for _, l := range p.byIndex() {
		if made(l) && !keep[l.Name+"\x00"+l.Alias] {
			mine = append(mine, l)
		}
	}
	slices.SortStableFunc(mine, func(a, b *Link) int { return count(b.VXLAN != nil) - count(a.VXLAN != nil) })
	return mine
}

// hasPorts tells whether a device has ports beside the removed ones.
func (p *Plane) hasPorts(l *Link, removed map[int]bool) bool {
	for _, o := range p.links {
		if o.Master == l.Index && !removed[o.Index] {
			return true
		}
	}
	return false
}

// makeDeclared makes the bridge and the VXLAN device of d where they are
// missing.
func (p *Plane) makeDeclared(d Declared) (changed bool, err error) {
	mtu := d.MTU
	if mtu == 0 {
		mtu = max(0, p.mtuFor(d.Local, 0))
	}
	br := p.linkNamed(d.Bridge)
	if br == nil {
		err := p.k.MakeBridge(Link{Name: d.Bridge, Kind: "bridge", Alias: alias(d.VNI), MTU: mtu})
		if err != nil {
			return false, fmt.Errorf("cannot make bridge %s: %s", d.Bridge, advice(err))
		}
		p.log.Info("made a bridge", "vni", d.VNI, "device", d.Bridge)
		if err := p.readLinks(); err != nil {
			return true, err
		}
		changed = true
		if br = p.linkNamed(d.Bridge); br == nil {
			return true, fmt.Errorf("bridge %s vanished as soon as it was made", d.Bridge)
		}
	}
	if br.Kind != "bridge" {
		return changed, fmt.Errorf("device %s is there and is no bridge: declare another name", d.Bridge)
	}
	made, err := p.makeDevice(d, br, mtu)
	changed = changed || made
	if err != nil {
		return changed, err
	}
	dev := p.linkNamed(d.Device)
	for _, l := range []*Link{br, dev} {
		if l == nil || l.Up || l.Alias != alias(d.VNI) {
			continue
		}
		if err := p.k.SetUp(l.Index); err != nil {
			return changed, fmt.Errorf("cannot bring device %s up: %s", l.Name, advice(err))
		}
		changed = true
	}
	return p.enslave(d, br, changed)
}

// makeDevice makes the VXLAN device of d, again when evpnd made it otherwise.
func (p *Plane) makeDevice(d Declared, br *Link, mtu int) (changed bool, err error) {
	l := p.linkNamed(d.Device)
	if l != nil && l.Alias == alias(d.VNI) && l.VXLAN != nil &&
		(l.VXLAN.Local != d.Local || l.VXLAN.Port != d.Port || l.VXLAN.VNI != d.VNI) {
		if err := p.k.Remove(l.Index); err != nil {
			return false, fmt.Errorf("cannot make device %s anew: %s", d.Device, advice(err))
		}
		p.gone[l.Index] = true
		l = nil
	}
	if l == nil {
		err := p.k.MakeVXLAN(Link{
			Name: d.Device, Kind: "vxlan", Alias: alias(d.VNI), MTU: mtu, Master: br.Index,
			VXLAN: &VXLAN{VNI: d.VNI, Local: d.Local, Port: d.Port},
		})
		if err != nil {
			return false, fmt.Errorf("cannot make VXLAN device %s: %s", d.Device, advice(err))
		}
		p.log.Info("made a VXLAN device", "vni", d.VNI, "device", d.Device)
		return true, p.readLinks()
	}
	switch {
	case l.VXLAN == nil || l.VXLAN.VNI != d.VNI:
		return false, fmt.Errorf("device %s is there and is no VXLAN device with this VNI: declare another name, or remove it", d.Device)
	case l.Alias == alias(d.VNI) && mtu != 0 && l.MTU != mtu:
		if err := p.k.SetMTU(l.Index, mtu); err != nil {
			return false, fmt.Errorf("cannot set the MTU of %s to %d: %s", l.Name, mtu, advice(err))
		}
		changed = true
	}
	if l.Master == 0 {
		if err := p.k.SetMaster(l.Index, br.Index); err != nil {
			return changed, fmt.Errorf("cannot make %s a port of bridge %s: %s", l.Name, br.Name, advice(err))
		}
		changed = true
	}
	return changed, nil
}

// enslave makes the declared ports that are there ports of the bridge.
func (p *Plane) enslave(d Declared, br *Link, changed bool) (bool, error) {
	for _, name := range d.Ports {
		l := p.linkNamed(name)
		if l == nil || l.Master == br.Index {
			continue
		}
		if l.Master != 0 {
			return changed, fmt.Errorf("device %s is to be a port of bridge %s and is one of another already", name, br.Name)
		}
		if err := p.k.SetMaster(l.Index, br.Index); err != nil {
			return changed, fmt.Errorf("cannot make %s a port of bridge %s: %s", name, br.Name, advice(err))
		}
		changed = true
	}
	return changed, nil
}
