package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a server of a test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}

// The certificate is checked against those that the system trusts.
func TestAServerWithTLSIsUsedIfItsCertificateIsTrusted(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s := redistest.StartTLS(t, cert, key)
	for _, trusted := range []bool{true, false} {
		bundle := cert
		if !trusted {
			bundle, _ = certificate(t)
		}
		c, said := startChild(t, sharedConf(t, s.URL(0)), "SSL_CERT_FILE="+bundle, "SSL_CERT_DIR="+t.TempDir())
		if c == nil {
			t.Fatal(said)
		}
		if status, body, err := c.ask("u", "hello"); err != nil || status != http.StatusOK {
			t.Errorf("%d %s %v", status, body, err)
		}
		c.stop(t)
		if begins := strings.Contains(c.err.String(), "cannot be reached"); begins == trusted {
			t.Errorf("trusted: %v, and the log says\n%s", trusted, c.err)
		}
	}
}
