package text

import (
	"fmt"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Hold returns what keeps a decision from following the routes, and what to do
// about it where there is something. It is never empty: of a kind that is not
// known here it is the kind.
func Hold(h *evpn.Hold) string {
	switch h.Kind {
	case evpn.HoldFrozenMAC:
		return fmt.Sprintf("frozen as a duplicate since %s, %s: find the second host, then evpnctl mac unfreeze --vni %v %v (RFC 7432 §15.1)",
			clock(h.Since), release(h.Until), h.VNI, h.MAC)
	case evpn.HoldFrozenIP:
		return fmt.Sprintf("frozen with %v as a duplicate since %s, %s: find the second host, then evpnctl mac unfreeze --vni %v %v (RFC 9161 §3.7)",
			h.MAC, clock(h.Since), release(h.Until), h.VNI, h.Addr)
	case evpn.HoldFrozenMACBefore:
		at := "this host"
		if h.Addr.IsValid() {
			at = "VTEP " + h.Addr.String()
		}
		return "it was frozen as a duplicate at " + at + " before evpnd was started again, and is to be frozen there again"
	case evpn.HoldFrozenIPBefore:
		return fmt.Sprintf("it was frozen with %v as a duplicate before evpnd was started again, and is to be frozen with it again", h.MAC)
	case evpn.HoldUnconfirmed:
		return "an earlier run knew it here, and the host has until " + clock(h.Until) + " to answer for it"
	case evpn.HoldMACLimit:
		if !h.MAC.IsZero() {
			return fmt.Sprintf("a local port has it, but VNI %v has %d local MACs, its limit, so it is not announced: raise the limit (vnis.limits.local-macs)", h.VNI, h.Count)
		}
		return fmt.Sprintf("it has %d local MACs, its limit, and more are not announced: find the host that makes them up, or raise the limit (vnis.limits.local-macs)", h.Count)
	case evpn.HoldNoHost:
		return h.Addr.String() + " can be no host's address for the others: it is unspecified, of a group, a loopback or an IPv4 link-local one"
	case evpn.HoldGateway:
		return "the address is a configured gateway, which every VTEP has for its own hosts (vnis.settings[].gateways)"
	case evpn.HoldStale:
		why := "the session is down"
		if h.Up {
			why = "it came back and has not repeated them"
		}
		return fmt.Sprintf("stale routes of peer %v are used until %s (graceful restart): %s", h.Addr, clock(h.Until), why)
	case evpn.HoldPeerLimit:
		return fmt.Sprintf("peer %v is at its limit of %d routes (max-routes) and %d were refused: what is missing may be among them", h.Addr, h.Count, h.Refused)
	case evpn.HoldStart:
		return "evpnd has not heard the End-of-RIB of all its peers since its start: entries of an earlier run stay in the kernel until then, or until " + clock(h.Until)
	case evpn.HoldFlood:
		return fmt.Sprintf("peer %v withdrew its type 3 route; it is still flooded to until %s (bgp.flood-hold)", h.Addr, clock(h.Until))
	case evpn.HoldNoFlood:
		return fmt.Sprintf("flooding is switched off in VNI %v (vnis.flood)", h.VNI)
	case evpn.HoldNoRD:
		return "it has no route distinguisher (65535 are in use), so nothing of it is announced: serve fewer VNIs"
	}
	return string(h.Kind)
}

// Sources returns where the route distinguisher and the targets of a broadcast
// domain come from, as keys of the configuration.
func Sources(x *evpn.BDExplanation) (rd, export, imports string) {
	auto := map[evpn.TargetForm]string{
		evpn.TargetAuto: "vnis.targets: auto", evpn.TargetRFC8365: "vnis.targets: rfc8365", evpn.TargetFixed: "vnis.targets: fixed",
	}[x.Form]
	rd, export, imports = "automatic: bgp.router-id and a number of the VNI", auto, auto
	if x.Config.RD != (evpn.RD{}) {
		rd = "vnis.settings[].rd"
	}
	if len(x.Config.Export) > 0 {
		export = "vnis.settings[].export"
	}
	if len(x.Config.Import) > 0 {
		imports = "vnis.settings[].import"
	}
	return rd, export, imports
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func release(at time.Time) string {
	if at.IsZero() {
		return "until somebody lets it go"
	}
	return "until " + clock(at)
}
