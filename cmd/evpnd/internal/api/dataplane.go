package api

import (
	"strings"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// Dataplane joins the kernel's side to the API.
func Dataplane(p *dataplane.Plane) Kernel { return kernelSide{p} }

type kernelSide struct{ plane *dataplane.Plane }

func (k kernelSide) Devices() []Device {
	var out []Device
	for _, v := range k.plane.Devices() {
		d := Device{
			VNI: v.VNI, Name: v.Name, Bridge: v.Bridge, VTEP: v.Local,
			Served: v.Served, MTU: v.MTU, Port: v.Port, Managed: v.Made,
		}
		for _, p := range v.Problems {
			d.Notes = append(d.Notes, p.Text)
		}
		if !d.Served {
			d.Reason = strings.Join(d.Notes, "; ")
			d.Notes = nil
		}
		out = append(out, d)
	}
	return out
}

func (k kernelSide) MAC(key evpn.MACKey) Entry { return entryOf(k.plane.Entry(key.VNI, key.MAC)) }

func (k kernelSide) Neighbor(key evpn.IPKey) Entry {
	return entryOf(k.plane.NeighEntry(key.VNI, key.IP))
}

func (k kernelSide) Flood(vni evpn.VNI, d evpn.Via) Entry {
	return entryOf(k.plane.FloodEntry(vni, d))
}

func (k kernelSide) HeldMAC(key evpn.MACKey) (dataplane.KernelView, error) {
	return k.plane.InspectMAC(key.VNI, key.MAC)
}

func (k kernelSide) HeldNeighbor(key evpn.IPKey) (dataplane.KernelView, error) {
	return k.plane.InspectNeigh(key.VNI, key.IP)
}

// entryOf takes an entry that is not wished, or not yet, as one that is about
// to be: the engine has it as remote, and its wish is on the way.
func entryOf(s dataplane.EntryState, err error) Entry {
	switch {
	case s == dataplane.FailedNow && err != nil:
		return Entry{State: Failed, Err: err.Error()}
	case s == dataplane.FailedNow:
		return Entry{State: Failed}
	case s == dataplane.Installed:
		return Entry{State: Installed}
	}
	return Entry{State: Pending}
}

func (k kernelSide) PortName(ifindex int) string { return k.plane.PortName(ifindex) }

func (k kernelSide) Stats() KernelStats {
	s := k.plane.Stats()
	return KernelStats{
		Entries: s.Wanted,
		Pending: max(0, s.Wanted-s.Installed-s.Failed),
		Failed:  s.Failed,

		Repaired: s.Repaired, Resyncs: s.Resyncs,
	}
}

// Problems returns the troubles of the whole and those of the devices, but for what
// is as the operator asked for it or is for information: that is shown with
// the VNI alone.
func (k kernelSide) Problems() []Problem {
	var out []Problem
	add := func(p *topology.Problem) {
		if p.Kind != topology.NotSelected && p.Kind != topology.OtherPort {
			out = append(out, Problem{Kind: string(p.Kind), Text: p.Text, VNI: p.VNI, Device: p.Device})
		}
	}
	for _, p := range k.plane.Problems() {
		add(&p)
	}
	for _, v := range k.plane.Devices() {
		for _, p := range v.Problems {
			add(&p)
		}
	}
	return out
}
