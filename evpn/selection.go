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

// The rules by which one copy of a route beats another, in their order: fresh
// before stale, then the BGP decision process (RFC 4271 §9.1.2.2, RFC 4456 §9).
const (
	rulePref       = "higher local preference (RFC 4271 §9.1.1)"
	ruleASPath     = "shorter AS path (RFC 4271 §9.1.2.2)"
	ruleOrigin     = "lower origin (RFC 4271 §9.1.2.2)"
	ruleMED        = "lower MED (RFC 4271 §9.1.2.2)"
	ruleExternal   = "external before internal peer (RFC 4271 §9.1.2.2)"
	ruleOriginator = "lower ORIGINATOR_ID (RFC 4456 §9)"
	ruleCluster    = "shorter CLUSTER_LIST (RFC 4456 §9)"
	rulePeer       = "lower peer address (RFC 4271 §9.1.2.2)"
)

// compareCopies tells by which sign and rule a is the better of two copies of
// one route that different peers sent.
func compareCopies(a, b *path) (int, string) {
	x, y := a.attrs, b.attrs
	if c := cmp.Compare(bit(b.stale()), bit(a.stale())); c != 0 {
		return c, ruleFresh
	}
	if c := cmp.Compare(x.LocalPref, y.LocalPref); c != 0 {
		return c, rulePref
	}
	if c := cmp.Compare(y.ASPathLen, x.ASPathLen); c != 0 {
		return c, ruleASPath
	}
	if c := cmp.Compare(y.Origin, x.Origin); c != 0 {
		return c, ruleOrigin
	}
	if c := cmp.Compare(y.MED, x.MED); c != 0 {
		return c, ruleMED
	}
	if c := cmp.Compare(bit(b.peer.internal), bit(a.peer.internal)); c != 0 {
		return c, ruleExternal
	}
	if c := y.OriginatorID.Compare(x.OriginatorID); c != 0 {
		return c, ruleOriginator
	}
	if c := cmp.Compare(y.ClusterLen, x.ClusterLen); c != 0 {
		return c, ruleCluster
	}
	return b.peer.addr.Compare(a.peer.addr), rulePeer
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
	ruleStatic  = "static here"
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
// only paths that bind it count. own is the local VTEP address. It works in
// two rounds: the best copy of each route, then the best route.
func (m *macEntry) best(own, ip netip.Addr) *path {
	var best *path
	for i := 0; i < len(m.paths); {
		if ip.IsValid() && m.paths[i].ip != ip {
			i++
			continue
		}
		route, next := m.bestCopy(own, i)
		i = next
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

// bestCopy returns the best usable copy of the route whose first copy is
// m.paths[i], nil if none can be used, and where the next route begins.
func (m *macEntry) bestCopy(own netip.Addr, i int) (best *path, next int) {
	for next = i; next < len(m.paths) && m.paths[next].compareNLRI(&m.paths[i]) == 0; next++ {
		x := &m.paths[next]
		if x.unusableMAC(own) != "" {
			continue
		}
		if best == nil {
			best = x
		} else if c, _ := compareCopies(x, best); c > 0 {
			best = x
		}
	}
	return best, next
}
