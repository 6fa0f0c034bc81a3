package doctor

import (
	"fmt"
	"net/netip"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// Checks are all checks of a host, in the order of the page for users.
var Checks = []Check{
	{"no-vxlan", "no VXLAN device at all", noVXLAN},
	{"vni-missing", "a VNI of the configuration that no device has, and that evpnd is not to make", vniMissing},
	{"no-bridge", "a VXLAN device in no bridge", noBridge},
	{"device-down", "a VXLAN device or its bridge that is down", deviceDown},
	{"duplicate-vni", "two VXLAN devices with one VNI", duplicateVNI},
	{"no-local", "a VXLAN device without a local address, where vtep.address gives none", noLocal},
	{"local-differs", "a local address that is not vtep.address", localDiffers},
	{"local-missing", "a VTEP address that no device of the host has", localMissing},
	{"vxlan-port", "the kernel's own default 8472 instead of the standard's UDP port 4789", vxlanPort},
	{"vxlan-learning", "a VXLAN device that learns from the frames it receives", vxlanLearning},
	{"port-learning", "a bridge that learns from its VXLAN port", portLearning},
	{"neigh-suppress", "a VXLAN port that does not answer ARP and ND", neighSuppress},
	{"underlay-mtu", "an MTU that leaves no room for the VXLAN header in the underlay", underlayMTU},
	{"port-mtu", "a bridge port with a larger MTU than the VXLAN device", portMTU},
	{"rp-filter", "a strict reverse path filter where tunnels may come in by another device", rpFilter},
	{"bridge-nf", "bridged frames that go through iptables", bridgeNF},
	{"neigh-table", "a neighbor table that is nearly as full as gc_thresh3 lets it be", neighTable},
	{"capabilities", "an evpnd that lacks a capability", capabilities},
	{"clock", "a clock that nobody keeps right", clock},
}

func device(l *kernel.Link) string { return "device " + l.Name }

func noVXLAN(h *Host, found func(Finding)) {
	n := 0
	h.tunnels(func(_, _ *kernel.Link) { n++ })
	if n > 0 || len(h.Expected.VNIs) > 0 {
		return
	}
	local := "LOCAL_ADDRESS"
	if h.Expected.VTEP.IsValid() {
		local = h.Expected.VTEP.String()
	}
	f := Finding{
		Severity: Warning, Text: "there is no VXLAN device here that evpnd is to serve", Effect: "evpnd has nothing to serve",
	}
	if h.Expected.VTEP.IsValid() {
		f.Text += "; for VNI 100, for instance, it is made as below"
		f.Fix = makeVNI(h, 100, local)
	} else {
		f.Text += "; make one, or give evpnd a VNI to create (vnis.settings[].create)"
	}
	found(f)
}

// makeVNI returns the commands that make bridge and VXLAN device.
func makeVNI(h *Host, vni evpn.VNI, local string) []string {
	br, dev := fmt.Sprintf("br%d", vni), fmt.Sprintf("vxlan%d", vni)
	var out []string
	if h.Named(br) == nil {
		out = append(out, "ip link add "+br+" type bridge", "ip link set dev "+br+" up")
	}
	return append(out,
		fmt.Sprintf("ip link add %s type vxlan id %d dstport 4789 local %s nolearning", dev, vni, local),
		fmt.Sprintf("ip link set dev %s master %s up", dev, br),
		"bridge link set dev "+dev+" learning off neigh_suppress on")
}

func vniMissing(h *Host, found func(Finding)) {
	for _, w := range h.Expected.VNIs {
		there := h.Expected.declares(w)
		h.tunnels(func(l, _ *kernel.Link) { there = there || l.VXLAN.VNI == w })
		if there {
			continue
		}
		f := Finding{
			Severity: Error, Object: fmt.Sprintf("vni %d", w),
			Text:   "the configuration names it, no VXLAN device has it, and evpnd is not to make one (create: {})",
			Effect: "it is not served: its hosts reach nobody behind other VTEPs",
		}
		if h.Expected.VTEP.IsValid() {
			f.Fix = makeVNI(h, w, h.Expected.VTEP.String())
		}
		found(f)
	}
}

func noBridge(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		if br != nil {
			return
		}
		name := fmt.Sprintf("br%d", l.VXLAN.VNI)
		var fix []string
		if b := h.Named(name); b == nil {
			fix = []string{"ip link add " + name + " type bridge", "ip link set dev " + name + " up"}
		}
		fix = append(fix, fmt.Sprintf("ip link set dev %s master %s up", quote(l.Name), name),
			fmt.Sprintf("bridge link set dev %s learning off neigh_suppress on", quote(l.Name)))
		found(Finding{
			Severity: Error, Object: device(l), Text: fmt.Sprintf("it has VNI %d and is in no bridge", l.VXLAN.VNI),
			Effect: "the VNI is not served", Fix: fix,
		})
	})
}

func deviceDown(h *Host, found func(Finding)) {
	said := make(map[string]bool)
	h.tunnels(func(l, br *kernel.Link) {
		for _, x := range []*kernel.Link{l, br} {
			if x == nil || x.Up || said[x.Name] {
				continue
			}
			said[x.Name] = true
			found(Finding{
				Severity: Error, Object: device(x), Text: "it is down",
				Effect: fmt.Sprintf("VNI %d forwards nothing and is not announced", l.VXLAN.VNI),
				Fix:    []string{"ip link set dev " + quote(x.Name) + " up"},
			})
		}
	})
}

func duplicateVNI(h *Host, found func(Finding)) {
	first := make(map[evpn.VNI]*kernel.Link)
	h.tunnels(func(l, br *kernel.Link) {
		one := first[l.VXLAN.VNI]
		if one == nil {
			first[l.VXLAN.VNI] = l
			return
		}
		keep, other := one, l
		if one.Master == 0 && br != nil { // the one in a bridge is in use
			keep, other = l, one
			first[l.VXLAN.VNI] = l
		}
		found(Finding{
			Severity: Error, Object: device(other), Text: fmt.Sprintf("it has VNI %d, as %s has", other.VXLAN.VNI, keep.Name),
			Effect: "evpnd serves one of the two; the hosts behind the other reach nobody",
			Fix:    []string{"ip link del dev " + quote(other.Name)},
		})
	})
}

func noLocal(h *Host, found func(Finding)) {
	h.tunnels(func(l, _ *kernel.Link) {
		if h.local(l).IsValid() {
			return
		}
		f := Finding{
			Severity: Error, Object: device(l), Text: "it has no local address, and vtep.address is not known here",
			Effect: "evpnd announces the address of the loopback interface, or nothing where that has none; the kernel sends from whichever address the route has",
		}
		if a := h.loopbackAddr(); a.IsValid() {
			f.Fix = []string{fmt.Sprintf("ip link set dev %s type vxlan local %v", quote(l.Name), a)}
		} else {
			f.Text += ": set vtep.address, or the device's (ip link set dev " + l.Name + " type vxlan local ADDRESS)"
		}
		found(f)
	})
}

// loopbackAddr returns the address of the loopback interface that others can
// reach, IPv4 first and then the lowest; invalid: there is none.
func (h *Host) loopbackAddr() (best netip.Addr) {
	for a, index := range h.Addrs {
		l := h.Link(index)
		if l == nil || !l.Loopback || !a.IsGlobalUnicast() {
			continue
		}
		if !best.IsValid() || a.Less(best) { // IPv4 is less than IPv6
			best = a
		}
	}
	return best
}

func localDiffers(h *Host, found func(Finding)) {
	h.tunnels(func(l, _ *kernel.Link) {
		if v := l.VXLAN.Local; v.IsValid() && h.Expected.VTEP.IsValid() && v != h.Expected.VTEP {
			found(Finding{
				Severity: Warning, Object: device(l), Text: fmt.Sprintf("its local address is %v, vtep.address is %v", v, h.Expected.VTEP),
				Effect: "the address of the device is announced for this VNI; others that know this host by vtep.address filter its frames, or do not find it",
				Fix:    []string{fmt.Sprintf("ip link set dev %s type vxlan local %v", quote(l.Name), h.Expected.VTEP)},
			})
		}
	})
}

func localMissing(h *Host, found func(Finding)) {
	said := make(map[netip.Addr]bool)
	h.tunnels(func(l, _ *kernel.Link) {
		a := h.local(l)
		if _, there := h.Addrs[a]; there || !a.IsValid() || said[a] {
			return
		}
		said[a] = true
		found(Finding{
			Severity: Error, Object: device(l), Text: fmt.Sprintf("no device of this host has its VTEP address %v", a),
			Effect: "frames of other VTEPs do not come in, and the kernel sends none",
			Fix:    []string{fmt.Sprintf("ip addr add %v/%d dev lo", a, a.BitLen()), "ip link set dev lo up"},
		})
	})
}

func vxlanPort(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		if l.VXLAN.Port == topology.DefaultPort {
			return
		}
		what := "is not the standard's 4789"
		if l.VXLAN.Port == 8472 {
			what = "is the kernel's own default, not the standard's 4789"
		}
		fix := []string{"ip link del dev " + quote(l.Name)}
		add := fmt.Sprintf("ip link add %s mtu %d type vxlan id %d dstport %d", quote(l.Name), l.MTU, l.VXLAN.VNI, topology.DefaultPort)
		if u := h.Link(l.VXLAN.Lower); u != nil {
			add += " dev " + quote(u.Name)
		}
		if l.VXLAN.Local.IsValid() {
			add += " local " + l.VXLAN.Local.String()
		}
		fix = append(fix, add+" nolearning")
		if br != nil {
			fix = append(fix, fmt.Sprintf("ip link set dev %s master %s", quote(l.Name), quote(br.Name)),
				fmt.Sprintf("bridge link set dev %s learning off neigh_suppress on", quote(l.Name)))
		}
		fix = append(fix, fmt.Sprintf("ip link set dev %s up", quote(l.Name)))
		found(Finding{
			Severity: Warning, Object: device(l), Text: fmt.Sprintf("its UDP port %d %s; a device keeps the port it is made with", l.VXLAN.Port, what),
			Effect: "VTEPs with another port neither receive its frames nor reach it; where all have this one, it works", Fix: fix,
		})
	})
}

func vxlanLearning(h *Host, found func(Finding)) {
	h.tunnels(func(l, _ *kernel.Link) {
		if l.VXLAN.Learning {
			found(Finding{
				Severity: Warning, Object: device(l), Text: "it learns the VTEPs of MACs from the frames it receives",
				Effect: "what it learned stands against what the routes say; evpnd switches it off where it serves the VNI",
				Fix:    []string{fmt.Sprintf("ip link set dev %s type vxlan nolearning", quote(l.Name))},
			})
		}
	})
}

func portLearning(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		if br != nil && l.Port != nil && l.Port.Learning {
			found(Finding{
				Severity: Warning, Object: device(l), Text: "bridge " + br.Name + " learns MACs from it",
				Effect: "a late frame moves a MAC back behind the tunnel after its host came here; evpnd switches it off where it serves the VNI",
				Fix:    []string{fmt.Sprintf("bridge link set dev %s learning off", quote(l.Name))},
			})
		}
	})
}

func neighSuppress(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		if br != nil && l.Port != nil && !l.Port.NeighSuppress {
			found(Finding{
				Severity: Warning, Object: device(l), Text: "neigh_suppress is off",
				Effect: "each ARP and ND question goes to all VTEPs, although the answer is known here; evpnd switches it on where it serves the VNI",
				Fix:    []string{fmt.Sprintf("bridge link set dev %s neigh_suppress on", quote(l.Name))},
			})
		}
	})
}
