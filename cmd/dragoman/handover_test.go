//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask puts one question in the rest dialect and returns status and body.
func (l *generations) ask(text string) (int, string) {
	l.t.Helper()
	c := child{addr: l.addr}
	status, body, err := c.ask("u", text)
	if err != nil {
		l.t.Fatal(err)
	}
	return status, body
}

func TestANewProcessThatDoesNotStartChangesNothing(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 10, "1s", true)
	l := startLine(t, good, nil)
	l.write("chanels: []\n")
	l.signal(syscall.SIGUSR2)
	l.logged("no other process has taken over, this one goes on", 1)
	if out := l.printed(); !strings.Contains(out, "exit status 1") || !strings.Contains(out, "chanels") {
		t.Error("it does not say why")
	}
	if status, body := l.ask("one"); status != 200 {
		t.Errorf("it answers %d %s", status, body)
	}
	l.write(good)
	l.handOver()
	if status, body := l.ask("two"); status != 200 {
		t.Errorf("the new one answers %d %s", status, body)
	}
	if stored := (&child{addr: l.addr}).stored(t); !stored["one"] || !stored["two"] {
		t.Errorf("stored are %v", stored)
	}
	if lock, err := os.ReadFile(filepath.Join(filepath.Dir(l.conf), "h.db.lock")); err == nil && string(lock) != fmt.Sprint(l.pids[1]) {
		t.Errorf("the lock names %s", lock)
	}
	l.stop()
}

func TestWithoutHandoverItsSignalIsToldAndEndsNothing(t *testing.T) {
	t.Parallel()
	l := startLine(t, fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 10, "1s", false), nil)
	l.signal(syscall.SIGUSR2)
	l.logged("handover is not switched on", 1)
	if status, body := l.ask("one"); status != 200 {
		t.Errorf("it answers %d %s", status, body)
	}
	l.stop()
}

// The socket of a process that stops is closed although it would hand it over, and a
// stream goes on.
func TestASignalToStopRefusesConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	l := startLine(t, fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 200, "1m", true), nil)
	resp := l.stream()
	defer func() { _ = resp.Body.Close() }()
	l.signal(syscall.SIGTERM)
	l.hears("STOPPING=1")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", l.addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("connections are still accepted")
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		t.Errorf("the stream ended with %v: %s", err, text)
	}
	l.ended(l.pids[0])
}

// stream asks for a slow answer, whose head has come.
func (l *generations) stream() *http.Response {
	l.t.Helper()
	req, err := http.NewRequest("POST", "http://"+l.addr+"/v1/chat/completions", strings.NewReader(`{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+childKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp
}

func TestTheSocketsOfASupervisorAreUsedAndHandedOver(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 10, "1s", true)
	l := startLine(t, text, []*os.File{file}, "sh", "-c", `LISTEN_FDS=1 LISTEN_FDNAMES=fronts LISTEN_PID=$$ exec "$0"`)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if l.addr != addr {
		t.Fatalf("it listens at %s, not at %s", l.addr, addr)
	}
	l.ask("one")
	l.handOver()
	if status, body := l.ask("two"); status != 200 {
		t.Errorf("the new one answers %d %s", status, body)
	}
	l.stop()
}

// trusting is a client of servers whose certificate is in root.
func trusting(t *testing.T, root string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// replace puts the files of another certificate in the place of one.
func replace(t *testing.T, from, to [2]string) {
	t.Helper()
	for i := range from {
		text, err := os.ReadFile(from[i])
		if err == nil {
			err = os.WriteFile(to[i], text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The next process serves what the one before has served: TLS on both ports, certificates of
// operators, and files that may be replaced. An answer that runs ends on its connection.
func TestAHandoverKeepsTLSAndCertificatesThatMayBeReplaced(t *testing.T) {
	t.Parallel()
	pair := func() [2]string { cert, key := certificate(t); return [2]string{cert, key} }
	served, later, mine, other := pair(), pair(), pair(), pair()
	conf := fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 10, "1m", true)
	files := fmt.Sprintf("tls: {cert: %s, key: %s}", served[0], served[1])
	authority := [2]string{filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "ca.key")}
	replace(t, mine, authority)
	l := startLine(t, strings.Replace(conf, "admin: {", files+"\nadmin: {"+files+", client_ca: "+authority[0]+", ", 1), nil)
	check := func(root string, mine, other [2]string) {
		t.Helper()
		own, err := tls.LoadX509KeyPair(mine[0], mine[1])
		if err != nil {
			t.Fatal(err)
		}
		strange, err := tls.LoadX509KeyPair(other[0], other[1])
		if err != nil {
			t.Fatal(err)
		}
		if status, err := over(t, "https://"+l.addr+"/v1/models", root, childKey); status != http.StatusOK {
			t.Errorf("the fronts: %d %v", status, err)
		}
		if status, err := over(t, l.ops+"/api/channels", root, "operator-token", own); status != http.StatusOK {
			t.Errorf("the operator's side: %d %v", status, err)
		}
		for name, shown := range map[string][]tls.Certificate{"without a certificate": nil, "with one of another authority": {strange}} {
			if status, err := over(t, l.ops+"/livez", root, "operator-token", shown...); err == nil {
				t.Errorf("%s the operator's side answers %d", name, status)
			}
		}
	}
	check(served[0], mine, other)

	req, err := http.NewRequest("POST", "https://"+l.addr+"/v1/chat/completions", strings.NewReader(`{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+childKey)
	resp, err := trusting(t, served[0]).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	l.signal(syscall.SIGUSR2)
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		t.Errorf("the answer that ran ended with %v: %s", err, text)
	}
	l.takenOver()
	check(served[0], mine, other)

	replace(t, later, served)
	check(later[0], mine, other)
	replace(t, other, authority)
	check(later[0], other, mine)
	l.handOver()
	check(later[0], other, mine)
	l.stop()
}
