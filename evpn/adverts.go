package evpn

import "net/netip"

// adverts is what the peers have yet to be told.
type adverts struct {
	gone  []Advert         // withdrawals of routes that nothing else remembers
	queue queue[advertKey] // objects whose routes may have changed
}

// advertKey names what routes of ours are about, all of one type: what is told
// of it and what was are compared as a whole.
type advertKey struct {
	vni VNI
	typ RouteType
	mac MAC // type 2
}

func macAdverts(vni VNI, mac MAC) advertKey { return advertKey{vni, MACIP, mac} }

func imetAdverts(vni VNI) advertKey { return advertKey{vni, InclusiveMulticast, MAC{}} }

// advertised is one route as it was announced.
type advertised struct {
	ip     netip.Addr // type 2: the host; type 3: the VTEP
	seq    uint32
	sticky bool
	nd     ND
	stale  bool // its attributes changed since, in a way that does not show here
}

// takeAdverts returns about max routes to announce or withdraw, and forgets that
// they changed. They are to be handed to the peers in this order. None means
// that nothing is left.
func (e *Engine) takeAdverts(max int) []Advert {
	n := min(max, len(e.adverts.gone))
	out := e.adverts.gone[:n:n]
	e.adverts.gone = e.adverts.gone[n:]
	if len(e.adverts.gone) == 0 {
		e.adverts.gone = nil
	}
	for len(out) < max {
		keys := e.adverts.queue.take(max - len(out))
		if len(keys) == 0 {
			break
		}
		for _, key := range keys {
			out = e.advertise(out, key)
		}
	}
	return out
}

// advertise appends to out what the peers have yet to be told of one object.
func (e *Engine) advertise(out []Advert, key advertKey) []Advert {
	v := e.bds[key.vni]
	if v == nil {
		return out // withdrawn when it went
	}
	switch key.typ {
	case InclusiveMulticast:
		return v.diffAdverts(out, key, &v.advertised, v.wantIMET())
	case MACIP:
		if m := v.macs[key.mac]; m != nil && m.loc != nil {
			out = v.diffAdverts(out, key, &m.loc.advertised, v.wantMAC(key.mac, m))
			e.tidy(v, key.mac, m)
		}
	}
	return out
}

// wantIMET returns the type 3 route that v should announce. It is what asks
// others to flood to here.
func (v *bd) wantIMET() []advertised {
	if v.evi.noRD || v.noFlood {
		return nil
	}
	return []advertised{{ip: v.vtep}}
}

// wantMAC returns the type 2 routes that v should announce for m: while it is
// here, one of the MAC alone and one for each address bound to it, all with
// the MAC's sequence (RFC 9721).
func (v *bd) wantMAC(addr MAC, m *macEntry) []advertised {
	if !m.place.Local || v.evi.noRD {
		return nil
	}
	base := advertised{seq: m.place.seq, sticky: m.place.sticky}
	want := append(make([]advertised, 0, 1+len(m.loc.bound)), base)
	for _, ip := range m.loc.bound {
		h := v.ips[ip]
		if !h.owner.local || h.owner.mac != addr {
			continue // a gateway, frozen with another, or another's for good
		}
		t := base
		t.ip, t.nd = ip, h.bound.nd
		want = append(want, t)
	}
	return want
}

// diffAdverts appends to out what makes the peers' view of an object go from
// *have to want, both ascending by address: first what is new or changed, then
// what is gone. A host can have thousands of addresses.
func (v *bd) diffAdverts(out []Advert, key advertKey, have *[]advertised, want []advertised) []Advert {
	old := *have
	for _, t := range want {
		for len(old) > 0 && old[0].ip.Less(t.ip) {
			old = old[1:]
		}
		if len(old) == 0 || old[0] != t {
			out = append(out, v.advert(key, t))
		}
	}
	rest := want
	for _, t := range *have {
		for len(rest) > 0 && rest[0].ip.Less(t.ip) {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].ip != t.ip {
			out = append(out, Advert{Route: v.routeOf(key, t.ip)})
		}
	}
	*have = want
	return out
}

// routeOf returns a route of ours as it stands in its NLRI.
func (v *bd) routeOf(key advertKey, ip netip.Addr) Route {
	r := Route{NLRI: NLRI{Type: key.typ, RD: v.evi.rd, MAC: key.mac, IP: ip}}
	if key.typ == MACIP {
		r.Label = v.vni
	}
	return r
}

func (v *bd) advert(key advertKey, t advertised) Advert {
	r := v.routeOf(key, t.ip)
	t.ip, t.stale = netip.Addr{}, false // they do not show in the attributes
	k := attrsKey{t, key.typ}
	if v.attrs.last == nil || v.attrs.key != k {
		v.attrs = attrsCache{k, v.newAttrs(k)}
	}
	return Advert{Route: r, Attrs: v.attrs.last}
}

// attrsCache keeps the attributes that were needed last: most MACs of a VNI
// share them.
type attrsCache struct {
	key  attrsKey
	last *Attrs
}

type attrsKey struct {
	advertised
	typ RouteType
}

func (v *bd) newAttrs(k attrsKey) *Attrs {
	a := &Attrs{NextHop: v.vtep, Targets: v.evi.export, Encap: EncapVXLAN, LocalPref: DefaultLocalPref}
	switch k.typ {
	case InclusiveMulticast:
		a.PMSI = PMSI{Present: true, Type: IngressReplication, Label: v.vni, Endpoint: v.vtep}
	case MACIP:
		a.Mobility = Mobility{Seq: k.seq, Sticky: k.sticky}
		a.ND = k.nd
	}
	return a
}

// DefaultLocalPref is what a route has whose sender said nothing of it
// (RFC 4271 §5.1.5 leaves the number to the implementation; all use this).
const DefaultLocalPref = 100

// announced calls f for each object of v that something was announced for.
func (v *bd) announced(f func(key advertKey, have *[]advertised)) {
	f(imetAdverts(v.vni), &v.advertised)
	for _, addr := range v.sortedMACs() {
		if m := v.macs[addr]; m.loc != nil {
			f(macAdverts(v.vni, addr), &m.loc.advertised)
		}
	}
}

// readvertise announces all of v again, because attributes of it changed.
func (e *Engine) readvertise(v *bd) {
	v.attrs = attrsCache{}
	v.announced(func(key advertKey, have *[]advertised) {
		for i := range *have {
			(*have)[i].stale = true
		}
		e.adverts.queue.push(key)
	})
}

// withdrawAll takes back all that v has announced, under the RD it has now:
// its type 3 route last, for it is what has others flood to here.
func (e *Engine) withdrawAll(v *bd) {
	var last []Advert
	v.announced(func(key advertKey, have *[]advertised) {
		for _, t := range *have {
			a := Advert{Route: v.routeOf(key, t.ip)}
			if key.typ == InclusiveMulticast {
				last = append(last, a)
				continue
			}
			e.adverts.gone = append(e.adverts.gone, a)
		}
		*have = nil
	})
	e.adverts.gone = append(e.adverts.gone, last...)
}

// Advertised returns the type 2 routes that are announced for a MAC.
func (e *Engine) Advertised(vni VNI, mac MAC) []Advert {
	v := e.bds[vni]
	if v == nil {
		return nil
	}
	m := v.macs[mac]
	if m == nil || m.loc == nil {
		return nil
	}
	return v.adverts(macAdverts(vni, mac), m.loc.advertised)
}

// AdvertisedFlood returns the type 3 route that is announced for a VNI.
func (e *Engine) AdvertisedFlood(vni VNI) []Advert {
	v := e.bds[vni]
	if v == nil {
		return nil
	}
	return v.adverts(imetAdverts(vni), v.advertised)
}

// AdvertisedAll returns the routes that are announced for a VNI: its type 3
// route, then those of its MACs, ascending.
func (e *Engine) AdvertisedAll(vni VNI) (out []Advert) {
	if v := e.bds[vni]; v != nil {
		v.announced(func(key advertKey, have *[]advertised) { out = append(out, v.adverts(key, *have)...) })
	}
	return out
}

func (v *bd) adverts(key advertKey, have []advertised) (out []Advert) {
	for _, t := range have {
		out = append(out, v.advert(key, t))
	}
	return out
}
