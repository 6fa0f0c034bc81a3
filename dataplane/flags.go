package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/evpnd/evpnd/dataplane/topology"
)

// mendTries is how often the flags of a device are set that look wrong again
// at once, before it is left alone until pauseMost has passed: an old kernel
// may not have them, or somebody else sets them as fast as we do.
const mendTries = 3

// flags sets what must be set at each attached VXLAN device and its bridge port.
type flags struct {
	*env
	syncSoon func(pause time.Duration)
	tries    map[int]flagTries
	logged   map[int]bool // devices of which it was logged
}

// flagTries is how often the flags of a device had to be set in a row.
type flagTries struct {
	tries int
	last  time.Time
}

// mend sets the flags that each attached VXLAN device and its bridge port must
// have.
func (f *flags) mend() {
	f.forget()
	for _, d := range f.bds.sorted() {
		dev := f.bds.topo.Attached[d.vni]
		if dev == nil {
			continue
		}
		port, learning := f.bds.topo.WrongFlags(dev)
		if !port && !learning {
			delete(f.tries, dev.Ifindex)
			f.problems.clear(ProblemFlags, dev.VNI, dev.Name)
			continue
		}
		f.mendOne(dev, port, learning)
	}
}

// forget drops what is remembered of devices that are gone, or have no
// broadcast domain any more, or have another name.
func (f *flags) forget() {
	gone := func(ifindex int) bool { return f.bds.topo.Link(ifindex) == nil }
	maps.DeleteFunc(f.tries, func(i int, _ flagTries) bool { return gone(i) })
	maps.DeleteFunc(f.logged, func(i int, _ bool) bool { return gone(i) })
	f.problems.clearWhere(func(k problemKey) bool {
		dev := f.bds.topo.Attached[k.vni]
		return k.kind == ProblemFlags && (dev == nil || dev.Name != k.device)
	})
}

func (f *flags) mendOne(dev *topology.Device, port, learning bool) {
	var err error
	m := f.tries[dev.Ifindex]
	now := time.Now()
	switch {
	case m.tries >= mendTries && now.Sub(m.last) < pauseMost:
		err = errors.New("they are set and look wrong again at once: see who else sets them")
	case port:
		err = f.k.SetPort(dev.Ifindex, false, true)
	}
	if learning && err == nil {
		err = f.k.SetVXLANLearning(dev.Ifindex, false)
	}
	if err != nil {
		f.problems.set(topology.Problem{
			Kind: ProblemFlags, VNI: dev.VNI, Device: dev.Name,
			Text: fmt.Sprintf("cannot set `learning off neigh_suppress on` and `nolearning` on device %s: %s", dev.Name, advice(err)),
		})
		f.syncSoon(pauseMost)
		return
	}
	f.counters.Mended++
	if m.tries++; m.tries > mendTries {
		m.tries = 1
	}
	m.last = now
	f.tries[dev.Ifindex] = m
	if !f.logged[dev.Ifindex] {
		f.logged[dev.Ifindex] = true
		f.log.Info("set bridge port to learning off and neigh_suppress on, and the device to nolearning", "vni", dev.VNI, "device", dev.Name)
	}
}
