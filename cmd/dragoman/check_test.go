package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWeakKeyIsAWarningOfCheckWhichSucceeds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := "channels: [{id: a, kind: mock, models: [m]}]\ncallers:\n  keys:\n  - {name: alice, key: hunter2}\nadmin: {token: test}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, wrong bytes.Buffer
	if code := run(t.Context(), []string{"check", "-c", file}, environment{in: strings.NewReader(""), out: &out, err: &wrong}); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out.String(), wrong.String())
	}
	for _, want := range []string{file + ":4: callers.keys[0].key: can be guessed", file + ":5: admin.token: can be guessed", "good: 1 channels"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the key is printed: %s", out.String())
	}
}

func TestWeakKeysAreOneLineOfTheLogAtTheStart(t *testing.T) {
	t.Parallel()
	r := runServe(t, "m")
	r.logged("callers.keys[0].key can be guessed")
	if n := strings.Count(r.log.String(), "worth a second look"); n != 1 {
		t.Errorf("%d lines: %s", n, r.log)
	}
	if strings.Contains(r.log.String(), "sk-alice") {
		t.Errorf("the log holds the key: %s", r.log)
	}
}

func TestAStoreThatNobodyCanOpenIsAProblemOfTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := "listen: nowhere\nstore: {url: \"mysql://u:s3cr3t@h/db\"}\ncallers: {anonymous: {}}\nchannels: [{id: m, kind: mock, models: [mock]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"check", "-c", file}, environment{in: strings.NewReader(""), out: &out, err: &out})
	said := out.String()
	if code == 0 || !strings.Contains(said, ":1: listen: ") || !strings.Contains(said, ":2: store.url: want memory:") || strings.Contains(said, "s3cr3t") {
		t.Errorf("%d: %s", code, said)
	}
}
