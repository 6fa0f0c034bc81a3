package bgp

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/bgp/internal/sockopt"
)

// prepare makes an outgoing socket ready to connect to the peer.
func (s *Session) prepare(fd int, peer netip.Addr) error {
	if s.Interface != "" {
		if err := unix.BindToDevice(fd, s.Interface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", s.Interface, err)
		}
	}
	if s.Password != "" {
		if err := sockopt.SetMD5(fd, netip.PrefixFrom(peer.WithZone(""), peer.BitLen()), s.Password); err != nil {
			return err
		}
	}
	send, least := s.ttl()
	return sockopt.SetTTL(fd, peer.Is6(), send, least)
}

// adopt gives an accepted connection what prepare gives an outgoing one,
// except for the key, which it has from its listener.
func (s *Session) adopt(conn *net.TCPConn, peer netip.Addr) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return sockopt.Control(rc, func(fd int) error {
		if s.Interface != "" {
			if err := unix.BindToDevice(fd, s.Interface); err != nil {
				return fmt.Errorf("bind to interface %s: %w", s.Interface, err)
			}
		}
		send, least := s.ttl()
		if err := sockopt.SetTTL(fd, peer.Is6(), send, least); err != nil || least == 0 {
			return err
		}
		// What came before the socket option was set has not been judged
		// by it: the SYN is now, and stands for the rest.
		got, err := sockopt.SYNTTL(fd)
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
