package evpn

import (
	"net/netip"
	"slices"
)

// BDs returns the VNIs that are served, ascending.
func (e *Engine) BDs() []BDStatus {
	out := make([]BDStatus, 0, len(e.bds))
	for _, v := range e.sortedBDs() {
		out = append(out, v.status())
	}
	return out
}

// BD returns one VNI that is served.
func (e *Engine) BD(vni VNI) (BDStatus, bool) {
	if v := e.bds[vni]; v != nil {
		return v.status(), true
	}
	return BDStatus{}, false
}

func (v *bd) status() BDStatus {
	return BDStatus{
		VNI: v.vni, VTEP: v.vtep, RD: v.evi.rd, Export: v.evi.export, Import: v.evi.imports,
		LocalMACs: v.localMACs, RemoteMACs: v.remoteMACs, LocalIPs: v.localIPs, RemoteIPs: v.remoteIPs,
		VTEPs: v.countVTEPs(),
	}
}

// countVTEPs returns how many VTEPs are on the flood list. Mostly each is
// there once, under the own VNI, and then needs not be told from the others.
func (v *bd) countVTEPs() int {
	var vteps map[netip.Addr]bool
	for d := range v.flood {
		if d.VNI != v.vni && vteps == nil {
			vteps = make(map[netip.Addr]bool, len(v.flood))
		}
	}
	if vteps == nil {
		return len(v.flood)
	}
	for d := range v.flood {
		vteps[d.VTEP] = true
	}
	return len(vteps)
}

// VTEPs returns the remote VTEPs, by address.
func (e *Engine) VTEPs() []VTEPStatus {
	out := make([]VTEPStatus, 0, len(e.vteps))
	at := make(map[netip.Addr]int, len(e.vteps))
	for addr, t := range e.vteps {
		out = append(out, VTEPStatus{Addr: addr, MACs: t.macs})
	}
	slices.SortFunc(out, func(a, b VTEPStatus) int { return a.Addr.Compare(b.Addr) })
	for i := range out {
		at[out[i].Addr] = i
	}
	for _, v := range e.sortedBDs() {
		for d := range v.flood {
			t := &out[at[d.VTEP]]
			if n := len(t.VNIs); n == 0 || t.VNIs[n-1] != v.vni {
				t.VNIs = append(t.VNIs, v.vni)
			}
		}
	}
	return out
}

// CountVTEPs returns how many VTEPs would return.
func (e *Engine) CountVTEPs() int { return len(e.vteps) }

// MACKeys returns the known MACs of a VNI, or of all when vni is 0,
// ascending. MAC then looks each up.
func (e *Engine) MACKeys(vni VNI) []MACKey {
	var out []MACKey
	for _, v := range e.bdsOf(vni) {
		for _, addr := range v.sortedMACs() {
			out = append(out, MACKey{v.vni, addr})
		}
	}
	return out
}

// NeighKeys returns the known host addresses of a VNI, or of all when vni is
// 0, ascending.
func (e *Engine) NeighKeys(vni VNI) []IPKey {
	var out []IPKey
	for _, v := range e.bdsOf(vni) {
		for _, ip := range v.sortedIPs() {
			out = append(out, IPKey{v.vni, ip})
		}
	}
	return out
}

func (e *Engine) bdsOf(id VNI) []*bd {
	if id == 0 {
		return e.sortedBDs()
	}
	if v := e.bds[id]; v != nil {
		return []*bd{v}
	}
	return nil
}

// MAC returns where a MAC is. A MAC of which there are only routes that can
// not be used, or only a binding, is nowhere: ok is false.
func (e *Engine) MAC(vni VNI, mac MAC) (s MACStatus, ok bool) {
	v := e.bds[vni]
	if v == nil {
		return s, false
	}
	m := v.macs[mac]
	if m == nil || m.place.Nowhere() {
		return s, false
	}
	p := m.place
	s = MACStatus{
		MACKey: MACKey{vni, mac}, Local: p.Local, Port: int(p.Port), Via: p.Via,
		Seq: p.seq, Sticky: p.sticky, Stale: p.stale, Paths: len(m.paths),
	}
	verdicts := v.macVerdicts(m, explanation{})
	s.Reason = verdicts.reason()
	if x := verdicts.chosen; x != nil && x.extra != nil {
		s.ESI = x.extra.esi
	}
	if m.moves != nil {
		s.Frozen, s.FrozenSince = m.moves.frozen, m.moves.since
		m.moves.expire(e.now, &v.duplicate)
		s.Moves = len(m.moves.times)
	}
	if s.Local {
		for _, ip := range m.loc.bound {
			if w := v.ips[ip].owner; w.local && w.mac == mac {
				s.IPs = append(s.IPs, ip)
			}
		}
		return s, true
	}
	for i := range m.paths {
		if ip := m.paths[i].ip; ip.IsValid() && m.paths[i].unusableMAC(v.vtep) == "" {
			s.IPs = append(s.IPs, ip)
		}
	}
	slices.SortFunc(s.IPs, netip.Addr.Compare)
	s.IPs = slices.Compact(s.IPs)
	return s, true
}

// Neigh returns whose an address is. One that nobody can be reached by is
// nobody's: ok is false.
func (e *Engine) Neigh(vni VNI, ip netip.Addr) (s NeighStatus, ok bool) {
	v := e.bds[vni]
	if v == nil {
		return s, false
	}
	h := v.ips[ip]
	if h == nil || h.owner.nobody() {
		return s, false
	}
	p := h.owner
	return NeighStatus{
		IPKey: IPKey{vni, ip}, MAC: p.mac, Local: p.local, VTEP: p.vtep, Router: p.router, Stale: p.stale,
		Frozen: h.frozen(),
	}, true
}

// Routes returns the received routes of a MAC, by NLRI and peer.
func (e *Engine) Routes(vni VNI, mac MAC) []RouteStatus {
	v := e.bds[vni]
	if v == nil || v.macs[mac] == nil {
		return nil
	}
	m := v.macs[mac]
	verdicts := v.macVerdicts(m, explanation{})
	out := make([]RouteStatus, 0, len(m.paths))
	for i := range m.paths {
		x := &m.paths[i]
		out = append(out, v.routeStatus(x, MACIP, mac, verdicts.path(x)))
	}
	return out
}

// FloodRoutes returns the received type 3 routes of a VNI, by NLRI and peer.
func (e *Engine) FloodRoutes(vni VNI) []RouteStatus {
	v := e.bds[vni]
	if v == nil {
		return nil
	}
	out := make([]RouteStatus, 0, len(v.floodPaths))
	verdicts := v.floodVerdicts(explanation{})
	for _, id := range v.sortedFloodIDs() {
		x := v.floodPaths[id]
		out = append(out, v.routeStatus(&x, InclusiveMulticast, MAC{}, verdicts.path(&x)))
	}
	return out
}
