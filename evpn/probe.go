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
}

// maxProbes bounds the questions that wait to be handed out. What does not
// fit is dropped: the host will speak some time by itself.
const maxProbes = 4096

func (e *Engine) probe(p Probe) {
	if bindable(p.IP) && len(e.probes) < maxProbes && !slices.Contains(e.probes[max(0, len(e.probes)-4):], p) {
		e.probes = append(e.probes, p)
	}
}
