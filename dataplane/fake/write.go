package fake

import (
	"slices"
	"syscall"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// write carries out one op as rtnl_fdb_add, rtnl_fdb_del, neigh_add and
// neigh_delete do: the bridge's part before the device's own, and not the
// second when the first fails.
func (k *Kernel) write(by *Handle, op kernel.Op) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writer = by
	defer func() { k.writer = nil }()
	l := k.links[op.Ifindex]
	if l == nil {
		return syscall.ENODEV
	}
	if op.Family != kernel.Bridge {
		return k.writeNeighbor(op)
	}
	err := error(syscall.EOPNOTSUPP)
	if br := k.links[l.Master]; br != nil && (op.Flags&kernel.Master != 0 || op.Flags&kernel.Self == 0) {
		if err = k.writeBridge(br, l, op); err != nil {
			return err
		}
	}
	if op.Flags&kernel.Self != 0 {
		if l.device == nil {
			return syscall.EOPNOTSUPP
		}
		err = k.writeDevice(l, op)
	}
	return err
}

func (k *Kernel) writeNeighbor(op kernel.Op) error {
	key := neighKey{op.Ifindex, op.IP}
	if op.Verb == kernel.Delete {
		return k.delNeighbor(key)
	}
	e := op.Entry
	old, ok := k.neighs[key]
	if ok && old == e {
		return nil
	}
	k.neighs[key] = e
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntry, Entry: e})
	return nil
}

// writeBridge is br_fdb_add and br_fdb_delete.
func (k *Kernel) writeBridge(br, port *link, op kernel.Op) error {
	if op.VLAN != 0 {
		return syscall.EINVAL // no port has VLANs here
	}
	key := brKey{op.MAC, op.VLAN}
	e, ok := br.bridge[key]
	old := e
	if op.Verb == kernel.Delete {
		if !ok || e.port != port.Index {
			return syscall.ENOENT
		}
		n := br.bridgeEntry(key)
		delete(br.bridge, key)
		k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: n})
		return nil
	}
	const states = kernel.Permanent | kernel.NoARP | kernel.Reachable
	if op.State&states == 0 || !op.MAC.IsHost() {
		return syscall.EINVAL
	}
	if op.Flags&kernel.ExtLearned != 0 {
		// br_fdb_external_learn_add touches neither static nor sticky.
		e.port, e.ext = port.Index, true
	} else {
		dynamic := op.State&(kernel.Permanent|kernel.NoARP) == 0
		if dynamic && !(port.Up && br.Up) {
			return syscall.EPERM // the port cannot learn in its state
		}
		if op.Flags&kernel.Sticky != 0 && op.State&kernel.Permanent != 0 {
			return syscall.EINVAL
		}
		e.port = port.Index
		e.local = op.State&kernel.Permanent != 0
		e.static = !dynamic
		e.sticky = op.Flags&kernel.Sticky != 0
	}
	if ok && old == e {
		return nil
	}
	br.bridge[key] = e
	k.notifyBridge(br, key)
	return nil
}

// writeDevice is vxlan_fdb_add and vxlan_fdb_delete.
func (k *Kernel) writeDevice(l *link, op kernel.Op) error {
	if op.MAC.IsZero() {
		return k.writeFlood(l, op)
	}
	key := l.devKey(&op.Entry)
	old, ok := l.device[key]
	if op.Verb == kernel.Delete {
		if !ok {
			return syscall.ENOENT
		}
		n := l.deviceEntry(key)
		delete(l.device, key)
		k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: n})
		return nil
	}
	if err := l.checkDevice(op); err != nil {
		return err
	}
	e := devEntry{state: op.State, flags: op.Flags & kernel.ExtLearned, dest: evpn.Via{VTEP: op.IP, VNI: op.VNI}}
	if ok && old.flags&kernel.ExtLearned == 0 && e.flags != 0 {
		// vxlan_fdb_update_existing lets no extern-learned entry take over
		// one that a user added; its destination is replaced all the same.
		e.state, e.flags = old.state, old.flags
	}
	if ok && old == e {
		return nil
	}
	l.device[key] = e
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntry, Entry: l.deviceEntry(key)})
	return nil
}

func (l *link) checkDevice(op kernel.Op) error {
	switch {
	case op.State&(kernel.Permanent|kernel.Reachable) == 0, !op.IP.IsValid():
		return syscall.EINVAL
	case op.Nexthop != 0:
		return syscall.EINVAL // a VTEP and a nexthop group exclude each other
	case op.IP.Is4() != !l.VXLAN.Local.Is6():
		return syscall.EAFNOSUPPORT
	}
	return nil
}

func (k *Kernel) writeFlood(l *link, op kernel.Op) error {
	srcVNI := l.shownSrcVNI(l.devKey(&op.Entry))
	at := slices.IndexFunc(l.flood, func(e kernel.Entry) bool {
		return e.SrcVNI == srcVNI && e.IP == op.IP && e.VNI == op.VNI
	})
	if op.Verb == kernel.Delete {
		if at < 0 {
			return syscall.ENOENT
		}
		e := l.flood[at]
		l.flood = slices.Delete(l.flood, at, at+1)
		k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: e})
		return nil
	}
	if err := l.checkDevice(op); err != nil {
		return err
	}
	if op.Verb == kernel.Replace {
		return syscall.EOPNOTSUPP // only the destination of a unicast entry is replaced
	}
	if at >= 0 {
		return nil
	}
	e := op.Entry
	e.Flags, e.SrcVNI = kernel.Self, srcVNI
	l.flood = append(l.flood, e)
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntry, Entry: e})
	return nil
}
