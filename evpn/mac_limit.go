package evpn

// Limits bounds what the local hosts of a VNI can put on every VTEP of the
// fabric. Zero means no limit.
type Limits struct {
	LocalMACs int // of the VNI
	IPsPerMAC int // local bindings of one MAC
}

// maxRefused bounds how many MACs beyond the limit of a VNI are remembered, to
// be admitted when there is room.
const maxRefused = 4096

// admitMAC tells whether a local MAC fits into the limit of its VNI. One that
// is known already does, and so does one that an operator configured.
func (e *Engine) admitMAC(v *bd, ev *LocalMAC) bool {
	limit := v.limits.LocalMACs
	if limit == 0 || v.localMACs < limit || ev.Static {
		return true
	}
	if m := v.macs[ev.MAC]; m != nil && m.loc != nil && m.loc.present {
		return true
	}
	if len(v.refused) < maxRefused {
		if v.refused == nil {
			v.refused = make(map[MAC]LocalMAC)
		}
		v.refused[ev.MAC] = *ev
	}
	e.alarms.raise(Alarm{Kind: AlarmMACLimit, VNI: v.vni, Count: limit})
	return false
}

// admitNext lets in what was refused, as far as there is room now, and ends
// the alarm when nothing waits.
func (e *Engine) admitNext(v *bd) {
	limit := v.limits.LocalMACs
	for len(v.refused) > 0 && (limit == 0 || v.localMACs < limit) {
		var first *LocalMAC
		for _, ev := range v.refused {
			if first == nil || ev.MAC.Compare(first.MAC) < 0 {
				first = &ev
			}
		}
		delete(v.refused, first.MAC)
		e.localMAC(first)
	}
	if len(v.refused) == 0 {
		e.alarms.clear(Alarm{Kind: AlarmMACLimit, VNI: v.vni})
	}
}

// admitIP tells whether one more address fits into the limit of a MAC.
func (e *Engine) admitIP(v *bd, mac MAC, l *local) bool {
	limit := v.limits.IPsPerMAC
	if limit == 0 || len(l.bound) < limit {
		return true
	}
	e.alarms.raise(Alarm{Kind: AlarmIPLimit, VNI: v.vni, MAC: mac, Count: limit})
	return false
}
