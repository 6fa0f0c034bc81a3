package run_test

import (
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/peer"
)

// router stands in for a route reflector in the Example. It is no second
// bgp.Speaker, of which a program may run one (package bgp/gobgp).
type router struct {
	address   netip.AddrPort
	announced chan evpn.NLRI // the first type 2 route that it is told of
}

// startRouter listens on the loopback device for one session, and announces that
// a VTEP takes part in a VNI and has a MAC behind it.
func startRouter(as uint16, vni evpn.VNI, vtep netip.Addr) *router {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	r := &router{address: l.Addr().(*net.TCPAddr).AddrPort(), announced: make(chan evpn.NLRI, 1)}
	reader := wire.NewReader(true, true, uint32(as), netip.Addr{})
	go func() {
		defer l.Close()
		s, err := peer.AcceptTap(l, uint32(as), netip.MustParseAddr("127.0.0.2"), 10*time.Second, func(typ wire.Type, body []byte) {
			if typ != wire.TypeUpdate {
				return
			}
			u, _, bad := reader.Update(body)
			if bad != nil {
				log.Print(bad)
			}
			for i := range u.Reach {
				if u.Reach[i].Type == evpn.MACIP {
					select {
					case r.announced <- u.Reach[i].NLRI:
					default:
					}
				}
			}
		})
		if err != nil {
			log.Fatal(err)
		}
		from := peer.Source{AS: as, VNI: vni, VTEP: vtep}
		_ = s.Write(append(append(from.Flood(), from.Announce(1, 2)...), peer.Unreach()...)) // an error ends the session
		<-s.Ended()
		s.Close()
	}()
	return r
}
