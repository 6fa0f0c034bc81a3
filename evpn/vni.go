package evpn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// vni is a VNI that is served.
type vni struct {
	id      VNI
	vtep    netip.Addr // the local one
	rd      RD
	noRD    bool // none was left: nothing is announced
	export  []RT
	imports []Target

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

func (e *Engine) sortedVNIs() []*vni {
	s := make([]*vni, 0, len(e.vnis))
	for _, v := range e.vnis {
		s = append(s, v)
	}
	slices.SortFunc(s, func(a, b *vni) int { return cmp.Compare(a.id, b.id) })
	return s
}

func (v *vni) sortedMACs() []MAC {
	s := make([]MAC, 0, len(v.macs))
	for addr := range v.macs {
		s = append(s, addr)
	}
	slices.SortFunc(s, MAC.Compare)
	return s
}

func (v *vni) sortedIPs() []netip.Addr {
	s := make([]netip.Addr, 0, len(v.ips))
	for ip := range v.ips {
		s = append(s, ip)
	}
	slices.SortFunc(s, netip.Addr.Compare)
	return s
}

func (e *Engine) vniUp(ev *BDUp) {
	if !ev.VNI.Valid() || !ev.VTEP.IsValid() {
		return
	}
	v := e.vnis[ev.VNI]
	if v != nil {
		if v.vtep != ev.VTEP {
			e.moveVTEP(v, ev.VTEP)
		}
		return
	}
	v = &vni{
		id: ev.VNI, vtep: ev.VTEP,
		macs:       make(map[MAC]*macEntry),
		ips:        make(map[netip.Addr]*ipEntry),
		floodPaths: make(map[floodID]path),
		flood:      make(map[Via]int),
	}
	e.vnis[v.id] = v
	v.set(&e.cfg)
	v.noFlood = e.cfg.noFlood(v.id)
	v.export, v.imports = e.cfg.targets(v.id)
	v.rd, v.noRD = e.rdOf(v.id)
	e.imports.add(v.id, v.imports)
	e.wantRefresh()
	e.adverts.queue.push(imetAdverts(v.id))
	e.changes.push(Change{Kind: ChangeBD, VNI: v.id})
}

// moveVTEP gives a VNI another local address. The routes that were our own
// until now are judged anew when the peers send them again.
func (e *Engine) moveVTEP(v *vni, to netip.Addr) {
	e.dropPaths(v, func(x *path) bool { return x.attrs.NextHop == to })
	// Copies are flooded to every tunnel endpoint but the own address.
	e.reflood(v, func() { v.vtep = to })
	e.readvertise(v)
	for _, addr := range v.sortedMACs() {
		e.reselect(v, addr, v.macs[addr])
	}
	e.wantRefresh()
	e.changes.push(Change{Kind: ChangeBD, VNI: v.id})
}

// vniDown forgets a VNI: what was announced is withdrawn, and nothing is
// wanted of the kernel any more.
func (e *Engine) vniDown(ev *BDDown) {
	v := e.vnis[ev.VNI]
	if v == nil {
		return
	}
	e.withdrawAll(v)
	e.dropPaths(v, func(*path) bool { return true })
	e.unlingerVNI(v)
	v.refused = nil
	for _, ip := range v.sortedIPs() {
		e.localIPGone(&LocalIPGone{VNI: v.id, IP: ip})
	}
	for _, addr := range v.sortedMACs() {
		e.localMACGone(&LocalMACGone{VNI: v.id, MAC: addr})
	}
	e.imports.remove(v.id, v.imports)
	e.alarms.clear(Alarm{Kind: AlarmRDExhausted, VNI: v.id})
	e.alarms.clear(Alarm{Kind: AlarmMACLimit, VNI: v.id})
	delete(e.vnis, v.id)
	e.changes.push(Change{Kind: ChangeBD, VNI: v.id})
}

// configure replaces the configuration and follows what it changes for each
// VNI that is up.
func (e *Engine) configure(ev *Configure) {
	before := e.cfg.ConfiguredPeers
	e.cfg = ev.Config
	e.rds.configure(e.cfg.BDs)
	e.deconfigured(before)
	e.checkTargets()
	for _, v := range e.sortedVNIs() {
		e.resettle(v)
		export, imports := e.cfg.targets(v.id)
		rd, noRD := e.rdOf(v.id)
		if v.rd != rd || v.noRD != noRD {
			e.withdrawAll(v)
			v.rd, v.noRD = rd, noRD
			e.readvertise(v)
		}
		if !slices.Equal(v.export, export) {
			v.export = export
			e.readvertise(v)
		}
		if !slices.Equal(v.imports, imports) {
			e.reimport(v, imports)
		}
		e.changes.push(Change{Kind: ChangeBD, VNI: v.id})
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

// set takes from c what concerns the hosts of v.
func (v *vni) set(c *Config) {
	own := c.BDs[v.id]
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

// resettle follows a change of what concerns the hosts of v. What is frozen
// stays so until it is let go, and what is beyond a lower limit stays too:
// limits are for what comes.
func (e *Engine) resettle(v *vni) {
	sticky, gateways := v.sticky, v.gateways
	v.set(&e.cfg)
	if off := e.cfg.noFlood(v.id); off != v.noFlood {
		e.reflood(v, func() { v.noFlood = off })
		e.adverts.queue.push(imetAdverts(v.id))
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
func (e *Engine) reimport(v *vni, imports []Target) {
	e.imports.remove(v.id, v.imports)
	e.imports.add(v.id, imports)
	v.imports = imports
	e.dropPaths(v, func(x *path) bool {
		e.matched = e.imports.match(e.matched[:0], x.attrs.Targets)
		return !slices.Contains(e.matched, v.id)
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

// rdTable gives each VNI a number of 16 bits for its route distinguisher and
// keeps to it. The number is the VNI itself where that fits and is free, so
// that it is the same after a restart; else the next free one.
type rdTable struct {
	index   map[VNI]uint16
	used    map[uint16]bool
	set     map[RD]bool // those that the operator gave to VNIs
	version uint64      // of index
}

// recall takes the numbers of an earlier run.
func (t *rdTable) recall(index map[VNI]uint16) {
	t.index, t.used = make(map[VNI]uint16), make(map[uint16]bool)
	for _, v := range slices.Sorted(maps.Keys(index)) {
		if i := index[v]; i != 0 && !t.used[i] {
			t.index[v], t.used[i] = i, true
		}
	}
}

func (t *rdTable) of(v VNI, routerID netip.Addr) (rd RD, ok bool) {
	if i, ok := t.index[v]; ok {
		if rd = NewRD(routerID, i); !t.set[rd] {
			return rd, true
		}
		delete(t.used, i)
		delete(t.index, v)
	}
	if t.index == nil {
		t.index, t.used = make(map[VNI]uint16), make(map[uint16]bool)
	}
	for n := range 1 << 16 {
		i := uint16(v) + uint16(n)
		if rd = NewRD(routerID, i); i != 0 && !t.used[i] && !t.set[rd] {
			t.index[v], t.used[i] = i, true
			t.version++
			return rd, true
		}
	}
	return RD{}, false
}

// configure notes which RDs are taken because they are set for a VNI.
func (t *rdTable) configure(vnis map[VNI]BDConfig) {
	t.set = make(map[RD]bool)
	for _, v := range vnis {
		if v.RD != (RD{}) {
			t.set[v.RD] = true
		}
	}
}

func (e *Engine) rdOf(v VNI) (rd RD, none bool) {
	ok := true
	if rd = e.cfg.BDs[v].RD; rd == (RD{}) {
		rd, ok = e.rds.of(v, e.cfg.RouterID)
	}
	a := Alarm{Kind: AlarmRDExhausted, VNI: v}
	if !ok {
		e.alarms.raise(a)
		return RD{}, true
	}
	e.alarms.clear(a)
	return rd, false
}
