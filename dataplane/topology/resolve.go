package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Topology is what Resolve makes of a View. It is not changed once it is made:
// any goroutine may read it.
type Topology struct {
	*View
	// Devices are the VXLAN devices, by VNI and index.
	Devices []Device
	// Attached are the devices that broadcast domains are attached by, one
	// for each VNI. They point into Devices.
	Attached map[evpn.VNI]*Device
}

// Device is a VXLAN device and what it is for.
type Device struct {
	VNI     evpn.VNI
	Name    string
	Ifindex int
	Bridge  string     // name of the bridge that it is a port of; empty: of none
	Local   netip.Addr // the device's local address, else the configured VTEP address
	Port    uint16     // UDP
	MTU     int
	Made    bool // by evpnd, which removes it when it is declared no more
	// Served tells whether the broadcast domain can forward here.
	Served bool
	// Problems say why it is not served, or what is unusual about it.
	Problems []Problem
	// At is where the entries of the broadcast domain are. Its zero value
	// says that none are written to this device.
	At Attachment
}

// Resolve says for each VXLAN device which broadcast domain it has and how that
// is attached, or why it is not. Of several devices with one VNI, the one that
// had it before keeps it, and else the one with the lowest index has it; before
// is what was resolved the last time, or nil.
func Resolve(v *View, cfg *Config, before *Topology) *Topology {
	t := &Topology{View: v, Attached: make(map[evpn.VNI]*Device)}
	for _, l := range v.Links() {
		if l.VXLAN != nil {
			t.Devices = append(t.Devices, v.device(l, cfg))
		}
	}
	slices.SortStableFunc(t.Devices, func(a, b Device) int { return cmp.Compare(a.VNI, b.VNI) })
	for i := range t.Devices {
		d := &t.Devices[i]
		if !d.Attachable() {
			continue
		}
		if t.Attached[d.VNI] == nil || before.has(d) {
			t.Attached[d.VNI] = d
		}
	}
	for i := range t.Devices {
		d := &t.Devices[i]
		switch has := t.Attached[d.VNI]; {
		case has == d:
			v.checkForwarding(d)
		case d.Attachable():
			d.At = Attachment{}
			d.problem(Duplicate, "VNI %d is served by device %s already: remove one of the two", d.VNI, has.Name)
		}
	}
	return t
}

// has tells whether d had its broadcast domain.
func (t *Topology) has(d *Device) bool {
	return t != nil && t.Attached[d.VNI] != nil && t.Attached[d.VNI].Ifindex == d.Ifindex
}

// Attachable tells whether entries may be written to the device.
func (d *Device) Attachable() bool { return d.At != Attachment{} }

// Unselected tells whether the VXLAN device of an attachment of before is there
// and not selected any more, with no other in its place.
func (t *Topology) Unselected(a Attachment) bool {
	return t.Attached[a.VNI] == nil && slices.ContainsFunc(t.Devices, func(d Device) bool {
		return d.Ifindex == a.VXLAN && slices.ContainsFunc(d.Problems, func(p Problem) bool { return p.Kind == NotSelected })
	})
}

func (d *Device) problem(kind ProblemKind, format string, args ...any) {
	d.Problems = append(d.Problems, Problem{Kind: kind, VNI: d.VNI, Device: d.Name, Text: fmt.Sprintf(format, args...)})
}

// device describes a VXLAN device, with an attachment when entries may be
// written to it, and else with the reason why not.
func (v *View) device(l *kernel.Link, cfg *Config) Device {
	vx, br := l.VXLAN, v.bridgeOf(l)
	d := Device{VNI: vx.VNI, Name: l.Name, Ifindex: l.Index, Local: vx.Local, Port: vx.Port, MTU: l.MTU, Made: made(l)}
	if br != nil {
		d.Bridge = br.Name
	}
	switch {
	case vx.External || vx.VNIFilter:
		d.problem(External, "device %s takes its VNI from metadata (external): evpnd serves devices with one VNI", l.Name)
	case !vx.VNI.Valid():
		d.problem(External, "device %s has no VNI", l.Name)
	case !cfg.selects(l.Name, vx.VNI):
		d.problem(NotSelected, "VNI %d of device %s is not selected by the configuration", vx.VNI, l.Name)
	case br == nil:
		d.problem(NoBridge, "device %s is no port of a bridge: ip link set %s master BRIDGE", l.Name, l.Name)
	case br.VLANFiltering:
		d.problem(VLAN, "bridge %s filters VLANs, which evpnd does not serve: use a bridge of its own for VNI %d", br.Name, vx.VNI)
	default:
		d.At = Attachment{VNI: vx.VNI, Bridge: br.Index, VXLAN: l.Index, SVI: br.Index, DefaultDest: vx.Remote}
		if !d.Local.IsValid() {
			d.Local = cfg.VTEP
		}
	}
	return d
}

// checkForwarding says whether an attached device can forward, and what is
// unusual about it.
func (v *View) checkForwarding(d *Device) {
	l := v.links[d.Ifindex]
	br, vx := v.links[d.At.Bridge], l.VXLAN
	d.Served = l.Up && br.Up && d.Local.IsValid()
	if !l.Up {
		d.problem(Down, "device %s is down: ip link set %s up", l.Name, l.Name)
	}
	if !br.Up {
		d.problem(Down, "bridge %s is down: ip link set %s up", br.Name, br.Name)
	}
	if !d.Local.IsValid() {
		d.problem(NoLocal, "device %s has no local address: make it with `local ADDRESS`, or configure the VTEP address", l.Name)
	}
	if vx.Remote.IsValid() {
		d.problem(DefaultDest, "device %s sends all unknown frames to %s as well: make it again without `remote` and `group`", l.Name, vx.Remote)
	}
	if vx.Port != DefaultPort {
		d.problem(OtherPort, "device %s uses UDP port %d, not %d: that works only where every VTEP does", l.Name, vx.Port, DefaultPort)
	}
	if most := v.innerMTU(d.Local, vx.Lower); most != 0 && br.MTU > most {
		d.problem(MTU, "bridge %s has MTU %d, but the underlay carries no more than %d: ip link set %s mtu %d",
			br.Name, br.MTU, most, br.Name, most)
	}
}

// Ageing returns after what time the bridge forgets a silent MAC of a broadcast
// domain.
func (t *Topology) Ageing(a Attachment) time.Duration {
	if br := t.links[a.Bridge]; br != nil {
		return br.Ageing
	}
	return 0
}

// WrongFlags tells what of a VXLAN device is not as it must be: the flags of its
// bridge port, which must not learn and must answer ARP and ND from the neighbor
// table (neigh_suppress), and whether the device learns by itself.
func (t *Topology) WrongFlags(d *Device) (port, learning bool) {
	l := t.links[d.Ifindex]
	return l.Port != nil && (l.Port.Learning || !l.Port.NeighSuppress), l.VXLAN.Learning
}
