package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// Access says who of those who get to the API is an admin. The zero value
// makes everyone one. Any goroutine may use it.
type Access struct {
	group     string // as configured; empty: who may open the unix socket is an admin
	gid       uint32
	tlsAdmins []string // nil: who has a certificate of the CA is an admin
}

// NewAccess returns the access that an operator configured. On unix sockets
// adminGroup, by name or number, has the admins besides root and the user of
// the process itself; empty: whoever may open the socket is one. Over TCP
// those are whose certificate has one of the names tlsAdmins, as its common
// name, a DNS name or a URI; nil: every certificate, empty: none. It fails
// when there is no such group.
func NewAccess(adminGroup string, tlsAdmins []string) (Access, error) {
	gid, err := groupID("api.admin-group", adminGroup)
	if err != nil {
		return Access{}, err
	}
	return Access{group: adminGroup, gid: uint32(max(gid, 0)), tlsAdmins: slices.Clone(tlsAdmins)}, nil
}

// admins names those who may make a call that the caller may not, for a person.
func (a Access) admins(by caller) string {
	switch {
	case by.local:
		return fmt.Sprintf("root, the user of evpnd, and the group %s (api.admin-group in evpnd's configuration)", a.group)
	case len(a.tlsAdmins) == 0:
		return "admins, and no certificate makes one (api.tls.admins in evpnd's configuration is none): ask on evpnd's own host"
	}
	return "certificates with a name that api.tls.admins in evpnd's configuration has"
}

// caller is who is at the other end of a connection. The zero value is
// somebody unknown, who may read.
type caller struct {
	credentials.CommonAuthInfo
	admin bool
	local bool     // on a unix socket; else over TLS
	uid   uint32   // when local
	names []string // of the certificate
}

// AuthType implements credentials.AuthInfo.
func (caller) AuthType() string { return "evpnd" }

// who names the caller, for the log and for errors.
func (c caller) who() string {
	switch {
	case c.local:
		id := strconv.FormatUint(uint64(c.uid), 10)
		if u, err := user.LookupId(id); err == nil {
			return fmt.Sprintf("user %s (uid %s)", u.Username, id)
		}
		return "uid " + id
	case len(c.names) > 0:
		return fmt.Sprintf("the certificate of %q", c.names)
	}
	return "a caller without a name"
}

// peerCreds finds out who connects. It is the transport of all listeners of a
// Server, whatever their kind; TLS is done by the listener's own connections.
type peerCreds struct{ access Access }

// ServerHandshake implements credentials.TransportCredentials.
func (p peerCreds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	by := caller{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	switch c := conn.(type) {
	case *net.UnixConn:
		uid, groups, err := peerOf(c)
		if err != nil {
			return nil, nil, fmt.Errorf("admin API: who has connected: %w", err)
		}
		by.local, by.uid = true, uid
		by.admin = p.access.group == "" || uid == 0 || uid == uint32(os.Geteuid()) || slices.Contains(groups, p.access.gid)
	case *tls.Conn:
		// The deadline is that of the connection, which gRPC has set.
		if err := c.HandshakeContext(context.Background()); err != nil {
			return nil, nil, err
		}
		by.names = namesOf(c.ConnectionState().PeerCertificates)
		by.admin = p.access.tlsAdmins == nil || slices.ContainsFunc(by.names, func(n string) bool { return slices.Contains(p.access.tlsAdmins, n) })
	}
	return conn, by, nil
}

// namesOf returns the names in a client's certificate: its common name, DNS names
// and URIs.
func namesOf(chain []*x509.Certificate) (names []string) {
	if len(chain) == 0 {
		return nil
	}
	leaf := chain[0]
	if leaf.Subject.CommonName != "" {
		names = append(names, leaf.Subject.CommonName)
	}
	names = append(names, leaf.DNSNames...)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	return names
}

// peerOf returns who connected to a unix socket, as the kernel saw it then:
// the user, and its primary and supplementary groups. That is what the
// process has, and not what some directory says the user should have.
func peerOf(c *net.UnixConn) (uid uint32, groups []uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var cred *unix.Ucred
	var oerr error
	err = raw.Control(func(fd uintptr) {
		if cred, oerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); oerr == nil {
			groups, oerr = peerGroups(int(fd))
		}
	})
	if err = errors.Join(err, oerr); err != nil {
		return 0, nil, err
	}
	return cred.Uid, append(groups, cred.Gid), nil
}

// peerGroups reads the supplementary groups (SO_PEERGROUPS in socket(7)).
func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 64)
	for {
		size := uint32(len(groups)) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && int(size/4) > len(groups):
			groups = make([]uint32, size/4) // the kernel has said how many
		default:
			return nil, os.NewSyscallError("getsockopt SO_PEERGROUPS", errno)
		}
	}
}

// ClientHandshake implements credentials.TransportCredentials; a server has
// no use for it.
func (peerCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.ErrUnsupported
}

// Info implements credentials.TransportCredentials.
func (peerCreds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "evpnd"}
}

// Clone implements credentials.TransportCredentials.
func (p peerCreds) Clone() credentials.TransportCredentials { return p }

// OverrideServerName implements credentials.TransportCredentials.
func (peerCreds) OverrideServerName(string) error { return nil }
