package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// DefaultBuffer is how many notices wait for a reader before more are lost.
const DefaultBuffer = 1 << 16

// Handle is one process's view of a Kernel.
type Handle struct {
	k *Kernel

	// Buffer is how many notices wait before more are lost. Set it before
	// Watch.
	Buffer int

	faults struct {
		sync.Mutex
		op   func(kernel.Op) error
		call func(name string) error
	}
	wake  chan struct{} // nil before Watch
	muted bool
	queue []dataplane.Notice
	lost  bool

	snooped chan struct{} // nil before Hear
	claims  []hosts.Claim
	ports   []int
}

var _ dataplane.Kernel = (*Handle)(nil)

// Open returns a view of k. Its methods may be called by any goroutine.
func (k *Kernel) Open() *Handle {
	h := &Handle{k: k, Buffer: DefaultBuffer}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handles = append(k.handles, h)
	return h
}

// FailOps makes each write that f returns an error for fail with it. nil
// ends that.
func (h *Handle) FailOps(f func(kernel.Op) error) {
	h.faults.Lock()
	defer h.faults.Unlock()
	h.faults.op = f
}

// FailCalls makes each call that f returns an error for fail with it; method is
// the name of the method, or "Reply": then Write does its work and returns the
// error, as when the kernel's answer is lost. nil ends that.
func (h *Handle) FailCalls(f func(method string) error) {
	h.faults.Lock()
	defer h.faults.Unlock()
	h.faults.call = f
}

func (h *Handle) fault(method string) error {
	h.faults.Lock()
	defer h.faults.Unlock()
	if h.faults.call == nil {
		return nil
	}
	return h.faults.call(method)
}

func (h *Handle) opFault(op kernel.Op) error {
	h.faults.Lock()
	defer h.faults.Unlock()
	if h.faults.op == nil {
		return nil
	}
	return h.faults.op(op)
}

// Overrun drops all notices that wait and reports the loss, as the kernel does
// when a socket's buffer is full.
func (h *Handle) Overrun() {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.queue, h.lost = nil, true
	h.ring()
}

// notify queues a notice for every handle that watches. A handle whose echo is
// muted does not get notices of extern-learned FDB entries, nor of extern-learned
// neighbors that it writes itself, as with the BPF program of dataplane/linux.
func (k *Kernel) notify(n dataplane.Notice) {
	echo := n.Kind == dataplane.NoticeEntry && n.Entry.Flags&kernel.ExtLearned != 0
	fdb := n.Entry.Family == kernel.Bridge
	for _, h := range k.handles {
		switch {
		case h.wake == nil, echo && h.muted && (fdb || k.writer == h):
		case len(h.queue) >= h.Buffer:
			h.queue, h.lost = nil, true
			h.ring()
		case !h.lost:
			h.queue = append(h.queue, n)
			h.ring()
		}
	}
}

func (h *Handle) ring() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Watch implements dataplane.Kernel.
func (h *Handle) Watch(ctx context.Context) (<-chan []dataplane.Notice, error) {
	if err := h.fault("Watch"); err != nil {
		return nil, err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.wake, h.muted = make(chan struct{}, 1), true
	out := make(chan []dataplane.Notice)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.wake:
			}
			h.k.mu.Lock()
			batch := h.queue
			h.queue = nil
			if h.lost {
				batch, h.lost = append(batch, dataplane.Notice{Kind: dataplane.NoticeLost}), false
			}
			h.k.mu.Unlock()
			if len(batch) == 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case out <- batch:
			}
		}
	}()
	return out, nil
}

// MuteEcho implements dataplane.Kernel.
func (h *Handle) MuteEcho(on bool) error {
	if err := h.fault("MuteEcho"); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.muted = on
	return nil
}

// Links implements dataplane.Kernel.
func (h *Handle) Links() ([]kernel.Link, error) {
	if err := h.fault("Links"); err != nil {
		return nil, err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	var out []kernel.Link
	for _, l := range h.k.ordered() {
		c := l.Link
		if c.VXLAN != nil {
			v := *c.VXLAN
			c.VXLAN = &v
		}
		if c.Port != nil {
			p := *c.Port
			c.Port = &p
		}
		out = append(out, c)
	}
	return out, nil
}

// Addrs implements dataplane.Kernel.
func (h *Handle) Addrs() ([]kernel.Addr, error) {
	if err := h.fault("Addrs"); err != nil {
		return nil, err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	return slices.Clone(h.k.addrs), nil
}

// FDB implements dataplane.Kernel.
func (h *Handle) FDB(bridge int, yield func(*kernel.Entry)) error {
	if err := h.fault("FDB"); err != nil {
		return err
	}
	h.k.mu.Lock()
	var all []kernel.Entry
	br := h.k.links[bridge]
	if br == nil {
		h.k.mu.Unlock()
		return syscall.ENODEV
	}
	for _, key := range br.bridgeKeys() {
		all = append(all, br.bridgeEntry(key))
	}
	for _, l := range h.k.ordered() {
		if l.Master != bridge {
			continue
		}
		all = l.ownEntries(all)
	}
	h.k.mu.Unlock()
	for i := range all {
		yield(&all[i])
	}
	return nil
}

// Port implements dataplane.Kernel.
func (h *Handle) Port(port int, yield func(*kernel.Entry)) error {
	if err := h.fault("Port"); err != nil {
		return err
	}
	h.k.mu.Lock()
	var all []kernel.Entry
	if l := h.k.links[port]; l != nil {
		br := h.k.links[l.Master]
		if l.bridge != nil {
			br = l
		}
		if br != nil {
			for _, key := range br.bridgeKeys() {
				if br.bridge[key].port == port {
					all = append(all, br.bridgeEntry(key))
				}
			}
		}
		all = l.ownEntries(all)
	}
	h.k.mu.Unlock()
	for i := range all {
		yield(&all[i])
	}
	return nil
}

// Find implements dataplane.Kernel.
func (h *Handle) Find(entries []kernel.Entry, errs []error) error {
	if err := h.fault("Find"); err != nil {
		return err
	}
	for i, e := range entries {
		entries[i], errs[i] = h.lookup(e)
	}
	return nil
}

// Second implements dataplane.Kernel.
func (h *Handle) Second() dataplane.Tables { return h }

// Neighbors implements dataplane.Kernel.
func (h *Handle) Neighbors(yield func(*kernel.Entry)) error {
	if err := h.fault("Neighbors"); err != nil {
		return err
	}
	h.k.mu.Lock()
	var all []kernel.Entry
	for _, key := range h.k.neighKeys() {
		all = append(all, h.k.neighs[key])
	}
	h.k.mu.Unlock()
	for i := range all {
		yield(&all[i])
	}
	return nil
}

// Lookup implements dataplane.Kernel.
func (h *Handle) Lookup(e kernel.Entry) (kernel.Entry, error) {
	if err := h.fault("Lookup"); err != nil {
		return e, err
	}
	return h.lookup(e)
}

func (h *Handle) lookup(e kernel.Entry) (kernel.Entry, error) {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	l := h.k.links[e.Ifindex]
	if l == nil {
		return e, syscall.ENODEV
	}
	if e.Family != kernel.Bridge {
		if n, ok := h.k.neighs[neighKey{e.Ifindex, e.IP}]; ok {
			return n, nil
		}
		return e, syscall.ENOENT
	}
	if l.bridge != nil {
		key := brKey{e.MAC, e.VLAN}
		if _, ok := l.bridge[key]; ok {
			return l.bridgeEntry(key), nil
		}
	} else if l.device != nil {
		key := l.devKey(&e)
		if _, ok := l.device[key]; ok {
			return l.deviceEntry(key), nil
		}
	}
	return e, syscall.ENOENT
}

// Write implements dataplane.Kernel.
func (h *Handle) Write(ops []kernel.Op, errs []error) error {
	if err := h.fault("Write"); err != nil {
		return err
	}
	for i, op := range ops {
		if errs[i] = h.opFault(op); errs[i] == nil {
			errs[i] = h.k.write(h, op)
		}
	}
	return h.fault("Reply")
}

// SetPort implements dataplane.Kernel.
func (h *Handle) SetPort(ifindex int, learning, suppress bool) error {
	return h.change("SetPort", ifindex, func(l *link) error {
		if l.Port == nil {
			return syscall.EOPNOTSUPP
		}
		l.Port.Learning, l.Port.NeighSuppress = learning, suppress
		return nil
	})
}

// SetVXLANLearning implements dataplane.Kernel.
func (h *Handle) SetVXLANLearning(ifindex int, learning bool) error {
	return h.change("SetVXLANLearning", ifindex, func(l *link) error {
		if l.VXLAN == nil {
			return syscall.EOPNOTSUPP
		}
		l.VXLAN.Learning = learning
		return nil
	})
}

// SetUp implements dataplane.Kernel.
func (h *Handle) SetUp(ifindex int) error {
	return h.change("SetUp", ifindex, func(l *link) error { h.k.setUp(l, true); return nil })
}

// SetMaster implements dataplane.Kernel.
func (h *Handle) SetMaster(ifindex, bridge int) error {
	return h.change("SetMaster", ifindex, func(l *link) error {
		if br := h.k.links[bridge]; br == nil || br.Kind != "bridge" {
			return syscall.EINVAL
		}
		h.k.setMaster(l, bridge)
		return nil
	})
}

// SetMTU implements dataplane.Kernel.
func (h *Handle) SetMTU(ifindex, mtu int) error {
	return h.change("SetMTU", ifindex, func(l *link) error { l.MTU = mtu; return nil })
}

// Remove implements dataplane.Kernel.
func (h *Handle) Remove(ifindex int) error {
	return h.change("Remove", ifindex, func(l *link) error { h.k.del(l); return nil })
}

func (h *Handle) change(method string, ifindex int, f func(*link) error) error {
	if err := h.fault(method); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	l := h.k.links[ifindex]
	if l == nil {
		return syscall.ENODEV
	}
	if err := f(l); err != nil {
		return err
	}
	if h.k.links[ifindex] != nil {
		h.k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: ifindex})
	}
	return nil
}

// MakeBridge implements dataplane.Kernel.
func (h *Handle) MakeBridge(l kernel.Link) error { return h.make("MakeBridge", l) }

// MakeVXLAN implements dataplane.Kernel.
func (h *Handle) MakeVXLAN(l kernel.Link) error { return h.make("MakeVXLAN", l) }

func (h *Handle) make(method string, l kernel.Link) error {
	if err := h.fault(method); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	if h.k.find(l.Name) != nil {
		return syscall.EEXIST
	}
	for _, o := range h.k.ordered() {
		// A namespace has one device for a VNI and port.
		if l.VXLAN != nil && o.VXLAN != nil && o.VXLAN.VNI == l.VXLAN.VNI && o.VXLAN.Port == l.VXLAN.Port {
			return fmt.Errorf("%w (a VXLAN device with the specified VNI already exists)", syscall.EEXIST)
		}
	}
	n := h.k.add(l)
	if l.Master != 0 {
		h.k.setMaster(n, l.Master)
	}
	return nil
}
