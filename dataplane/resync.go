package dataplane

import (
	"errors"
	"maps"
	"slices"
	"syscall"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// A dump of one VXLAN device grows with the square of its entries, for the
// kernel walks its list from the start for each 32 KB: after notices were
// lost, a big one is checked instead. Read are
//
//   - all that the bridge has behind its other ports, each by itself: a walk
//     over the bridge's table that answers with few entries is quick, and a
//     dump of the bridge makes it for each port as well;
//   - the entries of every MAC that is known, one by one, many questions a
//     system call: their cost is linear, they change nothing, and they tell
//     what is missing, what changed and what is an operator's by now. To write
//     all entries once more would be cheaper, and would send an operator's
//     entry to our destination (vxlan_fdb_update_existing);
//   - all neighbors.
//
// The flood list cannot be asked for, since vxlan_fdb_get answers with the
// first destination alone. What is desired of it is added again, which does
// nothing where it is there; the rest is taken to be there still.
//
// Entries of MACs that nobody knew of, and flood entries, that others added
// while notices were lost, are not found: with our mark the audit finds them,
// and without it the next Delta that wants such a MAC (lookForForeign).

// dumpMost is up to how many MACs a bridge is read in full after a loss, which
// finds what others added as well. With about 20,000 a dump takes as long as
// the check.
const dumpMost = 20_000

// need says what must be read of a broadcast domain before anything is written.
type need uint8

const (
	needNothing need = iota
	needCheck        // notices were lost: what is known may not be so any more
	needRead         // nothing is known
)

// checkable tells whether a check is enough for the broadcast domains of a
// bridge, and better.
func checkable(bds []*bdState, dumpMost int) bool {
	n := 0
	for _, d := range bds {
		if d.need == needRead {
			return false
		}
		n += d.fdb.Len()
	}
	return n > dumpMost
}

// check is what is read of a bridge: what is behind its local ports, and the
// entries of the MACs that its broadcast domains know.
type check struct {
	ports  []int
	tables []kernel.Entry // keys without a MAC
	macs   []evpn.MAC
}

func newCheck(view *topology.View, bridge int, bds []*bdState) *check {
	c := &check{ports: []int{bridge}}
	keys := make(map[evpn.MAC]struct{})
	for _, d := range bds {
		c.tables = append(c.tables, d.at.DeviceKey(evpn.MAC{}))
		if t := d.at.BridgeKey(evpn.MAC{}); !slices.Contains(c.tables, t) {
			c.tables = append(c.tables, t)
		}
		for mac := range d.fdb.All() {
			keys[mac] = struct{}{}
		}
		for mac := range d.fdb.AllForeign() {
			keys[mac] = struct{}{}
		}
	}
	for _, l := range view.Ports(bridge) {
		if l.VXLAN != nil {
			keys[l.MAC] = struct{}{} // which the bridge has as a port's own
		} else {
			c.ports = append(c.ports, l.Index)
		}
	}
	c.macs = slices.AppendSeq(make([]evpn.MAC, 0, len(keys)), maps.Keys(keys))
	return c
}

func (c *check) run(k Kernel, yield func(*kernel.Entry)) error {
	for _, port := range c.ports {
		if err := k.Port(port, yield); err != nil {
			return err
		}
	}
	return find(k, c.tables, c.macs, yield)
}

// find looks for MACs in tables, each of which a key without a MAC names.
func find(k Kernel, tables []kernel.Entry, macs []evpn.MAC, yield func(*kernel.Entry)) error {
	const most = 8 * writeBatch
	found, errs := make([]kernel.Entry, 0, most), make([]error, most)
	for some := range slices.Chunk(macs, most) {
		for _, key := range tables {
			found = found[:0]
			for _, mac := range some {
				key.MAC = mac
				found = append(found, key)
			}
			if err := k.Find(found, errs[:len(found)]); err != nil {
				return err
			}
			for i := range found {
				switch err := errs[i]; {
				case err == nil:
					yield(&found[i])
				case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENODEV):
					// Not there. That a device went is told by itself.
				default:
					return err
				}
			}
		}
	}
	return nil
}

// findForeign looks for entries of an operator's under the MACs that a delta
// desires for the first time, in broadcast domains that were checked and not
// read since.
func (o *observer) findForeign(delta *evpn.Delta) {
	var macs map[*bdState][]evpn.MAC
	for i := range delta.FDB {
		f := &delta.FDB[i]
		d := o.bds.all[f.VNI]
		if !f.Want || d == nil || !d.attached() || !d.blind || d.need != needNothing {
			continue
		}
		if _, known := d.fdb.Get(f.MAC); !known && f.MAC.IsHost() {
			if macs == nil {
				macs = make(map[*bdState][]evpn.MAC)
			}
			macs[d] = append(macs[d], f.MAC)
		}
	}
	for d, list := range macs {
		r := newReading(d, o.bds.topo.View)
		if err := find(o.k, []kernel.Entry{d.at.DeviceKey(evpn.MAC{})}, list, r.add); err != nil {
			// They are known when the check is made again.
			d.need = needCheck
			o.syncer.soon(0)
			continue
		}
		for mac := range r.other {
			d.fdb.Occupy(mac, entries.ForeignDevice)
		}
	}
}
