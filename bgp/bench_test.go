package bgp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// BenchmarkSession takes 100,000 type 2 routes, 100 an UPDATE, from a socket
// to events, GoBGP established beside it.
func BenchmarkSession(b *testing.B) {
	at := addrPort(b)
	s := run(b, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(b, "listening", func() bool { return s.listening(at) })
	p := dialRaw(b, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
	const n, per = 100_000, 100
	var stream []byte
	for i := 0; i < n; i += per {
		var nlri []byte
		for j := range per {
			r := macRoute(0)
			binary.BigEndian.PutUint32(r[2+25:], uint32(i+j))
			nlri = append(nlri, r...)
		}
		v := append([]byte{0, 25, 70, 4, 192, 0, 2, 9, 0}, nlri...)
		mp := append(binary.BigEndian.AppendUint16([]byte{0x90, 14}, uint16(len(v))), v...)
		stream = append(stream, update(mp, origin, emptyPath, localPref, targets)...)
	}
	go func() {
		for {
			if _, _, err := p.read(); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		go func() { _, _ = p.conn.Write(stream) }()
		for got := 0; got < n; {
			for _, u := range event[*evpn.Routes](s).Updates {
				got += len(u.Reach)
			}
		}
	}
}

// BenchmarkAdverts has 1,000 routes of our own announced and withdrawn, up to
// the peer's socket: with attributes of its own each, which cannot share an
// UPDATE, and with equal ones.
func BenchmarkAdverts(b *testing.B) {
	for name, sets := range map[string]uint32{"distinct": 1000, "equal": 1} {
		b.Run(name, func(b *testing.B) { benchmarkAdverts(b, sets) })
	}
}

func benchmarkAdverts(b *testing.B, sets uint32) {
	at := addrPort(b)
	s := run(b, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(b, "listening", func() bool { return s.listening(at) })
	p := dialRaw(b, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
	peer := p.table()
	peer.until("End-of-RIB", func() bool { return peer.ends == 1 })
	const n = 1000
	b.ReportAllocs()
	for b.Loop() {
		batch := make([]evpn.Advert, n)
		for i := range batch {
			batch[i] = advertMAC(i, uint32(i)%sets)
		}
		began := time.Now()
		s.Adverts() <- batch
		peer.until("all routes", func() bool { return len(peer.routes) == n })
		b.ReportMetric(float64(time.Since(began).Microseconds())/n, "us/route")
		gone := make([]evpn.Advert, n)
		for i := range gone {
			gone[i].Route = batch[i].Route
		}
		s.Adverts() <- gone
		peer.until("no route", func() bool { return len(peer.routes) == 0 })
	}
	b.ReportMetric(float64(peer.updates)/float64(b.N), "UPDATEs")
}

// BenchmarkUpdown is one session from SYN to Established.
func BenchmarkUpdown(b *testing.B) {
	at := addrPort(b)
	s := run(b, Config{Listen: []netip.AddrPort{at}, Peers: []Peer{{Address: lo, Session: Session{AS: 65000, Passive: true}}}})
	eventually(b, "listening", func() bool { return s.listening(at) })
	for b.Loop() {
		c, err := net.Dial("tcp4", at.String())
		if err != nil {
			b.Fatal(err)
		}
		(&rawPeer{t: b, conn: c}).establish(peerOpen())
		event[*evpn.PeerUp](s)
		c.Close()
		event[*evpn.PeerDown](s)
	}
}
