package gobgp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// Server is a GoBGP. Start and Stop are for one goroutine, and Join and Leave
// between them; all may be called from any goroutine.
type Server struct {
	bgp  *gobgp.BgpServer
	log  *logger
	key  string         // signs every leg
	addr netip.AddrPort // where GoBGP listens
	id   netip.Addr     // our BGP identifier
	// grouped is set when the group that holds key is there.
	grouped bool

	mu   sync.Mutex
	used map[netip.Addr]chan struct{} // legs in use; closed when GoBGP has freed the neighbor
}

// New returns a GoBGP that does not serve yet. What it logs goes to log at level
// Debug.
func New(log *slog.Logger) *Server {
	l := &logger{log: log}
	s := &Server{bgp: gobgp.NewBgpServer(gobgp.LoggerOption(l)), log: l, key: rand.Text(), used: make(map[netip.Addr]chan struct{})}
	l.freed = s.release
	go s.bgp.Serve() // never returns; GoBGP has no way to end it
	return s
}

// Start begins to serve as the given AS and router, with no peer and no route;
// after Stop it may begin again. An error says what of the host is in the way.
func (s *Server) Start(ctx context.Context, as uint32, id netip.Addr) error {
	s.id = id
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

// withoutMPTCP runs f so that what it listens on is plain TCP.
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

// Stop ends what Start began, routes included, when all legs have been left.
func (s *Server) Stop() {
	s.awaitFreed()
	_ = s.bgp.StopBgp(context.Background(), &api.StopBgpRequest{}) // fails for a nil request only
}

// awaitFreed waits for the goroutines of the deleted neighbors. StopBgp does
// not, and clears what they read.
func (s *Server) awaitFreed() {
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

// forget has GoBGP end a neighbor. It does so in its own time; the address
// is out of use until then.
func (s *Server) forget(addr netip.Addr) {
	if err := s.bgp.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: addr.String()}); err != nil {
		s.log.log.Error("GoBGP does not give up a session", "err", err)
	}
}

// freeTimeout bounds how long GoBGP may take to end its sessions.
const freeTimeout = 5 * time.Second

// take returns the lowest free address for a leg.
func (s *Server) take() (netip.Addr, error) {
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
func (s *Server) release(leg string) {
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

// Announce has GoBGP send a route to all peers, in place of what it had of the
// same NLRI. The next hop must be valid.
func (s *Server) Announce(r *evpn.Route, a *evpn.Attrs) error {
	_, err := s.bgp.AddPath(context.Background(), &api.AddPathRequest{
		TableType: api.TableType_GLOBAL,
		Path:      &api.Path{Family: evpnFamily, NlriBinary: wire.AppendNLRI(nil, r), PattrsBinary: hide(wire.PathAttrs(r, a))},
	})
	return err
}

// Withdraw has GoBGP withdraw a route. Its NLRI is enough; to withdraw what
// is not there does nothing.
func (s *Server) Withdraw(r *evpn.Route) error {
	return s.bgp.DeletePath(context.Background(), &api.DeletePathRequest{
		TableType: api.TableType_GLOBAL,
		Path:      &api.Path{Family: evpnFamily, NlriBinary: wire.AppendNLRI(nil, r), IsWithdraw: true},
	})
}
