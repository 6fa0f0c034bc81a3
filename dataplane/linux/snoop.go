package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/hosts"
)

const (
	// snoopBuffer bounds what the socket of a port holds, about a thousand
	// frames. The kernel drops what comes beyond, so a port that floods costs
	// no more memory than another.
	snoopBuffer = 512 << 10

	// framesPerTurn is how many frames are read from one port before the next
	// port has its turn, and portsPerTurn how many ports have theirs before
	// their claims are handed over together.
	framesPerTurn = 64
	portsPerTurn  = 16
	// floodPause follows a turn in which a port had framesPerTurn frames, so
	// that a flood costs a bounded part of one processor.
	floodPause = 5 * time.Millisecond
)

// snooper reads the frames of local ports: one packet socket a port, one
// goroutine for all.
type snooper struct {
	mu    sync.Mutex  // held while sockets are read or changed
	ports map[int]int // socket by ifindex
	epoll int
	stop  int    // eventfd that ends the goroutine
	out   []byte // the frame of a probe
}

// Snoop implements dataplane.Kernel. It may be called once.
//
// A bridge takes the frames of its ports before protocol handlers see them, but
// after the sockets for all protocols (ETH_P_ALL), so the sockets are such. The
// goroutine that reads them waits in epoll_wait, on a thread of its own.
func (k *Kernel) Snoop(ctx context.Context) (<-chan hosts.Snooped, error) {
	if k.snooper.ports != nil {
		return nil, errors.New("listen on local ports: they are listened on already")
	}
	// Without CAP_NET_RAW this fails.
	fd, err := k.packetSocket()
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	e := &k.snooper
	if e.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	if e.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		unix.Close(e.epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, e.stop, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		unix.Close(e.stop)
		unix.Close(e.epoll)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	e.ports = make(map[int]int)
	out := make(chan hosts.Snooped, 2)
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_, _ = unix.Write(e.stop, native.AppendUint64(nil, 1))
	})
	go func() {
		defer close(out)
		e.read(ctx, out)
		if !stop() {
			<-told
		}
		e.close()
	}()
	return out, nil
}

func (e *snooper) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, fd := range e.ports {
		unix.Close(fd)
	}
	e.ports = map[int]int{}
	unix.Close(e.stop)
	unix.Close(e.epoll)
	e.epoll = -1
}

// read reads until ctx is done.
func (e *snooper) read(ctx context.Context, out chan<- hosts.Snooped) {
	r := newFrames()
	events := make([]unix.EpollEvent, portsPerTurn)
	pause := time.NewTimer(floodPause)
	defer pause.Stop()
	for {
		n, err := unix.EpollWait(e.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) || ctx.Err() != nil {
			return
		}
		x := hosts.Snooped{Claims: make([]hosts.Claim, 0, max(4, r.size))}
		r.got = 0
		e.mu.Lock()
		for i := range max(0, n) {
			// The port may have another socket by now, or none.
			port := int(events[i].Pad)
			if fd, ok := e.ports[port]; ok && fd == int(events[i].Fd) {
				r.read(fd, port, &x)
			}
		}
		e.mu.Unlock()
		r.size = len(x.Claims)
		if len(x.Claims)+x.Ignored == 0 {
			continue
		}
		select {
		case out <- x:
		case <-ctx.Done():
			return
		}
		if r.got < framesPerTurn {
			continue
		}
		pause.Reset(floodPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// frames reads frames, many with one system call.
type frames struct {
	heads [framesPerTurn]mmsghdr
	vecs  [framesPerTurn]unix.Iovec
	bufs  [framesPerTurn][snapLen]byte
	size  int // claims of the last batch
	got   int // frames of the port that had the most
}

func newFrames() *frames {
	r := new(frames)
	for i := range r.heads {
		r.vecs[i].Base = &r.bufs[i][0]
		r.vecs[i].SetLen(snapLen)
		r.heads[i].hdr.Iov = &r.vecs[i]
		r.heads[i].hdr.SetIovlen(1)
	}
	return r
}

// read reads the next frames of one port.
func (r *frames) read(fd, port int, x *hosts.Snooped) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.heads)), framesPerTurn, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return // no frame waits, or the device went down, which is said once
	}
	c := hosts.Claim{Port: port}
	for i := range int(n) {
		switch parseFrame(r.bufs[i][:r.heads[i].n], &c) {
		case aClaim:
			x.Claims = append(x.Claims, c)
		case malformed:
			x.Ignored++
		}
	}
	r.got = max(r.got, int(n))
}

// SnoopPorts implements dataplane.Kernel.
func (k *Kernel) SnoopPorts(ports []int) error {
	e := &k.snooper
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ports == nil || e.epoll < 0 {
		return nil
	}
	for port, fd := range e.ports {
		// The socket of a device that is gone has no device any more, also
		// when another device has the index by now.
		sa, _ := unix.Getsockname(fd)
		ll, ok := sa.(*unix.SockaddrLinklayer)
		if !ok || ll.Ifindex != port || !slices.Contains(ports, port) {
			unix.Close(fd) // which takes it from epoll as well
			delete(e.ports, port)
		}
	}
	var errs []error
	for _, port := range ports {
		if _, ok := e.ports[port]; ok {
			continue
		}
		fd, err := k.openPort(port)
		if errors.Is(err, unix.ENODEV) {
			continue // the device is gone, which a notice tells
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("port %d: %w", port, err))
			continue
		}
		e.ports[port] = fd
	}
	return errors.Join(errs...)
}

// openPort opens the socket of a port and adds it to those that are read.
func (k *Kernel) openPort(port int) (int, error) {
	fd, err := k.packetSocket()
	if err != nil {
		return -1, err
	}
	// It is bound last: before that it gets no frame, and so none that is not
	// filtered.
	err = setSnooping(fd)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: port})
	}
	if err == nil {
		ev := &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(port)}
		err = unix.EpollCtl(k.snooper.epoll, unix.EPOLL_CTL_ADD, fd, ev)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setSnooping(fd int) error {
	prog, err := snoopFilter()
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len: uint16(len(filter)), Filter: &filter[0],
	}); err != nil {
		return os.NewSyscallError("attach a filter", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, snoopBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, snoopBuffer)
	}
	// Kernels before 4.20 do not know it; the filter drops such frames too.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	return nil
}

func bigEndian(v uint16) uint16 { return native.Uint16([]byte{byte(v >> 8), byte(v)}) }

// packetSocket opens a packet socket in the Kernel's network namespace. It gets
// no frame before it is bound.
func (k *Kernel) packetSocket() (int, error) {
	open := func() (int, error) {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return fd, os.NewSyscallError("open a packet socket", err)
	}
	type result struct {
		fd  int
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		here, err := threadNetns()
		if err == nil && here == k.netns {
			fd, err := open()
			runtime.UnlockOSThread()
			done <- result{fd, err}
			return
		}
		// The Kernel has another namespace than the process. The thread enters
		// it, stays locked, and so ends with the goroutine.
		if err := unix.Setns(k.netnsFD, unix.CLONE_NEWNET); err != nil {
			done <- result{-1, os.NewSyscallError("setns", err)}
			return
		}
		fd, err := open()
		done <- result{fd, err}
	}()
	r := <-done
	return r.fd, r.err
}

// netnsID names a network namespace.
type netnsID struct{ dev, ino uint64 }

// openNetns opens the network namespace of the calling thread.
func openNetns() (netnsID, int, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return netnsID{}, -1, fmt.Errorf("open the network namespace: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return netnsID{}, -1, fmt.Errorf("open the network namespace: %w", err)
	}
	return netnsID{st.Dev, st.Ino}, fd, nil
}

func threadNetns() (netnsID, error) {
	var st unix.Stat_t
	err := unix.Stat("/proc/thread-self/ns/net", &st)
	return netnsID{st.Dev, st.Ino}, err
}

// SendProbe implements dataplane.Kernel.
func (k *Kernel) SendProbe(q hosts.ProbeRequest) error {
	e := &k.snooper
	e.mu.Lock()
	defer e.mu.Unlock()
	fd, ok := e.ports[q.Port]
	if !ok {
		return fmt.Errorf("ask %s at %s: port %d is not listened on", q.IP, q.MAC, q.Port)
	}
	e.out = putProbe(e.out[:0], &q)
	if _, err := unix.Write(fd, e.out); err != nil {
		return fmt.Errorf("ask %s at %s: %w", q.IP, q.MAC, err)
	}
	return nil
}
