package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// validate sets what follows from other keys, and checks keys against each
// other. A key that is wrong by itself is not reported a second time.
func (d *decoder) validate(c *Config) {
	d.bgp(c)
	d.vtep("vtep.address", c.VTEP.Address)
	d.vnis(c)
	d.api(&c.API)
	if !filepath.IsAbs(c.State.Directory) {
		d.problem("state.directory", "want an absolute path, not %q", printable(c.State.Directory))
	}
}

// first notes at as the place of what is found there first; for what is there
// again it returns that place.
func first[K comparable](places map[K]string, what K, at string) (before string) {
	if before = places[what]; before == "" {
		places[what] = at
	}
	return before
}

// twice reports the elements of the list at a path that are there again.
func twice[T comparable](d *decoder, path string, list []T) {
	places := make(map[T]string)
	for i, x := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if before := first(places, x, at); before != "" && !d.bad[at] {
			d.problem(at, "%v is in the list twice", x)
		}
	}
}

func (d *decoder) bgp(c *Config) {
	b := &c.BGP
	d.as("bgp.asn", b.ASN)
	switch id := b.RouterID; {
	case id.IsValid() && (!id.Is4() || id.IsUnspecified() || id.IsMulticast()):
		d.problem("bgp.router-id", "want an IPv4 address of a host, not %q", id)
	case !id.IsValid() && c.VTEP.Address.Is4():
		b.RouterID = c.VTEP.Address
	}
	twice(d, "bgp.listen", b.Listen)
	d.peers(c)
	d.ranges(b)
}

func (d *decoder) peers(c *Config) {
	once := make(map[netip.Addr]string)
	for i := range c.BGP.Peers {
		p := &c.BGP.Peers[i]
		at := fmt.Sprintf("bgp.peers[%d]", i)
		d.link(at, p)
		d.session(at, c.BGP.ASN, p.ASN, &p.Session)
		d.unicast(at+".address", p.Address)
		if p.Address.IsValid() {
			if before := first(once, p.Address, at); before != "" {
				d.problem(at+".address", "%s is the address of %s already", p.Address, before)
			}
			if self := c.isSelf(p); self != "" {
				d.problem(at+".address", "%s is evpnd's own address (%s)", p.Address, self)
			}
			if l := p.LocalAddress; l.IsValid() && l.Is4() != p.Address.Is4() {
				d.problem(at+".local-address", "want an address of the same family as the peer's %s, not %q", p.Address, l)
			}
		}
		if p.Passive && len(c.BGP.Listen) == 0 {
			d.problem(at+".passive", "a passive peer cannot connect to us while bgp.listen is none")
		}
	}
}

// link gives a link-local address the interface as its zone, and holds the
// two against each other.
func (d *decoder) link(at string, p *Peer) {
	zone, local := p.Address.Zone(), p.Address.Is6() && p.Address.IsLinkLocalUnicast()
	switch {
	case zone != "" && !local:
		d.problem(at+".address", "only a link-local address has a zone, set interface instead")
	case zone != "" && p.Interface != "" && zone != p.Interface:
		d.problem(at+".interface", "want %q, the zone of the address, or none, not %q", printable(zone), printable(p.Interface))
	case local && zone == "" && p.Interface == "":
		d.problem(at+".address", "a link-local address needs its interface: write it as %s%%eth0 or set interface", p.Address)
	case local && zone == "":
		p.Address = p.Address.WithZone(p.Interface)
	}
}

// isSelf names the key that shows the peer to be ourselves, "" when none does.
func (c *Config) isSelf(p *Peer) string {
	if p.LocalAddress == p.Address {
		return "local-address"
	}
	listens := false
	for _, ap := range c.BGP.Listen {
		if ap.Port() != p.Port {
			continue
		}
		if ap.Addr() == p.Address {
			return "bgp.listen"
		}
		listens = listens || ap.Addr().IsUnspecified()
	}
	switch {
	case listens && p.Address == c.VTEP.Address:
		return "vtep.address"
	case listens && p.Address == c.BGP.RouterID:
		return "bgp.router-id"
	}
	return ""
}

func (d *decoder) ranges(b *BGP) {
	once := make(map[netip.Prefix]string)
	for i := range b.Dynamic {
		p := &b.Dynamic[i]
		at := fmt.Sprintf("bgp.dynamic-peers[%d]", i)
		d.session(at, b.ASN, p.ASN, &p.Session)
		if !p.Range.IsValid() {
			continue
		}
		if before := first(once, p.Range, at); before != "" {
			d.problem(at+".range", "%s is the range of %s already", p.Range, before)
		}
		if p.Range.Addr().IsMulticast() {
			d.problem(at+".range", "want a range of unicast addresses, not %q", p.Range)
		}
		if l := p.LocalAddress; l.IsValid() && l.Is4() != p.Range.Addr().Is4() {
			d.problem(at+".local-address", "want an address of the same family as the range %s, not %q", p.Range, l)
		}
		if len(b.Listen) == 0 {
			d.problem(at+".range", "nobody can connect to us while bgp.listen is none")
		}
	}
}

// session checks what peers and ranges have in common; own is our AS, asn
// that of the other side, 0 for any.
func (d *decoder) session(at string, own, asn uint32, s *Session) {
	d.as(at+".asn", asn)
	d.as(at+".local-asn", s.LocalASN)
	if s.LocalASN == 0 {
		s.LocalASN = own
	}
	if text := deviceName(s.Interface); text != "" {
		d.problem(at+".interface", "%s, not %q", text, printable(s.Interface))
	}
	d.unicast(at+".local-address", s.LocalAddress)
	if s.Multihop > 0 && s.TTLSecurity > 0 {
		d.problem(at+".ttl-security", "ttl-security and multihop exclude each other: remove multihop, ttl-security counts the hops itself")
	}
	if s.Multihop > 0 && asn == s.LocalASN && asn != 0 {
		d.problem(at+".multihop", "is for peers of another AS, sessions within AS %d have no hop limit: remove it", asn)
	}
	d.timers(at, s)
	d.password(at, s)
}

// timers lets a third of the hold time lie between keepalives where nothing
// else is said, as RFC 4271 §10 does.
func (d *decoder) timers(at string, s *Session) {
	switch {
	case d.bad[at+".hold-time"] || d.bad[at+".keepalive"]:
	case s.Keepalive == 0:
		s.Keepalive = s.HoldTime / 3
	case s.Keepalive >= s.HoldTime:
		d.problem(at+".keepalive", "want less than the hold-time of %s, a third of it is usual, not %q", short(s.HoldTime), short(s.Keepalive))
	}
}

// maxPassword is TCP_MD5SIG_MAXKEYLEN of linux/tcp.h.
const maxPassword = 80

func (d *decoder) password(at string, s *Session) {
	key := at + ".password"
	if s.PasswordFile != "" {
		if d.has(key) {
			d.problem(at+".password-file", "password and password-file exclude each other: remove one")
			return
		}
		key = at + ".password-file"
		s.PasswordFile = d.besideFile(s.PasswordFile)
		text, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			d.problem(key, "cannot be read: %v", fileErrorText(err))
			return
		}
		s.Password = NewSecret(strings.TrimRight(string(text), "\r\n"))
		if s.Password.IsZero() {
			d.problem(key, "the file holds no password")
		}
	}
	if n := len(s.Password.Reveal()); n > maxPassword {
		d.problem(key, "want at most %d bytes, as many as the kernel takes for TCP MD5, not %d", maxPassword, n)
	}
}

// asTrans stands in for AS numbers of 4 bytes and is nobody's (RFC 6793 §9).
const asTrans = 23456

func (d *decoder) as(key string, as uint32) {
	if as == asTrans {
		d.problem(key, "want an AS number, %d is reserved (RFC 6793)", asTrans)
	}
}

func (d *decoder) unicast(key string, a netip.Addr) {
	if a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
		d.problem(key, "want the address of a host, not %q", a)
	}
}

// vtep checks the local end of tunnels, which goes into routes and so must
// mean the same everywhere.
func (d *decoder) vtep(key string, a netip.Addr) {
	if a.IsLinkLocalUnicast() || a.Zone() != "" {
		d.problem(key, "want an address that other VTEPs can reach, not %q", a)
		return
	}
	d.unicast(key, a)
}

// has tells whether the file or the environment gives a key.
func (d *decoder) has(path string) bool {
	_, file := d.lines[path]
	_, env := d.env[path]
	return file || env
}

func (d *decoder) api(a *API) {
	tcp := ""
	for i, e := range a.Listen {
		at := fmt.Sprintf("api.listen[%d]", i)
		if e.Network == "tcp" && tcp == "" {
			tcp = at
		}
	}
	twice(d, "api.listen", a.Listen)
	// Nothing at all is what is left when every name has been commented out,
	// and must not make everybody an admin.
	if a.TLS.Admins == nil && d.has("api.tls.admins") {
		d.problem("api.tls.admins", "has no value, list names, or write none for nobody")
	}
	for _, file := range []struct {
		key  string
		path *string
	}{{"cert", &a.TLS.Cert}, {"key", &a.TLS.Key}, {"client-ca", &a.TLS.ClientCA}} {
		switch {
		case *file.path != "":
			*file.path = d.besideFile(*file.path)
		case tcp != "":
			d.problem(tcp, "TCP is for clients with a certificate only: set api.tls.%s too, or use unix:///path", file.key)
		case a.TLS.Cert+a.TLS.Key+a.TLS.ClientCA != "" || a.TLS.Admins != nil:
			d.problem("api.tls."+file.key, "is missing, TLS needs cert, key and client-ca")
		}
	}
}

// deviceName says what is wrong with the name of a network device, "" when
// the kernel takes it (dev_valid_name).
func deviceName(s string) string {
	const most = 15 // IFNAMSIZ - 1
	if s == "." || s == ".." || len(s) > most || strings.ContainsAny(s, "/: \t\n\v\f\r") {
		return fmt.Sprintf("want a device name of at most %d bytes without spaces, / and :", most)
	}
	return ""
}

// short writes a duration as people do: 1m30s, but 5m for 5m0s.
func short(x time.Duration) string {
	s := x.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// short reads the forms of targets that need no number.
func (t *Targets) short(text string) error {
	switch text {
	case "auto":
		*t = Targets{Form: evpn.TargetAuto}
	case "rfc8365":
		*t = Targets{Form: evpn.TargetRFC8365}
	default:
		return errors.New("want auto, rfc8365 or {fixed: N}")
	}
	return nil
}
