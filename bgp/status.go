package bgp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
)

// State is where a session stands, by the names of RFC 4271 §8.2.2.
type State string

// The states. A peer without a connection is in Connect while one is tried,
// in Active while it waits for the peer or for the next try, and in Idle
// while nothing is to be done.
const (
	Idle        State = "idle"
	Connect     State = "connect"
	Active      State = "active"
	OpenSent    State = "opensent"
	OpenConfirm State = "openconfirm"
	Established State = "established"
)

// Messages counts messages by type.
type Messages struct {
	Open, Update, Notification, Keepalive, RouteRefresh uint64
}

// Total is the sum over all types.
func (m *Messages) Total() uint64 {
	return m.Open + m.Update + m.Notification + m.Keepalive + m.RouteRefresh
}

func (m *Messages) count(t wire.Type) {
	switch t {
	case wire.TypeOpen:
		m.Open++
	case wire.TypeUpdate:
		m.Update++
	case wire.TypeNotification:
		m.Notification++
	case wire.TypeKeepalive:
		m.Keepalive++
	case wire.TypeRouteRefresh:
		m.RouteRefresh++
	}
}

func (m *Messages) add(o *Messages) {
	m.Open += o.Open
	m.Update += o.Update
	m.Notification += o.Notification
	m.Keepalive += o.Keepalive
	m.RouteRefresh += o.RouteRefresh
}

// PeerStatus is what is known of a peer. Counters run since the peer was
// configured; what an OPEN says is of the current session, and zero without
// one.
type PeerStatus struct {
	Address     netip.Addr
	Port        uint16
	Description string
	AS          uint32 // configured; of a dynamic peer the one it has
	LocalAS     uint32
	Dynamic     bool
	Passive     bool
	MaxRoutes   int // its limit; zero: none

	State       State
	Since       time.Time // in State
	Established uint64    // how many times it became so
	LastError   string    // why the last session or try ended; empty: none has
	LastErrorAt time.Time
	Losses      map[DownReason]uint64 // how often an established session ended, by why

	LocalAddress netip.AddrPort
	RemotePort   uint16
	Incoming     bool // the peer made the connection
	RouterID     netip.Addr
	HoldTime     time.Duration // negotiated; zero: none
	Keepalive    time.Duration
	Capabilities []string // those that the peer announced

	Received, Sent Messages
	Routes         wire.Counts // what the received UPDATEs said
}

// Problem is a trouble that stands until its cause is gone, and that the state
// of no session shows.
type Problem struct {
	Name  string // stable, such as "listen 0.0.0.0:179" or "peer 10.0.0.9"
	Text  string // what is wrong and what to do
	Since time.Time
}

// Peers returns the state of each configured and each dynamic peer, by
// address. Any goroutine may call it.
func (s *Speaker) Peers() []PeerStatus {
	s.mu.Lock()
	peers := make([]*peer, 0, len(s.peers))
	for _, p := range s.peers {
		peers = append(peers, p)
	}
	s.mu.Unlock()
	out := make([]PeerStatus, 0, len(peers))
	for _, p := range peers {
		out = append(out, p.status())
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return a.Address.Compare(b.Address) })
	return out
}

// Problems returns the standing troubles, by name. Any goroutine may call it.
func (s *Speaker) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Problem, 0, len(s.problems))
	for name, p := range s.problems {
		p.Name = name
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Problem) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// Advertised returns how many routes of our own stand. Every established
// peer has been sent them, or will be at once. Any goroutine may call it.
func (s *Speaker) Advertised() int { return int(s.standing.Load()) }

// setProblem notes a trouble, and tells whether it is new; an empty text ends
// it.
func (s *Speaker) setProblem(name, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.problems[name]
	if text == "" {
		delete(s.problems, name)
		return ok
	}
	if ok && old.Text == text {
		return false
	}
	s.problems[name] = Problem{Text: text, Since: time.Now()}
	return true
}

func capabilities(o *wire.Open) []string {
	var names []string
	add := func(have bool, name string) {
		if have {
			names = append(names, name)
		}
	}
	add(o.EVPN, "l2vpn-evpn")
	add(o.RouteRefresh, "route-refresh")
	add(o.AS4, "4-octet-as")
	add(o.Restart.Present, "graceful-restart")
	add(o.Restart.EVPN, "graceful-restart-evpn")
	add(o.Restart.Notification, "graceful-restart-notification")
	add(o.LongLived.Present, "long-lived-graceful-restart")
	add(o.LongLived.EVPN, "long-lived-graceful-restart-evpn")
	for _, c := range o.Other {
		add(true, wire.CapabilityName(c))
	}
	return names
}
