package doctor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// Host is what is known of a host. It is not changed after Read.
type Host struct {
	Expected Expected
	*topology.View
	Addrs map[netip.Addr]int // and the devices that have them
	// Routes are the devices by which the other VTEPs and the peers are
	// reached, by address; 0 is the default route.
	Routes map[netip.Addr]int
	// Sysctls are the values below /proc/sys that a check asks for, as in
	// "net/ipv4/ip_forward"; those that are not here are left out.
	Sysctls map[string]string
	// Neighbors counts the entries that the limits of the kernel's tables count: not
	// those that are permanent or that evpnd made.
	Neighbors map[string]int // "ipv4", "ipv6"
	Daemons   []Process
	ClockSync bool // by the kernel's word
}

// Expected is what is to be on the host, as far as it is known: with no VTEP
// address it is as the devices have it. Of what is declared it has the VNIs
// alone.
type Expected struct {
	topology.Config
	Others []netip.Addr // peers and other VTEPs
	VNIs   []evpn.VNI   // those that the configuration names
}

// declares tells whether evpnd makes the devices of a VNI.
func (e *Expected) declares(vni evpn.VNI) bool {
	return slices.ContainsFunc(e.Declared, func(d topology.Declared) bool { return d.VNI == vni })
}

// Process is an evpnd that runs in the same network namespace.
type Process struct {
	Pid  int
	Exe  string // empty: it is no file named evpnd that root alone can change
	Caps uint64 // the effective set, by the numbers of linux/capability.h
}

// tunnels calls f for each VXLAN device that could serve a VNI, with the bridge
// it is in, nil when there is none. Others, as those of Docker and flannel, are
// none of evpnd's business.
func (h *Host) tunnels(f func(l, bridge *kernel.Link)) {
	for _, d := range topology.Resolve(h.View, &h.Expected.Config, nil).Devices {
		if !slices.ContainsFunc(d.Problems, func(p topology.Problem) bool {
			return p.Kind == topology.NotSelected || p.Kind == topology.External
		}) {
			f(h.Link(d.Ifindex), h.Named(d.Bridge))
		}
	}
}

// local returns the VTEP address of a device.
func (h *Host) local(l *kernel.Link) netip.Addr {
	if l.VXLAN.Local.IsValid() {
		return l.VXLAN.Local
	}
	return h.Expected.VTEP
}

// underlay returns the device that the frames of a VXLAN device leave by;
// nil: that cannot be told.
func (h *Host) underlay(l *kernel.Link) *kernel.Link {
	if u := h.Link(l.VXLAN.Lower); u != nil {
		return u
	}
	local := h.local(l)
	if u := h.Link(h.Addrs[local]); u != nil && !u.Loopback && u.Kind != "dummy" {
		return u
	}
	for _, other := range h.Expected.Others {
		if u := h.Link(h.Routes[other]); u != nil && !u.Loopback && other.Is4() == local.Is4() {
			return u
		}
	}
	return h.Link(h.Routes[netip.Addr{}])
}

// number reads a sysctl that is a number; ok is false when there is none.
func (h *Host) number(name string) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimSpace(h.Sysctls[name]))
	return n, err == nil
}

// quote makes one word of the shell of a name that others chose.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:/@+,%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
