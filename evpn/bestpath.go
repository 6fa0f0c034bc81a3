package evpn

import (
	"fmt"
	"net/netip"
	"slices"
)

// unusable says why a VTEP with the address own can not use the route x of any
// type, or "" if it can.
func (x *path) unusable(own netip.Addr) string {
	switch {
	case x.attrs.Encap != EncapNone && x.attrs.Encap&EncapVXLAN == 0:
		return "its encapsulation is not VXLAN (RFC 8365 §5.1.3)"
	case x.tag() != 0:
		return fmt.Sprintf("its Ethernet tag is %d; with VLAN-based service it is 0 (RFC 7432 §6.1)", x.tag())
	case !x.attrs.NextHop.IsValid():
		return "it has no next hop"
	case x.attrs.NextHop.Is4() != own.Is4():
		// The kernel refuses it (EAFNOSUPPORT): a VXLAN device has one family.
		return "its next hop " + x.attrs.NextHop.String() + " is of another address family than the own VTEP address " + own.String()
	}
	return ""
}

// unusableMAC says why no frame can be sent along the type 2 route x.
func (x *path) unusableMAC(own netip.Addr) string {
	if why := x.unusable(own); why != "" {
		return why
	}
	if x.label == 0 {
		return "its label holds no VNI"
	}
	return ""
}

// pathFilter narrows down the routes of a MAC that best looks at. nil, and
// what is not valid in it, lets every route pass.
type pathFilter struct {
	ip     netip.Addr // none but the routes that bind this address
	via    netip.Addr // none but the copies of this VTEP
	except netip.Addr // no route whose best copy is of this VTEP
}

// best returns the path of the route that wins, nil if none can be used: the
// best copy of each route is found first, then the best of those. own is the
// local VTEP address.
func (m *macEntry) best(own netip.Addr, f *pathFilter) (best *path) {
	for i := 0; i < len(m.paths); {
		x, next := m.bestCopy(own, i, f)
		i = next
		switch {
		case x == nil || f != nil && f.except.IsValid() && x.attrs.NextHop == f.except:
		case best == nil || macRules.compare(candidateOf(x), candidateOf(best)) > 0:
			best = x
		}
	}
	return best
}

// bestCopy returns the best usable copy of the route whose first copy is
// m.paths[i], nil if none can be used, and where the next route begins.
func (m *macEntry) bestCopy(own netip.Addr, i int, f *pathFilter) (best *path, next int) {
	for next = i; next < len(m.paths) && (next == i || m.paths[next].compareNLRI(&m.paths[i]) == 0); next++ {
		x := &m.paths[next]
		switch {
		case f != nil && (f.ip.IsValid() && x.ip != f.ip || f.via.IsValid() && x.attrs.NextHop != f.via):
		case x.unusableMAC(own) != "":
		case best == nil || copyRules.compare(x, best) > 0:
			best = x
		}
	}
	return best, next
}

// bestCopyOf returns the best usable copy of the route that x, one of m.paths,
// is a copy of.
func (m *macEntry) bestCopyOf(own netip.Addr, x *path) *path {
	i := slices.IndexFunc(m.paths, func(o path) bool { return o.compareNLRI(x) == 0 })
	best, _ := m.bestCopy(own, i, nil)
	return best
}
