package evpn

import (
	"cmp"
	"slices"
)

// importer takes in the routes that carry one of its import targets. A
// macVRF is one; what prefixes and Ethernet segments go to will be others.
type importer interface {
	// isOwn tells whether a route with the attributes a is one of the
	// importer's own that came back.
	isOwn(a *Attrs) bool
	// announce takes in a route of p, or what replaces it.
	announce(e *Engine, p *peer, r *Route, a *Attrs)
	// withdraw takes p's copy of a route out because p withdrew it.
	withdraw(e *Engine, p *peer, n *NLRI)
	// remove takes p's copy of a route out, if it is there, because another
	// version of it is imported elsewhere.
	remove(e *Engine, p *peer, n *NLRI)
}

// origin counts the paths of one RD in one importer.
type origin struct {
	importer importer
	paths    int
}

// importIndex finds the importers of a route.
type importIndex struct {
	exact map[RT][]importer
	any   map[RT][]importer
}

func (x *importIndex) add(i importer, targets []Target) {
	if x.exact == nil {
		x.exact, x.any = make(map[RT][]importer), make(map[RT][]importer)
	}
	for _, t := range targets {
		m := x.exact
		if t.Any {
			m = x.any
		}
		if !slices.Contains(m[t.RT], i) {
			m[t.RT] = append(m[t.RT], i)
		}
	}
}

func (x *importIndex) remove(i importer, targets []Target) {
	for _, t := range targets {
		m := x.exact
		if t.Any {
			m = x.any
		}
		if s := slices.DeleteFunc(m[t.RT], func(o importer) bool { return o == i }); len(s) > 0 {
			m[t.RT] = s
		} else {
			delete(m, t.RT)
		}
	}
}

// match appends to dst those that import a route with these targets, each
// once, in the order of the targets.
func (x *importIndex) match(dst []importer, targets []RT) []importer {
	for _, rt := range targets {
		for _, i := range x.exact[rt] {
			if !slices.Contains(dst, i) {
				dst = append(dst, i)
			}
		}
		for _, i := range x.any[valueOf(rt)] {
			if !slices.Contains(dst, i) {
				dst = append(dst, i)
			}
		}
	}
	return dst
}

// importersOf returns those that take routes with the attributes a, until it
// is called again.
func (e *Engine) importersOf(a *Attrs) []importer {
	e.importers = e.imports.match(e.importers[:0], a.Targets)
	e.importers = slices.DeleteFunc(e.importers, func(i importer) bool { return i.isOwn(a) })
	return e.importers
}

// importingBDs returns the broadcast domains that import a route with these
// targets, ascending.
func (e *Engine) importingBDs(targets []RT) (out []*bd) {
	for _, i := range e.imports.match(nil, targets) {
		if f, ok := i.(*macVRF); ok {
			out = append(out, f.bd)
		}
	}
	slices.SortFunc(out, func(a, b *bd) int { return cmp.Compare(a.vni, b.vni) })
	return out
}

// routes takes in what the UPDATEs of one peer said.
func (e *Engine) routes(ev *Routes) {
	p := e.peers[ev.Peer]
	if p == nil || !p.up {
		return // the session that brought them is over
	}
	for i := range ev.Updates {
		u := &ev.Updates[i]
		for j := range u.Withdrawn {
			e.withdraw(p, &u.Withdrawn[j])
		}
		if len(u.Reach) == 0 {
			continue
		}
		into := e.importersOf(u.Attrs)
		for j := range u.Reach {
			e.announce(p, &u.Reach[j], u.Attrs, into)
		}
	}
	if e.since.IsZero() && e.wanting() > 0 {
		e.since = ev.At
	}
}

// announce puts a route into its importers, and takes it out of any other that
// an earlier version of it was in.
func (e *Engine) announce(p *peer, r *Route, a *Attrs, into []importer) {
	from := e.origins[r.RD]
	for i := len(from) - 1; i >= 0; i-- {
		if !slices.Contains(into, from[i].importer) {
			from[i].importer.remove(e, p, &r.NLRI)
		}
	}
	if len(into) == 0 || !r.usable() {
		p.ignored++
		return
	}
	for _, i := range into {
		i.announce(e, p, r, a)
	}
}

func (e *Engine) withdraw(p *peer, n *NLRI) {
	from := e.origins[n.RD]
	for i := len(from) - 1; i >= 0; i-- {
		from[i].importer.withdraw(e, p, n)
	}
}
