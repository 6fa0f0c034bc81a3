package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func unixAt(path string) apiaddr.Addr { return apiaddr.Addr{Network: "unix", Address: path} }

var tcpAt = apiaddr.Addr{Network: "tcp", Address: "127.0.0.1:0"}

func TestSocketModeAndDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "evpnd", "evpnd.sock")
	old := syscall.Umask(0o077) // a careful service manager
	l, err := Listen(ListenConfig{Address: unixAt(path), Group: "0", Mode: 0o660})
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o660 || fi.Mode().Type() != os.ModeSocket {
		t.Errorf("mode %v, want a socket of 0660", fi.Mode())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
}

func TestSocketModeIsTheOneAskedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evpnd.sock")
	l, err := Listen(ListenConfig{Address: unixAt(path), Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", fi.Mode(), err)
	}
}

func TestStaleSocketIsReplacedAndALiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evpnd.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as a process that is killed leaves it
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	live, err := Listen(ListenConfig{Address: unixAt(path), Mode: 0o660})
	if err != nil {
		t.Fatalf("with a dead process's socket: %v", err)
	}
	defer live.Close()

	_, err = Listen(ListenConfig{Address: unixAt(path), Mode: 0o660})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "running already") {
		t.Errorf("with a live process's socket: %v, want a refusal that says so", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the refusal took the live socket away: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg   ListenConfig
		words string
	}{
		"a file in the way":    {ListenConfig{Address: unixAt(file)}, "not a socket"},
		"a group of no one":    {ListenConfig{Address: unixAt(filepath.Join(dir, "s")), Group: "no-such-group"}, "no-such-group"},
		"TCP alone":            {ListenConfig{Address: tcpAt}, "certificates on both sides"},
		"TCP without a CA":     {ListenConfig{Address: tcpAt, CertFile: file, KeyFile: file}, "a CA for clients is missing"},
		"not a certificate":    {ListenConfig{Address: tcpAt, CertFile: file, KeyFile: file, ClientCAFile: file}, file},
		"certificates on unix": {ListenConfig{Address: unixAt(filepath.Join(dir, "s")), CertFile: file}, "unix socket"},
	} {
		l, err := Listen(c.cfg)
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: was taken", name)
		} else if !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %q does not say %q", name, err, c.words)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file in the way was harmed: %q, %v", text, err)
	}
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dns  []string   // names of the next certificate
	uris []*url.URL // the same
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key, a.cert = a.issue(name, nil)
	return a
}

// issue makes a certificate and writes NAME.pem and NAME.key; with no parent it is
// an authority's own.
func (a *authority) issue(name string, parent *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:    a.dns, URIs: a.uris,
	}
	signer, by := key, tmpl
	if parent != nil {
		signer, by = parent.key, parent.cert
	} else {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func TestMutualTLS(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	ca.issue("server", ca)
	ca.issue("client", ca)
	other.issue("stranger", other)
	l, err := Listen(ListenConfig{
		Address: tcpAt, CertFile: ca.file("server.pem"), KeyFile: ca.file("server.key"), ClientCAFile: ca.file("ca.pem"),
	})
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	b := newBed(t, 0, nil)
	// A second server, for a server serves once.
	b.srv = New(b.srv.deps)
	b.serve(t, l)

	pool := ca.pool()
	ask := func(creds credentials.TransportCredentials) error {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
		if err != nil {
			return err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = evpndv1.NewAdminServiceClient(conn).GetStatus(ctx, &evpndv1.GetStatusRequest{})
		return err
	}
	with := func(a *authority, name string) credentials.TransportCredentials {
		cfg := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
		if a != nil {
			cert, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			// Shown whatever the server says it accepts.
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		return credentials.NewTLS(cfg)
	}
	if err := ask(with(ca, "client")); err != nil {
		t.Errorf("a client with a certificate: %v", err)
	}
	for name, creds := range map[string]credentials.TransportCredentials{
		"without a certificate": with(nil, ""),
		"of another authority":  with(other, "stranger"),
		"without TLS":           insecure.NewCredentials(),
	} {
		if err := ask(creds); status.Code(err) != codes.Unavailable {
			t.Errorf("a client %s: %v, want no connection", name, err)
		}
	}
}
