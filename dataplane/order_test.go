package dataplane_test

import (
	"context"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
)

// late is a Kernel whose notices can be held back, as they are when the
// Plane is busy writing.
type late struct {
	dataplane.Kernel
	hold chan bool
}

func newLate(k dataplane.Kernel) *late { return &late{k, make(chan bool)} }

func (k *late) Watch(ctx context.Context) (<-chan []dataplane.Notice, error) {
	in, err := k.Kernel.Watch(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan []dataplane.Notice)
	go func() {
		defer close(out)
		var waiting []dataplane.Notice
		held := false
		for {
			var to chan []dataplane.Notice
			if !held && len(waiting) > 0 {
				to = out
			}
			select {
			case batch, ok := <-in:
				if !ok {
					return
				}
				waiting = append(waiting, batch...)
			case held = <-k.hold:
			case to <- waiting:
				waiting = nil
			}
		}
	}()
	return out, nil
}

// TestLateNotice has a host speak just before its MAC becomes remote and is
// withdrawn, and the notices come when all is over: nothing is local.
func TestLateNotice(t *testing.T) {
	w := newPretend()
	plain(w)
	k := newLate(w.Open())
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	k.hold <- true
	w.frame("p0", mac(1))
	r.wishMAC(200, mac(1), vtep(2))
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	r.unwishMAC(200, mac(1))
	r.holds("br0")
	w.frame("p0", mac(2)) // told after all of that
	k.hold <- false
	r.knows(200, mac(2))
}

// TestLateNoticeOfHost is the other outcome: the host speaks once more after
// the withdrawal, and is local in the end.
func TestLateNoticeOfHost(t *testing.T) {
	w := newPretend()
	plain(w)
	k := newLate(w.Open())
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	k.hold <- true
	r.wish(evpn.Delta{FDB: []evpn.FDB{{VNI: 200, MAC: mac(1), Via: vtep(2), Want: true}}})
	r.holds("br0", remoteLines(mac(1), "172.30.0.2")...)
	r.unwishMAC(200, mac(1))
	r.holds("br0")
	w.frame("p0", mac(1))
	k.hold <- false
	r.knows(200, mac(1))
	r.holds("br0", mac(1).String()+" dev p0 master br0")
}

// TestNewTunnelIsNoHost has a VXLAN device that is not served join the
// bridge, and a frame come out of it before the devices are read: what is
// behind it is not local.
func TestNewTunnelIsNoHost(t *testing.T) {
	w := newPretend()
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	w.Add(dataplane.Link{Name: "vx9", Kind: "vxlan", VXLAN: &dataplane.VXLAN{External: true, Port: 4790, Learning: true}})
	w.Kernel.SetMaster("vx9", "br0")
	w.SetUp("vx9", true)
	w.frame("vx9", mac(9))
	w.frame("p0", mac(1))
	r.untilTrue("the device is seen", func() bool { return len(r.p.Devices()) == 2 })
	r.knows(200, mac(1))
}
