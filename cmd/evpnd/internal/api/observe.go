package api

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/evpn"
)

// observePeriod is how late a watcher may learn of what nobody tells: the
// engine does not know of sessions, devices and writes, and their owners do
// not announce changes.
const observePeriod = 500 * time.Millisecond

// sight is what was seen last.
type sight struct {
	peers    map[netip.Addr]peerSight
	devices  map[evpn.VNI][]Device
	problems []Problem
}

// peerSight is what of a peer is worth an event. Its counters are not, they
// move all the time; nor is each vain try to connect.
type peerSight struct {
	up          bool
	established uint64 // tells a session that fell and came back in between
	lastError   string
}

// observe publishes what changes with sessions, devices and problems, until
// the context ends.
func (s *Server) observe(ctx context.Context) {
	tick := time.NewTicker(observePeriod)
	defer tick.Stop()
	last := s.sight()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.sight()
		s.deps.Hub.PublishKeys(last.changes(&now)...)
		last = now
	}
}

func (s *Server) sight() sight {
	now := sight{
		peers:    make(map[netip.Addr]peerSight),
		devices:  make(map[evpn.VNI][]Device),
		problems: s.problems(),
	}
	for _, p := range s.sessions.Peers() {
		now.peers[p.Address] = peerSight{up: p.State == "established", established: p.Established, lastError: p.LastError}
	}
	for _, d := range s.kernel.Devices() {
		now.devices[d.VNI] = append(now.devices[d.VNI], d)
	}
	return now
}

// changes returns the keys of what looks different in now.
func (old *sight) changes(now *sight) (keys []watch.Key) {
	for _, a := range slices.SortedFunc(maps.Keys(both(old.peers, now.peers)), netip.Addr.Compare) {
		was, before := old.peers[a]
		is, after := now.peers[a]
		if before != after || was != is {
			keys = append(keys, watch.Key{Kind: watch.Peer, IP: a})
		}
	}
	for _, vni := range slices.Sorted(maps.Keys(both(old.devices, now.devices))) {
		if !reflect.DeepEqual(old.devices[vni], now.devices[vni]) {
			keys = append(keys, watch.Key{Kind: watch.VNI, VNI: vni})
		}
	}
	if !slices.Equal(old.problems, now.problems) {
		keys = append(keys, watch.Key{Kind: watch.Alarm})
	}
	return keys
}

// both returns the keys of a and b.
func both[K comparable, V any](a, b map[K]V) map[K]struct{} {
	keys := make(map[K]struct{}, max(len(a), len(b)))
	for k := range a {
		keys[k] = struct{}{}
	}
	for k := range b {
		keys[k] = struct{}{}
	}
	return keys
}
