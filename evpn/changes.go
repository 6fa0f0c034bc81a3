package evpn

// changes is what watchers have not been told yet. There are few VNIs and
// VTEPs but many MACs and addresses, so these have queues of their own, whose
// keys hold what they need and no more: to look up a whole Change costs more
// than to choose a MAC's route.
type changes struct {
	few   queue[Change]
	macs  queue[MACKey]
	hosts queue[IPKey]
}

func (c *changes) push(ch Change) {
	switch ch.Kind {
	case ChangeMAC:
		c.macs.push(MACKey{ch.VNI, ch.MAC})
	case ChangeNeigh:
		c.hosts.push(IPKey{ch.VNI, ch.IP})
	default:
		c.few.push(ch)
	}
}

// take hands out at most n changes, VNIs, VTEPs and alarms first. Only when
// it hands out none is nothing left.
func (c *changes) take(n int) []Change {
	few := c.few.take(n)
	macs := c.macs.take(n - len(few))
	hosts := c.hosts.take(n - len(few) - len(macs))
	if len(few)+len(macs)+len(hosts) == 0 {
		return nil
	}
	out := append(make([]Change, 0, len(few)+len(macs)+len(hosts)), few...)
	for _, k := range macs {
		out = append(out, Change{Kind: ChangeMAC, VNI: k.VNI, MAC: k.MAC})
	}
	for _, k := range hosts {
		out = append(out, Change{Kind: ChangeNeigh, VNI: k.VNI, IP: k.IP})
	}
	return out
}

// takeChanges returns at most max objects that may look different since it was
// last asked, and forgets that they do.
func (e *Engine) takeChanges(max int) []Change {
	return e.changes.take(max)
}
