package daemon

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// snapshot is what is announced for one VNI and wanted of the kernel at one moment.
// Keys and values are as an operator reads them.
type snapshot struct {
	routes                map[string]*evpn.Attrs
	flood, macs, neighbor map[string]string
}

func snapshotOf(e *evpn.Engine, n evpn.VNI) snapshot {
	for len(e.Ready(evpn.Room{Adverts: 1 << 16}).Adverts) > 0 { // so that what is announced is up to date
	}
	s := snapshot{routes: map[string]*evpn.Attrs{}, flood: map[string]string{}, macs: map[string]string{}, neighbor: map[string]string{}}
	for _, a := range e.AdvertisedAll(n) {
		s.routes[a.NLRI.String()] = a.Attrs
	}
	want := e.Wanted(n)
	for _, f := range want.Flood {
		s.flood[f.Via.Text(n)] = "flooded to"
	}
	for _, m := range want.FDB {
		s.macs[m.MAC.String()] = m.Via.Text(n) + flag(m.Sticky, " sticky")
	}
	for _, h := range want.Neigh {
		s.neighbor[h.IP.String()] = h.MAC.String() + flag(h.Router, " router")
	}
	return s
}

func flag(on bool, name string) string {
	if on {
		return name
	}
	return ""
}

// attrText says of attributes what an operator can change about them.
func attrText(a *evpn.Attrs) string {
	return fmt.Sprintf("next hop %v, targets %v, sequence %d", a.NextHop, a.Targets, a.Mobility.Seq) + flag(a.Mobility.Sticky, " sticky")
}

// compare counts what differs between two shots, and lists the first of each
// kind.
func compare(out *evpndv1.VNIChange, a, b snapshot, entries int) {
	before, after := map[string]string{}, map[string]string{}
	for nlri, x := range a.routes {
		before[nlri] = attrText(x)
	}
	for nlri, y := range b.routes {
		after[nlri] = attrText(y)
		if x := a.routes[nlri]; x != nil && before[nlri] == after[nlri] && !reflect.DeepEqual(x, y) {
			after[nlri] += " (other attributes)"
		}
	}
	out.Routes = effect(out, "route", before, after, entries)
	out.Flood = effect(out, "flood", a.flood, b.flood, entries)
	out.Macs = effect(out, "mac", a.macs, b.macs, entries)
	out.Neighbors = effect(out, "neighbor", a.neighbor, b.neighbor, entries)
}

func effect(out *evpndv1.VNIChange, kind string, a, b map[string]string, entries int) *evpndv1.Effect {
	e := &evpndv1.Effect{}
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		x, was := a[k]
		y, is := b[k]
		switch {
		case was && is && x == y:
			continue
		case !was:
			e.Come++
		case !is:
			e.Go++
		default:
			e.Change++
		}
		if e.Come+e.Go+e.Change <= uint64(entries) {
			out.Entries = append(out.Entries, &evpndv1.EntryChange{Kind: kind, Entry: k, Old: x, New: y})
		}
	}
	return e
}
