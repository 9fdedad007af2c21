package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// over asks url once, trusting only the certificate in root, with those of its own.
func over(t *testing.T, url, root, token string, mine ...tls.Certificate) (int, error) {
	t.Helper()
	text, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: mine}}}
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestFrontsAndOperatorsAreServedOverTLSFromFilesThatMayBeReplaced(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	newCert, newKey := certificate(t)
	mineCert, mineKey := certificate(t)
	mine, err := tls.LoadX509KeyPair(mineCert, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	pair := fmt.Sprintf("tls: {cert: %s, key: %s}", filepath.ToSlash(cert), filepath.ToSlash(key))
	r := runServeOn(t, strings.Replace(fmt.Sprintf(reloadConf, "echo"), "admin: {", pair+"\nadmin: {"+pair+", client_ca: "+filepath.ToSlash(mineCert)+", ", 1))
	check := func(root string) {
		t.Helper()
		if status, err := over(t, r.base+"/v1/models", root, "sk-alice"); status != http.StatusOK {
			t.Errorf("the fronts: %d %v", status, err)
		}
		if status, err := over(t, r.operator+"/api/channels", root, "operator-token", mine); status != http.StatusOK {
			t.Errorf("the operator's side: %d %v", status, err)
		}
	}
	check(cert)
	if status, err := over(t, r.operator+"/api/health", cert, "operator-token"); err == nil {
		t.Errorf("without a certificate the operator's side answers %d", status)
	}
	var out, said bytes.Buffer
	args := []string{"explain", "--model", "echo", "-c", r.file, "--url", r.operator, "--token", "operator-token", "--cert", mineCert, "--cert-key", mineKey}
	if code := run(context.Background(), args, environment{in: strings.NewReader(""), out: &out, err: &said}); code != 0 || !strings.Contains(out.String(), "echo") {
		t.Errorf("explain: %d %s%s", code, &out, &said)
	}

	for from, to := range map[string]string{newCert: cert, newKey: key} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check(newCert)
}

func TestACertificateForOperatorsThatCannotBeUsedIsAnErrorAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := strings.Replace(fmt.Sprintf(reloadConf, "echo"), "admin: {", "admin: {tls: {cert: no-such.pem, key: no-such.pem}, ", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"serve", "-c", file}, environment{in: strings.NewReader(""), out: &out, err: &said}); code != 1 || !strings.Contains(said.String(), "admin.tls") {
		t.Errorf("%d %s", code, &said)
	}
}
