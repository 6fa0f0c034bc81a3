package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority makes certificates among the files of a service.
type authority struct {
	t    *testing.T
	s    *service
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes the authority's own certificate, ca.pem.
func newAuthority(t *testing.T, s *service) *authority {
	t.Helper()
	a := &authority{t: t, s: s}
	a.key, a.cert = a.make("ca")
	return a
}

// issue makes NAME.pem and NAME.key, and returns their paths.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	a.make(name)
	return a.s.etc + "/" + name + ".pem", a.s.etc + "/" + name + ".key"
}

func (a *authority) make(name string) (*ecdsa.PrivateKey, *x509.Certificate) {
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
		IPAddresses: []net.IP{net.IPv4(172, 30, 0, 1)}, // of a host
	}
	signer, by := a.key, a.cert
	if by == nil {
		signer, by = key, tmpl
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
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	a.s.file(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.s.file(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return key, cert
}
