package evpn

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Alarm is a condition that an operator should know of, and that lasts until
// its cause is gone. It holds what a sentence about it needs, and no sentence:
// what to call a setting or a command is for whoever has some.
//
// Kind, VNI, MAC and Addr name an alarm: of each name at most one stands. The
// other fields tell what was so when it was raised; the kinds say which of
// them they set.
type Alarm struct {
	Kind AlarmKind
	VNI  VNI        // 0: none in particular
	MAC  MAC        // zero: none in particular
	Addr netip.Addr // a VTEP, peer or host; invalid: none in particular

	VTEP   netip.Addr    // another VTEP that it is about
	Holder MAC           // the MAC that has an address
	Count  int           // how many there are, which is too many
	Window time.Duration // within which Count was reached
	Reset  bool          // a session is reset for it
}

// AlarmKind names a kind of alarm; it is stable and shown to users.
type AlarmKind string

// The alarms of the engine.
const (
	// AlarmSequence: the mobility sequence of MAC can grow no more
	// (RFC 7432 §7.7).
	AlarmSequence AlarmKind = "sequence-saturated"
	// AlarmSticky: a local frame came from MAC, which is sticky behind VTEP
	// (RFC 7432 §15.2).
	AlarmSticky AlarmKind = "sticky-violated"
	// AlarmPMSI: a type 3 route has the PMSI tunnel endpoint Addr, and the
	// next hop VTEP.
	AlarmPMSI AlarmKind = "pmsi-differs"
	// AlarmNextHop: the peer Addr put itself in the next hop of others' routes.
	AlarmNextHop AlarmKind = "next-hop-is-peer"
	// AlarmRDExhausted: no route distinguisher is left for VNI.
	AlarmRDExhausted AlarmKind = "rd-exhausted"
	// AlarmDuplicateMAC: MAC moved Count times within Window and is frozen
	// behind VTEP, or behind a local port where that is invalid
	// (RFC 7432 §15.1).
	AlarmDuplicateMAC AlarmKind = "duplicate-mac"
	// AlarmDuplicateIP: the host address Addr changed its MAC Count times
	// within Window and is frozen with Holder (RFC 9161 §3.7).
	AlarmDuplicateIP AlarmKind = "duplicate-ip"
	// AlarmMACLimit: local MACs beyond the limit of Count are not announced.
	AlarmMACLimit AlarmKind = "mac-limit"
	// AlarmIPLimit: addresses of the local MAC beyond the limit of Count are
	// not announced.
	AlarmIPLimit AlarmKind = "ip-limit"
	// AlarmPeerLimit: the peer Addr sends more routes than Count, its limit.
	// Either no more are taken, or its session is Reset.
	AlarmPeerLimit AlarmKind = "peer-limit"
	// AlarmStale: routes of the peer Addr are used although the session that
	// brought them is down.
	AlarmStale AlarmKind = "stale-routes"
	// AlarmTargetTooWide: RFC 8365 §5.1.2.1 targets need a 2-byte AS.
	AlarmTargetTooWide AlarmKind = "target-as-too-wide"
)

// AlarmKinds are all kinds of alarm, in no order.
var AlarmKinds = []AlarmKind{
	AlarmSequence, AlarmSticky, AlarmPMSI, AlarmNextHop, AlarmRDExhausted, AlarmDuplicateMAC, AlarmDuplicateIP,
	AlarmMACLimit, AlarmIPLimit, AlarmPeerLimit, AlarmStale, AlarmTargetTooWide,
}

// alarmSet is the alarms that stand.
type alarmSet struct {
	standing map[alarmName]alarm
	changed  func()
}

type alarmName struct {
	kind AlarmKind
	vni  VNI
	mac  MAC
	addr netip.Addr
}

func (a *Alarm) name() alarmName { return alarmName{a.Kind, a.VNI, a.MAC, a.Addr} }

type alarm struct {
	Alarm     // as it was raised
	count int // how many raised it and did not clear it since
}

// raise makes a stand until it is cleared.
func (s *alarmSet) raise(a Alarm) {
	if _, ok := s.standing[a.name()]; !ok {
		s.count(a, 1)
	}
}

// clear ends an alarm that was raised.
func (s *alarmSet) clear(a Alarm) {
	if x, ok := s.standing[a.name()]; ok {
		s.count(a, -x.count)
	}
}

// count makes a stand while the sum of all by is positive.
func (s *alarmSet) count(a Alarm, by int) {
	if s.standing == nil {
		s.standing = make(map[alarmName]alarm)
	}
	name := a.name()
	x, stood := s.standing[name]
	if !stood {
		x.Alarm = a
	}
	if x.count += by; x.count <= 0 {
		delete(s.standing, name)
	} else {
		s.standing[name] = x
	}
	if stood != (x.count > 0) {
		s.changed()
	}
}

// AlarmCounts returns how many alarms of each kind stand.
func (e *Engine) AlarmCounts() map[AlarmKind]int {
	out := make(map[AlarmKind]int)
	for name := range e.alarms.standing {
		out[name.kind]++
	}
	return out
}

// Alarms returns the alarms that stand, by kind, VNI, MAC and address.
func (e *Engine) Alarms() []Alarm {
	var out []Alarm
	for _, x := range e.alarms.standing {
		out = append(out, x.Alarm)
	}
	slices.SortFunc(out, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.VNI, b.VNI), a.MAC.Compare(b.MAC), a.Addr.Compare(b.Addr))
	})
	return out
}
