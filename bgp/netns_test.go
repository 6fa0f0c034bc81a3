package bgp

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// inNetns tells whether the test runs in a network namespace of its own, with
// lo up. If not, it runs the test again as a process in one, and judges it by
// how that ends: goroutines cannot be held in a namespace.
func inNetns(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, for a network namespace")
	}
	if os.Getenv("EVPND_TEST_NETNS") != "" {
		return true
	}
	// unshare gives the child a namespace that goes when it goes.
	cmd := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
		os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "EVPND_TEST_NETNS=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in a namespace: %v", err)
	}
	return false
}

// ip runs ip(8).
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// TestLoopbackDown: a fresh network namespace has its loopback down.
func TestLoopbackDown(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ip(t, "link set lo down")
	s, err := New(complete(Config{}), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "ip link set lo up") {
		t.Errorf("Run: %v, want what to do", err)
	}
}

// TestTransport: passwords, TTL security, source addresses and interfaces,
// over IPv4, IPv6 and IPv6 link-local, whoever connects.
func TestTransport(t *testing.T) {
	if !inNetns(t) {
		return
	}
	ip(t, "link add v0 type veth peer name v1")
	for _, s := range []string{"address add fe80::1/64 dev v0 nodad", "address add fe80::2/64 dev v1 nodad", "link set v0 up", "link set v1 up"} {
		ip(t, s)
	}
	for name, c := range map[string]struct {
		at, peer string  // where evpnd is, and where the peer
		cfg      Session // of evpnd
		raw      Session // of the peer
		fails    bool
	}{
		"IPv4":                            {"127.0.0.1", "127.0.0.2", Session{}, Session{}, false},
		"IPv4, external":                  {"127.0.0.1", "127.0.0.2", Session{AS: 65001}, Session{}, false},
		"IPv4, multihop":                  {"127.0.0.1", "127.0.0.2", Session{AS: 65001, Multihop: 3}, Session{}, false},
		"IPv4, password":                  {"127.0.0.1", "127.0.0.2", Session{Password: "a"}, Session{Password: "a"}, false},
		"IPv4, wrong password":            {"127.0.0.1", "127.0.0.2", Session{Password: "a"}, Session{Password: "b"}, true},
		"IPv4, no password":               {"127.0.0.1", "127.0.0.2", Session{Password: "a"}, Session{}, true},
		"IPv4, TTL security":              {"127.0.0.1", "127.0.0.2", Session{TTLSecurity: 1}, Session{TTLSecurity: 1}, false},
		"IPv4, TTL security at the peer":  {"127.0.0.1", "127.0.0.2", Session{TTLSecurity: 5}, Session{TTLSecurity: 1}, false},
		"IPv4, TTL security, far away":    {"127.0.0.1", "127.0.0.2", Session{TTLSecurity: 1}, Session{Multihop: 64}, true},
		"IPv4, interface":                 {"127.0.0.1", "127.0.0.2", Session{Interface: "lo"}, Session{}, false},
		"IPv6":                            {"::1", "::1", Session{}, Session{}, false},
		"IPv6, password":                  {"::1", "::1", Session{Password: "a"}, Session{Password: "a"}, false},
		"IPv6, wrong password":            {"::1", "::1", Session{Password: "a"}, Session{Password: "b"}, true},
		"IPv6, TTL security":              {"::1", "::1", Session{TTLSecurity: 1}, Session{TTLSecurity: 1}, false},
		"IPv6, TTL security, far away":    {"::1", "::1", Session{TTLSecurity: 1}, Session{Multihop: 64}, true},
		"link-local":                      {"fe80::1%v0", "fe80::2%v0", Session{}, Session{}, false},
		"link-local, password, interface": {"fe80::1%v0", "fe80::2%v0", Session{Interface: "v0", Password: "a"}, Session{Password: "a"}, false},
	} {
		for _, passive := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", accepted", false: ", connected"}[passive], func(t *testing.T) {
				at, peer := netip.MustParseAddr(c.at), netip.MustParseAddr(c.peer)
				cfg, o := c.cfg, peerOpen()
				if cfg.AS == 0 {
					cfg.AS = 65000
				}
				o.AS, cfg.Passive, cfg.LocalAddress = cfg.AS, passive, at.WithZone("")
				there := peer
				if there.Zone() != "" {
					there = there.WithZone("v1") // the same link seen from the other end
				}
				l := listenRaw(t, there, at.WithZone(""), c.raw)
				s := run(t, Config{
					Listen: []netip.AddrPort{netip.AddrPortFrom(at, 179)},
					Peers:  []Peer{{Address: peer, Port: netip.MustParseAddrPort(l.Addr().String()).Port(), Session: cfg}},
				})
				conn := connectRaw(t, s, l, passive, netip.AddrPortFrom(at, 179), there, c.raw)
				if conn == nil {
					if !c.fails {
						t.Fatalf("no connection: %+v", s.Peers())
					}
					return
				}
				defer conn.Close()
				_, _ = conn.Write(o.Append(nil))
				_, _ = conn.Write(wire.AppendKeepalive(nil))
				select {
				case ev := <-s.Events():
					if up, ok := ev.(*evpn.PeerUp); !ok || c.fails || up.Peer != peer {
						t.Errorf("%T %+v", ev, ev)
					}
				case <-time.After(map[bool]time.Duration{true: time.Second, false: patience}[c.fails]):
					if !c.fails {
						t.Errorf("no session: %+v", s.Peers())
					}
				}
			})
		}
	}
}

// listenRaw listens at the peer's end as the session options ask for.
func listenRaw(t *testing.T, at, from netip.Addr, raw Session) net.Listener {
	t.Helper()
	lc := net.ListenConfig{Control: dialControl(&raw, from)}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connectRaw has the connection made by the one side or the other.
func connectRaw(t *testing.T, s *speaker, l net.Listener, passive bool, to netip.AddrPort, from netip.Addr, raw Session) net.Conn {
	t.Helper()
	if !passive {
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(2 * time.Second))
		c, _ := l.Accept()
		return c
	}
	eventually(t, "listening", func() bool { return s.listening(to) })
	if to.Addr().Zone() != "" {
		to = netip.AddrPortFrom(to.Addr().WithZone(from.Zone()), to.Port())
	}
	d := net.Dialer{
		Timeout: 1500 * time.Millisecond, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)),
		Control: dialControl(&raw, to.Addr()),
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Log(err)
		return nil
	}
	return c
}
