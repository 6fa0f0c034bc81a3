package linux

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
)

const (
	// A notice of an entry has about 100 bytes. One of a device is longer
	// than noticeSize, and cut off: of it only the head is looked at.
	noticeSize  = 512
	noticeCount = 64
)

// mmsghdr is struct mmsghdr (recvmmsg(2)).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// receiver reads notices, many with one system call, since with one a call the
// calls are most of the cost. It uses its memory again.
type receiver struct {
	heads [noticeCount]mmsghdr
	vecs  [noticeCount]unix.Iovec
	bufs  [noticeCount][noticeSize]byte
	size  int // how many notices the last read had
}

func newReceiver() *receiver {
	r := new(receiver)
	for i := range r.heads {
		r.vecs[i].Base = &r.bufs[i][0]
		r.vecs[i].SetLen(noticeSize)
		r.heads[i].hdr.Iov = &r.vecs[i]
		r.heads[i].hdr.SetIovlen(1)
	}
	return r
}

// read takes what waits in the socket, up to watchBatch notices, or tells that
// some were lost.
//
// After a loss the kernel drops every notice until the queue is empty, and says
// so once, at the beginning (netlink_overrun, netlink_rcv_wake). So the queue is
// emptied before the loss is reported. Notices that are dropped after that are
// another loss, and a reader that reads all tables again misses nothing.
func (r *receiver) read(fd int) []dataplane.Notice {
	// A storm's next batch is likely as long as this one.
	batch := make([]dataplane.Notice, 0, max(8, r.size))
	for len(batch)+noticeCount <= watchBatch {
		n, err := r.receive(fd)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			// ENOBUFS says that notices were lost; any other error is treated
			// alike.
			r.drain(fd)
			return []dataplane.Notice{{Kind: dataplane.NoticeLost}}
		}
		for i := range n {
			batch = decodeNotice(batch, r.bufs[i][:r.heads[i].n])
		}
		if n < noticeCount {
			break
		}
	}
	r.size = len(batch)
	return batch
}

// drain empties the queue. It ends, since the kernel puts nothing into the queue
// before it is empty.
func (r *receiver) drain(fd int) {
	for {
		if _, err := r.receive(fd); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// receive fills bufs with up to noticeCount datagrams and returns how many.
func (r *receiver) receive(fd int) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.heads)), noticeCount, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
