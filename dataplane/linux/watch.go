package linux

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

const (
	// watchBatch is how many notices are handed over together at most, and
	// watchQueue how many such batches wait for the Plane. More notices wait in
	// the socket; when it is full the kernel drops them and says so (ENOBUFS).
	watchBatch = 512
	watchQueue = 8

	// After a read of stormSize notices or more the reader waits for gather,
	// so that the next read has many.
	stormSize = 16
	gather    = time.Millisecond
)

// echoFilter drops RTM_NEWNEIGH with NTF_EXT_LEARNED, which are the echo of
// what the Plane adds. All deletions pass, since deletions by others must be
// seen. A multicast datagram holds one message, so offsets are fixed.
//
// Notices of neighbors name the socket that made the change (nlmsg_pid, from
// __neigh_update), so only those of the writer are dropped. Notices of FDB
// entries do not.
//
// The kernel runs the filter when it queues a notice, which is while the sendto
// of the writer runs. So a filter that is on during the write drops all of its
// echo.
func echoFilter(writer uint32) ([]bpf.RawInstruction, error) {
	newNeigh := uint32(unix.RTM_NEWNEIGH)
	if native.Uint16([]byte{1, 0}) == 1 { // little endian, and BPF loads big endian
		newNeigh = uint32(bits.ReverseBytes16(unix.RTM_NEWNEIGH))
		writer = bits.ReverseBytes32(writer)
	}
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 2}, // nlmsg_type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: newNeigh, SkipFalse: 6},
		bpf.LoadAbsolute{Off: hdrLen + 10, Size: 1}, // ndm_flags
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: uint32(kernel.ExtLearned), SkipFalse: 4},
		bpf.LoadAbsolute{Off: hdrLen, Size: 1}, // ndm_family
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_BRIDGE, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 12, Size: 4}, // nlmsg_pid
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: writer, SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 20},
		bpf.RetConstant{Val: 0},
	})
}

// Watch implements dataplane.Kernel. It may be called once.
//
// The reader waits in poll(2) on a thread of its own and not in Go's poller,
// which each notice would wake, also during a pause of the reader.
func (k *Kernel) Watch(ctx context.Context) (<-chan []dataplane.Notice, error) {
	s := k.watcher
	if s == nil {
		return nil, errors.New("watch the kernel's tables: they are watched already")
	}
	k.watcher = nil
	var err error
	if k.echo.prog, err = k.echoProgram(); err != nil {
		return nil, errors.Join(fmt.Errorf("watch the kernel's tables: %w", err), s.close())
	}
	k.echo.s = s
	if err := errors.Join(k.MuteEcho(true), s.subscribe()); err != nil {
		k.echo.close()
		return nil, fmt.Errorf("watch the kernel's tables: %w", err)
	}
	end, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		k.echo.close()
		return nil, fmt.Errorf("watch the kernel's tables: %w", err)
	}
	out := make(chan []dataplane.Notice, watchQueue)
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_, _ = unix.Write(end, native.AppendUint64(nil, 1))
	})
	go func() {
		defer close(out)
		watch(ctx, s, end, out)
		if !stop() {
			<-told // end must not be closed before it is written to
		}
		unix.Close(end)
		k.echo.close()
	}()
	return out, nil
}

// watch reads notices until ctx is done, which makes end readable.
func watch(ctx context.Context, s *socket, end int, out chan<- []dataplane.Notice) {
	r := newReceiver()
	pause := time.NewTimer(gather)
	defer pause.Stop()
	for {
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(end), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if ctx.Err() != nil {
			return
		}
		batch := r.read(s.fd)
		if len(batch) == 0 {
			continue
		}
		select {
		case out <- batch:
		case <-ctx.Done():
			return
		}
		if len(batch) < stormSize {
			continue
		}
		// To wake up for each notice would cost more than the notices do, for
		// the sender too.
		pause.Reset(gather)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// echo puts the filter on the socket of Watch, and takes it off.
type echo struct {
	prog []unix.SockFilter

	mu sync.Mutex
	s  *socket // nil before Watch and after its end
	on bool
}

func (k *Kernel) echoProgram() ([]unix.SockFilter, error) {
	addr, err := unix.Getsockname(k.writer.fd)
	if err != nil {
		return nil, err
	}
	writer, ok := addr.(*unix.SockaddrNetlink)
	if !ok {
		return nil, fmt.Errorf("the writer's socket has the address %T", addr)
	}
	raw, err := echoFilter(writer.Pid)
	if err != nil {
		return nil, err
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return prog, nil
}

// MuteEcho implements dataplane.Kernel.
func (k *Kernel) MuteEcho(on bool) error {
	e := &k.echo
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.s == nil || e.on == on {
		return nil
	}
	var err error
	if on {
		err = unix.SetsockoptSockFprog(e.s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(e.prog)), Filter: &e.prog[0]})
	} else {
		err = unix.SetsockoptInt(e.s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
	if err != nil {
		return fmt.Errorf("filter the notices of our own writes: %w", err)
	}
	e.on = on
	return nil
}

func (e *echo) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.close()
	e.s = nil
}

func (s *socket) subscribe() error {
	for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			return err
		}
	}
	return nil
}

// decodeNotice appends the notice of the datagram b, if it has one. A multicast
// datagram holds one message; that of a device is cut off behind its header.
func decodeNotice(batch []dataplane.Notice, b []byte) []dataplane.Notice {
	if len(b) < hdrLen {
		return append(batch, dataplane.Notice{Kind: dataplane.NoticeLost})
	}
	kind, body := native.Uint16(b[4:]), b[hdrLen:]
	var n dataplane.Notice
	switch kind {
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		n.Kind = dataplane.NoticeEntry
		if kind == unix.RTM_DELNEIGH {
			n.Kind = dataplane.NoticeEntryGone
		}
		if int(native.Uint32(b)) > len(b) || !decodeEntry(body, &n.Entry) {
			n = dataplane.Notice{Kind: dataplane.NoticeLost}
		}
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if len(body) < unix.SizeofIfInfomsg {
			return batch
		}
		n.Ifindex = int(int32(native.Uint32(body[4:])))
		n.Kind = dataplane.NoticeLink
		// With family AF_BRIDGE it says that a device is no port of a bridge
		// any more; the device is still there.
		if kind == unix.RTM_DELLINK && body[0] != unix.AF_BRIDGE {
			n.Kind = dataplane.NoticeLinkGone
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if len(body) < unix.SizeofIfAddrmsg {
			return batch
		}
		n.Kind, n.Ifindex = dataplane.NoticeLink, int(native.Uint32(body[4:]))
	default:
		return batch
	}
	return append(batch, n)
}
