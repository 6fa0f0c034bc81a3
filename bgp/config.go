package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// Config says with whom to speak, and as whom. It is complete: nothing that is
// zero is replaced, save where a field says what it is made from. Begin with
// DefaultConfig, DefaultPeer and DefaultDynamic, which have the defaults of
// every setting; New and Configure refuse a zero that can be none.
type Config struct {
	AS       uint32
	RouterID netip.Addr // IPv4; the BGP identifier

	Listen  []netip.AddrPort // to accept connections on; empty: none
	Peers   []Peer
	Dynamic []Dynamic

	// Retain is how long the routes of a peer are kept, at the least, after
	// its session fell without a goodbye.
	Retain time.Duration
	// RestartTime is how long peers are asked to keep our routes when the
	// session falls (RFC 4724 §3), in whole seconds from 1 to 4095.
	RestartTime time.Duration
	// LongLivedTime is how long peers are asked to keep our routes after
	// that, as the last resort (RFC 9494 §3.1), in whole seconds up to
	// 2^24-1. Zero asks for nothing.
	LongLivedTime time.Duration
	// Hold delays the sessions until Begin is called, for that long at
	// most, so that End-of-RIB comes after the first routes of our own.
	// Zero does not delay them.
	Hold time.Duration
}

// Peer is one BGP neighbor, and how to reach it.
type Peer struct {
	Address     netip.Addr // link-local ones with a zone, or with Interface
	Port        uint16     // to connect to
	Description string
	Session
}

// Dynamic accepts connections from every address of a range.
type Dynamic struct {
	Range netip.Prefix
	Limit int // of peers at a time, at least 1
	Session
}

// Session is what peers and ranges have in common. All but AS and the times may
// be zero.
type Session struct {
	AS           uint32     // of the peer; in a range, zero accepts any
	LocalAS      uint32     // shown to this peer; zero is Config.AS
	LocalAddress netip.Addr // of our end
	Interface    string     // the connection is bound to
	Password     string     // TCP MD5 signature (RFC 2385), up to 80 bytes
	// TTLSecurity is how many hops away the peer may be (RFC 5082); 1 is
	// directly connected. Zero is off.
	TTLSecurity int
	// Multihop is the TTL towards an external peer. Zero means 1: directly
	// connected (RFC 4271 leaves it open, everybody does so).
	Multihop int
	Passive  bool // wait for the peer to connect

	HoldTime  time.Duration // whole seconds from 3 to 65535 (RFC 4271 §4.2)
	Keepalive time.Duration // whole seconds; zero means a third of the hold time
	// ConnectRetry is the time between two tries to connect; the first come
	// after a tenth of it. A passive side needs none.
	ConnectRetry time.Duration

	// RouteLimit bounds the routes of the peer that are kept. The engine counts
	// them, it is told with PeerUp; EndAtLimit is what it may answer.
	RouteLimit evpn.PeerLimit
}

// The defaults, each of which stands here alone.
const (
	DefaultPort = 179 // RFC 4271 §8
	// DefaultRetain is time to repair a reflector. A stale route does little
	// harm meanwhile: any fresh one of the same MAC wins over it.
	DefaultRetain       = 2 * time.Hour
	DefaultRestartTime  = 2 * time.Minute
	DefaultHoldTime     = 90 * time.Second // RFC 4271 §10
	DefaultConnectRetry = time.Second
	DefaultDynamicLimit = 100
)

// DefaultConfig returns a configuration without peers: it listens on
// all addresses.
func DefaultConfig(as uint32, routerID netip.Addr) Config {
	return Config{
		AS: as, RouterID: routerID,
		Listen: []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), DefaultPort),
			netip.AddrPortFrom(netip.IPv6Unspecified(), DefaultPort),
		},
		Retain: DefaultRetain, RestartTime: DefaultRestartTime,
	}
}

// DefaultPeer returns a directly connected neighbor that is connected to.
func DefaultPeer(address netip.Addr, as uint32) Peer {
	return Peer{Address: address, Port: DefaultPort, Session: defaultSession(as)}
}

// DefaultDynamic returns a range of neighbors in an AS, in any when it is zero.
func DefaultDynamic(addresses netip.Prefix, as uint32) Dynamic {
	return Dynamic{Range: addresses, Limit: DefaultDynamicLimit, Session: defaultSession(as)}
}

func defaultSession(as uint32) Session {
	return Session{AS: as, HoldTime: DefaultHoldTime, ConnectRetry: DefaultConnectRetry}
}

// checked returns a copy of c in which addresses are written in one way and
// what follows from other fields is set, or everything that is wrong with c.
func (c Config) checked() (Config, error) {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.AS == 0 {
		fail("bgp: the own AS is missing")
	}
	if !c.RouterID.Is4() || c.RouterID.IsUnspecified() {
		fail("bgp: router id %v: want an IPv4 address", c.RouterID)
	}
	if c.RestartTime < time.Second || c.RestartTime > 4095*time.Second {
		fail("bgp: restart time %v: want 1s to 4095s", c.RestartTime)
	}
	if c.LongLivedTime < 0 || c.LongLivedTime > (1<<24-1)*time.Second {
		fail("bgp: long-lived stale time %v: want 0s to 16777215s", c.LongLivedTime)
	}
	if c.Retain < 0 || c.Hold < 0 {
		fail("bgp: negative time")
	}
	c.Peers, c.Dynamic, c.Listen = slices.Clone(c.Peers), slices.Clone(c.Dynamic), slices.Clone(c.Listen)
	seen := make(map[netip.Addr]bool)
	for i := range c.Peers {
		p := &c.Peers[i]
		if err := p.complete(&c); err != nil {
			errs = append(errs, err)
		}
		if seen[p.Address] {
			fail("bgp: peer %v is there twice", p.Address)
		}
		seen[p.Address] = true
	}
	for i := range c.Dynamic {
		if err := c.Dynamic[i].complete(&c); err != nil {
			errs = append(errs, err)
		}
		if slices.ContainsFunc(c.Dynamic[:i], func(d Dynamic) bool { return d.Range == c.Dynamic[i].Range }) {
			fail("bgp: range %v is there twice", c.Dynamic[i].Range)
		}
	}
	for _, a := range c.Listen {
		if !a.IsValid() || a.Port() == 0 {
			fail("bgp: listen address %v: want an address and a port", a)
		}
	}
	return c, errors.Join(errs...)
}

func (p *Peer) complete(c *Config) error {
	p.Address = p.Address.Unmap()
	if !p.Address.IsValid() || p.Address.IsUnspecified() || p.Address.IsMulticast() {
		return fmt.Errorf("bgp: peer address %v: want the address of a router", p.Address)
	}
	if p.Address.IsLinkLocalUnicast() && p.Address.Is6() {
		switch {
		case p.Address.Zone() == "" && p.Interface == "":
			return fmt.Errorf("bgp: peer %v is link-local: name the interface, as in %v%%eth0", p.Address, p.Address)
		case p.Address.Zone() == "":
			p.Address = p.Address.WithZone(p.Interface)
		}
	}
	name := fmt.Sprintf("peer %v", p.Address)
	switch {
	case p.AS == 0:
		return fmt.Errorf("bgp: %s: its AS is missing", name)
	case p.Port == 0:
		return fmt.Errorf("bgp: %s: the port to connect to is missing", name)
	}
	if p.LocalAddress.IsValid() && p.LocalAddress.Unmap().Is4() != p.Address.Is4() {
		return fmt.Errorf("bgp: %s: local address %v is of the other address family", name, p.LocalAddress)
	}
	return p.Session.complete(name, c)
}

func (d *Dynamic) complete(c *Config) error {
	if !d.Range.IsValid() {
		return errors.New("bgp: a dynamic range without a prefix")
	}
	d.Range = d.Range.Masked()
	if d.Limit < 1 {
		return fmt.Errorf("bgp: range %v: limit of %d peers: want 1 or more", d.Range, d.Limit)
	}
	d.Passive = true
	return d.Session.complete(fmt.Sprintf("range %v", d.Range), c)
}

func (s *Session) complete(name string, c *Config) error {
	s.LocalAddress = s.LocalAddress.Unmap()
	if s.LocalAS == 0 {
		s.LocalAS = c.AS
	}
	switch {
	case s.HoldTime < 3*time.Second || s.HoldTime > 65535*time.Second:
		return fmt.Errorf("bgp: %s: hold time %v: want 3s to 65535s (RFC 4271 §4.2)", name, s.HoldTime)
	case s.Keepalive < 0 || s.Keepalive >= s.HoldTime || s.Keepalive > 0 && s.Keepalive < time.Second:
		return fmt.Errorf("bgp: %s: keepalive %v: want 1s or more, and less than the hold time %v", name, s.Keepalive, s.HoldTime)
	case s.ConnectRetry < 0 || s.ConnectRetry == 0 && !s.Passive:
		return fmt.Errorf("bgp: %s: connect retry %v: want a time between two tries", name, s.ConnectRetry)
	case s.RouteLimit.Routes < 0:
		return fmt.Errorf("bgp: %s: limit of %d routes: want 0 for none, or more", name, s.RouteLimit.Routes)
	case s.TTLSecurity < 0 || s.TTLSecurity > 254:
		return fmt.Errorf("bgp: %s: TTL security of %d hops: want 1 to 254, or 0 for off", name, s.TTLSecurity)
	case s.Multihop < 0 || s.Multihop > 255:
		return fmt.Errorf("bgp: %s: multihop TTL %d: want 1 to 255", name, s.Multihop)
	case s.TTLSecurity > 0 && s.Multihop > 0:
		return fmt.Errorf("bgp: %s: TTL security and multihop exclude each other; TTL security counts the hops itself", name)
	case len(s.Password) > 80:
		return fmt.Errorf("bgp: %s: the password has %d bytes; TCP MD5 takes 80", name, len(s.Password))
	case len(s.Interface) > 15:
		return fmt.Errorf("bgp: %s: interface %q: names have up to 15 bytes", name, s.Interface)
	}
	return nil
}

// internal tells whether the session is iBGP.
func (s *Session) internal(peerAS uint32) bool { return peerAS == s.LocalAS }

// ttl returns what to send, and the least to accept (0: anything).
func (s *Session) ttl() (send, least int) {
	switch {
	case s.TTLSecurity > 0:
		return 255, 256 - s.TTLSecurity
	case s.Multihop > 0:
		return s.Multihop, 0
	case s.AS == 0 || s.internal(s.AS):
		return 255, 0
	}
	return 1, 0
}
