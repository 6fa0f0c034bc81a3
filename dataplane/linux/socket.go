package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var native = binary.NativeEndian

// Netlink header and alignment (linux/netlink.h).
const (
	hdrLen = unix.NLMSG_HDRLEN

	// rcvBuf holds the replies of a dump and, for the subscription, what
	// comes while the Plane is busy writing: an ARP storm of about 20,000
	// changes a second for some seconds.
	rcvBuf = 32 << 20

	// replyTimeout bounds the wait for an answer. The kernel answers while
	// sendto runs, so a missing answer is a lost one.
	replyTimeout = 10 * time.Second
)

func align(n int) int { return (n + 3) &^ 3 }

// socket is a netlink route socket. One goroutine at a time may use it.
type socket struct {
	fd  int
	seq uint32
	buf []byte // of replies
}

func open() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// The forced size needs CAP_NET_ADMIN; without it the system's limit holds.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvBuf) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, rcvBuf)
	}
	// An error reply then carries the header of the failed message alone.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind a netlink socket: %w", err)
	}
	// Connected to the kernel, a plain write does, which needs no address
	// and so no allocation.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect a netlink socket: %w", err)
	}
	tv := unix.NsecToTimeval(int64(replyTimeout))
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	return &socket{fd: fd, buf: make([]byte, 256<<10)}, nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

func (s *socket) next() uint32 {
	s.seq++
	if s.seq == 0 {
		s.seq = 1
	}
	return s.seq
}

// run takes n sequence numbers and returns the first. They are consecutive,
// so that a reply finds its request by subtraction, and do not wrap round.
func (s *socket) run(n int) uint32 {
	if s.seq > 1<<31 {
		s.seq = 0
	}
	first := s.seq + 1
	s.seq += uint32(n)
	return first
}

func (s *socket) send(b []byte) error {
	for {
		_, err := unix.Write(s.fd, b)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (s *socket) recv() ([]byte, error) {
	for {
		// Not Recvfrom: it allocates the sender's address each time.
		n, err := unix.Read(s.fd, s.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s.buf[:n], nil
	}
}

// message is one netlink message of a received datagram.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// nextMessage cuts the first message off b.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < hdrLen {
		return m, nil, errShort
	}
	n := int(native.Uint32(b))
	if n < hdrLen || n > len(b) {
		return m, nil, errShort
	}
	m = message{native.Uint16(b[4:]), native.Uint16(b[6:]), native.Uint32(b[8:]), b[hdrLen:n]}
	return m, b[min(align(n), len(b)):], nil
}

var errShort = errors.New("netlink: a message ends early")

// errInterrupted says that tables changed while they were dumped.
var errInterrupted = errors.New("netlink: the table changed while it was read")

// replyErrno reads the error code of an NLMSG_ERROR or NLMSG_DONE message, 0
// for success.
func replyErrno(m message) syscall.Errno {
	if len(m.body) < 4 {
		return 0
	}
	return syscall.Errno(-int32(native.Uint32(m.body)))
}

// replyErr reads the error code of an NLMSG_ERROR or NLMSG_DONE message and
// the kernel's words for it.
func replyErr(m message) error {
	errno := replyErrno(m)
	if errno == 0 {
		return nil
	}
	// struct nlmsgerr is the code and the failed header; with CAP_ACK the
	// attributes follow at once.
	if m.kind == unix.NLMSG_ERROR && m.flags&unix.NLM_F_ACK_TLVS != 0 && len(m.body) >= 4+hdrLen {
		for a := attrs(m.body[4+hdrLen:]); a.next(); {
			if a.kind() == unix.NLMSGERR_ATTR_MSG {
				return fmt.Errorf("%w (%s)", errno, a.str())
			}
		}
	}
	return errno
}

// request sends the message in b and waits for its acknowledgement.
func (s *socket) request(b []byte) error {
	seq := s.next()
	finish(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK, seq)
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	for {
		data, err := s.recv()
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for len(data) > 0 {
			var m message
			if m, data, err = nextMessage(data); err != nil {
				return err
			}
			if m.seq == seq && m.kind == unix.NLMSG_ERROR {
				return replyErr(m)
			}
		}
	}
}

// get sends a request that is answered by one message, and passes its body
// to yield.
func (s *socket) get(b []byte, yield func(body []byte)) error {
	seq := s.next()
	finish(b, unix.NLM_F_REQUEST, seq)
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	for {
		data, err := s.recv()
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for len(data) > 0 {
			var m message
			if m, data, err = nextMessage(data); err != nil {
				return err
			}
			if m.seq != seq {
				continue
			}
			if m.kind == unix.NLMSG_ERROR {
				return replyErr(m)
			}
			yield(m.body)
			return nil
		}
	}
}

// dump sends a dump request and passes each message's body to yield. It
// reads to the end also after an interruption, which it then reports.
func (s *socket) dump(b []byte, kind uint16, yield func(body []byte)) error {
	seq := s.next()
	finish(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	interrupted := false
	for {
		data, err := s.recv()
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for len(data) > 0 {
			var m message
			if m, data, err = nextMessage(data); err != nil {
				return err
			}
			if m.seq != seq {
				continue
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_ERROR:
				return replyErr(m)
			case unix.NLMSG_DONE:
				if err := replyErr(m); err != nil {
					return err
				}
				if interrupted {
					return errInterrupted
				}
				return nil
			case kind:
				yield(m.body)
			}
		}
	}
}
