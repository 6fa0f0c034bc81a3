package evpn

import (
	"cmp"
	"slices"
)

// alarmSet is the alarms that stand. An alarm is named by all but its text.
type alarmSet struct {
	standing map[Alarm]alarm
	changed  func()
}

type alarm struct {
	text  string
	count int
}

func (a Alarm) name() Alarm {
	a.Text = ""
	return a
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
		s.standing = make(map[Alarm]alarm)
	}
	x, stood := s.standing[a.name()]
	if x.count += by; x.count <= 0 {
		delete(s.standing, a.name())
	} else {
		if !stood {
			x.text = a.Text
		}
		s.standing[a.name()] = x
	}
	if stood != (x.count > 0) {
		s.changed()
	}
}

// AlarmCounts returns how many alarms of each kind stand.
func (e *Engine) AlarmCounts() map[AlarmKind]int {
	out := make(map[AlarmKind]int)
	for name := range e.alarms.standing {
		out[name.Kind]++
	}
	return out
}

// Alarms returns the alarms that stand, by kind, VNI, MAC and address.
func (e *Engine) Alarms() []Alarm {
	var out []Alarm
	for name, x := range e.alarms.standing {
		name.Text = x.text
		out = append(out, name)
	}
	slices.SortFunc(out, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.VNI, b.VNI), a.MAC.Compare(b.MAC), a.Addr.Compare(b.Addr))
	})
	return out
}
