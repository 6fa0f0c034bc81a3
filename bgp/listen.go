package bgp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/bgp/internal/sockopt"
)

// listener accepts connections on one address.
type listener struct {
	s        *Speaker
	addr     netip.AddrPort
	optional bool // all of IPv6, which a host may have switched off
	cancel   context.CancelFunc
	done     chan struct{}

	mu   sync.Mutex
	l    *net.TCPListener
	keys map[netip.Prefix]string // TCP MD5
}

// ListenRetry is how often a listener that failed is tried again.
const ListenRetry = 2 * time.Second

// newListener starts a listener. s.mu is held.
func newListener(s *Speaker, addr netip.AddrPort) *listener {
	ctx, cancel := context.WithCancel(s.ctx)
	l := &listener{s: s, addr: addr, optional: addr.Addr() == netip.IPv6Unspecified(), cancel: cancel, done: make(chan struct{})}
	s.wg.Go(func() {
		defer close(l.done)
		defer cancel()
		l.run(ctx)
	})
	return l
}

func (l *listener) problem(err error) Problem {
	return Problem{Kind: ProblemListen, Listen: l.addr, Err: err}
}

func (l *listener) run(ctx context.Context) {
	defer l.s.endProblem(l.problem(nil))
	select {
	case <-l.s.begun:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		ln, err := l.open(ctx)
		if err == nil {
			if l.s.endProblem(l.problem(nil)) {
				l.s.log.Info("listening again", "address", l.addr)
			}
			stop := context.AfterFunc(ctx, func() { ln.Close() })
			err = l.accept(ln)
			stop()
			ln.Close()
		} else if l.optional && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
			return
		}
		if ctx.Err() != nil {
			return
		}
		if l.s.setProblem(l.problem(err)) {
			l.s.log.Warn("cannot accept BGP connections", "address", l.addr, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(ListenRetry):
		}
	}
}

func (l *listener) open(ctx context.Context) (*net.TCPListener, error) {
	network := "tcp4"
	if l.addr.Addr().Is6() {
		network = "tcp6"
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// Peers with TTL security drop an answer to their SYN that does
		// not come with the highest TTL (RFC 5082 §3).
		return sockopt.Control(c, func(fd int) error {
			if err := sockopt.SetTTL(fd, l.addr.Addr().Is6(), 255, 0); err != nil {
				return err
			}
			return sockopt.SetInt(fd, unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1, "TCP_SAVE_SYN") // for SYNTTL
		})
	}}
	lc.SetMultipathTCP(false) // it has no MD5 signatures
	x, err := lc.Listen(ctx, network, l.addr.String())
	if err != nil {
		return nil, err
	}
	ln := x.(*net.TCPListener)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.l = ln
	for p, key := range l.keys {
		if err := l.sign(p, key); err != nil {
			ln.Close()
			return nil, err
		}
	}
	return ln, nil
}

// sign sets one key. l.mu is held.
func (l *listener) sign(p netip.Prefix, key string) error {
	if l.l == nil || p.Addr().Is4() != l.addr.Addr().Is4() {
		return nil
	}
	rc, err := l.l.SyscallConn()
	if err == nil {
		err = sockopt.Control(rc, func(fd int) error { return sockopt.SetMD5(fd, p, key) })
	}
	if err != nil {
		return fmt.Errorf("set the TCP MD5 password of %v: %w", p, err)
	}
	return nil
}

// setKeys gives the listener the passwords of cfg.
func (l *listener) setKeys(cfg *Config) {
	want := make(map[netip.Prefix]string)
	for i := range cfg.Dynamic {
		if d := &cfg.Dynamic[i]; d.Password != "" {
			want[d.Range] = d.Password
		}
	}
	for i := range cfg.Peers {
		if p := &cfg.Peers[i]; p.Password != "" {
			a := p.Address.WithZone("")
			want[netip.PrefixFrom(a, a.BitLen())] = p.Password
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if maps.Equal(l.keys, want) {
		return
	}
	for p := range l.keys {
		if want[p] == "" {
			l.warn(l.sign(p, ""))
		}
	}
	for p, key := range want {
		if l.keys[p] != key {
			l.warn(l.sign(p, key))
		}
	}
	l.keys = want
}

func (l *listener) warn(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.s.log.Error("listener without the right password; its peer cannot connect", "address", l.addr, "err", err)
	}
}

// accept hands the connections to the peers, until ln is closed.
func (l *listener) accept(ln *net.TCPListener) error {
	for {
		conn, err := ln.AcceptTCP()
		if err != nil {
			if errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.EINTR) {
				continue
			}
			return err
		}
		l.s.accepted(conn)
	}
}

// accepted finds the peer of an incoming connection.
func (s *Speaker) accepted(conn *net.TCPConn) {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	addr := from.Addr().Unmap()
	s.mu.Lock()
	p := s.peers[addr]
	if p == nil {
		p = s.peers[addr.WithZone("")]
	}
	d := s.cfg.rangeOf(addr)
	crowd := 0
	if p == nil && d != nil {
		for _, q := range s.peers {
			if q.dynamic && d.Range.Contains(q.addr.WithZone("")) {
				crowd++
			}
		}
	}
	s.mu.Unlock()
	switch {
	case p != nil:
	case d == nil:
		s.log.Debug("connection from an address that is no peer", "peer", addr)
	case crowd >= d.Limit:
		s.log.Warn("connection refused: the range has all the peers it may have", "peer", addr, "range", d.Range, "limit", d.Limit)
	default:
		p = s.start(&Peer{Address: addr, Port: DefaultPort, Session: d.Session}, true)
	}
	if p == nil {
		conn.Close()
		return
	}
	select {
	case p.in <- conn:
	case <-p.leaving:
		conn.Close()
	case <-s.ctx.Done():
		conn.Close()
	}
}
