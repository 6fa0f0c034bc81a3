//go:build !race

package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
)

// raw is the limit: the messages of a change, made before, are handed to the
// kernel, 128 a system call, and only the last of them is acknowledged.
type raw struct {
	fd    int
	buf   [1 << 12]byte
	spent time.Duration // on a core, in all writes
}

// rawBatch is how many messages go into one system call: from 64 on more does
// not help (dataplane/linux has a benchmark of it).
const rawBatch = 128

// rawChange is a change in the form that the kernel takes: each element is
// what one system call hands over.
type rawChange [][]byte

// newRaw opens a writer in the namespace.
func newRaw(b lab.T, n *lab.NS) *raw {
	b.Helper()
	r := &raw{}
	err := n.Do(func() (err error) {
		if r.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err != nil {
			return err
		}
		return unix.Connect(r.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	})
	if err != nil {
		b.Fatalf("raw: %v", err)
	}
	b.Cleanup(func() { unix.Close(r.fd) })
	return r
}

func (r *raw) write(c rawChange) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := threadTime()
	defer func() { r.spent += threadTime() - begin }()
	for _, batch := range c {
		if err := unix.Send(r.fd, batch, 0); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for {
			n, _, err := unix.Recvfrom(r.fd, r.buf[:], 0)
			if err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			// Nothing but errors comes before the acknowledgement of the last.
			if n < unix.SizeofNlMsghdr+4 {
				return fmt.Errorf("an answer of %d bytes", n)
			}
			if errno := -int32(binary.NativeEndian.Uint32(r.buf[unix.SizeofNlMsghdr:])); errno != 0 {
				return fmt.Errorf("the kernel: %w", unix.Errno(errno))
			}
			break
		}
	}
	return nil
}

// threadTime returns how long this thread has run on a core.
func threadTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &u) // it fails for a wrong argument only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// entries makes a change of n messages, of which msg appends number i, without
// its header's length.
func entries(n int, msg func(b []byte, i int) []byte) rawChange {
	var c rawChange
	var b []byte
	for i := range n {
		at := len(b)
		b = msg(b, i)
		binary.NativeEndian.PutUint32(b[at:], uint32(len(b)-at))
		if (i+1)%rawBatch == 0 || i+1 == n {
			flags := binary.NativeEndian.Uint16(b[at+6:])
			binary.NativeEndian.PutUint16(b[at+6:], flags|unix.NLM_F_ACK)
			c, b = append(c, b), nil
		}
	}
	return c
}

// neighMessage begins a message: the header and struct ndmsg.
func neighMessage(b []byte, kind, flags uint16, family byte, index int, state uint16, ntf byte) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...)
	b = append(b, family, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint16(b, state)
	return append(b, ntf, 0)
}

func attribute(b []byte, kind uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(v)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), v...)
	return append(b, make([]byte, -len(v)&3)...)
}

// rawMAC makes a MAC one of a VTEP: the entry of the VXLAN device and that of
// the bridge in one message.
func rawMAC(b []byte, index int, mac evpn.MAC, vtep netip.Addr) []byte {
	b = neighMessage(b, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, unix.AF_BRIDGE, index,
		unix.NUD_NOARP|unix.NUD_REACHABLE, unix.NTF_SELF|unix.NTF_MASTER|unix.NTF_EXT_LEARNED)
	return attribute(attribute(b, unix.NDA_LLADDR, mac[:]), unix.NDA_DST, vtep.AsSlice())
}

// rawNoMAC removes it.
func rawNoMAC(b []byte, index int, mac evpn.MAC) []byte {
	b = neighMessage(b, unix.RTM_DELNEIGH, 0, unix.AF_BRIDGE, index, 0, unix.NTF_SELF|unix.NTF_MASTER)
	return attribute(b, unix.NDA_LLADDR, mac[:])
}

// rawHost makes a remote neighbor of the bridge.
func rawHost(b []byte, bridge int, ip netip.Addr, mac evpn.MAC) []byte {
	b = neighMessage(b, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, unix.AF_INET, bridge, unix.NUD_NOARP, unix.NTF_EXT_LEARNED)
	return attribute(attribute(b, unix.NDA_LLADDR, mac[:]), unix.NDA_DST, ip.AsSlice())
}

// rawFlood adds a destination of frames that go to all.
func rawFlood(b []byte, index int, vtep netip.Addr) []byte {
	b = neighMessage(b, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_APPEND, unix.AF_BRIDGE, index, unix.NUD_PERMANENT, unix.NTF_SELF)
	return attribute(attribute(b, unix.NDA_LLADDR, make([]byte, 6)), unix.NDA_DST, vtep.AsSlice())
}

// rawNoFlood removes it.
func rawNoFlood(b []byte, index int, vtep netip.Addr) []byte {
	b = neighMessage(b, unix.RTM_DELNEIGH, 0, unix.AF_BRIDGE, index, 0, unix.NTF_SELF)
	return attribute(attribute(b, unix.NDA_LLADDR, make([]byte, 6)), unix.NDA_DST, vtep.AsSlice())
}

// index returns the number of a device of the namespace.
func index(b lab.T, n *lab.NS, dev string) (i int) {
	b.Helper()
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err == nil {
			i = ifi.Index
		}
		return err
	})
	if err != nil {
		b.Fatalf("%s: %v", dev, err)
	}
	return i
}
