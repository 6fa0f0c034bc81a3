package lab

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Frame is an Ethernet frame that passed a device, or the inner one of a
// frame in VXLAN.
type Frame struct {
	At       time.Time
	Outgoing bool // sent by this host
	// Tunnel says that the frame was in VXLAN, on port 4789; From and To
	// are the outer addresses then.
	Tunnel   bool
	VNI      uint32
	From, To netip.Addr

	Dst, Src  net.HardwareAddr
	EtherType uint16
	Payload   []byte
}

// ARPRequest returns the address that is asked for, when the frame is an ARP
// request that is sent to everybody (RFC 826).
func (f Frame) ARPRequest() (target netip.Addr, ok bool) {
	p := f.Payload
	if f.EtherType != unix.ETH_P_ARP || len(p) < 28 || binary.BigEndian.Uint16(p[6:]) != 1 {
		return netip.Addr{}, false
	}
	if f.Dst[0]&1 == 0 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(p[24:28])), true
}

// ARPReply returns whose address is told to whom, when the frame is an ARP
// reply (RFC 826).
func (f Frame) ARPReply() (sender, target netip.Addr, ok bool) {
	p := f.Payload
	if f.EtherType != unix.ETH_P_ARP || len(p) < 28 || binary.BigEndian.Uint16(p[6:]) != 2 {
		return netip.Addr{}, netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(p[14:18])), netip.AddrFrom4([4]byte(p[24:28])), true
}

// Capture collects the frames that pass a device.
type Capture struct {
	lab  *Lab
	name string
	file *os.File
	done chan struct{}

	mu     sync.Mutex
	frames []Frame
	err    error
}

// Capture starts to collect what passes the device in either direction. It
// sees every frame from the moment it returns.
func (n *NS) Capture(dev string) *Capture {
	n.lab.Helper()
	c := &Capture{lab: n.lab, name: n.Short + "/" + dev, done: make(chan struct{})}
	if err := n.Do(func() error { return c.open(dev) }); err != nil {
		n.lab.Fatalf("lab: capture on %s: %v", c.name, err)
	}
	go c.read()
	n.lab.Cleanup(func() { c.Stop() })
	return c
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (c *Capture) open(dev string) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	c.file = os.NewFile(uintptr(fd), "capture")
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	// Room for a burst. Less is given where more is not allowed.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifi.Index})
}

// read collects frames until the read deadline, and then what is there.
func (c *Capture) read() {
	defer close(c.done)
	raw, err := c.file.SyscallConn()
	if err != nil {
		c.fail(err)
		return
	}
	buf := make([]byte, 65536)
	one := func(fd uintptr) error {
		n, from, err := unix.Recvfrom(int(fd), buf, 0)
		if err == nil {
			c.add(buf[:n], from)
		}
		return err
	}
	for stopped := false; !stopped; {
		var last error
		err := raw.Read(func(fd uintptr) bool {
			last = one(fd)
			return last != unix.EAGAIN
		})
		stopped = err != nil // the deadline
		if !stopped && last != nil && last != unix.EINTR && last != unix.ENETDOWN {
			c.fail(last)
			return
		}
	}
	err = raw.Control(func(fd uintptr) {
		for one(fd) == nil {
		}
	})
	if err != nil {
		c.fail(err)
	}
}

func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *Capture) add(b []byte, from unix.Sockaddr) {
	if len(b) < 14 {
		return
	}
	f := ethernet(slices.Clone(b))
	f.At = time.Now()
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
	}
	if inner, ok := decapsulate(f); ok {
		f = inner
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, f)
}

func ethernet(b []byte) Frame {
	return Frame{
		Dst: net.HardwareAddr(b[:6]), Src: net.HardwareAddr(b[6:12]),
		EtherType: binary.BigEndian.Uint16(b[12:]), Payload: b[14:],
	}
}

// decapsulate returns the frame in a VXLAN packet (RFC 7348 §5).
func decapsulate(f Frame) (Frame, bool) {
	p := f.Payload
	var from, to netip.Addr
	switch {
	case f.EtherType == unix.ETH_P_IP && len(p) >= 20 && p[9] == unix.IPPROTO_UDP && len(p) >= int(p[0]&15)*4:
		from, to = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		p = p[int(p[0]&15)*4:]
	case f.EtherType == unix.ETH_P_IPV6 && len(p) >= 40 && p[6] == unix.IPPROTO_UDP:
		from, to = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		p = p[40:]
	default:
		return Frame{}, false
	}
	const headers = 8 + 8 + 14 // UDP, VXLAN, inner Ethernet
	if len(p) < headers || binary.BigEndian.Uint16(p[2:]) != 4789 {
		return Frame{}, false
	}
	inner := ethernet(p[16:])
	inner.At, inner.Outgoing, inner.Tunnel = f.At, f.Outgoing, true
	inner.From, inner.To = from, to
	inner.VNI = binary.BigEndian.Uint32(p[12:]) >> 8
	return inner, true
}

// Frames returns what has been collected so far.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.frames)
}

// Stop ends the collection and returns all frames that passed the device
// before the call.
func (c *Capture) Stop() []Frame {
	select {
	case <-c.done:
	default:
		if err := c.file.SetReadDeadline(time.Now()); err != nil {
			c.lab.Errorf("lab: capture on %s: %v", c.name, err)
		}
		<-c.done
		_ = c.file.Close() // nothing was written
	}
	if c.err != nil {
		c.lab.Errorf("lab: capture on %s: %v", c.name, c.err)
	}
	return c.Frames()
}

// Count returns how many frames fulfil f.
func Count(frames []Frame, f func(Frame) bool) int {
	n := 0
	for _, frame := range frames {
		if f(frame) {
			n++
		}
	}
	return n
}
