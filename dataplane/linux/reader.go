package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// Reader reads the tables of one network namespace and changes nothing. It has
// a socket of its own and needs no privilege. One goroutine at a time may use
// it.
type Reader struct {
	sock    *socket
	req     []byte    // the request being made
	answers *receiver // nil before the first Find
}

var _ dataplane.Tables = (*Reader)(nil)

// OpenReader opens the network namespace of the calling thread to read it.
// Close frees the socket.
func OpenReader() (*Reader, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	r := newReader(s)
	return &r, nil
}

func newReader(s *socket) Reader { return Reader{sock: s, req: make([]byte, 0, 1024)} }

// Close closes the socket.
func (r *Reader) Close() error { return r.sock.close() }

// dumpTries bounds how often a dump is repeated because the table changed
// under it. A table that never rests is then taken as read: every change
// since is told by a notice as well.
const dumpTries = 5

func (r *Reader) dump(what string, b []byte, kind uint16, reset func(), yield func([]byte)) error {
	for try := 1; ; try++ {
		reset()
		err := r.sock.dump(b, kind, yield)
		if errors.Is(err, errInterrupted) || errors.Is(err, unix.EINTR) {
			if try < dumpTries {
				// finish only ever adds flags; the request is as it was.
				continue
			}
			err = nil
		}
		if err != nil {
			return fmt.Errorf("read %s from the kernel: %w", what, err)
		}
		return nil
	}
}

// FDB implements dataplane.Kernel. The filter by bridge is the IFLA_MASTER
// of struct ifinfomsg, which every kernel since 3.17 understands.
func (r *Reader) FDB(bridge int, yield func(*kernel.Entry)) error {
	b := begin(nil, unix.RTM_GETNEIGH)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	b[hdrLen] = unix.AF_BRIDGE
	return r.entries("forwarding entries", putU32(b, unix.IFLA_MASTER, uint32(bridge)), yield)
}

// Port implements dataplane.Kernel. The filter is the index in struct
// ifinfomsg: for a port the kernel walks the bridge's table once for each 32
// KB of what is behind that port, and of the bridge it gives what has no port
// (br_fdb_dump).
func (r *Reader) Port(port int, yield func(*kernel.Entry)) error {
	b := begin(nil, unix.RTM_GETNEIGH)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	b[hdrLen] = unix.AF_BRIDGE
	native.PutUint32(b[hdrLen+4:], uint32(port))
	return r.entries("forwarding entries", b, yield)
}

func (r *Reader) entries(what string, b []byte, yield func(*kernel.Entry)) error {
	var e kernel.Entry
	return r.dump(what, b, unix.RTM_NEWNEIGH, func() {}, func(body []byte) {
		if decodeEntry(body, &e) {
			yield(&e)
		}
	})
}

// Neighbors implements dataplane.Kernel.
func (r *Reader) Neighbors(yield func(*kernel.Entry)) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		b := begin(nil, unix.RTM_GETNEIGH)
		b = append(b, make([]byte, unix.SizeofNdMsg)...)
		b[hdrLen] = family
		if err := r.entries("neighbor entries", b, yield); err != nil {
			return err
		}
	}
	return nil
}

// Links implements dataplane.Kernel.
func (r *Reader) Links() ([]kernel.Link, error) {
	b := begin(nil, unix.RTM_GETLINK)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	// Without the mask a device's virtual functions are listed as well,
	// without the statistics a message is half as long.
	b = putU32(b, unix.IFLA_EXT_MASK, rtextFilterSkipStat)
	var out []kernel.Link
	err := r.dump("devices", b, unix.RTM_NEWLINK, func() { out = out[:0] }, func(body []byte) {
		if l, ok := decodeLink(body); ok {
			out = append(out, l)
		}
	})
	slices.SortFunc(out, func(x, y kernel.Link) int { return x.Index - y.Index })
	return out, err
}

// Addrs implements dataplane.Kernel.
func (r *Reader) Addrs() ([]kernel.Addr, error) {
	b := begin(nil, unix.RTM_GETADDR)
	b = append(b, make([]byte, unix.SizeofIfAddrmsg)...)
	var out []kernel.Addr
	err := r.dump("addresses", b, unix.RTM_NEWADDR, func() { out = out[:0] }, func(body []byte) {
		if len(body) < unix.SizeofIfAddrmsg {
			return
		}
		a := kernel.Addr{Ifindex: int(native.Uint32(body[4:]))}
		for x := attrs(body[unix.SizeofIfAddrmsg:]); x.next(); {
			// IFA_LOCAL is the own address where there is a peer's as well.
			if x.kind() == unix.IFA_LOCAL || x.kind() == unix.IFA_ADDRESS && !a.IP.IsValid() {
				a.IP = x.addr()
			}
		}
		if a.IP.IsValid() {
			out = append(out, a)
		}
	})
	return out, err
}

// Route returns the index of the device by which the kernel sends to an
// address, as `ip route get` does. The error is ENETUNREACH, or EHOSTUNREACH
// and the like, when it does not send there.
func (r *Reader) Route(to netip.Addr) (ifindex int, err error) {
	to = to.Unmap()
	b := putAddr(routeMsg(family(to), uint8(to.BitLen())), unix.RTA_DST, to)
	err = r.sock.get(b, func(body []byte) { ifindex, _ = decodeRoute(body) })
	if err == nil && ifindex == 0 {
		err = unix.ENETUNREACH
	}
	return ifindex, err
}

// DefaultRoute returns the index of the device of the first default route in
// the main table, IPv4 before IPv6; 0 when there is none, or only one over
// several devices.
func (r *Reader) DefaultRoute() (ifindex int, err error) {
	b := routeMsg(unix.AF_UNSPEC, 0)
	err = r.dump("routes", b, unix.RTM_NEWROUTE, func() { ifindex = 0 }, func(body []byte) {
		if dev, isDefault := decodeRoute(body); isDefault && ifindex == 0 {
			ifindex = dev
		}
	})
	return ifindex, err
}

// routeMsg begins a request for routes (struct rtmsg, linux/rtnetlink.h).
func routeMsg(family, prefixLen uint8) []byte {
	b := begin(nil, unix.RTM_GETROUTE)
	return append(b, family, prefixLen, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// decodeRoute reads the device of an RTM_NEWROUTE message, and whether it is a
// default route of the main table.
func decodeRoute(b []byte) (ifindex int, isDefault bool) {
	if len(b) < unix.SizeofRtMsg {
		return 0, false
	}
	isDefault = b[1] == 0 && b[4] == unix.RT_TABLE_MAIN && native.Uint32(b[8:])&unix.RTM_F_CLONED == 0
	for a := attrs(b[unix.SizeofRtMsg:]); a.next(); {
		if a.kind() == unix.RTA_OIF {
			ifindex = int(a.u32())
		}
	}
	return ifindex, isDefault
}

func family(ip netip.Addr) uint8 {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
