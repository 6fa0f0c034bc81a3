package doctor

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Host is what is known of a host. It is not changed after Read.
type Host struct {
	Expected Expected
	Links    []kernel.Link // by index
	Addrs    map[netip.Addr]int
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

// Expected is what is to be on the host.
type Expected struct {
	VTEP   netip.Addr    // invalid: as the devices have it
	Others []netip.Addr  // peers and other VTEPs
	VNIs   []ExpectedVNI // those with settings
	Select []Selector    // which VXLAN devices are evpnd's; empty: all
}

// Selector names devices by their VNIs or by name.
type Selector struct {
	First, Last evpn.VNI // VNIs, both included; 0 with Device
	Device      string   // a pattern of path.Match
}

// selects tells whether a VXLAN device is one that evpnd is to serve. Others,
// as those of Docker and flannel, are none of its business.
func (w *Expected) selects(l *kernel.Link) bool {
	return len(w.Select) == 0 || slices.ContainsFunc(w.Select, func(s Selector) bool {
		if s.Device != "" {
			ok, err := path.Match(s.Device, l.Name)
			return ok && err == nil
		}
		return s.First <= l.VXLAN.VNI && l.VXLAN.VNI <= s.Last
	}) || slices.ContainsFunc(w.VNIs, func(v ExpectedVNI) bool { return v.Create && v.VNI == l.VXLAN.VNI })
}

// ExpectedVNI is a VNI that the configuration names.
type ExpectedVNI struct {
	VNI    evpn.VNI
	Create bool // evpnd makes its devices
}

// Process is an evpnd that runs in the same network namespace.
type Process struct {
	Pid  int
	Exe  string // empty: it is no file named evpnd that root alone can change
	Caps uint64 // the effective set, by the numbers of linux/capability.h
}

func (h *Host) link(index int) *kernel.Link {
	if i := slices.IndexFunc(h.Links, func(l kernel.Link) bool { return l.Index == index }); i >= 0 && index != 0 {
		return &h.Links[i]
	}
	return nil
}

func (h *Host) named(name string) *kernel.Link {
	if i := slices.IndexFunc(h.Links, func(l kernel.Link) bool { return l.Name == name }); i >= 0 {
		return &h.Links[i]
	}
	return nil
}

// tunnels calls f for each VXLAN device that could serve a VNI, with the
// bridge it is in, nil when there is none.
func (h *Host) tunnels(f func(l, bridge *kernel.Link)) {
	for i := range h.Links {
		l := &h.Links[i]
		if l.VXLAN == nil || l.VXLAN.External || !l.VXLAN.VNI.Valid() || !h.Expected.selects(l) {
			continue
		}
		br := h.link(l.Master)
		if br != nil && br.Kind != "bridge" {
			br = nil
		}
		f(l, br)
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
	if u := h.link(l.VXLAN.Lower); u != nil {
		return u
	}
	local := h.local(l)
	if u := h.link(h.Addrs[local]); u != nil && !u.Loopback && u.Kind != "dummy" {
		return u
	}
	for _, other := range h.Expected.Others {
		if u := h.link(h.Routes[other]); u != nil && !u.Loopback && other.Is4() == local.Is4() {
			return u
		}
	}
	return h.link(h.Routes[netip.Addr{}])
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
