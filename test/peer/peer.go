// Package peer is the other end of a BGP session, as simple as can be: the
// test decides every byte that it sends. What it is for:
//
//   - to send what no BGP daemon sends (test/hostile);
//   - to send bytes that were made before, so that what is measured is the
//     receiver (test/bench).
//
// A [Speaker] is one TCP connection. It can be driven byte by byte, or be
// brought up with [Speaker.Establish]; from then on what evpnd says is read and
// forgotten, but for the NOTIFICATION that may end the session:
//
//	connect --> Write anything --> Drain --> Ended, Notification
//	        --> Establish (OPEN, KEEPALIVE) --> Write UPDATEs --> Ended, Notification
//
// message.go makes messages and routes, right ones by itself and wrong ones
// from the parts that it is given.
package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/lab"
)

// Speaker is one end of a connection. Write and Close may be called from any
// goroutine, the rest from one.
type Speaker struct {
	conn net.Conn
	mu   sync.Mutex // a Write is not interrupted by a KEEPALIVE
	stop chan struct{}
	once sync.Once
	open bool // the other end's OPEN has come
	tap  func(wire.Type, []byte)

	ended  chan struct{}
	notify *wire.Notification
	err    error
}

// patience is how long the other end may take to answer.
const patience = 10 * time.Second

// New returns a Speaker on a connection that is there already.
func New(conn net.Conn) *Speaker {
	return &Speaker{conn: conn, stop: make(chan struct{}), ended: make(chan struct{})}
}

// Dial connects from an address of a namespace.
func Dial(ns *lab.NS, from netip.Addr, to netip.AddrPort) (*Speaker, error) {
	var conn net.Conn
	err := ns.Do(func() (err error) {
		d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		conn, err = d.Dial("tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return New(conn), nil
}

// Accept waits for the peer at the other end to connect, and brings the
// session up as the AS and the BGP identifier.
func Accept(l net.Listener, as uint32, id netip.Addr, timeout time.Duration) (*Speaker, error) {
	return AcceptTap(l, as, id, timeout, nil)
}

// AcceptTap is Accept with a Tap.
func AcceptTap(l net.Listener, as uint32, id netip.Addr, timeout time.Duration, tap func(wire.Type, []byte)) (*Speaker, error) {
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
		s := New(conn)
		s.Tap(tap)
		if err := s.Establish(Open(as, id)); err != nil {
			// A peer that thinks again connects again.
			s.Close()
			continue
		}
		return s, nil
	}
}

// Tap has f called with each message that Drain reads, its body without the
// header. It is for before Drain, and so before Establish; f is called on
// Drain's goroutine, and the body is f's.
func (s *Speaker) Tap(f func(typ wire.Type, body []byte)) { s.tap = f }

// Open is an OPEN that evpnd takes: of the AS and with the BGP identifier,
// with EVPN, ROUTE-REFRESH and 4-octet AS numbers.
func Open(as uint32, id netip.Addr) wire.Open {
	return wire.Open{AS: as, HoldTime: 600, ID: id, EVPN: true, RouteRefresh: true, AS4: true}
}

// Establish brings the session up with o and then drains the connection. An
// error says which message did not come, or came in another's place.
func (s *Speaker) Establish(o wire.Open) error {
	if err := s.Write(o.Append(nil)); err != nil {
		return err
	}
	return s.Answer()
}

// Answer is the rest of Establish, after an OPEN was written.
func (s *Speaker) Answer() error {
	if err := s.Handshake(); err != nil {
		return err
	}
	s.Drain()
	return nil
}

// Handshake is Answer for a peer that does not read from then on, until Drain.
func (s *Speaker) Handshake() error {
	if err := s.AwaitOpen(); err != nil {
		return err
	}
	if err := s.Write(wire.AppendKeepalive(nil)); err != nil {
		return err
	}
	return s.expect(wire.TypeKeepalive)
}

// AwaitOpen waits for the other end's OPEN, if it has not come yet. Handshake
// does it.
func (s *Speaker) AwaitOpen() error {
	if s.open {
		return nil
	}
	err := s.expect(wire.TypeOpen)
	s.open = err == nil
	return err
}

func (s *Speaker) expect(want wire.Type) error {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	defer func() { _ = s.conn.SetReadDeadline(time.Time{}) }()
	got, body, err := s.read()
	switch {
	case err != nil:
		return fmt.Errorf("waiting for %v: %w", want, err)
	case got == wire.TypeNotification:
		return wire.ParseNotification(body)
	case got != want:
		return fmt.Errorf("%v in place of %v", got, want)
	}
	return nil
}

// read returns the next message.
func (s *Speaker) read() (wire.Type, []byte, error) {
	b := make([]byte, wire.MaxLen)
	if _, err := io.ReadFull(s.conn, b[:wire.HeaderLen]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(b[16:]))
	if n < wire.HeaderLen || n > wire.MaxLen {
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	_, err := io.ReadFull(s.conn, b[wire.HeaderLen:n])
	return wire.TypeOf(b), b[wire.HeaderLen:n], err
}

// Drain reads and forgets what comes, until the other end closes or sends a
// NOTIFICATION. Establish does it.
func (s *Speaker) Drain() {
	go func() {
		defer close(s.ended)
		for {
			typ, body, err := s.read()
			if err != nil {
				s.err = err
				return
			}
			if s.tap != nil {
				s.tap(typ, body)
			}
			if typ == wire.TypeNotification {
				s.notify = wire.ParseNotification(body)
				s.err = s.notify
				return
			}
		}
	}()
}

// Write sends bytes as they are.
func (s *Speaker) Write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(2 * time.Minute))
	_, err := s.conn.Write(b)
	return err
}

// KeepAlive has a KEEPALIVE sent every so often, until Close.
func (s *Speaker) KeepAlive(every time.Duration) {
	go func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if s.Write(wire.AppendKeepalive(nil)) != nil {
					return
				}
			case <-s.stop:
				return
			}
		}
	}()
}

// Ended is closed when the other end has closed, or has sent a NOTIFICATION;
// Drain must run.
func (s *Speaker) Ended() <-chan struct{} { return s.ended }

// Err returns why the session ended: a *wire.Notification when one came. It
// is for after Ended.
func (s *Speaker) Err() error { return s.err }

// Notification waits for the end, and returns the NOTIFICATION that came
// before it, or nil. An error says that the connection stays open.
func (s *Speaker) Notification(within time.Duration) (*wire.Notification, error) {
	select {
	case <-s.ended:
		return s.notify, nil
	case <-time.After(within):
		return nil, errors.New("the connection stays open")
	}
}

// Close ends the connection without a word. It may be called twice.
func (s *Speaker) Close() {
	s.once.Do(func() {
		close(s.stop)
		s.conn.Close()
	})
}
