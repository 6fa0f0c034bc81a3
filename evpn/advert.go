package evpn

import "net/netip"

// adverts is what is to be told to the peers.
type adverts struct {
	gone  []Advert      // withdrawals of routes that nothing else remembers
	queue queue[MACKey] // MACs to look at; with a zero MAC, the type 3 route of the VNI
}

// told is one route as it was announced.
type told struct {
	ip     netip.Addr // type 2: the host; type 3: the VTEP
	seq    uint32
	sticky bool
	nd     ND
	stale  bool // its attributes changed since, in a way told does not hold
}

// Adverts returns about max routes to announce or withdraw, and forgets that
// they changed. They are to be handed to the peers in this order. None means
// that nothing is left.
func (e *Engine) Adverts(max int) []Advert {
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

// advertise appends to out what the peers have yet to be told of one MAC, or
// with a zero MAC of a whole VNI.
func (e *Engine) advertise(out []Advert, key MACKey) []Advert {
	v := e.vnis[key.VNI]
	if v == nil {
		return out // withdrawn when it went
	}
	if key.MAC.IsZero() {
		return v.tell(out, MAC{}, &v.told, v.wantIMET())
	}
	if m := v.macs[key.MAC]; m != nil && m.loc != nil {
		out = v.tell(out, key.MAC, &m.loc.told, v.wantMAC(key.MAC, m))
		e.tidy(v, key.MAC, m)
	}
	return out
}

// wantIMET returns the type 3 route that v should announce. It is what asks
// others to flood to here.
func (v *vni) wantIMET() []told {
	if v.noRD || v.noFlood {
		return nil
	}
	return []told{{ip: v.vtep}}
}

// wantMAC returns the type 2 routes that v should announce for m: while it is
// here, one of the MAC alone and one for each address bound to it, all with
// the MAC's sequence (RFC 9721).
func (v *vni) wantMAC(addr MAC, m *macEntry) []told {
	if !m.place.Local || v.noRD {
		return nil
	}
	base := told{seq: m.place.seq, sticky: m.place.sticky}
	want := append(make([]told, 0, 1+len(m.loc.bound)), base)
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

// tell appends to out what makes the peers' view of a MAC go from *have to
// want, both ascending by address: first what is new or changed, then what is
// gone. A host can have thousands of addresses.
func (v *vni) tell(out []Advert, mac MAC, have *[]told, want []told) []Advert {
	old := *have
	for _, t := range want {
		for len(old) > 0 && old[0].ip.Less(t.ip) {
			old = old[1:]
		}
		if len(old) == 0 || old[0] != t {
			out = append(out, v.advert(mac, t))
		}
	}
	rest := want
	for _, t := range *have {
		for len(rest) > 0 && rest[0].ip.Less(t.ip) {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].ip != t.ip {
			out = append(out, Advert{Route: v.reach(mac, t.ip)})
		}
	}
	*have = want
	return out
}

func (v *vni) reach(mac MAC, ip netip.Addr) Route {
	r := Route{NLRI: NLRI{Type: MACIP, RD: v.rd, MAC: mac, IP: ip}, Label: v.id}
	if mac.IsZero() {
		r.Type, r.Label = InclusiveMulticast, 0
	}
	return r
}

func (v *vni) advert(mac MAC, t told) Advert {
	r := v.reach(mac, t.ip)
	t.ip, t.stale = netip.Addr{}, false // they do not show in the attributes
	key := attrsKey{t, mac.IsZero()}
	if v.attrs.last == nil || v.attrs.key != key {
		v.attrs = attrsCache{key, v.newAttrs(key)}
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
	told
	imet bool
}

func (v *vni) newAttrs(k attrsKey) *Attrs {
	a := &Attrs{NextHop: v.vtep, Targets: v.export, Encap: EncapVXLAN, LocalPref: DefaultLocalPref}
	if k.imet {
		a.PMSI = PMSI{Present: true, Type: IngressReplication, Label: v.id, Endpoint: v.vtep}
		return a
	}
	a.Mobility = Mobility{Seq: k.seq, Sticky: k.sticky}
	a.ND = k.nd
	return a
}

// DefaultLocalPref is what a route has whose sender said nothing of it
// (RFC 4271 §5.1.5 leaves the number to the implementation; all use this).
const DefaultLocalPref = 100

// readvertise announces all of v again, because attributes of it changed.
func (e *Engine) readvertise(v *vni) {
	v.attrs = attrsCache{}
	again := func(mac MAC, have []told) {
		for i := range have {
			have[i].stale = true
		}
		e.adverts.queue.push(MACKey{v.id, mac})
	}
	again(MAC{}, v.told)
	for _, addr := range v.sortedMACs() {
		if m := v.macs[addr]; m.loc != nil {
			again(addr, m.loc.told)
		}
	}
}

// withdrawAll takes back all that v has announced, under the RD it has now.
func (e *Engine) withdrawAll(v *vni) {
	gone := func(mac MAC, have *[]told) {
		for _, t := range *have {
			e.adverts.gone = append(e.adverts.gone, Advert{Route: v.reach(mac, t.ip)})
		}
		*have = nil
	}
	for _, addr := range v.sortedMACs() {
		if m := v.macs[addr]; m.loc != nil {
			gone(addr, &m.loc.told)
		}
	}
	gone(MAC{}, &v.told)
}

// Advertised returns the routes that are announced for a MAC; with a zero
// MAC, the type 3 route of the VNI.
func (e *Engine) Advertised(vni VNI, mac MAC) []Advert {
	v := e.vnis[vni]
	if v == nil {
		return nil
	}
	have := v.told
	if !mac.IsZero() {
		m := v.macs[mac]
		if m == nil || m.loc == nil {
			return nil
		}
		have = m.loc.told
	}
	var out []Advert
	for _, t := range have {
		out = append(out, v.advert(mac, t))
	}
	return out
}
