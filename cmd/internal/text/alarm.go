package text

import (
	"fmt"

	"github.com/evpnd/evpnd/evpn"
)

// Alarm returns what happened and what to do about it, one sentence. It is
// never empty: of a kind that is not known here it is the kind.
func Alarm(a *evpn.Alarm) string {
	switch a.Kind {
	case evpn.AlarmSequence:
		return fmt.Sprintf("MAC %v in VNI %v has reached the highest mobility sequence, so its moves can not be told any more: "+
			"stop what makes it move, then withdraw it everywhere", a.MAC, a.VNI)
	case evpn.AlarmSticky:
		return fmt.Sprintf("MAC %v in VNI %v is sticky behind VTEP %v, but a local port sent from it: find the host that uses its address",
			a.MAC, a.VNI, a.VTEP)
	case evpn.AlarmPMSI:
		return fmt.Sprintf("the type 3 route of VNI %v floods to %v but its next hop is %v: "+
			"a router on the way changed the next hop; set next-hop-unchanged there", a.VNI, a.Addr, a.VTEP)
	case evpn.AlarmNextHop:
		return fmt.Sprintf("peer %v passes on routes of others with itself as next hop, so traffic for their VTEPs goes to it: "+
			"set next-hop-unchanged (eBGP) or remove next-hop-self for EVPN there", a.Addr)
	case evpn.AlarmRDExhausted:
		return fmt.Sprintf("no route distinguisher is left for VNI %v (65535 are in use), so it is not announced: serve fewer VNIs", a.VNI)
	case evpn.AlarmDuplicateMAC:
		at := "a local port"
		if a.VTEP.IsValid() {
			at = "VTEP " + a.VTEP.String()
		}
		return fmt.Sprintf("MAC %v in VNI %v moved %d times within %v, as if two hosts used it, and is frozen at %s: "+
			"find the second host, then evpnctl mac unfreeze --vni %v %v", a.MAC, a.VNI, a.Count, a.Window, at, a.VNI, a.MAC)
	case evpn.AlarmDuplicateIP:
		return fmt.Sprintf("%v in VNI %v changed its MAC %d times within %v, as if two hosts used it, and is frozen with %v: "+
			"find the second host, then evpnctl mac unfreeze --vni %v %v", a.Addr, a.VNI, a.Count, a.Window, a.Holder, a.VNI, a.Addr)
	case evpn.AlarmMACLimit:
		return fmt.Sprintf("VNI %v has %d local MACs, its limit; more are not announced: "+
			"find the host that makes them up, or raise the limit (vnis.limits.local-macs)", a.VNI, a.Count)
	case evpn.AlarmIPLimit:
		return fmt.Sprintf("MAC %v in VNI %v has %d local addresses, the limit; more are not announced: "+
			"find out what it answers for, or raise the limit (vnis.limits.ips-per-mac)", a.MAC, a.VNI, a.Count)
	case evpn.AlarmPeerLimit:
		doing := "no more are taken"
		if a.Reset {
			doing = "its session is reset"
		}
		return fmt.Sprintf("peer %v sends more than %d routes that are imported here, its limit, and %s: "+
			"find out who makes them up, or raise the limit (max-routes of the peer)", a.Addr, a.Count, doing)
	case evpn.AlarmStale:
		return fmt.Sprintf("the session with peer %v is down; what it told is used until it is back or its time is over: "+
			"evpnctl peer show says when that is", a.Addr)
	case evpn.AlarmTargetTooWide:
		return "automatic targets of the RFC 8365 form hold 2 bytes of AS only; ours has 4: set targets to auto or fixed, or give each VNI its own"
	}
	return string(a.Kind)
}
