package evpn

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// seen is all that a watcher can ask for, as it looks now.
func seen(e *Engine) map[Change]string {
	s := map[Change]string{{Kind: ChangeAlarm}: fmt.Sprint(e.Alarms())}
	for _, v := range e.BDs() {
		// Counts are asked for, not watched.
		v.LocalMACs, v.RemoteMACs, v.LocalIPs, v.RemoteIPs, v.VTEPs = 0, 0, 0, 0, 0
		s[Change{Kind: ChangeBD, VNI: v.VNI}] = fmt.Sprintf("%+v", v)
	}
	for _, t := range e.VTEPs() {
		s[Change{Kind: ChangeVTEP, IP: t.Addr}] = fmt.Sprintf("%+v", t)
	}
	for _, k := range e.MACKeys(0) {
		if m, ok := e.MAC(k.VNI, k.MAC); ok {
			s[Change{Kind: ChangeMAC, VNI: k.VNI, MAC: k.MAC}] = fmt.Sprintf("%+v", m)
		}
	}
	for _, k := range e.NeighKeys(0) {
		if n, ok := e.Neigh(k.VNI, k.IP); ok {
			s[Change{Kind: ChangeNeigh, VNI: k.VNI, IP: k.IP}] = fmt.Sprintf("%+v", n)
		}
	}
	return s
}

// TestChangesAreComplete plays random events: whatever looks different after
// one must be among the changes.
func TestChangesAreComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newWorld().e
		before := seen(e)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			ev := drawEvent(t)
			e.Step(ev)
			var told []Change
			for c := e.takeChanges(100); len(c) > 0; c = e.takeChanges(100) {
				told = append(told, c...)
			}
			now := seen(e)
			all := maps.Clone(before)
			maps.Copy(all, now)
			for k := range all {
				if before[k] != now[k] && !slices.Contains(told, k) {
					t.Fatalf("%T %+v changed %+v without telling:\n%s\n%s", ev, ev, k, before[k], now[k])
				}
			}
			before = now
		}
	})
}
