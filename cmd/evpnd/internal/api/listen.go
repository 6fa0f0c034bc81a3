package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
)

// ListenConfig says where to listen.
type ListenConfig struct {
	// Address is a unix socket, or TCP, which needs the three files below.
	Address apiaddr.Addr
	// Group owns a unix socket, by name or number; empty: the process's own.
	Group string
	// Mode is the mode of a unix socket.
	Mode fs.FileMode

	CertFile     string // PEM, the server's certificate and those that vouch for it
	KeyFile      string // PEM
	ClientCAFile string // PEM, who vouches for clients
}

// Listen opens a listener. A unix socket gets its mode, its directory is made
// (mode 0755) when it is missing, and a socket that a dead process left behind is
// replaced; where a live one answers, Listen refuses. TCP without
// certificates on both sides is refused too. Closing the listener removes the
// socket. The errors say what to do.
func Listen(c ListenConfig) (net.Listener, error) {
	at := c.Address.Address
	if c.Address.Network == "tcp" {
		return listenTLS(at, c)
	}
	if c.CertFile != "" || c.KeyFile != "" || c.ClientCAFile != "" {
		return nil, fmt.Errorf("admin API: certificates are set but %s is a unix socket, which has none: remove them, or listen on tcp://", at)
	}
	return listenUnix(at, c.Group, c.Mode)
}

func listenUnix(path, group string, mode fs.FileMode) (net.Listener, error) {
	gid, err := groupID("api.group", group)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("admin API: no directory for the socket: %w", err)
	}
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// The kernel makes the socket with the mode that the descriptor has at
	// bind, so there is no moment at which it is open to others.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var cerr error
		err := c.Control(func(fd uintptr) { cerr = unix.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(err, cerr)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin API: cannot listen on %s: %w", path, err)
	}
	if err = give(path, group, gid); err == nil {
		err = os.Chmod(path, mode) // what the umask took away
	}
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("admin API: cannot set who may use the socket: %w", err)
	}
	return l, nil
}

// give puts a socket into a group, unless gid is negative. A hardened service
// may not call chown, and need not where the group is right already.
func give(path, group string, gid int) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || gid < 0 || int(st.Gid) == gid {
		return err
	}
	err := os.Chown(path, -1, gid)
	if errors.Is(err, syscall.EPERM) {
		err = fmt.Errorf("%w: the user of evpnd must be in the group %s (in its systemd unit: SupplementaryGroups=%s and SystemCallFilter=@chown), or remove api.group", err, group, group)
	}
	return err
}

// clearStale removes a socket that nobody listens on.
func clearStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	if fi.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("admin API: %s is there and is not a socket: remove it, or set api.listen to another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("admin API: another process answers on %s: is an evpnd running already? Stop it, or set api.listen to another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("admin API: cannot tell whether %s is in use: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("admin API: cannot remove the socket of a dead process: %w", err)
	}
	return nil
}

// groupID returns the number of the group that a key of the configuration
// names, -1 for none.
func groupID(key, name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("admin API: there is no group %q: make it (groupadd --system %s), or set %s to another", name, name, key)
	}
	return strconv.Atoi(g.Gid)
}

func listenTLS(at string, c ListenConfig) (net.Listener, error) {
	for _, f := range []struct{ path, what string }{
		{c.CertFile, "a certificate"},
		{c.KeyFile, "its key"},
		{c.ClientCAFile, "a CA for clients"},
	} {
		if f.path == "" {
			return nil, fmt.Errorf("admin API on tcp://%s: %s is missing: TCP is served with certificates on both sides only; use a unix socket otherwise", at, f.what)
		}
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("admin API: certificate and key: %w: the group of evpnd must be able to read it (chgrp, chmod g+r)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("admin API: certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("admin API: CA for clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("admin API: CA for clients: %s has no PEM certificate", c.ClientCAFile)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("admin API: cannot listen on tcp://%s: %w", at, err)
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
	}), nil
}
