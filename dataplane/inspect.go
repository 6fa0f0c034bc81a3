package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// KernelView is what the kernel holds of a MAC or an address at this moment, beside
// what is desired of it.
type KernelView struct {
	// Entries are those of the kernel, in the words of bridge fdb and ip neigh:
	// of a MAC that of the VXLAN device and that of the bridge, of an address
	// that of the bridge. Empty: there is none.
	Entries []string
	State   EntryState // how the desired entry stands, as the writer knows it
	Err     error      // of the last write, when that failed
	Advice  string     // what that means and what to do
	// Differs says how the kernel differs from what is desired, and what that
	// means; empty when it does not, or nothing is desired.
	Differs string
}

// InspectMAC reads a MAC from the kernel. The VNI need not be served, but must
// have a device. Any goroutine may call it; it waits for a read of an audit.
func (p *Plane) InspectMAC(vni evpn.VNI, mac evpn.MAC) (h KernelView, err error) {
	var at topology.Attachment
	var device, name string
	var x entries.Entry[entries.FDB]
	var by entries.Foreign
	p.requests.ask(func() {
		if d := p.bds.get(vni); d != nil {
			at, device, name = d.at, d.name, d.bridge
			x, _ = d.fdb.Get(mac)
			by = d.fdb.Foreign(mac)
			h.stands(d.fdb.State(mac))
		}
	})
	if at == (topology.Attachment{}) {
		return KernelView{}, errNoDevice
	}
	own, there, err := p.lookup(at.DeviceKey(mac))
	if err != nil {
		return h, err
	}
	if there {
		h.Entries = append(h.Entries, fmt.Sprintf("%s dev %s dst %s%s self%s", mac, device, at.Via(&own).Text(vni), nexthopText(own), flagText(&own)))
	}
	br, inBridge, err := p.lookup(at.BridgeKey(mac))
	if err != nil {
		return h, err
	}
	if inBridge {
		h.Entries = append(h.Entries, fmt.Sprintf("%s dev %s master %s%s", mac, p.PortName(br.Ifindex), name, flagText(&br)))
	}
	if x.Desired {
		h.Differs = differs(x.Value, at, &own, there, &br, inBridge)
	}
	if h.Differs != "" && by != 0 {
		h.Differs += ": " + by.String()
	}
	return h, nil
}

func (h *KernelView) stands(state EntryState, err error) {
	h.State, h.Err = state, err
	if err != nil {
		h.Advice = advice(err)
	}
}

var errNoDevice = errors.New("no VXLAN device serves it")

// differs says how the two parts of a remote MAC differ from what is desired.
func differs(want entries.FDB, at topology.Attachment, own *kernel.Entry, there bool, br *kernel.Entry, inBridge bool) string {
	switch dest := at.Via(own); {
	case !there && !inBridge:
		return "the kernel has no entry for it"
	case !there:
		return "the VXLAN device has no entry for it, so frames for it are flooded"
	case own.Nexthop != 0:
		return "the VXLAN device sends it to a nexthop group, which evpnd does not make: somebody changed it"
	case dest != want.Via:
		return fmt.Sprintf("the VXLAN device sends it to %s, not to %s: somebody changed it", dest.Text(at.VNI), want.Via.Text(at.VNI))
	case own.Flags&kernel.ExtLearned == 0:
		return "the entry of the VXLAN device is without evpnd's mark (extern_learn): somebody else wrote it"
	case !inBridge:
		return "the bridge has no entry for it, so it floods frames for it"
	case !at.Behind(br):
		return "the bridge has it behind a local port: a frame came from there"
	case want.Has(entries.Sticky) && br.Flags&kernel.Sticky == 0:
		return "the bridge's entry is not sticky, as it should be"
	case !want.Has(entries.Sticky) && br.Flags&kernel.Sticky != 0:
		return "the bridge's entry is sticky, as it should not be"
	}
	return ""
}

// InspectNeigh reads the neighbor entry of an address from the kernel, as InspectMAC
// does.
func (p *Plane) InspectNeigh(vni evpn.VNI, ip netip.Addr) (h KernelView, err error) {
	var at topology.Attachment
	var name string
	var x entries.Entry[entries.Neigh]
	var by entries.Foreign
	p.requests.ask(func() {
		if d := p.bds.get(vni); d != nil {
			at, name = d.at, d.bridge
			x, _ = d.neigh.Get(ip)
			by = d.neigh.Foreign(ip)
			h.stands(d.neigh.State(ip))
		}
	})
	if at == (topology.Attachment{}) {
		return KernelView{}, errNoDevice
	}
	e, there, err := p.lookup(at.NeighborKey(ip))
	if err != nil {
		return h, err
	}
	if there {
		h.Entries = []string{fmt.Sprintf("%s dev %s lladdr %s%s", ip, name, e.MAC, flagText(&e))}
	}
	switch {
	case !x.Desired:
	case !there:
		h.Differs = "the kernel has no entry for it, so the bridge floods ARP and ND requests for it"
	case by != 0:
		h.Differs = by.String()
	case e.MAC != x.Value.MAC:
		h.Differs = fmt.Sprintf("the kernel has it with %s, not with %s: somebody changed it", e.MAC, x.Value.MAC)
	case e.Flags&kernel.ExtLearned == 0 || e.State&kernel.NoARP == 0:
		h.Differs = "the kernel's entry is without evpnd's mark (extern_learn NOARP): the kernel or somebody else wrote it"
	case x.Value.Router != (e.Flags&kernel.Router != 0):
		h.Differs = "the router flag of the kernel's entry is not as it should be"
	}
	return h, nil
}

// lookup reads one entry beside the Plane's own goroutine.
func (p *Plane) lookup(e kernel.Entry) (now kernel.Entry, there bool, err error) {
	p.second.Lock()
	defer p.second.Unlock()
	now, err = p.k.Second().Lookup(e)
	if errors.Is(err, syscall.ENOENT) {
		return now, false, nil
	}
	return now, err == nil, err
}

func nexthopText(e kernel.Entry) string {
	if e.Nexthop == 0 {
		return ""
	}
	return fmt.Sprintf(" nhid %d", e.Nexthop)
}

// flagText renders flags and state as iproute2 does, each after a space.
func flagText(e *kernel.Entry) string {
	var b strings.Builder
	add := func(on bool, name string) {
		if on {
			b.WriteString(" " + name)
		}
	}
	add(e.Flags&kernel.ExtLearned != 0, "extern_learn")
	add(e.Flags&kernel.Sticky != 0, "sticky")
	add(e.Flags&kernel.Offloaded != 0, "offload")
	add(e.Flags&kernel.Router != 0, "router")
	if e.Family == kernel.Bridge {
		add(e.State&kernel.Permanent != 0, "permanent")
		add(e.State&kernel.NoARP != 0 && e.State&kernel.Permanent == 0, "static")
		return b.String()
	}
	for _, s := range []struct {
		bit  kernel.State
		name string
	}{
		{kernel.Incomplete, "INCOMPLETE"},
		{kernel.Reachable, "REACHABLE"},
		{kernel.Stale, "STALE"},
		{kernel.Delay, "DELAY"},
		{kernel.Probe, "PROBE"},
		{kernel.Failed, "FAILED"},
		{kernel.NoARP, "NOARP"},
		{kernel.Permanent, "PERMANENT"},
	} {
		add(e.State&s.bit != 0, s.name)
	}
	return b.String()
}
