package evpn

import (
	"net/netip"
	"slices"
)

// Probe is a question to a local host, sent to its MAC alone: an ARP request
// (in the form of RFC 5227 §2.1.1) or a neighbor solicitation (RFC 4861 §7.2.2)
// for IP. An answer shows that the host is here and has the address. The
// engine probes each known address of a MAC that has just moved here, so that
// the frames of others find it before it speaks by itself.
type Probe struct {
	VNI VNI
	IP  netip.Addr
	MAC MAC
	// Conflict says that a remote VTEP has just announced the address with
	// another MAC. A host that does not answer has lost the address.
	Conflict bool
}

// maxProbes bounds the probes that wait to be fetched. Further ones are
// dropped: the host will speak some time by itself.
const maxProbes = 4096

// probeConflict probes the local host that has ip, when a route or a frame has
// just paired ip with mac, which is behind a remote VTEP. Every VTEP probes its
// own host that way, and the host that is silent loses the address. Without
// it a virtual address that moved away would stay here until its binding ages
// out, and the old place would win until then if its VTEP address is lower.
func (e *Engine) probeConflict(v *bd, ip netip.Addr, h *ipEntry, mac MAC) {
	if w := h.owner; w.local && w.mac != mac && v.macs[mac].place.Remote() {
		e.probe(Probe{VNI: v.vni, IP: ip, MAC: w.mac, Conflict: true})
	}
}

func (e *Engine) probe(p Probe) {
	if IsHostIP(p.IP) && len(e.probes) < maxProbes && !slices.Contains(e.probes[max(0, len(e.probes)-4):], p) {
		e.probes = append(e.probes, p)
	}
}
