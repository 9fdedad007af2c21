//go:build linux

package main

import (
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
