package dataplane_test

import (
	"context"
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// late is a Kernel whose notices can be held back, as they are when the
// Plane is busy writing: all of them, or those from the nth on.
type late struct {
	dataplane.Kernel
	hold  chan bool
	after chan int
}

func newLate(k dataplane.Kernel) *late { return &late{k, make(chan bool), make(chan int)} }

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
			case n := <-k.after:
				out <- waiting[:n]
				waiting = waiting[n:]
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
	w.Add(kernel.Link{Name: "vx9", Kind: "vxlan", VXLAN: &kernel.VXLAN{External: true, Port: 4790, Learning: true}})
	w.Kernel.SetMaster("vx9", "br0")
	w.SetUp("vx9", true)
	w.frame("vx9", mac(9))
	w.frame("p0", mac(1))
	r.untilTrue("the device is seen", func() bool { return len(r.p.Devices()) == 2 })
	r.knows(200, mac(1))
}

// TestLateNoticeOfFlooding has the notice of a flood destination's removal come
// when it was added again, and the answer to that was lost: it is still to be
// removed when nobody wishes it any more.
func TestLateNoticeOfFlooding(t *testing.T) {
	w := newPretend()
	plain(w)
	l := newLate(w.Open())
	k := newLossy(l)
	r := start(t, w, k, dataplane.Config{})
	r.serves(200, addr(local))
	flood := func(want bool) { r.wish(evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: want}}}) }
	const line = "00:00:00:00:00:00 dev vx0 dst 172.30.0.2 self permanent"

	l.hold <- true
	flood(true)
	r.holds("br0", line)
	flood(false)
	r.holds("br0")
	k.answers.Store(1)
	flood(true)
	r.holds("br0", line)
	r.problem(dataplane.ProblemWrite, "nothing can be written")
	l.after <- 2 // of the first addition and of the removal
	l.after <- 0 // is on its way when they were passed on,
	l.after <- 0 // and this when the Plane has them
	flood(false)
	l.hold <- false
	r.holds("br0")
	r.healthy()
}
