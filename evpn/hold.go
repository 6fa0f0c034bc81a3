package evpn

import (
	"net/netip"
	"slices"
	"time"
)

// Hold is something that keeps what is decided from following the routes that
// are kept. Like an Alarm it holds what a sentence about it needs, and no
// sentence. The kinds say which fields they set.
type Hold struct {
	Kind  HoldKind
	VNI   VNI
	MAC   MAC
	Addr  netip.Addr
	Count int

	Refused uint64
	Up      bool
	Since   time.Time
	Until   time.Time
}

// HoldKind names a kind of Hold.
type HoldKind string

// What can hold a decision.
const (
	// HoldFrozenMAC: MAC is frozen as a duplicate Since, Until a time; zero:
	// until it is released by command (RFC 7432 §15.1).
	HoldFrozenMAC HoldKind = "frozen-mac"
	// HoldFrozenIP: the same for the address Addr, with MAC (RFC 9161 §3.7).
	HoldFrozenIP HoldKind = "frozen-ip"
	// HoldFrozenMACBefore: an earlier run had the MAC frozen at the VTEP Addr,
	// or here where that is invalid, and it is to be frozen there again.
	HoldFrozenMACBefore HoldKind = "frozen-mac-before"
	// HoldFrozenIPBefore: the same for an address, with MAC.
	HoldFrozenIPBefore HoldKind = "frozen-ip-before"
	// HoldUnconfirmed: an earlier run knew the address here, and the host has
	// Until a time to answer for it.
	HoldUnconfirmed HoldKind = "unconfirmed"
	// HoldMACLimit: VNI has Count local MACs, its limit. With MAC set, that
	// one is beyond it.
	HoldMACLimit HoldKind = "mac-limit"
	// HoldNoHost: the address Addr can be no host's for the others.
	HoldNoHost HoldKind = "no-host"
	// HoldGateway: the address is a configured gateway.
	HoldGateway HoldKind = "gateway"
	// HoldStale: routes of the peer Addr are used Until a time although the
	// session that brought them is down. Up: it came back, and has not
	// repeated them.
	HoldStale HoldKind = "stale"
	// HoldPeerLimit: the peer Addr is at its limit of Count routes, and
	// Refused were not taken.
	HoldPeerLimit HoldKind = "peer-limit"
	// HoldStart: not all peers have sent their End-of-RIB since the start; what
	// the kernel has from before stays until then, and Until a time at most.
	HoldStart HoldKind = "start"
	// HoldFlood: the peer Addr withdrew the type 3 route of a VTEP, which is
	// flooded to Until a time.
	HoldFlood HoldKind = "flood"
	// HoldNoFlood: flooding is switched off in VNI.
	HoldNoFlood HoldKind = "no-flood"
	// HoldNoRD: no route distinguisher is left for VNI.
	HoldNoRD HoldKind = "no-rd"
)

// HoldKinds are all kinds of Hold.
var HoldKinds = []HoldKind{
	HoldFrozenMAC, HoldFrozenIP, HoldFrozenMACBefore, HoldFrozenIPBefore, HoldUnconfirmed, HoldMACLimit, HoldNoHost, HoldGateway,
	HoldStale, HoldPeerLimit, HoldStart, HoldFlood, HoldNoFlood, HoldNoRD,
}

// frozenHold is the hold of a key that is frozen.
func (v *bd) frozenHold(kind HoldKind, m *moves) Hold {
	h := Hold{Kind: kind, VNI: v.vni, Since: m.since}
	if v.duplicate.Recover > 0 {
		h.Until = m.since.Add(v.duplicate.Recover)
	}
	return h
}

// holdsOfMAC returns what keeps the place of a MAC from following the routes.
func (e *Engine) holdsOfMAC(v *bd, addr MAC) (out []Hold) {
	m := v.macs[addr]
	if m != nil && m.frozen() {
		h := v.frozenHold(HoldFrozenMAC, m.moves)
		h.MAC = addr
		out = append(out, h)
	}
	if was, ok := e.macContest.before[MACKey{v.vni, addr}]; ok {
		out = append(out, Hold{Kind: HoldFrozenMACBefore, VNI: v.vni, MAC: addr, Addr: was.holder})
	}
	if _, ok := v.refused[addr]; ok {
		out = append(out, Hold{Kind: HoldMACLimit, VNI: v.vni, MAC: addr, Count: v.limits.LocalMACs})
	}
	if m != nil {
		out = append(out, holdsOfPaths(m.paths)...)
	}
	return append(out, e.holdsOfPeers()...)
}

// holdsOfIP returns what keeps the owner of an address from following the
// routes.
func (e *Engine) holdsOfIP(v *bd, ip netip.Addr, h *ipEntry) (out []Hold) {
	key := IPKey{v.vni, ip}
	if !IsHostIP(ip) {
		out = append(out, Hold{Kind: HoldNoHost, VNI: v.vni, Addr: ip})
	}
	if slices.Contains(v.gateways, ip) {
		out = append(out, Hold{Kind: HoldGateway, VNI: v.vni, Addr: ip})
	}
	if h != nil && h.frozen() {
		f := v.frozenHold(HoldFrozenIP, h.moves)
		f.Addr, f.MAC = ip, h.owner.mac
		out = append(out, f)
	}
	if was, ok := e.ipContest.before[key]; ok {
		out = append(out, Hold{Kind: HoldFrozenIPBefore, VNI: v.vni, Addr: ip, MAC: was.holder})
	}
	if _, ok := e.persist.restored.unconfirmed[key]; ok {
		out = append(out, Hold{Kind: HoldUnconfirmed, VNI: v.vni, Addr: ip, Until: e.persist.restored.until})
	}
	if h != nil {
		for _, addr := range h.macs {
			for _, s := range holdsOfPaths(v.macs[addr].paths) {
				if !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
	}
	return append(out, e.holdsOfPeers()...)
}

// holdsOfVTEP returns what keeps the flood list from following the type 3
// routes paths, those of a VTEP that is flooded to at flood.
func (e *Engine) holdsOfVTEP(v *bd, flood []Via, paths []path) (out []Hold) {
	for _, d := range flood {
		if l, ok := e.floodHolds.of[floodKey{v.vni, d}]; ok {
			out = append(out, Hold{Kind: HoldFlood, VNI: v.vni, Addr: l.peer.addr, Until: l.until})
		}
	}
	if v.noFlood {
		out = append(out, Hold{Kind: HoldNoFlood, VNI: v.vni})
	}
	return append(append(out, holdsOfPaths(paths)...), e.holdsOfPeers()...)
}

// holdsOfBD returns what keeps all that is in v from being announced.
func (e *Engine) holdsOfBD(v *bd) (out []Hold) {
	if v.evi.noRD {
		out = append(out, Hold{Kind: HoldNoRD, VNI: v.vni})
	}
	if len(v.refused) > 0 {
		out = append(out, Hold{Kind: HoldMACLimit, VNI: v.vni, Count: v.limits.LocalMACs})
	}
	return append(out, e.holdsOfPeers()...)
}

// holdsOfPaths returns until when stale ones of some routes are used.
func holdsOfPaths(paths []path) (out []Hold) {
	for i := range paths {
		if p := paths[i].peer; paths[i].notRefreshed() {
			h := Hold{Kind: HoldStale, Addr: p.addr, Until: p.expire, Up: p.up}
			if !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	return out
}

// holdsOfPeers returns which peers send more than is taken, and that the start
// is not over.
func (e *Engine) holdsOfPeers() (out []Hold) {
	for _, p := range e.sortedPeers() {
		if p.full {
			out = append(out, Hold{Kind: HoldPeerLimit, Addr: p.addr, Count: p.limit.Routes, Refused: p.refused})
		}
	}
	if !e.synced {
		out = append(out, Hold{Kind: HoldStart, Until: e.start.Add(e.cfg.EndOfRIBWait)})
	}
	return out
}
