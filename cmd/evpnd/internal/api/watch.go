package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type watchStream = grpc.ServerStreamingServer[evpndv1.WatchResponse]

// Watch implements evpnd.v1.AdminService.
func (s *Server) Watch(req *evpndv1.WatchRequest, out watchStream) error {
	kinds, err := kindsOf(req.GetKinds())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	w := &watcher{s: s, out: out, kinds: kinds, unsettled: make(map[watch.Key]struct{})}
	var resumed bool
	w.reader, resumed = s.deps.Hub.Subscribe(kinds, req.GetResumeToken())
	err = w.run(ctx, resumed)
	select {
	case <-s.stopping:
		return errStopping()
	default:
		return err
	}
}

var kindOf = map[evpndv1.Kind]watch.Kind{
	evpndv1.Kind_KIND_PEER:     watch.Peer,
	evpndv1.Kind_KIND_VNI:      watch.VNI,
	evpndv1.Kind_KIND_VTEP:     watch.VTEP,
	evpndv1.Kind_KIND_MAC:      watch.MAC,
	evpndv1.Kind_KIND_NEIGHBOR: watch.Neighbor,
	evpndv1.Kind_KIND_ALARM:    watch.Alarm,
}

func kindsOf(asked []evpndv1.Kind) (watch.Kinds, error) {
	if len(asked) == 0 {
		return watch.All, nil
	}
	var set watch.Kinds
	for _, k := range asked {
		kind, ok := kindOf[k]
		if !ok {
			return 0, invalid("watch: kind %d is not known", k)
		}
		set |= watch.Of(kind)
	}
	return set, nil
}

// watcher serves one Watch.
type watcher struct {
	s      *Server
	out    watchStream
	kinds  watch.Kinds
	reader *watch.Reader

	// unsettled are the entries that were told as about to be written. That
	// they then are changes nothing in the engine, so nobody publishes it.
	unsettled map[watch.Key]struct{}
	settleAt  time.Time // when to look at them next
}

const (
	// settlePeriod is how often unsettled entries are looked at.
	settlePeriod = 200 * time.Millisecond
	// maxUnsettled bounds them. Of more, some stay told as pending.
	maxUnsettled = 1 << 16
)

func (w *watcher) run(ctx context.Context, resumed bool) error {
	if resumed {
		// Says at once that the token was taken.
		if err := w.out.Send(&evpndv1.WatchResponse{ResumeToken: w.reader.Token()}); err != nil {
			return err
		}
	} else if err := w.snapshot(ctx); err != nil {
		return err
	}
	var keys []watch.Key
	for {
		var err error
		keys, err = w.next(ctx, keys[:0])
		switch {
		case errors.Is(err, watch.ErrOverrun):
			err = w.snapshot(ctx)
		case errors.Is(err, errSettle):
			err = w.settle(ctx)
		case err != nil:
			return status.FromContextError(err).Err()
		case len(keys) > 0:
			err = w.changes(ctx, keys)
		}
		if err != nil {
			return err
		}
	}
}

// errSettle says that it is time to look at the unsettled entries.
var errSettle = errors.New("settle")

// next waits for changes; while there are unsettled entries no longer than
// to settleAt, and then returns errSettle.
func (w *watcher) next(ctx context.Context, keys []watch.Key) ([]watch.Key, error) {
	if len(w.unsettled) == 0 {
		return w.reader.Next(ctx, keys, stepSize)
	}
	if !time.Now().Before(w.settleAt) {
		return keys, errSettle
	}
	short, cancel := context.WithDeadline(ctx, w.settleAt)
	defer cancel()
	keys, err := w.reader.Next(short, keys, stepSize)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return keys, errSettle
	}
	return keys, err
}

// settle tells of the unsettled entries that are not about to be written any
// more.
func (w *watcher) settle(ctx context.Context) error {
	w.settleAt = time.Now().Add(settlePeriod)
	var keys []watch.Key
	w.s.kernel.Read(func(r dataplane.Reader) {
		for k := range w.unsettled {
			var state evpndv1.EntryState
			if k.Kind == watch.MAC {
				state, _ = renderer{r}.macState(false, evpn.MACKey{VNI: k.VNI, MAC: k.MAC})
			} else {
				state, _ = renderer{r}.neighState(false, evpn.IPKey{VNI: k.VNI, IP: k.IP})
			}
			if state != evpndv1.EntryState_ENTRY_STATE_PENDING {
				keys = append(keys, k)
			}
		}
	})
	slices.SortFunc(keys, func(a, b watch.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.VNI, b.VNI), a.MAC.Compare(b.MAC), a.IP.Compare(b.IP))
	})
	for chunk := range slices.Chunk(keys, stepSize) {
		if err := w.changes(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// noteUnsettled keeps in mind whether an entry told in an event is about to
// be written.
func (w *watcher) noteUnsettled(k watch.Key, ev *evpndv1.Event) {
	var state evpndv1.EntryState
	switch k.Kind {
	case watch.MAC:
		state = ev.GetMac().GetState()
	case watch.Neighbor:
		state = ev.GetNeighbor().GetState()
	default:
		return
	}
	if state != evpndv1.EntryState_ENTRY_STATE_PENDING {
		delete(w.unsettled, k)
	} else if len(w.unsettled) < maxUnsettled {
		w.unsettled[k] = struct{}{}
	}
}

// snapshot sends all there is. The reader's place is taken before the first
// key, so what changes while the keys are taken comes after the snapshot, if
// it is not in it.
func (w *watcher) snapshot(ctx context.Context) error {
	w.reader.Restart()
	keys, err := w.keys(ctx)
	if err != nil {
		return err
	}
	clear(w.unsettled)
	if w.kinds.Has(watch.Peer) {
		for _, p := range w.s.sessions.Peers() {
			keys = append(keys, watch.Key{Kind: watch.Peer, IP: p.Address})
		}
	}
	if w.kinds.Has(watch.VNI) {
		keys = append(keys, w.unserved(keys)...) // their devices are seen all the same
	}
	if err := w.out.Send(&evpndv1.WatchResponse{SnapshotBegin: true}); err != nil {
		return err
	}
	for len(keys) > 0 {
		n := min(len(keys), stepSize)
		events, err := w.events(ctx, keys[:n])
		if err != nil {
			return err
		}
		if err := w.out.Send(&evpndv1.WatchResponse{Events: events}); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return w.out.Send(&evpndv1.WatchResponse{SnapshotEnd: true, ResumeToken: w.reader.Token()})
}

// unserved returns the VNIs of devices that are not among keys.
func (w *watcher) unserved(keys []watch.Key) (more []watch.Key) {
	there := make(map[evpn.VNI]bool)
	for _, k := range keys {
		if k.Kind == watch.VNI {
			there[k.VNI] = true
		}
	}
	for _, d := range w.s.kernel.Devices() {
		if !there[d.VNI] {
			there[d.VNI] = true
			more = append(more, watch.Key{Kind: watch.VNI, VNI: d.VNI})
		}
	}
	return more
}

// keys returns those of everything the engine has of the watched kinds.
func (w *watcher) keys(ctx context.Context) (keys []watch.Key, err error) {
	err = w.s.ask(ctx, func(v view) {
		if w.kinds.Has(watch.VNI) {
			for _, n := range v.BDs() {
				keys = append(keys, watch.Key{Kind: watch.VNI, VNI: n.VNI})
			}
		}
		if w.kinds.Has(watch.VTEP) {
			for _, t := range v.VTEPs() {
				keys = append(keys, watch.Key{Kind: watch.VTEP, IP: t.Addr})
			}
		}
	})
	if err != nil {
		return nil, askErr(err)
	}
	if w.kinds.Has(watch.MAC) {
		macs, err := keysOf(ctx, w.s, 0, view.MACKeys)
		if err != nil {
			return nil, err
		}
		for _, k := range macs {
			keys = append(keys, watch.Key{Kind: watch.MAC, VNI: k.VNI, MAC: k.MAC})
		}
	}
	if w.kinds.Has(watch.Neighbor) {
		neighs, err := keysOf(ctx, w.s, 0, view.NeighKeys)
		if err != nil {
			return nil, err
		}
		for _, k := range neighs {
			keys = append(keys, watch.Key{Kind: watch.Neighbor, VNI: k.VNI, IP: k.IP})
		}
	}
	if w.kinds.Has(watch.Alarm) {
		keys = append(keys, watch.Key{Kind: watch.Alarm})
	}
	return keys, nil
}

func (w *watcher) changes(ctx context.Context, keys []watch.Key) error {
	events, err := w.events(ctx, keys)
	if err != nil {
		return err
	}
	return w.out.Send(&evpndv1.WatchResponse{Events: events, ResumeToken: w.reader.Token()})
}
