package evpn

import (
	"cmp"
	"net/netip"
	"slices"
)

// bd is a broadcast domain (RFC 7432 §2). Its VNI names it, here and on the
// wire.
type bd struct {
	vni  VNI
	vtep netip.Addr // the local one
	evi  *macVRF

	duplicate DuplicateConfig // with its defaults
	limits    Limits
	noFlood   bool
	sticky    []MAC
	gateways  []netip.Addr
	refused   map[MAC]LocalMAC // local MACs beyond the limit

	macs       map[MAC]*macEntry
	ips        map[netip.Addr]*ipEntry
	floodPaths map[floodID]path
	flood      map[Via]int // how many routes ask for each destination

	attrs      attrsCache   // of what is announced
	advertised []advertised // the type 3 route, when announced

	localMACs, remoteMACs, localIPs, remoteIPs int

	moves uint64 // of MACs from one place straight to another
}

func (e *Engine) sortedBDs() []*bd {
	s := make([]*bd, 0, len(e.bds))
	for _, v := range e.bds {
		s = append(s, v)
	}
	slices.SortFunc(s, func(a, b *bd) int { return cmp.Compare(a.vni, b.vni) })
	return s
}

func (v *bd) sortedMACs() []MAC {
	s := make([]MAC, 0, len(v.macs))
	for addr := range v.macs {
		s = append(s, addr)
	}
	slices.SortFunc(s, MAC.Compare)
	return s
}

func (v *bd) sortedIPs() []netip.Addr {
	s := make([]netip.Addr, 0, len(v.ips))
	for ip := range v.ips {
		s = append(s, ip)
	}
	slices.SortFunc(s, netip.Addr.Compare)
	return s
}

func (e *Engine) bdUp(ev *BDUp) {
	if !ev.VNI.Valid() || !ev.VTEP.IsValid() {
		return
	}
	v := e.bds[ev.VNI]
	if v != nil {
		if v.vtep != ev.VTEP {
			e.moveVTEP(v, ev.VTEP)
		}
		return
	}
	v = &bd{
		vni: ev.VNI, vtep: ev.VTEP,
		macs:       make(map[MAC]*macEntry),
		ips:        make(map[netip.Addr]*ipEntry),
		floodPaths: make(map[floodID]path),
		flood:      make(map[Via]int),
	}
	e.bds[v.vni] = v
	v.configure(&e.cfg)
	v.noFlood = e.cfg.noFlood(v.vni)
	v.evi = &macVRF{bd: v}
	v.evi.export, v.evi.imports = e.cfg.targets(v.vni)
	v.evi.rd, v.evi.noRD = e.rdOf(v.vni)
	e.imports.add(v.evi, v.evi.imports)
	e.wantRefresh()
	e.adverts.queue.push(imetAdverts(v.vni))
	e.changes.push(Change{Kind: ChangeBD, VNI: v.vni})
}

// moveVTEP gives a VNI another local address. The routes that were our own
// until now are judged anew when the peers send them again.
func (e *Engine) moveVTEP(v *bd, to netip.Addr) {
	e.dropPaths(v, func(x *path) bool { return x.attrs.NextHop == to })
	// Copies are flooded to every tunnel endpoint but the own address.
	e.recountFlood(v, func() { v.vtep = to })
	e.readvertise(v)
	for _, addr := range v.sortedMACs() {
		e.reselect(v, addr, v.macs[addr])
	}
	e.wantRefresh()
	e.changes.push(Change{Kind: ChangeBD, VNI: v.vni})
}

// bdDown forgets a VNI: what was announced is withdrawn, and nothing is
// wanted of the kernel any more.
func (e *Engine) bdDown(ev *BDDown) {
	v := e.bds[ev.VNI]
	if v == nil {
		return
	}
	e.withdrawAll(v)
	e.dropPaths(v, func(*path) bool { return true })
	e.endFloodHoldsIn(v)
	v.refused = nil
	for _, ip := range v.sortedIPs() {
		e.localIPGone(&LocalIPGone{VNI: v.vni, IP: ip})
	}
	for _, addr := range v.sortedMACs() {
		e.localMACGone(&LocalMACGone{VNI: v.vni, MAC: addr})
	}
	e.imports.remove(v.evi, v.evi.imports)
	e.alarms.clear(Alarm{Kind: AlarmRDExhausted, VNI: v.vni})
	e.alarms.clear(Alarm{Kind: AlarmMACLimit, VNI: v.vni})
	delete(e.bds, v.vni)
	e.changes.push(Change{Kind: ChangeBD, VNI: v.vni})
}

// configure replaces the configuration and follows what it changes for each
// VNI that is up.
func (e *Engine) configure(ev *Configure) {
	before := e.cfg.ConfiguredPeers
	e.cfg = ev.Config
	e.rds.configure(e.cfg.BDs)
	e.deconfigured(before)
	e.checkTargets()
	for _, v := range e.sortedBDs() {
		e.reconfigure(v)
		export, imports := e.cfg.targets(v.vni)
		rd, noRD := e.rdOf(v.vni)
		if v.evi.rd != rd || v.evi.noRD != noRD {
			e.withdrawAll(v)
			v.evi.rd, v.evi.noRD = rd, noRD
			e.readvertise(v)
		}
		if !slices.Equal(v.evi.export, export) {
			v.evi.export = export
			e.readvertise(v)
		}
		if !slices.Equal(v.evi.imports, imports) {
			e.reimport(v, imports)
		}
		e.changes.push(Change{Kind: ChangeBD, VNI: v.vni})
	}
	e.checkSynced()
}

// noFlood tells whether nothing is to be flooded in a VNI.
func (c *Config) noFlood(v VNI) bool {
	if own := c.BDs[v].NoFlood; own != nil {
		return *own
	}
	return c.NoFlood
}

// configure takes from c what concerns the hosts of v.
func (v *bd) configure(c *Config) {
	own := c.BDs[v.vni]
	v.duplicate, v.limits = c.Duplicate, c.Limits
	if own.Duplicate != nil {
		v.duplicate = *own.Duplicate
	}
	if own.Limits != nil {
		v.limits = *own.Limits
	}
	v.duplicate.Off = v.duplicate.Off || v.duplicate.Moves == 0
	v.sticky, v.gateways = own.Sticky, own.Gateways
}

// reconfigure follows a change of what concerns the hosts of v. What is frozen
// stays so until it is let go, and what is beyond a lower limit stays too:
// limits are for what comes.
func (e *Engine) reconfigure(v *bd) {
	sticky, gateways := v.sticky, v.gateways
	v.configure(&e.cfg)
	if off := e.cfg.noFlood(v.vni); off != v.noFlood {
		e.recountFlood(v, func() { v.noFlood = off })
		e.adverts.queue.push(imetAdverts(v.vni))
	}
	if !slices.Equal(sticky, v.sticky) {
		for _, addr := range slices.Concat(sticky, v.sticky) {
			if m := v.macs[addr]; m != nil && m.loc != nil {
				m.loc.static = m.loc.fixed || slices.Contains(v.sticky, addr)
				e.reselect(v, addr, m)
			}
		}
	}
	if !slices.Equal(gateways, v.gateways) {
		for _, ip := range slices.Concat(gateways, v.gateways) {
			if h := v.ips[ip]; h != nil {
				e.reselectIP(v, ip, h)
			}
		}
	}
	e.admitNext(v)
}

// reimport gives v other import targets: routes that no longer match go, and
// those that were not kept are asked for.
func (e *Engine) reimport(v *bd, imports []Target) {
	e.imports.remove(v.evi, v.evi.imports)
	e.imports.add(v.evi, imports)
	v.evi.imports = imports
	var match []importer
	e.dropPaths(v, func(x *path) bool {
		match = e.imports.match(match[:0], x.attrs.Targets)
		return !slices.Contains(match, importer(v.evi))
	})
	e.wantRefresh()
}

// checkTargets keeps the alarm about targets that the AS is too large for.
func (e *Engine) checkTargets() {
	a := Alarm{Kind: AlarmTargetTooWide}
	if e.cfg.Targets == TargetRFC8365 && e.cfg.AS > 0xffff {
		e.alarms.raise(a)
	} else {
		e.alarms.clear(a)
	}
}
