package evpn

import (
	"net/netip"
	"slices"
)

// Probe is a question to be put to a host on its local ports: ARP or ND for
// IP, to MAC alone. Its answer is evidence of where it is (RFC 5227 §2.1.1
// form for ARP, RFC 4861 §7.2.2 for ND). The engine asks for one for each
// address that is known of a MAC that has just moved here, so that the
// traffic of others finds it before it speaks by itself.
type Probe struct {
	VNI VNI
	IP  netip.Addr
	MAC MAC
	// Conflict says that the host is known to have had the address, and that
	// another VTEP has just told of another that has it: when the host is
	// silent, it has it no more.
	Conflict bool
}

// maxProbes bounds the questions that wait to be handed out. What does not
// fit is dropped: the host will speak some time by itself.
const maxProbes = 4096

// doubt asks the local host that has an address for it, since mac, which is
// elsewhere, is told to have it too: one of the two was told of last. Each
// VTEP asks its own host so, and who is silent has it no more. A virtual
// address that moved would else stay here until the host is asked for its own
// sake, and its old place win as long where its VTEP has the lower address.
func (e *Engine) doubt(v *vni, ip netip.Addr, h *host, mac MAC) {
	if w := h.place; w.where == here && w.mac != mac && v.macs[mac].place.where == there {
		e.probe(Probe{VNI: v.id, IP: ip, MAC: w.mac, Conflict: true})
	}
}

func (e *Engine) probe(p Probe) {
	if bindable(p.IP) && len(e.probes) < maxProbes && !slices.Contains(e.probes[max(0, len(e.probes)-4):], p) {
		e.probes = append(e.probes, p)
	}
}
