package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// selfSigned writes a certificate that vouches for itself, and its key.
func selfSigned(t *testing.T, name string) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), name+".pem"), filepath.Join(t.TempDir(), name+".key")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	serverCert, serverKey := selfSigned(t, "server")
	cert, key := selfSigned(t, "client")
	strangeCert, strangeKey := selfSigned(t, "stranger")

	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	evpndv1.RegisterAdminServiceServer(srv, &daemon{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	api := "tcp://" + l.Addr().String()

	evpnctl := func(cert, key, ca string) (code int, stdout, stderr string) {
		var out, err bytes.Buffer
		code = run(t.Context(), []string{"status", "--api", api, "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca}, &out, &err)
		return code, out.String(), err.String()
	}
	if code, out, msg := evpnctl(cert, key, serverCert); code != exitDone || !strings.Contains(out, "1.2.3") {
		t.Errorf("with certificates of both sides: status %d, %s%s", code, out, msg)
	}
	if code, _, msg := evpnctl(strangeCert, strangeKey, serverCert); code != exitNo || !strings.Contains(msg, "does not accept the certificate") {
		t.Errorf("with a certificate that evpnd does not know: status %d, %s", code, msg)
	}
	if code, _, msg := evpnctl(cert, key, strangeCert); code != exitNo || !strings.Contains(msg, "unknown authority") {
		t.Errorf("when evpnd is not who it should be: status %d, %s", code, msg)
	}
	srv.Stop()
	<-done
	if code, _, msg := evpnctl(cert, key, serverCert); code != exitNo || !strings.Contains(msg, "connection refused; does evpnd listen there") {
		t.Errorf("when nobody listens: status %d, %s", code, msg)
	}
}
