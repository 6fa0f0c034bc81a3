// Package sockopt sets and reads the socket options of BGP connections that the
// standard library has no word for.
package sockopt

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Control runs f on the descriptor of a socket.
func Control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// SetInt sets an option that is a number; name is for the error.
func SetInt(fd, level, opt, value int, name string) error {
	return os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(fd, level, opt, value))
}

// SetMD5 signs what the socket exchanges with the addresses of p with key
// (RFC 2385); an empty key ends that. A prefix that is not a single address
// needs TCP_MD5SIG_EXT (Linux 4.13).
func SetMD5(fd int, p netip.Prefix, key string) error {
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

// SetTTL sets the TTL, or hop limit, to send, and the least to accept
// (RFC 5082); 0 leaves either alone.
func SetTTL(fd int, v6 bool, send, least int) error {
	if v6 {
		if send > 0 {
			if err := SetInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, send, "IPV6_UNICAST_HOPS"); err != nil {
				return err
			}
		}
		if least > 0 {
			return SetInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, least, "IPV6_MINHOPCOUNT")
		}
		return nil
	}
	if send > 0 {
		if err := SetInt(fd, unix.IPPROTO_IP, unix.IP_TTL, send, "IP_TTL"); err != nil {
			return err
		}
	}
	if least > 0 {
		return SetInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, least, "IP_MINTTL")
	}
	return nil
}

// SYNTTL returns the TTL, or hop limit, with which the SYN of an accepted
// connection came. Its listener must have TCP_SAVE_SYN set (Linux 4.3).
func SYNTTL(fd int) (int, error) {
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
