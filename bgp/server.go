package bgp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	gobgp "github.com/osrg/gobgp/v3/pkg/server"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// legs is where the loopback stand-ins of the peers have their addresses.
var legs = netip.MustParsePrefix("127.1.0.0/16")

// server is the GoBGP inside. Its methods may be called from any goroutine.
type server struct {
	bgp  *gobgp.BgpServer
	log  *logger
	key  string         // signs every leg
	addr netip.AddrPort // where GoBGP listens
	// grouped is set when the group that holds key is there.
	grouped bool

	mu   sync.Mutex
	used map[netip.Addr]chan struct{} // legs in use; closed when GoBGP has freed the neighbor
}

func newServer(log *slog.Logger) *server {
	l := &logger{log: log}
	s := &server{bgp: gobgp.NewBgpServer(gobgp.LoggerOption(l)), log: l, key: rand.Text(), used: make(map[netip.Addr]chan struct{})}
	l.freed = s.release
	go s.bgp.Serve() // never returns; GoBGP has no way to end it
	return s
}

// start begins to serve as the given AS and router, without any peer.
func (s *server) start(ctx context.Context, as uint32, id netip.Addr) error {
	var err error
	for range 10 {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		s.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
		err = withoutMPTCP(func() error {
			return s.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
				Asn: as, RouterId: id.String(), ListenPort: int32(port), ListenAddresses: []string{"127.0.0.1"},
			}})
		})
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("bgp: start GoBGP on %v: %w", s.addr, err)
	}
	// One key covers all legs: GoBGP sets it on its listener for the whole
	// prefix, together with a group that no connection ever belongs to,
	// because each leg has a neighbor of its own.
	const group = "legs"
	if !s.grouped { // the group outlives StopBgp
		if err := s.bgp.AddPeerGroup(ctx, &api.AddPeerGroupRequest{PeerGroup: &api.PeerGroup{
			Conf: &api.PeerGroupConf{PeerGroupName: group, PeerAsn: as, AuthPassword: s.key},
		}}); err != nil {
			return fmt.Errorf("bgp: protect the loopback legs: %w", err)
		}
		s.grouped = true
	}
	if err := s.bgp.AddDynamicNeighbor(ctx, &api.AddDynamicNeighborRequest{
		DynamicNeighbor: &api.DynamicNeighbor{Prefix: legs.String(), PeerGroup: group},
	}); err != nil {
		return fmt.Errorf("bgp: protect the loopback legs: %w", err)
	}
	if s.log.unsaved.Load() {
		return errors.New("bgp: the kernel does not sign TCP connections (CONFIG_TCP_MD5SIG), which protects BGP inside this host")
	}
	return nil
}

// withoutMPTCP runs f so that what it listens on is plain TCP. Go listens with
// Multipath TCP by default (since 1.24), to which Linux gives no MD5
// signatures, and GoBGP leaves no other way to say so.
func withoutMPTCP(f func() error) error {
	const name = "GODEBUG"
	old, set := os.LookupEnv(name)
	if err := os.Setenv(name, strings.TrimPrefix(old+",multipathtcp=0", ",")); err != nil {
		return err
	}
	defer func() {
		if set {
			os.Setenv(name, old)
		} else {
			os.Unsetenv(name)
		}
	}()
	return f()
}

// stop ends what start began, when all legs have been hung up.
func (s *server) stop() {
	s.awaitFreed()
	_ = s.bgp.StopBgp(context.Background(), &api.StopBgpRequest{}) // fails for a nil request only
}

// awaitFreed waits for the goroutines of the deleted neighbors. StopBgp does
// not, and clears what they read.
func (s *server) awaitFreed() {
	s.mu.Lock()
	legs := slices.Collect(maps.Values(s.used))
	s.mu.Unlock()
	late := time.After(freeTimeout)
	for _, freed := range legs {
		select {
		case <-freed:
		case <-late:
			s.log.log.Warn("GoBGP has not ended all of its sessions", "waited", freeTimeout)
			return
		}
	}
}

// freePort returns a TCP port that nobody listens on at 127.0.0.1 just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("bgp: listen on 127.0.0.1: %w%s", err, loopbackHint())
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	// In a fresh network namespace the loopback interface is down, and to
	// listen succeeds but nothing gets through.
	c, err := net.DialTimeout("tcp4", l.Addr().String(), time.Second)
	if err != nil {
		return 0, fmt.Errorf("bgp: 127.0.0.1 cannot be reached: %w%s", err, loopbackHint())
	}
	return port, c.Close()
}

func loopbackHint() string {
	if i, err := net.InterfaceByName("lo"); err == nil && i.Flags&net.FlagUp == 0 {
		return "; loopback interface is down: ip link set lo up"
	}
	return ""
}

// leg is a connection to GoBGP that stands in for a peer's.
type leg struct {
	*net.TCPConn
	addr netip.Addr
}

// evpnFamily is the address family in GoBGP's words.
var evpnFamily = &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}

// dial makes a GoBGP neighbor for one connection of a peer and connects to it
// in its name. hold and keepalive are in seconds. GoBGP's OPEN has been read,
// and dropped; the next is for the caller to send one. The caller must end
// the leg with hangup.
func (s *server) dial(ctx context.Context, peerAS, localAS uint32, hold, keepalive uint64) (*leg, error) {
	addr, err := s.take()
	if err != nil {
		return nil, err
	}
	err = s.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:            &api.PeerConf{NeighborAddress: addr.String(), PeerAsn: peerAS, LocalAsn: localAS},
		Transport:       &api.Transport{PassiveMode: true},
		Timers:          &api.Timers{Config: &api.TimersConfig{HoldTime: hold, KeepaliveInterval: keepalive}},
		EbgpMultihop:    &api.EbgpMultihop{Enabled: true, MultihopTtl: 64},
		GracefulRestart: &api.GracefulRestart{Enabled: true, RestartTime: 1},
		AfiSafis: []*api.AfiSafi{{
			Config:            &api.AfiSafiConfig{Family: evpnFamily, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}},
		}},
	}})
	if err != nil {
		s.release(addr.String())
		return nil, fmt.Errorf("add the session to GoBGP: %w", err)
	}
	// A new neighbor is idle for a moment, and closes what comes in then.
	deadline := time.Now().Add(5 * time.Second)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		conn, err := s.connect(ctx, addr, deadline)
		if err == nil {
			return &leg{TCPConn: conn, addr: addr}, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			s.forget(addr)
			return nil, fmt.Errorf("connect to GoBGP on %v: %w", s.addr, err)
		}
		time.Sleep(wait)
	}
}

// connect dials GoBGP from addr and reads its OPEN.
func (s *server) connect(ctx context.Context, addr netip.Addr, deadline time.Time) (*net.TCPConn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)),
		Deadline:  deadline,
		Control: func(_, _ string, c syscall.RawConn) error {
			return control(c, func(fd int) error { return setMD5(fd, netip.PrefixFrom(s.addr.Addr(), 32), s.key) })
		},
	}
	c, err := d.DialContext(ctx, "tcp4", s.addr.String())
	if err != nil {
		return nil, err
	}
	conn := c.(*net.TCPConn)
	_ = conn.SetReadDeadline(deadline)
	if err := skipOpen(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, conn.SetReadDeadline(time.Time{})
}

// skipOpen reads one message, which must be an OPEN, and no byte more.
func skipOpen(r io.Reader) error {
	b := make([]byte, wire.MaxLen)
	if _, err := io.ReadFull(r, b[:wire.HeaderLen]); err != nil {
		return err
	}
	n := int(b[16])<<8 | int(b[17])
	if n < wire.HeaderLen || n > wire.MaxLen || wire.TypeOf(b) != wire.TypeOpen {
		return fmt.Errorf("GoBGP began with a message of type %v and length %d", wire.TypeOf(b), n)
	}
	_, err := io.ReadFull(r, b[:n-wire.HeaderLen])
	return err
}

// hangup ends a leg and its neighbor.
func (s *server) hangup(l *leg) {
	l.Close()
	s.forget(l.addr)
}

// forget has GoBGP end a neighbor. It does so in its own time; the address
// is out of use until then.
func (s *server) forget(addr netip.Addr) {
	if err := s.bgp.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: addr.String()}); err != nil {
		s.log.log.Error("GoBGP does not give up a session", "err", err)
	}
}

// freeTimeout bounds how long GoBGP may take to end its sessions.
const freeTimeout = 5 * time.Second

// take returns the lowest free address for a leg.
func (s *server) take() (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; n < 65535; n++ {
		addr := netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)})
		if s.used[addr] == nil {
			s.used[addr] = make(chan struct{})
			return addr, nil
		}
	}
	return netip.Addr{}, errors.New("too many sessions at a time")
}

// release makes the address of a leg free again.
func (s *server) release(leg string) {
	addr, err := netip.ParseAddr(leg)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if freed := s.used[addr]; freed != nil {
		close(freed)
		delete(s.used, addr)
	}
}

// announce gives GoBGP a route to send. The next hop must be valid. GoBGP
// refuses a MAC mobility sequence lower than that of another route of the MAC.
func (s *server) announce(r *evpn.Route, a *evpn.Attrs) error {
	p := &api.Path{Family: evpnFamily, NlriBinary: wire.AppendNLRI(nil, r)}
	if a.ND.Present || len(a.Other) > 0 {
		var err error
		if p.Pattrs, err = nativeAttrs(r, a); err != nil {
			return err
		}
	} else {
		p.PattrsBinary = wire.PathAttrs(r, a)
	}
	_, err := s.bgp.AddPath(context.Background(), &api.AddPathRequest{TableType: api.TableType_GLOBAL, Path: p})
	return err
}

// withdraw has GoBGP withdraw a route. Its NLRI is enough; to withdraw what
// is not there does nothing.
func (s *server) withdraw(r *evpn.Route) error {
	return s.bgp.DeletePath(context.Background(), &api.DeletePathRequest{
		TableType: api.TableType_GLOBAL,
		Path:      &api.Path{Family: evpnFamily, NlriBinary: wire.AppendNLRI(nil, r), IsWithdraw: true},
	})
}
