package api

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	sentence "github.com/evpnd/evpnd/cmd/internal/text"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// pollPeriod is how late a watcher may learn of what nobody tells: the engine
// does not know of sessions, devices and writes, and their owners do not
// announce changes.
const pollPeriod = 500 * time.Millisecond

// pollState is what the last poll found.
type pollState struct {
	peers    map[netip.Addr]peerSeen
	devices  map[evpn.VNI][]*evpndv1.VNI
	problems []*evpndv1.Alarm
}

// peerSeen is what of a peer is worth an event. Its counters are not, they
// move all the time; nor is each vain try to connect.
type peerSeen struct {
	up          bool
	established uint64 // tells a session that fell and came back in between
	lastError   string
}

// poll publishes what changes with sessions, devices and problems, until the
// context ends.
func (s *Server) poll(ctx context.Context) {
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	last := s.pollState()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.pollState()
		s.deps.Hub.PublishKeys(last.changes(&now)...)
		last = now
	}
}

func (s *Server) pollState() pollState {
	now := pollState{
		peers:    make(map[netip.Addr]peerSeen),
		devices:  make(map[evpn.VNI][]*evpndv1.VNI),
		problems: s.Problems(),
	}
	for _, p := range s.sessions.Peers() {
		now.peers[p.Address] = peerSeen{up: p.State == bgp.Established, established: p.Established, lastError: sentence.LastError(&p)}
	}
	for _, d := range s.kernel.Devices() {
		v := &evpndv1.VNI{Served: d.Served}
		addDevice(v, &d.Device)
		now.devices[d.VNI] = append(now.devices[d.VNI], v)
	}
	return now
}

// changes returns the keys of what looks different in now.
func (old *pollState) changes(now *pollState) (keys []watch.Key) {
	for _, a := range slices.SortedFunc(maps.Keys(both(old.peers, now.peers)), netip.Addr.Compare) {
		was, before := old.peers[a]
		is, after := now.peers[a]
		if before != after || was != is {
			keys = append(keys, watch.Key{Kind: watch.Peer, IP: a})
		}
	}
	for _, vni := range slices.Sorted(maps.Keys(both(old.devices, now.devices))) {
		if !slices.EqualFunc(old.devices[vni], now.devices[vni], equal) {
			keys = append(keys, watch.Key{Kind: watch.VNI, VNI: vni})
		}
	}
	if !slices.EqualFunc(old.problems, now.problems, equal) {
		keys = append(keys, watch.Key{Kind: watch.Alarm})
	}
	return keys
}

func equal[M proto.Message](a, b M) bool { return proto.Equal(a, b) }

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
