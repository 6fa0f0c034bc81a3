package evpn

import (
	"cmp"
	"fmt"
	"net/netip"
)

// unusable says why a route of any type can not be used by a VTEP with the
// address own, or "" if it can.
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

// compareCopies tells by which sign a is the better of two copies of one
// route that different peers sent: fresh before stale, then the BGP decision
// process (RFC 4271 §9.1.2.2, RFC 4456 §9).
func compareCopies(a, b *path) int {
	fresh := cmp.Compare(bit(b.stale()), bit(a.stale()))
	x, y := a.attrs, b.attrs
	return cmp.Or(fresh,
		cmp.Compare(x.LocalPref, y.LocalPref),
		cmp.Compare(y.ASPathLen, x.ASPathLen),
		cmp.Compare(y.Origin, x.Origin),
		cmp.Compare(y.MED, x.MED),
		cmp.Compare(bit(b.peer.internal), bit(a.peer.internal)),
		y.OriginatorID.Compare(x.OriginatorID),
		cmp.Compare(y.ClusterLen, x.ClusterLen),
		b.peer.addr.Compare(a.peer.addr))
}

// The rules by which one route of a MAC beats another, in their order
// (RFC 7432 §15, §15.2). A stale route is last year's news: whoever speaks
// now is right.
const (
	ruleFresh   = "the other is stale: the session that brought it is down, here or at a reflector"
	ruleGateway = "it is a default gateway there, which may be in several places (RFC 7432 §10.1)"
	ruleSticky  = "sticky (RFC 7432 §15.2)"
	ruleSeq     = "higher mobility sequence (RFC 7432 §15)"
	ruleVTEP    = "same sequence, lower VTEP address (RFC 7432 §15)"
	ruleFrozen  = "frozen as a duplicate (RFC 7432 §15.1)"
	ruleSame    = "same VTEP"
)

// compareRoutes tells by which sign and rule a wins over b, two routes of
// the same MAC.
func compareRoutes(a, b *path) (int, string) {
	x, y := a.attrs, b.attrs
	if c := cmp.Compare(bit(b.stale()), bit(a.stale())); c != 0 {
		return c, ruleFresh
	}
	if c := cmp.Compare(bit(x.Mobility.Sticky), bit(y.Mobility.Sticky)); c != 0 {
		return c, ruleSticky
	}
	if c := cmp.Compare(x.Mobility.Seq, y.Mobility.Seq); c != 0 {
		return c, ruleSeq
	}
	if c := y.NextHop.Compare(x.NextHop); c != 0 {
		return c, ruleVTEP
	}
	return 0, ruleSame
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// best returns the path that wins, nil if none can be used. With a valid ip
// only paths that bind it count. own is the local VTEP address. It works in two rounds: the best copy of
// each route, then the best route.
func (m *mac) best(own, ip netip.Addr) *path {
	var best *path
	paths := m.paths
	for i := 0; i < len(paths); {
		if ip.IsValid() && paths[i].ip != ip {
			i++
			continue
		}
		var route *path
		j := i
		for ; j < len(paths) && paths[j].compareNLRI(&paths[i]) == 0; j++ {
			x := &paths[j]
			if x.unusableMAC(own) == "" && (route == nil || compareCopies(x, route) > 0) {
				route = x
			}
		}
		i = j
		if route == nil {
			continue
		}
		if best == nil {
			best = route
		} else if c, _ := compareRoutes(route, best); c > 0 {
			best = route
		}
	}
	return best
}
