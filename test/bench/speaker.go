package bench

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// speaker is the other end of one BGP session, as simple as can be: it sends
// bytes that were made before, so that what is measured is the receiver.
type speaker struct {
	conn net.Conn
	down chan error
}

const (
	asn      = 65000
	holdTime = 600 // seconds; longer than any measurement between two keepalives
)

// accept waits for the peer to connect, brings the session up, and from then
// on reads and forgets what the peer says.
func accept(l net.Listener, id netip.Addr, timeout time.Duration) (*speaker, error) {
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
		s := &speaker{conn: conn, down: make(chan error, 1)}
		if err := s.open(id); err != nil {
			// A peer that thinks again connects again.
			_ = conn.Close()
			continue
		}
		go s.drain()
		return s, nil
	}
}

func (s *speaker) open(id netip.Addr) error {
	caps := []byte{
		1, 4, 0, 25, 0, 70, // multiprotocol: L2VPN EVPN (RFC 4760)
		65, 4, 0, 0, asn >> 8, asn & 0xff, // 4-octet AS (RFC 6793)
	}
	body := []byte{4, asn >> 8, asn & 0xff, holdTime >> 8, holdTime & 0xff}
	body = append(body, id.AsSlice()...)
	body = append(body, byte(len(caps)+2), 2, byte(len(caps)))
	body = append(body, caps...)
	if _, err := s.conn.Write(message(1, body)); err != nil {
		return err
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	kind, err := s.next()
	if err != nil || kind != 1 {
		return fmt.Errorf("message %d in place of OPEN: %w", kind, err)
	}
	if _, err := s.conn.Write(message(4, nil)); err != nil {
		return err
	}
	if kind, err = s.next(); err != nil || kind != 4 {
		return fmt.Errorf("message %d in place of KEEPALIVE: %w", kind, err)
	}
	return s.conn.SetReadDeadline(time.Time{})
}

func (s *speaker) next() (kind byte, err error) {
	var head [19]byte
	if _, err := io.ReadFull(s.conn, head[:]); err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, s.conn, int64(binary.BigEndian.Uint16(head[16:]))-19)
	return head[18], err
}

func (s *speaker) drain() {
	for {
		kind, err := s.next()
		if err == nil && kind == 3 {
			err = fmt.Errorf("the peer sent a NOTIFICATION")
		}
		if err != nil {
			s.down <- err
			return
		}
	}
}

func message(kind byte, body []byte) []byte {
	b := make([]byte, 19, 19+len(body))
	for i := range 16 {
		b[i] = 0xff
	}
	binary.BigEndian.PutUint16(b[16:], uint16(19+len(body)))
	b[18] = kind
	return append(b, body...)
}

// source is where routes come from: a VTEP that they point to, with an RD of
// its own.
type source struct {
	vtep     netip.Addr
	sequence uint32
}

func (s source) rd() []byte {
	return append(append([]byte{0, 1}, s.vtep.AsSlice()...), 0, 1)
}

// mac returns MAC number i.
func mac(i int) [6]byte { return [6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)} }

// macRoute is the NLRI of a type-2 route without an IP address (RFC 7432
// §7.2).
func (s source) macRoute(vni, i int) []byte {
	b := append([]byte{2, 33}, s.rd()...)
	b = append(b, make([]byte, 10+4)...) // ESI, Ethernet tag
	m := mac(i)
	b = append(append(b, 48), m[:]...)
	return append(b, 0, byte(vni>>16), byte(vni>>8), byte(vni))
}

// imet is the NLRI of a type-3 route.
func (s source) imet() []byte {
	b := append([]byte{3, 17}, s.rd()...)
	b = append(b, 0, 0, 0, 0, 32)
	return append(b, s.vtep.AsSlice()...)
}

func attr(flags, kind byte, value []byte) []byte {
	return append([]byte{flags | 0x10, kind, byte(len(value) >> 8), byte(len(value))}, value...)
}

// reach is an UPDATE that announces the routes.
func (s source) reach(vni int, nlri []byte, more ...byte) []byte {
	ext := []byte{
		0, 2, asn >> 8, asn & 0xff, byte(vni >> 24), byte(vni >> 16), byte(vni >> 8), byte(vni), // target
		3, 0x0c, 0, 0, 0, 0, 0, 8, // VXLAN
	}
	if s.sequence > 0 {
		ext = binary.BigEndian.AppendUint32(append(ext, 6, 0, 0, 0), s.sequence)
	}
	mp := append([]byte{0, 25, 70, 4}, s.vtep.AsSlice()...)
	mp = append(append(mp, 0), nlri...)
	attrs := append(attr(0x80, 14, mp), attr(0x40, 1, []byte{0})...)
	attrs = append(attrs, attr(0x40, 2, nil)...)
	attrs = append(attrs, attr(0x40, 5, []byte{0, 0, 0, 100})...)
	attrs = append(attrs, attr(0xc0, 16, ext)...)
	return update(append(attrs, more...))
}

func unreach(nlri []byte) []byte {
	return update(attr(0x80, 15, append([]byte{0, 25, 70}, nlri...)))
}

func update(attrs []byte) []byte {
	body := []byte{0, 0, byte(len(attrs) >> 8), byte(len(attrs))}
	return message(2, append(body, attrs...))
}

// flood is the UPDATE of the type-3 route, with ingress replication (RFC
// 6514 §5).
func (s source) flood(vni int) []byte {
	pmsi := append([]byte{0, 6, byte(vni >> 16), byte(vni >> 8), byte(vni)}, s.vtep.AsSlice()...)
	return s.reach(vni, s.imet(), attr(0xc0, 22, pmsi)...)
}

// perUpdate is how many type-2 routes fill an UPDATE, as a reflector packs
// them.
const perUpdate = 110

// stream makes the UPDATEs for count MACs.
func (s source) stream(vni, count int, one func(nlri []byte) []byte) []byte {
	var out, nlri []byte
	for i := range count {
		nlri = append(nlri, s.macRoute(vni, i)...)
		if (i+1)%perUpdate == 0 || i+1 == count {
			out = append(out, one(nlri)...)
			nlri = nlri[:0]
		}
	}
	return out
}

func (s source) announce(vni, count int) []byte {
	return s.stream(vni, count, func(nlri []byte) []byte { return s.reach(vni, nlri) })
}

func (s source) withdraw(vni, count int) []byte { return s.stream(vni, count, unreach) }

// endOfRIB is the UPDATE that ends the first announcement (RFC 4724 §2).
func endOfRIB() []byte { return unreach(nil) }
