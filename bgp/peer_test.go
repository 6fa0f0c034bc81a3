package bgp

import (
	"net/netip"
	"testing"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// Connections on which the peer says nothing, however many, do not keep it from
// coming back.
func TestSilentConnections(t *testing.T) {
	at := addrPort(t)
	s := run(t, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(t, "listening", func() bool { return s.listening(at) })
	var first *rawPeer
	for i := range 10 {
		p := dialRaw(t, at)
		if i == 0 {
			first = p
		}
		p.want(wire.TypeOpen) // it was taken
	}
	if n := first.closed(); n != nil {
		t.Errorf("the oldest was told %v, want it closed without a word", n)
	}
	dialRaw(t, at).establish(peerOpen())
	event[*evpn.PeerUp](s)
}
