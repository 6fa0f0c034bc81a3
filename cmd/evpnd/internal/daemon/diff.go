package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// diff says what a reload would do if the file had this text, and changes
// nothing. It runs the code that a reload would run: the parser, the checks of
// speaker and plane, and for each VNI a fork of the engine that steps through
// the change.
func (d *Daemon) diff(ctx context.Context, text []byte, name string, entries int, progress func(string) error) (*evpndv1.ConfigDiff, error) {
	next, err := config.Parse(d.opt.Path, text)
	if err != nil {
		return nil, renamed(err, d.opt.Path, name)
	}
	d.mu.Lock()
	cfg := d.cfg
	d.mu.Unlock()
	id := nextID(d.sessions.routerID(), cfg, next, d.plane.Devices())
	f := dryRun{d: d, cfg: engineConfig(next, id), entries: entries, left: maxEntries}
	if f.vnis, err = d.plane.DryRun(planeConfig(next)); err != nil {
		return nil, err
	}
	out := &evpndv1.ConfigDiff{}
	for _, c := range config.Diff(cfg, next) {
		out.Settings = append(out.Settings, &evpndv1.SettingChange{Key: c.Key, Old: c.Old, New: c.New, Restart: c.Restart})
	}
	if sp := d.sessions.get(); sp != nil {
		peers, err := sp.DryRun(bgpConfig(next, id))
		if err != nil {
			return nil, err
		}
		for _, p := range peers {
			out.Sessions = append(out.Sessions, &evpndv1.SessionChange{Peer: p.Peer.String(), Change: string(p.Kind), Reason: p.Reason})
			if p.Kind == bgp.PeerRemoved {
				f.gone = append(f.gone, p.Peer)
			}
		}
	}
	out.Vnis, err = f.all(ctx, progress)
	return out, err
}

// renamed gives the problems of a file the name that the operator knows it by.
func renamed(err error, path, name string) error {
	var list config.Errors
	if name == "" || !errors.As(err, &list) {
		return err
	}
	list = slices.Clone(list)
	for i := range list {
		if list[i].File == path {
			list[i].File = name
		}
	}
	return list
}

// dryRun works out what would change in the VNIs.
type dryRun struct {
	d       *Daemon
	cfg     evpn.Config
	vnis    []topology.Device // as they would be
	gone    []netip.Addr      // peers that would be removed
	entries int               // to be listed of each kind of a VNI
	left    int               // and in all
}

// maxEntries keeps the answer below the 4 MB that gRPC takes.
const maxEntries = 10000

// all returns the VNIs in which something would change, ascending.
func (f *dryRun) all(ctx context.Context, progress func(string) error) (out []*evpndv1.VNIChange, err error) {
	var served []evpn.BDStatus
	if err := f.d.core.Do(ctx, func(e *evpn.Engine) { served = e.BDs() }); err != nil {
		return nil, err
	}
	now := make(map[evpn.VNI]netip.Addr)
	for _, v := range served {
		now[v.VNI] = v.VTEP
	}
	then := make(map[evpn.VNI]topology.Device)
	for _, v := range f.vnis {
		if v.Served || !then[v.VNI].Served {
			then[v.VNI] = v
		}
	}
	var numbers []evpn.VNI
	for n := range now {
		numbers = append(numbers, n)
	}
	for n, v := range then {
		if _, there := now[n]; v.Served && !there {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if err := progress(fmt.Sprintf("VNI %d, %d of %d", n, i+1, len(numbers))); err != nil {
			return nil, err
		}
		c, err := f.one(ctx, n, now[n], then[n], numbers)
		if err != nil {
			return nil, err
		}
		if c != nil {
			c.Entries = c.Entries[:min(len(c.Entries), f.left)]
			f.left -= len(c.Entries)
			out = append(out, c)
		}
	}
	return out, nil
}

// one returns what would change in a VNI that is served now, or would be; nil
// when nothing would.
func (f *dryRun) one(ctx context.Context, n evpn.VNI, vtep netip.Addr, then topology.Device, all []evpn.VNI) (*evpndv1.VNIChange, error) {
	var e *evpn.Engine
	if err := f.d.core.Do(ctx, func(engine *evpn.Engine) { e = engine.Fork(n) }); err != nil {
		return nil, err
	}
	out := &evpndv1.VNIChange{Vni: uint32(n)}
	before, imports := snapshotOf(e, n), importsOf(e, n)
	for _, p := range f.gone {
		e.Step(&evpn.PeerDown{Peer: p})
	}
	e.Step(&evpn.Configure{Config: f.cfg})
	switch {
	case !then.Served:
		e.Step(&evpn.BDDown{VNI: n})
		out.Change, out.Reason = "goes", whyNot(n, then)
	case !vtep.IsValid():
		out.Change, out.Reason = "comes", fmt.Sprintf("device %s would be served", then.Name)
		e.Step(&evpn.BDUp{VNI: n, VTEP: then.Local})
		out.Notes = append(out.Notes, "its local hosts are not known before, nor the routes of others that are not kept now")
	case vtep != then.Local:
		out.Reason = fmt.Sprintf("its VTEP address becomes %v", then.Local)
		e.Step(&evpn.BDUp{VNI: n, VTEP: then.Local})
	}
	if then.Served && importsOf(e, n) != imports {
		if err := f.replay(ctx, e, n, all); err != nil {
			return nil, err
		}
		if vtep.IsValid() {
			out.Notes = append(out.Notes, "routes that only the new import targets match are not kept now, and so not counted; the peers are asked for them after the reload")
		}
	}
	compare(out, before, snapshotOf(e, n), f.entries)
	if out.Change == "" && out.Reason == "" && len(out.Notes) == 0 && none(out.Routes) && none(out.Flood) && none(out.Macs) && none(out.Neighbors) {
		return nil, nil
	}
	return out, nil
}

func none(e *evpndv1.Effect) bool { return e.GetCome()+e.GetGo()+e.GetChange() == 0 }

func whyNot(n evpn.VNI, then topology.Device) string {
	if then.VNI == 0 {
		return fmt.Sprintf("no device would have VNI %d", n)
	}
	var why []string
	for _, p := range then.Problems {
		why = append(why, p.Text)
	}
	return strings.Join(why, "; ")
}

func importsOf(e *evpn.Engine, n evpn.VNI) string {
	v, _ := e.BD(n)
	return fmt.Sprint(v.Import)
}

// replay steps e, a fork of VNI n, through the routes that other VNIs keep: the
// peers would send them again after the reload, and n may import them then.
func (f *dryRun) replay(ctx context.Context, e *evpn.Engine, n evpn.VNI, all []evpn.VNI) error {
	for _, other := range all {
		if other == n {
			continue
		}
		var routes []*evpn.Routes
		takes := make(map[*evpn.Attrs]bool)
		err := f.d.core.Do(ctx, func(engine *evpn.Engine) {
			engine.Received(other, func(peer netip.Addr, r evpn.Route, a *evpn.Attrs) {
				if _, known := takes[a]; !known {
					takes[a] = slices.ContainsFunc(e.Imports(n, &r, a), func(i evpn.Import) bool { return i.Takes })
				}
				if takes[a] && !slices.Contains(f.gone, peer) {
					routes = append(routes, &evpn.Routes{Peer: peer, Updates: []evpn.Update{{Reach: []evpn.Route{r}, Attrs: a}}})
				}
			})
		})
		if err != nil {
			return err
		}
		for _, r := range routes {
			e.Step(r)
		}
	}
	return nil
}
