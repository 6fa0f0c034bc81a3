package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evpnd/evpnd/dataplane/fake"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// watchedKernel is the fake with a watch on what is written to it.
type watchedKernel struct {
	*fake.Handle
	bridges map[evpn.VNI]int

	writes atomic.Int64 // messages
	spent  atomic.Int64 // nanoseconds in Write
	last   atomic.Int64 // when the last one was done, Unix nanoseconds

	mu     sync.Mutex // of what follows: the Plane writes on a goroutine of its own
	record bool
	seen   []arrival
}

// arrival is a MAC that a VXLAN device has behind a VTEP from a time on.
type arrival struct {
	MAC  evpn.MAC
	VTEP [4]byte
	At   int64 // Unix nanoseconds
}

// newKernel makes a bridge and a VXLAN device for each VNI.
func newKernel(vnis int) (*watchedKernel, error) {
	sys := fake.New()
	k := &watchedKernel{Handle: sys.Open(), bridges: make(map[evpn.VNI]int)}
	sys.AddAddr("lo", vtepAddr(0))
	for i := range vnis {
		vni := firstVNI + evpn.VNI(i)
		br, vx := fmt.Sprintf("br%d", vni), fmt.Sprintf("vx%d", vni)
		k.bridges[vni] = sys.Add(kernel.Link{Name: br, Kind: "bridge"})
		sys.SetUp(br, true)
		sys.Add(kernel.Link{Name: vx, Kind: "vxlan", VXLAN: &kernel.VXLAN{
			VNI: vni, Local: vtepAddr(0), Port: topology.DefaultPort,
		}})
		sys.SetMaster(vx, br)
		sys.SetUp(vx, true)
	}
	return k, nil
}

// Write implements dataplane.Kernel.
func (k *watchedKernel) Write(ops []kernel.Op, errs []error) error {
	begin := time.Now()
	err := k.Handle.Write(ops, errs)
	now := time.Now()
	k.spent.Add(int64(now.Sub(begin)))
	k.writes.Add(int64(len(ops)))
	k.last.Store(now.UnixNano())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.record {
		for i := range ops {
			if op := &ops[i]; errs[i] == nil && op.Verb == kernel.Replace && op.IP.Is4() {
				k.seen = append(k.seen, arrival{op.MAC, op.IP.As4(), now.UnixNano()})
			}
		}
	}
	return err
}

// recording begins or ends the recording of arrivals, and returns those of
// until now.
func (k *watchedKernel) recording(on bool) []arrival {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.seen
	k.record, k.seen = on, nil
	return seen
}

// held reads all tables.
func (k *watchedKernel) held() (h Held, err error) {
	for vni, br := range k.bridges {
		if err := k.FDB(br, func(e *kernel.Entry) {
			switch {
			case e.State&kernel.Permanent != 0 && e.Bridge != 0:
				return // the address of the device itself
			case e.Bridge != 0:
				h.Bridge.add(vni, e.MAC, vtepAddr(0))
			case e.MAC.IsZero():
				h.Flood.add(vni, e.MAC, e.IP)
			default:
				h.Device.add(vni, e.MAC, e.IP)
			}
			h.Entries++
		}); err != nil {
			return h, err
		}
	}
	return h, nil
}
