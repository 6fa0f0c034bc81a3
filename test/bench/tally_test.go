//go:build !race

package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/test/lab"
)

// tally counts what the kernel tells everybody of the entries of a VNI. It
// takes next to no time from the contender that it watches: the kernel queues
// the notices without waking it, and it looks every millisecond. So a time
// that it gives is true to a millisecond.
type tally struct {
	lab.T
	fd          int
	dev, bridge uint32
	buf         []byte
	headers     [64]mmsghdr
	iov         [64]unix.Iovec

	// Counts since the last reset. A write of an entry that is there already
	// is one too.
	added map[netip.Addr]int // entries of the device, by destination
	gone  int                // entries of the device
	hosts int                // remote neighbors of the bridge
	unhosts,
	other int // what else was told of the bridge and its ports
	first time.Time // when the first of them was seen
}

// tallyOn starts to count on a node; dev and bridge must exist. An empty
// device stands for all.
func tallyOn(b lab.T, n *lab.NS, dev, bridge string) *tally {
	b.Helper()
	t := &tally{T: b, buf: make([]byte, 64*noticeSize)}
	for i := range t.headers {
		t.iov[i].Base = &t.buf[i*noticeSize]
		t.iov[i].SetLen(noticeSize)
		t.headers[i].msg.Iov = &t.iov[i]
		t.headers[i].msg.SetIovlen(1)
	}
	if err := n.Do(func() error { return t.open(dev, bridge) }); err != nil {
		b.Fatalf("tally: %v", err)
	}
	b.Cleanup(func() { unix.Close(t.fd) })
	t.reset()
	return t
}

func (t *tally) open(dev, bridge string) error {
	for name, index := range map[string]*uint32{dev: &t.dev, bridge: &t.bridge} {
		if name == "" {
			continue
		}
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		*index = uint32(ifi.Index)
	}
	var err error
	if t.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<30); err != nil {
		return fmt.Errorf("a receive buffer of a gigabyte: %w", err)
	}
	return unix.Bind(t.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_NEIGH - 1)})
}

// reset begins to count anew.
func (t *tally) reset() {
	t.Helper()
	t.drain()
	t.added, t.gone, t.hosts, t.unhosts, t.other, t.first = map[netip.Addr]int{}, 0, 0, 0, 0, time.Time{}
}

// until waits for the counts to be as f wants them, and returns when they
// were. It gives up when broken returns why they will never be.
func (t *tally) until(patience time.Duration, broken func() error, f func() bool) (time.Time, error) {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		t.drain()
		now := time.Now()
		err := broken()
		switch {
		case f():
			return now, nil
		case err != nil:
			return now, fmt.Errorf("the kernel told of %v: %w", t, err)
		case now.Sub(start) > patience:
			return now, fmt.Errorf("not within %v: the kernel told of %v", patience, t)
		}
	}
}

// total returns how many entries of devices were added.
func (t *tally) total() (n int) {
	for _, by := range t.added {
		n += by
	}
	return n
}

func (t *tally) String() string {
	return fmt.Sprintf("added %v, gone %d, neighbors %d, neighbors gone %d, other %d", t.added, t.gone, t.hosts, t.unhosts, t.other)
}

// noticeSize is more than any notice of an entry takes.
const noticeSize = 512

// mmsghdr is struct mmsghdr (recvmmsg(2)).
type mmsghdr struct {
	msg unix.Msghdr
	len uint32
}

// drain takes in what the kernel has told since, many notices a system call.
func (t *tally) drain() {
	t.Helper()
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(t.fd), uintptr(unsafe.Pointer(&t.headers[0])), uintptr(len(t.headers)), 0, 0, 0)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
			continue
		case errno != 0:
			t.Fatalf("tally: %v", errno)
		}
		if t.first.IsZero() {
			t.first = time.Now()
		}
		for i := range int(n) {
			at := i * noticeSize
			for b := t.buf[at : at+int(t.headers[i].len)]; len(b) >= unix.SizeofNlMsghdr; {
				size := int(binary.NativeEndian.Uint32(b))
				t.message(binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size])
				b = b[min((size+3)&^3, len(b)):]
			}
		}
	}
}

func (t *tally) message(kind uint16, b []byte) {
	index, flags := binary.NativeEndian.Uint32(b[4:]), b[10]
	switch isNew := kind == unix.RTM_NEWNEIGH; {
	case b[0] != unix.AF_BRIDGE:
		switch {
		case t.bridge != 0 && index != t.bridge || flags&unix.NTF_EXT_LEARNED == 0:
		case isNew:
			t.hosts++
		default:
			t.unhosts++
		}
	case t.dev != 0 && index != t.dev:
	case flags&unix.NTF_SELF == 0:
		t.other++
	case isNew:
		t.added[destination(b[unix.SizeofNdMsg:])]++
	default:
		t.gone++
	}
}

// destination returns the NDA_DST among attributes.
func destination(b []byte) (dst netip.Addr) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		if binary.NativeEndian.Uint16(b[2:]) == unix.NDA_DST {
			dst, _ = netip.AddrFromSlice(b[4:size])
			return dst
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return dst
}
