package api

import (
	"context"
	"net/netip"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// found is what the engine has for a watched key; ok is false when it has
// nothing.
type found struct {
	ok     bool
	vtep   evpn.VTEPStatus
	mac    evpn.MACStatus
	moves  []evpn.Move // of the MAC
	neigh  evpn.NeighStatus
	alarms []evpn.Alarm
}

// lookup finds objects in the engine. It lives for one step there.
type lookup struct {
	view  view
	vteps map[netip.Addr]evpn.VTEPStatus // all, once one was asked for
}

func (l *lookup) find(k watch.Key) (f found) {
	switch k.Kind {
	case watch.MAC:
		f.mac, f.ok = l.view.MAC(k.VNI, k.MAC)
		f.moves = l.view.History(k.VNI, k.MAC)
	case watch.Neighbor:
		f.neigh, f.ok = l.view.Neigh(k.VNI, k.IP)
	case watch.VTEP:
		if l.vteps == nil {
			all := l.view.VTEPs()
			l.vteps = make(map[netip.Addr]evpn.VTEPStatus, len(all))
			for _, t := range all {
				l.vteps[t.Addr] = t
			}
		}
		f.vtep, f.ok = l.vteps[k.IP]
	case watch.Alarm:
		f.alarms, f.ok = l.view.Alarms(), true
	}
	return f
}

// events says what the objects of keys are like now. There are at most
// stepSize of them. The engine is asked once for all, and the sessions and the devices
// once each where a key needs them.
func (w *watcher) events(ctx context.Context, keys []watch.Key) ([]*evpndv1.Event, error) {
	objects := make([]found, len(keys))
	var kinds watch.Kinds
	for _, k := range keys {
		kinds |= watch.Of(k.Kind)
	}
	err := w.s.ask(ctx, func(v view) {
		l := lookup{view: v}
		for i, k := range keys {
			objects[i] = l.find(k)
		}
	})
	if err != nil {
		return nil, askErr(err)
	}
	peers, vnis := make(map[string]*evpndv1.Peer), make(map[uint32]*evpndv1.VNI)
	if kinds.Has(watch.Peer) {
		all, err := w.s.peers(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			peers[p.GetAddress()] = p
		}
	}
	if kinds.Has(watch.VNI) {
		all, err := w.s.vnis(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			if vnis[v.GetVni()] == nil {
				vnis[v.GetVni()] = v
			}
		}
	}
	events := make([]*evpndv1.Event, len(keys))
	w.s.kernel.Read(func(r dataplane.Reader) {
		for i, k := range keys {
			events[i] = renderer{r}.event(k, &objects[i])
		}
	})
	for i, k := range keys {
		switch k.Kind {
		case watch.Peer:
			events[i] = peerEvent(k.IP, peers[k.IP.String()])
		case watch.VNI:
			events[i] = vniEvent(k.VNI, vnis[uint32(k.VNI)])
		case watch.Alarm:
			events[i] = alarmEvent(w.s.alarms(objects[i].alarms))
		default:
			w.noteUnsettled(k, events[i])
		}
	}
	return events, nil
}

func peerEvent(addr netip.Addr, p *evpndv1.Peer) *evpndv1.Event {
	if p == nil {
		return &evpndv1.Event{
			Type:   evpndv1.EventType_EVENT_TYPE_DELETED,
			Object: &evpndv1.Event_Peer{Peer: &evpndv1.Peer{Address: addr.String()}},
		}
	}
	return &evpndv1.Event{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Peer{Peer: p}}
}

func vniEvent(n evpn.VNI, v *evpndv1.VNI) *evpndv1.Event {
	if v == nil {
		return &evpndv1.Event{
			Type:   evpndv1.EventType_EVENT_TYPE_DELETED,
			Object: &evpndv1.Event_Vni{Vni: &evpndv1.VNI{Vni: uint32(n)}},
		}
	}
	return &evpndv1.Event{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Vni{Vni: v}}
}

func alarmEvent(all []*evpndv1.Alarm) *evpndv1.Event {
	return &evpndv1.Event{Type: evpndv1.EventType_EVENT_TYPE_SET, Object: &evpndv1.Event_Alarms{Alarms: &evpndv1.Alarms{
		Alarms: all[:min(len(all), maxAlarms)], Total: uint32(len(all)),
	}}}
}

// event makes the event of a MAC, a neighbor or a VTEP.
func (s renderer) event(k watch.Key, f *found) *evpndv1.Event {
	ev := &evpndv1.Event{Type: evpndv1.EventType_EVENT_TYPE_SET}
	if !f.ok {
		ev.Type = evpndv1.EventType_EVENT_TYPE_DELETED
	}
	switch k.Kind {
	case watch.MAC:
		m := &evpndv1.MAC{Vni: uint32(k.VNI), Mac: k.MAC.String()}
		if f.ok {
			m = s.mac(&f.mac)
		}
		if n := len(f.moves); n > 0 {
			m.LastMove = s.move(&f.moves[n-1])
		}
		ev.Object = &evpndv1.Event_Mac{Mac: m}
	case watch.Neighbor:
		n := &evpndv1.Neighbor{Vni: uint32(k.VNI), Ip: k.IP.String()}
		if f.ok {
			n = s.neighbor(&f.neigh)
		}
		ev.Object = &evpndv1.Event_Neighbor{Neighbor: n}
	case watch.VTEP:
		t := &evpndv1.VTEP{Address: k.IP.String()}
		if f.ok {
			t = vtep(&f.vtep)
		}
		ev.Object = &evpndv1.Event_Vtep{Vtep: t}
	}
	return ev
}
