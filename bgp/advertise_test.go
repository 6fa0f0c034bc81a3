package bgp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

var vtep = netip.MustParseAddr("192.0.2.1")

// local returns an advert for a MAC of VNI 10 behind vtep.
func local(mac byte, ip string, seq uint32) evpn.Advert {
	a := evpn.Advert{
		Route: evpn.Route{
			NLRI:  evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(netip.MustParseAddr("10.0.0.1"), 5), MAC: evpn.MAC{2, 0x42, 0xac, 0x12, 0, mac}},
			Label: 10,
		},
		Attrs: &evpn.Attrs{
			NextHop: vtep, Targets: []evpn.RT{evpn.NewRT(65000, 10)}, Encap: evpn.EncapVXLAN,
			Mobility: evpn.Mobility{Seq: seq},
		},
	}
	if ip != "" {
		a.IP = netip.MustParseAddr(ip)
	}
	return a
}

// bytesOf removes the spaces of a hex dump.
func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.Join(bytes.Fields([]byte(s)), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// attrsOf takes the attributes of an UPDATE apart.
func attrsOf(t testing.TB, body []byte) map[byte][]byte {
	t.Helper()
	m := make(map[byte][]byte)
	for b := body[4:]; len(b) > 0; {
		n, v := int(b[2]), b[3:]
		if b[0]&0x10 != 0 {
			n, v = int(b[2])<<8|int(b[3]), b[4:]
		}
		m[b[1]] = v[:n]
		b = v[n:]
	}
	return m
}

// TestAdverts holds what leaves this host against the layouts of RFC 7432
// §7.2, §7.3, §7.7, RFC 8365 §5.1.3, RFC 6514 §5 and RFC 9047 §2.
func TestAdverts(t *testing.T) {
	sticky := local(12, "", 7)
	sticky.Attrs.Mobility.Sticky = true
	gateway := local(13, "fd00::1", 0)
	gateway.Attrs.ND = evpn.ND{Present: true, Router: true, Override: true}
	gateway.Attrs.DefaultGateway = true
	v6 := local(14, "", 0)
	v6.Attrs.NextHop = netip.MustParseAddr("2001:db8::1")
	imet := evpn.Advert{
		Route: evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: evpn.NewRD(netip.MustParseAddr("10.0.0.1"), 5), IP: vtep}},
		Attrs: &evpn.Attrs{
			NextHop: vtep, Targets: []evpn.RT{evpn.NewRT(65000, 10)}, Encap: evpn.EncapVXLAN,
			PMSI: evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: 10, Endpoint: vtep},
		},
	}
	const (
		rd    = "0001 0a000001 0005 "
		esi   = "00 000000000000000000 "
		v4    = "0019 46 04 c0000201 00 "
		rt    = "0002 fde8 0000000a "
		encap = "030c 00000000 0008 "
	)
	for _, c := range []struct {
		name  string
		a     evpn.Advert
		reach string
		ec    string
		pmsi  string
	}{
		{"MAC only", local(10, "", 0), v4 + "02 21 " + rd + esi + "00000000 30 0242ac12000a 00 00000a", rt + encap + "0600 0000 00000000", ""},
		{"IPv4", local(11, "172.18.0.11", 3), v4 + "02 25 " + rd + esi + "00000000 30 0242ac12000b 20 ac12000b 00000a", rt + encap + "0600 0000 00000003", ""},
		{"sticky", sticky, v4 + "02 21 " + rd + esi + "00000000 30 0242ac12000c 00 00000a", rt + encap + "0600 0100 00000007", ""},
		{
			"IPv6 router", gateway, v4 + "02 31 " + rd + esi + "00000000 30 0242ac12000d 80 fd000000000000000000000000000001 00000a",
			rt + encap + "0600 0000 00000000 030d 000000000000 0608 03 0000000000", "",
		},
		{"IPv6 underlay", v6, "0019 46 10 20010db8000000000000000000000001 00 02 21 " + rd + esi + "00000000 30 0242ac12000e 00 00000a", rt + encap + "0600 0000 00000000", ""},
		{"type 3", imet, v4 + "03 11 " + rd + "00000000 20 c0000201", rt + encap, "00 06 00000a c0000201"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := passive(t, peerOpen())
			if body := p.want(wire.TypeUpdate); !wire.IsEndOfRIB(body) {
				t.Fatalf("not End-of-RIB: % x", body)
			}
			s.Adverts() <- []evpn.Advert{c.a}
			body := p.want(wire.TypeUpdate)
			got := attrsOf(t, body)
			for typ, want := range map[byte]string{1: "00", 2: "", 5: "00000064", 14: c.reach, 16: c.ec, 22: c.pmsi} {
				if want := bytesOf(t, want); !bytes.Equal(got[typ], want) {
					t.Errorf("attribute %d\n got % x\nwant % x", typ, got[typ], want)
				}
			}
			eventually(t, "one route stands", func() bool { return s.Advertised() == 1 && s.Peers()[0].Advertised == 1 })
			s.Adverts() <- []evpn.Advert{{Route: evpn.Route{NLRI: c.a.NLRI}}}
			gone := attrsOf(t, p.want(wire.TypeUpdate))
			u, _, bad := wire.NewReader(true, true, 1, netip.Addr{}).Update(append([]byte{0, 0, 0, byte(3 + len(gone[15])), 0x80, 15, byte(len(gone[15]))}, gone[15]...))
			if bad != nil || len(u.Withdrawn) != 1 || u.Withdrawn[0] != c.a.NLRI {
				t.Errorf("withdrawn %+v %v, want %v", u.Withdrawn, bad, c.a.NLRI)
			}
			eventually(t, "nothing stands", func() bool { return s.Advertised() == 0 })
			s.Adverts() <- []evpn.Advert{c.a}
			eventually(t, "one route stands again", func() bool { return s.Advertised() == 1 })
			p.conn.Close()
			eventually(t, "no session, so nothing is told the peer", func() bool {
				st := s.Peers()[0]
				return st.State != Established && st.Advertised == 0
			})
			s.stop()
		})
	}
}

// TestLowerSequence: the engine may lower the sequence of a MAC. Its routes are
// replaced where they stand (make before break).
func TestLowerSequence(t *testing.T) {
	s, p := passive(t, peerOpen())
	peer := p.table()
	adverts := func(seq uint32) []evpn.Advert {
		return []evpn.Advert{local(10, "", seq), local(10, "172.18.0.10", seq)}
	}
	for _, seq := range []uint32{9, 2, 5, 0} {
		want := adverts(seq)
		s.Adverts() <- want
		peer.until("the sequence", func() bool {
			for i := range want {
				if a := peer.routes[want[i].NLRI]; a == nil || a.Mobility.Seq != seq {
					return false
				}
			}
			return true
		})
		peer.same(want)
	}
	if peer.withdrawn != 0 {
		t.Errorf("%d routes were withdrawn before they were replaced", peer.withdrawn)
	}
}

// TestBegin: no session before Begin, and End-of-RIB behind the routes that
// were there before it.
func TestBegin(t *testing.T) {
	at := addrPort(t)
	s := run(t, Config{Hold: patience * 6, Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	for i := range byte(50) {
		s.Adverts() <- []evpn.Advert{local(i, "", 0)}
	}
	s.Begin()
	eventually(t, "listening", func() bool { return s.listening(at) })
	p := dialRaw(t, at)
	p.establish(peerOpen())
	peer := p.table()
	peer.until("End-of-RIB", func() bool { return peer.ends == 1 })
	if len(peer.routes) != 50 {
		t.Errorf("End-of-RIB after %d of 50 routes", len(peer.routes))
	}
}

// TestExternal: towards another AS the next hop stays the VTEP, the own AS
// stands in AS_PATH, in two bytes where the peer knows no more, and
// LOCAL_PREF is left out (RFC 4271 §5.1.2, §5.1.5, RFC 6793 §4.2.2).
func TestExternal(t *testing.T) {
	for name, c := range map[string]struct {
		as4 bool
		own uint32
		raw map[byte]string
	}{
		"4-byte AS": {true, 4200000001, map[byte]string{2: "02 01 fa56ea01"}},
		"2-byte AS": {false, 65000, map[byte]string{2: "02 01 fde8"}},
		"AS_TRANS":  {false, 4200000001, map[byte]string{2: "02 01 5ba0", 17: "02 01 fa56ea01"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := peerOpen()
			o.AS, o.AS4 = 65099, c.as4
			at := addrPort(t)
			s := run(t, Config{
				AS: c.own, Listen: []netip.AddrPort{at},
				Peers: []Peer{{Address: lo, Session: Session{AS: o.AS, Passive: true}}},
			})
			eventually(t, "listening", func() bool { return s.listening(at) })
			p := dialRaw(t, at)
			p.establish(o)
			if up := event[*evpn.PeerUp](s); up.Internal {
				t.Error("taken as internal")
			}
			p.want(wire.TypeUpdate)
			s.Adverts() <- []evpn.Advert{local(10, "", 0)}
			got := attrsOf(t, p.want(wire.TypeUpdate))
			c.raw[5] = ""
			for typ, want := range c.raw {
				if want := bytesOf(t, want); !bytes.Equal(got[typ], want) {
					t.Errorf("attribute %d is % x, want % x", typ, got[typ], want)
				}
			}
			if !bytes.HasPrefix(got[14], bytesOf(t, "0019 46 04 c0000201 00")) {
				t.Errorf("MP_REACH_NLRI % x", got[14])
			}
			s.stop()
		})
	}
}
