package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// made is a certificate that signs itself, with its key, as PEM.
type made struct {
	cert, key []byte
	pair      tls.Certificate
}

func makeCert(t *testing.T, name string) made {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	m := made{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	if m.pair, err = tls.X509KeyPair(m.cert, m.key); err != nil {
		t.Fatal(err)
	}
	return m
}

// bench is a TLS server that says hello to each client.
type bench struct {
	*testing.T
	files Files
	addr  string
	log   *logtest.Log
}

func newBench(t *testing.T, first made, ca []byte) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{T: t, files: Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}, log: &logtest.Log{}}
	b.write(b.files.Cert, first.cert)
	b.write(b.files.Key, first.key)
	if ca != nil {
		b.files.ClientCA = filepath.Join(dir, "ca.pem")
		b.write(b.files.ClientCA, ca)
	}
	s, err := Open(b.files, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	b.addr = ln.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return b
}

// write puts another file in the place of path, as tools for certificates do.
func (b *bench) write(path string, text []byte) {
	b.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		b.Fatal(err)
	}
}

// old makes the files as old as files are that nobody has just written.
func (b *bench) old() {
	b.Helper()
	for _, path := range []string{b.files.Cert, b.files.Key} {
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	b.greets("") // it sees that
}

// meets returns whom a client meets who shows these certificates.
func (b *bench) meets(mine ...tls.Certificate) (name string, err error) {
	c, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, Certificates: mine})
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if said, err := io.ReadAll(c); string(said) != "hello" {
		return "", err
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// greets fails unless a client meets name; empty: anybody.
func (b *bench) greets(name string) {
	b.Helper()
	if met, err := b.meets(); err != nil || name != "" && met != name {
		b.Errorf("met %q, %v, want %q", met, err, name)
	}
}

func TestANewCertificateCountsFromTheNextHandshakeOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, makeCert(t, "one"), nil)
	b.greets("one")
	b.old()
	two := makeCert(t, "two")
	b.write(b.files.Cert, two.cert)
	b.greets("one") // its key is not there yet
	b.write(b.files.Key, two.key)
	b.greets("two")
	// In the same moment, in the same file, of the same length.
	three := makeCert(t, "tre")
	for path, text := range map[string][]byte{b.files.Cert: three.cert, b.files.Key: three.key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.greets("tre")
}

func TestAFileThatCannotBeUsedChangesNothingAndIsToldOnce(t *testing.T) {
	t.Parallel()
	one := makeCert(t, "one")
	b := newBench(t, one, nil)
	b.old()
	told := func() int { return strings.Count(b.log.String(), "cannot be used") }
	b.write(b.files.Cert, []byte("no certificate"))
	for range 3 {
		b.greets("one")
	}
	if told() != 1 {
		t.Errorf("it was told %d times:\n%s", told(), b.log)
	}
	if err := os.Remove(b.files.Key); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.greets("one")
	}
	if told() != 2 {
		t.Errorf("a lost file was told %d times:\n%s", told(), b.log)
	}
	b.write(b.files.Cert, one.cert)
	b.write(b.files.Key, one.key)
	b.greets("one")
	b.write(b.files.Cert, []byte("no certificate"))
	b.greets("one")
	if told() != 3 {
		t.Errorf("what broke again was told %d times:\n%s", told(), b.log)
	}
}

func TestOnlyClientsWithACertificateOfTheAuthorityGetIn(t *testing.T) {
	t.Parallel()
	mine, theirs := makeCert(t, "mine"), makeCert(t, "theirs")
	b := newBench(t, makeCert(t, "server"), mine.cert)
	if name, err := b.meets(mine.pair); name != "server" {
		t.Errorf("the right certificate: %v", err)
	}
	if name, _ := b.meets(); name != "" {
		t.Error("none gets in")
	}
	if name, _ := b.meets(theirs.pair); name != "" {
		t.Error("another one gets in")
	}
	b.write(b.files.ClientCA, theirs.cert)
	if name, err := b.meets(theirs.pair); name != "server" {
		t.Errorf("after the change: %v", err)
	}
	if name, _ := b.meets(mine.pair); name != "" {
		t.Error("the one before gets in after the change")
	}
}

func TestFilesThatCannotBeUsedAreAnErrorAtTheStart(t *testing.T) {
	t.Parallel()
	b := newBench(t, makeCert(t, "one"), nil)
	for what, f := range map[string]Files{
		"no certificate": {Cert: b.files.Key, Key: b.files.Key},
		"no file":        {Cert: b.files.Cert, Key: b.files.Key + "x"},
		"no authority":   {Cert: b.files.Cert, Key: b.files.Key, ClientCA: b.files.Key},
	} {
		if _, err := Open(f, slog.Default()); err == nil || !strings.Contains(err.Error(), ".pem") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
