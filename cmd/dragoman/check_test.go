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

// Not parallel: it sets variables of the process.
func TestCheckSaysWhoseVariablesItHasRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := "callers: {keys: [{name: a, key: \"${LEFT_TEST_KEY}\"}]}\nchannels:\n- {id: a, kind: openai, url: https://x.example/v1, keys: [\"${LEFT_TEST_ONE}\", \"pre-${LEFT_TEST_TWO}\"], models: [m]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(code int, want ...string) {
		t.Helper()
		var out bytes.Buffer
		got := run(t.Context(), []string{"check", "-c", file}, environment{in: strings.NewReader(""), out: &out, err: &out})
		for _, one := range want {
			if got != code || !strings.Contains(out.String(), one) || strings.Contains(out.String(), "s3cr3t") {
				t.Errorf("%d, want %d and %s: %s", got, code, one, &out)
			}
		}
	}
	t.Setenv("LEFT_TEST_KEY", "s3cr3t-that-is-long-enough-0a1b2c")
	check(1, ":3: channels[0].keys[0]: the variable LEFT_TEST_ONE is not set\n", "\nLEFT_TEST_ONE, LEFT_TEST_TWO are not set where this command runs; the gateway reads them from its own environment")
	t.Setenv("LEFT_TEST_ONE", "s3cr3t-one")
	check(1, "keys[1]: the variable LEFT_TEST_TWO is not set\nLEFT_TEST_TWO is not set where this command runs; the gateway reads it from its own environment")
	t.Setenv("LEFT_TEST_TWO", "s3cr3t-two")
	check(0, file+": read with LEFT_TEST_KEY, LEFT_TEST_ONE, LEFT_TEST_TWO of the environment in which this command runs; the gateway's may differ\n", "good: 1 channels")
}
