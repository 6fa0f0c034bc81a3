package topology

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/dataplane/kernel"
)

// View is the devices and addresses of a network namespace at one time. It is
// not changed once it is made: any goroutine may read it.
type View struct {
	links map[int]*kernel.Link
	names map[string]*kernel.Link
	addrs map[netip.Addr]int // and the device that has each
}

// NewView returns a view of devices and of their addresses, as the kernel
// lists them. The caller must not change links any more.
func NewView(links []kernel.Link, addrs []kernel.Addr) *View {
	indexes, ips := make(map[int]*kernel.Link, len(links)), make(map[netip.Addr]int, len(addrs))
	for i := range links {
		indexes[links[i].Index] = &links[i]
	}
	for _, a := range addrs {
		ips[a.IP] = a.Ifindex
	}
	return newView(indexes, ips)
}

func newView(links map[int]*kernel.Link, addrs map[netip.Addr]int) *View {
	v := &View{links: links, names: make(map[string]*kernel.Link, len(links)), addrs: addrs}
	for _, l := range links {
		v.names[l.Name] = l
	}
	return v
}

// Len returns how many devices there are.
func (v *View) Len() int { return len(v.links) }

// Link returns the device with an index, or nil.
func (v *View) Link(index int) *kernel.Link { return v.links[index] }

// Named returns the device with a name, or nil.
func (v *View) Named(name string) *kernel.Link { return v.names[name] }

// Links returns all devices, by index.
func (v *View) Links() []*kernel.Link { return byIndex(slices.Collect(maps.Values(v.links))) }

// Ports returns the ports of a bridge, by index.
func (v *View) Ports(bridge int) []*kernel.Link {
	var ports []*kernel.Link
	for _, l := range v.links {
		if l.Master == bridge {
			ports = append(ports, l)
		}
	}
	return byIndex(ports)
}

func byIndex(links []*kernel.Link) []*kernel.Link {
	slices.SortFunc(links, func(a, b *kernel.Link) int { return cmp.Compare(a.Index, b.Index) })
	return links
}

// IsVXLAN tells whether a device is a VXLAN device: no host behind it is local.
func (v *View) IsVXLAN(index int) bool {
	l := v.links[index]
	return l != nil && l.VXLAN != nil
}

// Has tells whether an address is one of this node's own.
func (v *View) Has(ip netip.Addr) bool {
	_, ok := v.addrs[ip]
	return ok
}

// bridgeOf returns the bridge that a device is a port of, or nil.
func (v *View) bridgeOf(l *kernel.Link) *kernel.Link {
	if br := v.links[l.Master]; br != nil && br.Kind == "bridge" {
		return br
	}
	return nil
}

// The bytes that VXLAN puts round a frame (RFC 7348 §5): outer IP, UDP,
// VXLAN and the inner Ethernet header.
const (
	overhead4 = 50
	overhead6 = 70
)

// innerMTU returns the largest MTU of a bridge whose frames leave from a VTEP
// address, or 0 where the underlay device is not known, as with an address of
// the loopback. lower is the VXLAN device's underlay device, or 0 for the
// device that has the address.
func (v *View) innerMTU(vtep netip.Addr, lower int) int {
	if lower == 0 {
		lower = v.addrs[vtep]
	}
	u := v.links[lower]
	if u == nil || u.Loopback || !vtep.IsValid() {
		return 0
	}
	return InnerMTU(u.MTU, vtep)
}

// InnerMTU returns how large a frame's payload may be that leaves from a VTEP
// address by a device with an MTU.
func InnerMTU(underlay int, vtep netip.Addr) int {
	if vtep.Is6() {
		return underlay - overhead6
	}
	return underlay - overhead4
}
