// Package apiaddr reads where the admin API is: a unix socket or a TCP port, as
// evpnd's configuration and evpnctl --api name it.
package apiaddr

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Default is where evpnd listens and evpnctl looks for it unless they are told
// otherwise.
const Default = "unix:///run/evpnd/evpnd.sock"

// Addr is an address in the words of package net. It is comparable.
type Addr struct {
	Network string // "unix" or "tcp"
	Address string // an absolute path, or host:port
}

// String returns what Parse reads.
func (a Addr) String() string { return a.Network + "://" + a.Address }

// sunPath is the longest path that fits sockaddr_un with its final zero
// (unix(7)).
const sunPath = 107

// Parse reads "unix:///path", an absolute path, or "tcp://host:port", where the
// host may be a name. The error says what to write; it does not repeat s.
func Parse(s string) (Addr, error) {
	if strings.HasPrefix(s, "/") {
		s = "unix://" + s
	}
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		switch {
		case !strings.HasPrefix(path, "/"):
			return Addr{}, errors.New("the path of a socket needs three slashes: " + Default)
		case len(path) > sunPath:
			return Addr{}, fmt.Errorf("the path has %d bytes: want at most %d", len(path), sunPath)
		}
		return Addr{Network: "unix", Address: filepath.Clean(path)}, nil
	}
	at, ok := strings.CutPrefix(s, "tcp://")
	// A zone stands as it is, or as in a URI (RFC 6874).
	at = strings.Replace(strings.TrimSuffix(at, "/"), "%25", "%", 1)
	host, port, err := net.SplitHostPort(at)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if !ok || err != nil || host == "" || strings.ContainsAny(host, "/?#@ ") {
		return Addr{}, errors.New("want unix:///path, a path, or tcp://host:port")
	}
	return Addr{Network: "tcp", Address: at}, nil
}

// ParseListen is Parse for who listens: of TCP the host is an IP address of this
// host, and the port is not 0.
func ParseListen(s string) (Addr, error) {
	a, err := Parse(s)
	if err != nil || a.Network == "unix" {
		return a, err
	}
	ap, err := netip.ParseAddrPort(a.Address)
	if err != nil || ap.Port() == 0 {
		return Addr{}, errors.New("an IP address and a port are needed: tcp://192.0.2.1:50051")
	}
	return Addr{Network: "tcp", Address: ap.String()}, nil
}
