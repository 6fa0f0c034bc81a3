package bgp

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
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

// Messages counts messages by type (RFC 4271 §4.1, RFC 2918 §3).
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
// configured.
type PeerStatus struct {
	Address     netip.Addr
	Port        uint16 // that it is connected to on
	Description string // from its configuration
	AS          uint32 // its own: configured, or of a dynamic peer the one that it has
	LocalAS     uint32 // ours towards it
	Dynamic     bool   // it came by a range
	Passive     bool   // it is not connected to
	MaxRoutes   int    // its limit; zero: none

	State       State
	Since       time.Time // in State
	Established uint64    // how many times it became so
	Advertised  int       // routes of our own that it has been sent, or will be at once; zero unless Established

	// LastError says why the last session or the last try to have one ended;
	// empty: none has. LastDown is the kind of it when a session that was
	// established ended.
	LastError   string
	LastErrorAt time.Time
	LastDown    DownReason
	Downs       map[DownReason]uint64 // how often an established session ended, by why

	// Of the connection; zero without one. What is in the peer's OPEN is zero
	// until that has come.
	LocalAddress netip.AddrPort
	RemotePort   uint16
	Incoming     bool          // the peer made the connection
	RouterID     netip.Addr    // the peer's BGP identifier
	HoldTime     time.Duration // negotiated; zero: none
	Keepalive    time.Duration // between our KEEPALIVEs
	Capabilities []string      // those that the peer announced, by name

	Received, Sent Messages
	Routes         RouteCounts // what the received UPDATEs said
}

// RouteCounts counts what came in UPDATEs: routes by type, and those that were
// discarded by why.
type RouteCounts = wire.Counts

// Problem is something that is wrong until its cause is gone, and that the
// state of no session shows. It is a value: a kind, and what it is about.
type Problem struct {
	Kind  ProblemKind
	Since time.Time

	Listen netip.AddrPort // ProblemListen: where connections are not accepted
	Err    error          // ProblemListen: what the kernel says to it

	Peer  netip.Addr // ProblemPeerLimit: who is left alone
	Limit int        // ProblemPeerLimit: how many routes it may send
}

// ProblemKind names a kind of problem; it is stable.
type ProblemKind string

// The kinds of Problem.
const (
	ProblemListen    ProblemKind = "listen"     // an address cannot be listened on; it is tried again every ListenRetry
	ProblemPeerLimit ProblemKind = "peer-limit" // a peer sent more routes than it may, and is left alone for HoldOff
)

// Name says what a problem is about, such as "listen 0.0.0.0:179" or "peer
// 10.0.0.9". It is stable, and no two problems share it.
func (p *Problem) Name() string {
	if p.Kind == ProblemListen {
		return "listen " + p.Listen.String()
	}
	return "peer " + p.Peer.String()
}

// same tells whether p and o are the same trouble, since whenever.
func (p *Problem) same(o *Problem) bool {
	return p.Kind == o.Kind && p.Listen == o.Listen && p.Peer == o.Peer && p.Limit == o.Limit &&
		(p.Err == nil) == (o.Err == nil) && (p.Err == nil || p.Err.Error() == o.Err.Error())
}

// Peers returns the state of each configured and each dynamic peer, by
// address. Any goroutine may call it.
func (s *Speaker) Peers() []PeerStatus {
	peers := s.list()
	out := make([]PeerStatus, 0, len(peers))
	for _, p := range peers {
		st := p.status()
		if st.State == Established {
			st.Advertised = s.Advertised()
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return a.Address.Compare(b.Address) })
	return out
}

// Problems returns what is wrong now, by name. Any goroutine may call it.
func (s *Speaker) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Collect(maps.Values(s.problems))
	slices.SortFunc(out, func(a, b Problem) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

// Advertised returns how many routes of our own stand. Every established
// peer has been sent them, or will be at once. Any goroutine may call it.
func (s *Speaker) Advertised() int { return int(s.standing.Load()) }

// setProblem notes a problem, and tells whether it is new.
func (s *Speaker) setProblem(p Problem) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.problems[p.Name()]; ok && old.same(&p) {
		return false
	}
	p.Since = time.Now()
	s.problems[p.Name()] = p
	return true
}

// endProblem ends a problem, and tells whether there was one.
func (s *Speaker) endProblem(p Problem) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.problems[p.Name()]
	delete(s.problems, p.Name())
	return ok
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
