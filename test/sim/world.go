package main

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evpnd/evpnd/test/peer"
)

// patience is how long anything here may take.
const patience = 5 * time.Minute

// world is a fabric, two reflectors, and the VTEP that they speak to.
type world struct {
	*fabric
	vtep       *child
	listeners  [2]net.Listener
	reflectors [2]*peer.Speaker
}

// newWorld brings the sessions up; no route has been sent yet.
func newWorld(s site) (w *world, err error) {
	w = &world{fabric: newFabric(s)}
	defer func() {
		if err != nil {
			w.end()
		}
	}()
	start := Start{VNIs: s.VNIs}
	for i := range w.listeners {
		if w.listeners[i], err = net.Listen("tcp4", fmt.Sprintf("127.0.0.%d:0", 2+i)); err != nil {
			return w, err
		}
		start.Reflectors = append(start.Reflectors, w.addr(i))
	}
	if w.vtep, err = newChild(); err != nil {
		return w, err
	}
	if err := w.vtep.Call("VTEP.Start", start, &struct{}{}); err != nil {
		return w, fmt.Errorf("the VTEP does not start: %w", err)
	}
	for i := range w.reflectors {
		if err := w.accept(i); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) addr(reflector int) netip.AddrPort {
	return netip.MustParseAddrPort(w.listeners[reflector].Addr().String())
}

// accept brings a reflector's session up.
func (w *world) accept(i int) (err error) {
	w.reflectors[i], err = peer.Accept(w.listeners[i], asn, w.addr(i).Addr(), 30*time.Second)
	if err != nil {
		return fmt.Errorf("session of reflector %d: %w", i+1, err)
	}
	w.reflectors[i].KeepAlive(20 * time.Second)
	return nil
}

// write sends each reflector's bytes at the same time.
func (w *world) write(b [2][]byte) error {
	var g errgroup.Group
	for i, s := range w.reflectors {
		g.Go(func() error {
			if err := s.Write(b[i]); err != nil {
				return fmt.Errorf("reflector %d: %w", i+1, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// tables is what both reflectors know.
func (w *world) tables() (b [2][]byte) {
	for i := range b {
		b[i] = w.table(byte(i + 1))
	}
	return b
}

// await waits for a state of the VTEP, and returns when it was so.
func (w *world) await(a Await) (time.Time, error) {
	a.Installed = w.installed()
	if !a.Down.IsValid() {
		a.Fresh = w.installed() // each entry comes of one route of each peer
	}
	if a.Within == 0 {
		a.Within = patience
	}
	var at int64
	err := w.vtep.Call("VTEP.Await", a, &at)
	return time.Unix(0, at), err
}

func (w *world) usage() (u Usage, err error) {
	err = w.vtep.Call("VTEP.Usage", struct{}{}, &u)
	return u, err
}

// check compares the kernel with the routes, entry by entry.
func (w *world) check() error {
	var got Held
	if err := w.vtep.Call("VTEP.Held", struct{}{}, &got); err != nil {
		return err
	}
	if want := w.want(); got != want {
		return fmt.Errorf("the kernel does not hold what the routes say: want %+v, got %+v", want, got)
	}
	return nil
}

func (w *world) end() {
	for i := range w.listeners {
		if w.reflectors[i] != nil {
			w.reflectors[i].Close()
		}
		if w.listeners[i] != nil {
			w.listeners[i].Close()
		}
	}
	if w.vtep != nil {
		w.vtep.end()
	}
}
