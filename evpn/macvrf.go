package evpn

import (
	"maps"
	"net/netip"
	"slices"
)

// macVRF is a MAC-VRF (RFC 7432 §2): the route distinguisher and the route
// targets of its broadcast domains. With VLAN-based service, the one that
// evpnd has, each holds one broadcast domain (RFC 7432 §6.1), whose VNI names
// it.
type macVRF struct {
	bd      *bd
	rd      RD
	noRD    bool // none was left: nothing is announced
	export  []RT
	imports []Target
}

// bdOf returns the broadcast domain that a route with an Ethernet tag belongs
// to. With VLAN-based service there is one: what a foreign tag means to it is
// for path.unusable to say.
func (f *macVRF) bdOf(uint32) *bd { return f.bd }

func (f *macVRF) isOwn(a *Attrs) bool { return f.bd.vtep == a.NextHop }

func (f *macVRF) announce(e *Engine, p *peer, r *Route, a *Attrs) {
	if v := f.bdOf(r.Tag); e.admitRoute(v, p, r) {
		routeTypes[r.Type].set(e, v, &r.NLRI, newPath(p, r, a))
	}
}

func (f *macVRF) withdraw(e *Engine, p *peer, n *NLRI) {
	if n.Type == InclusiveMulticast {
		e.holdFlood(f.bdOf(n.Tag), p, floodID{n.RD, n.Tag, n.IP, p.addr})
	}
	f.remove(e, p, n)
}

func (f *macVRF) remove(e *Engine, p *peer, n *NLRI) {
	if t := n.Type.imported(); t != nil {
		t.drop(e, f.bdOf(n.Tag), n, keyOf(p, n))
	}
}

// routeType is what a broadcast domain does with the routes of one type.
type routeType struct {
	usable func(*NLRI) bool // tells whether one can be of use to anybody
	set    func(*Engine, *bd, *NLRI, path)
	find   func(*bd, *NLRI, path) *path // nil when it is not there
	drop   func(*Engine, *bd, *NLRI, path)
}

// routeTypes are the types that are imported, by number.
var routeTypes = [...]routeType{
	MACIP: {
		usable: func(n *NLRI) bool { return n.MAC.IsHost() },
		set:    func(e *Engine, v *bd, n *NLRI, x path) { e.setPath(v, n.MAC, x) },
		find: func(v *bd, n *NLRI, x path) *path {
			if m := v.macs[n.MAC]; m != nil {
				if i, ok := m.find(&x); ok {
					return &m.paths[i]
				}
			}
			return nil
		},
		drop: func(e *Engine, v *bd, n *NLRI, x path) {
			if m := v.macs[n.MAC]; m != nil {
				if i, ok := m.find(&x); ok {
					e.dropPath(v, n.MAC, m, i)
				}
			}
		},
	},
	InclusiveMulticast: {
		usable: func(*NLRI) bool { return true },
		set:    func(e *Engine, v *bd, _ *NLRI, x path) { e.setFlood(v, x) },
		find: func(v *bd, _ *NLRI, x path) *path {
			if y, ok := v.floodPaths[floodIDOf(&x)]; ok {
				return &y
			}
			return nil
		},
		drop: func(e *Engine, v *bd, _ *NLRI, x path) { e.dropFlood(v, floodIDOf(&x)) },
	},
}

// imported returns what is done with routes of type t, nil when none are
// imported.
func (t RouteType) imported() *routeType {
	if int(t) < len(routeTypes) && routeTypes[t].set != nil {
		return &routeTypes[t]
	}
	return nil
}

// usable tells whether routes like n are imported at all.
func (n *NLRI) usable() bool {
	t := n.Type.imported()
	return t != nil && t.usable(n)
}

// pathOf returns p's copy of a route in v, or nil.
func (v *bd) pathOf(p *peer, n *NLRI) *path {
	return n.Type.imported().find(v, n, keyOf(p, n))
}

// rdTable gives each MAC-VRF, by its VNI, a number of 16 bits for its route distinguisher and
// keeps to it. The number is the VNI itself where that fits and is free, so
// that it is the same after a restart; else the next free one.
type rdTable struct {
	index   map[VNI]uint16
	used    map[uint16]bool
	set     map[RD]bool // those that the operator gave to VNIs
	version uint64      // of index
}

// restore takes the numbers of an earlier run.
func (t *rdTable) restore(index map[VNI]uint16) {
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
