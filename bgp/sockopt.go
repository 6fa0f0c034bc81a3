package bgp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control runs f on the descriptor of a socket.
func control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

func setInt(fd, level, opt, value int, name string) error {
	return os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(fd, level, opt, value))
}

// setMD5 signs what the socket exchanges with the addresses of p with key
// (RFC 2385); an empty key ends that. A prefix that is not a single address
// needs TCP_MD5SIG_EXT (Linux 4.13).
func setMD5(fd int, p netip.Prefix, key string) error {
	s := unix.TCPMD5Sig{Keylen: uint16(len(key))}
	copy(s.Key[:], key)
	a := p.Addr()
	if a.Is4() {
		s.Addr.Family = unix.AF_INET
		copy(s.Addr.Data[2:], a.AsSlice()) // behind the port
	} else {
		s.Addr.Family = unix.AF_INET6
		copy(s.Addr.Data[6:], a.AsSlice()) // behind port and flow label
	}
	opt := unix.TCP_MD5SIG
	if !p.IsSingleIP() {
		opt = unix.TCP_MD5SIG_EXT
		s.Flags = unix.TCP_MD5SIG_FLAG_PREFIX
		s.Prefixlen = uint8(p.Bits())
	}
	err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, opt, &s)
	if key == "" && errors.Is(err, unix.ENOENT) {
		return nil
	}
	return os.NewSyscallError("setsockopt TCP_MD5SIG", err)
}

// setTTL sets the TTL, or hop limit, to send, and the least to accept
// (RFC 5082); 0 leaves either alone.
func setTTL(fd int, v6 bool, send, least int) error {
	if v6 {
		if send > 0 {
			if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, send, "IPV6_UNICAST_HOPS"); err != nil {
				return err
			}
		}
		if least > 0 {
			return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, least, "IPV6_MINHOPCOUNT")
		}
		return nil
	}
	if send > 0 {
		if err := setInt(fd, unix.IPPROTO_IP, unix.IP_TTL, send, "IP_TTL"); err != nil {
			return err
		}
	}
	if least > 0 {
		return setInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, least, "IP_MINTTL")
	}
	return nil
}

// prepare makes an outgoing socket ready to connect to the peer.
func (s *Session) prepare(fd int, peer netip.Addr) error {
	if s.Interface != "" {
		if err := unix.BindToDevice(fd, s.Interface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", s.Interface, err)
		}
	}
	if s.Password != "" {
		if err := setMD5(fd, netip.PrefixFrom(peer.WithZone(""), peer.BitLen()), s.Password); err != nil {
			return err
		}
	}
	send, least := s.ttl()
	return setTTL(fd, peer.Is6(), send, least)
}

// adopt gives an accepted connection what prepare gives an outgoing one,
// except for the key, which it has from its listener.
func (s *Session) adopt(conn *net.TCPConn, peer netip.Addr) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return control(rc, func(fd int) error {
		if s.Interface != "" {
			if err := unix.BindToDevice(fd, s.Interface); err != nil {
				return fmt.Errorf("bind to interface %s: %w", s.Interface, err)
			}
		}
		send, least := s.ttl()
		if err := setTTL(fd, peer.Is6(), send, least); err != nil || least == 0 {
			return err
		}
		// What came before the socket option was set has not been judged
		// by it: the SYN is now, and stands for the rest.
		got, err := synTTL(fd)
		if err != nil {
			return err
		}
		if got < least {
			return fmt.Errorf("its packets arrive with TTL %d, and TTL security wants %d at the least: the peer is more than %d hops away, or does not send with TTL 255",
				got, least, s.TTLSecurity)
		}
		return nil
	})
}

// synTTL returns the TTL, or hop limit, with which the SYN of an accepted
// connection came. Its listener must have TCP_SAVE_SYN set (Linux 4.3).
func synTTL(fd int) (int, error) {
	var syn [256]byte // IP and TCP headers, without what was below them
	n := uint32(len(syn))
	// x/sys has no getsockopt for bytes.
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
		uintptr(unsafe.Pointer(&syn)), uintptr(unsafe.Pointer(&n)), 0)
	switch {
	case errno != 0:
		return 0, os.NewSyscallError("getsockopt TCP_SAVED_SYN", errno)
	case n >= 40 && syn[0]>>4 == 6:
		return int(syn[7]), nil
	case n >= 20 && syn[0]>>4 == 4:
		return int(syn[8]), nil
	}
	return 0, errors.New("the kernel has not kept the SYN")
}
