package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// target is where evpnd is to be found.
type target struct {
	network string // "unix" or "tcp"
	addr    string
	name    string // as shown to the user
	tls     *tls.Config
}

// target reads --api and the TLS flags.
func (a *app) target() (*target, error) {
	if strings.HasPrefix(a.api, "./") || strings.HasPrefix(a.api, "../") {
		return &target{network: "unix", addr: a.api, name: "unix://" + a.api}, nil
	}
	at, err := apiaddr.Parse(a.api)
	if err != nil {
		return nil, usagef("--api %q: %w", a.api, err)
	}
	t := &target{network: at.Network, addr: at.Address, name: at.String()}
	if t.network == "tcp" {
		host, _, _ := net.SplitHostPort(t.addr)
		t.tls, err = a.tlsConfig(host)
	}
	return t, err
}

func (a *app) tlsConfig(host string) (*tls.Config, error) {
	if a.tlsCert == "" || a.tlsKey == "" || a.tlsCA == "" {
		return nil, usagef("--api %s: over TCP evpnd wants a certificate: give --tls-cert, --tls-key and --tls-ca", a.api)
	}
	cert, err := tls.LoadX509KeyPair(a.tlsCert, a.tlsKey)
	if err != nil {
		return nil, usagef("--tls-cert %s, --tls-key %s: %w", a.tlsCert, a.tlsKey, err)
	}
	pem, err := os.ReadFile(a.tlsCA)
	if err != nil {
		return nil, usagef("--tls-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usagef("--tls-ca: %s has no PEM certificate", a.tlsCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      pool,
		ServerName:   host,
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
	}, nil
}

// client is a connection to evpnd. It remembers why the connection could not
// be made, which is what a user wants to read.
type client struct {
	admin
	target  *target
	timeout time.Duration
	conn    *grpc.ClientConn

	mu      sync.Mutex
	netFail error
}

// with runs f with a client, closes that, and puts f's error in the words of
// a user.
func (a *app) with(f func(*client) error) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	c := &client{target: t, timeout: a.timeout}
	c.conn, err = grpc.NewClient("passthrough:///evpnd",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial has done TLS
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.dial(ctx) }),
	)
	if err != nil {
		return err
	}
	c.admin = evpndv1.NewAdminServiceClient(c.conn)
	a.tell = newProgress(a.err, "waiting for evpnd")
	defer a.tell.end()
	err = c.explain(f(c))
	_ = c.conn.Close()
	return err
}

func (c *client) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, c.target.network, c.target.addr)
	if err != nil {
		c.note(err)
		return nil, err
	}
	if c.target.tls == nil {
		return conn, nil
	}
	secure, err := handshake(ctx, conn, c.target.tls)
	if err != nil {
		_ = conn.Close()
		c.note(err)
		return nil, err
	}
	return secure, nil
}

// handshake does TLS and waits for the server's first byte: with TLS 1.3 a
// client's handshake is over before the server has judged its certificate,
// and what comes next is either the server's SETTINGS frame (RFC 9113 §3.4) or
// the alert that says why not.
func handshake(ctx context.Context, conn net.Conn, cfg *tls.Config) (net.Conn, error) {
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	// Closing the connection is what ends the wait when the context does.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	in := bufio.NewReader(secure)
	_, err := in.Peek(1)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	return &begunConn{Conn: secure, in: in}, err
}

// begunConn is a connection whose first bytes have been read already.
type begunConn struct {
	net.Conn
	in *bufio.Reader
}

func (c *begunConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.netFail = err
}

func (c *client) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.netFail
}

// errSlow says that an answer, or its next part, did not come in time.
var errSlow = errors.New("no answer in time")

// admin is what the calls of the API are methods of.
type admin = evpndv1.AdminServiceClient

type (
	// unary is a method that has one answer.
	unary[Req, Res any] func(admin, context.Context, *Req, ...grpc.CallOption) (*Res, error)
	// streaming is a method that has a stream of answers.
	streaming[Req, Res any] func(admin, context.Context, *Req, ...grpc.CallOption) (grpc.ServerStreamingClient[Res], error)
)

// call makes one call that has one answer.
func call[Req, Res any](ctx context.Context, c *client, f unary[Req, Res], req *Req) (*Res, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errSlow)
	defer cancel()
	res, err := f(c, ctx, req)
	if err != nil && context.Cause(ctx) == errSlow {
		return nil, errSlow
	}
	return res, err
}

// each makes one call that has a stream of answers and gives each to use. The
// timeout counts anew for each.
func each[Req, Res any](ctx context.Context, c *client, f streaming[Req, Res], req *Req, use func(*Res) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(c.timeout, func() { cancel(errSlow) })
	defer slow.Stop()
	stream, err := f(c, ctx, req)
	for err == nil {
		var res *Res
		if res, err = stream.Recv(); err == nil {
			slow.Stop() // printing takes as long as it takes
			err = use(res)
			slow.Reset(c.timeout)
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case context.Cause(ctx) == errSlow:
		return errSlow
	}
	return err
}

// list makes one call that has a stream of pages and prints the objects that
// they have.
func list[Req, Res, T any](cmd *cobra.Command, a *app, columns []column[T], f streaming[Req, Res], req *Req, objects func(*Res) []T) error {
	return a.with(func(c *client) error {
		p := newPrinter(a, columns)
		if err := each(cmd.Context(), c, f, req, func(page *Res) error { return p.add(objects(page)...) }); err != nil {
			return err
		}
		return p.close()
	})
}

// show makes one call that has one answer and prints the object that it has.
func show[Req, Res, T any](cmd *cobra.Command, a *app, f unary[Req, Res], req *Req, object func(*Res) T, text func(*block, T)) error {
	return a.with(func(c *client) error {
		res, err := call(cmd.Context(), c, f, req)
		if err != nil {
			return err
		}
		return one(a, object(res), text)
	})
}

// do makes one call whose answer says nothing.
func do[Req, Res any](cmd *cobra.Command, a *app, f unary[Req, Res], req *Req) error {
	return a.with(func(c *client) error {
		_, err := call(cmd.Context(), c, f, req)
		return err
	})
}
