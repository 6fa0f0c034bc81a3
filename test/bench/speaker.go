package bench

import (
	"net"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/test/peer"
)

const asn = 65000

// accept waits for the peer to connect, and brings the session up.
func accept(l net.Listener, id netip.Addr, timeout time.Duration) (*peer.Speaker, error) {
	if tl, ok := l.(*net.TCPListener); ok {
		if err := tl.SetDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		s := peer.New(conn)
		if err := s.Establish(peer.Open(asn, id)); err != nil {
			// A peer that thinks again connects again.
			s.Close()
			continue
		}
		return s, nil
	}
}
