package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyConf writes a configuration with a store of its own and returns its path.
func keyConf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "dragoman.yaml")
	text := "store: {url: \"sqlite:" + filepath.Join(dir, "keys.db") + "\"}\nlimits: {small: {requests: 5/m}}\nchannels: [{id: m, kind: mock, models: [mock]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func keyRun(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"key"}, args...), environment{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestAKeyIsMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	file := keyConf(t)
	code, secret, said := keyRun(t, "add", "alice", "-c", file, "--group", "gold", "--models", "mock", "--limits", "small", "--expires", "720h")
	secret = strings.TrimSpace(secret)
	if code != 0 || !strings.HasPrefix(secret, "sk-") || strings.Contains(said, secret) {
		t.Fatalf("add: %d, %q, %q", code, secret, said)
	}
	code, list, said := keyRun(t, "list", "-c", file)
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if code != 0 || len(lines) != 2 || strings.Contains(list, secret) {
		t.Fatalf("list: %d, %q, %q", code, list, said)
	}
	fields := strings.Fields(lines[1])
	if got := strings.Join(fields[1:5], " "); got != "alice gold mock small" {
		t.Errorf("the line says %q", got)
	}
	if code, _, said = keyRun(t, "revoke", fields[0], "-c", file); code != 0 {
		t.Errorf("revoke: %d, %q", code, said)
	}
	if code, _, said = keyRun(t, "revoke", fields[0], "-c", file); code != 1 || !strings.Contains(said, "there is no key") {
		t.Errorf("revoke again: %d, %q", code, said)
	}
	if _, list, _ = keyRun(t, "list", "-c", file); strings.Contains(list, "alice") {
		t.Errorf("a revoked key is listed: %q", list)
	}
}

func TestAKeyThatTheConfigurationDoesNotAllowIsNotMade(t *testing.T) {
	t.Parallel()
	file := keyConf(t)
	for _, c := range []struct{ args, want string }{
		{"add alice --limits smal", `limits has no "smal"; did you mean "small"?`},
		{"add alice --models none", `"none" is neither a preset nor a model`},
		{"add anonymous-me", `must not begin with "anonymous"`},
		{"add alice --expires soon", "wants a duration"},
		{"add alice --expires 2001-01-01T00:00:00Z", "is in the past"},
	} {
		code, out, said := keyRun(t, append(strings.Fields(c.args), "-c", file)...)
		if code != 1 || out != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s: %d, %q, %q", c.args, code, out, said)
		}
	}
	budgets := "store: {url: \"sqlite:" + filepath.Join(filepath.Dir(file), "more.db") + "\"}\ncallers: {limits: [house]}\nlimits: {house: {budget: {amount: 5, per: day}}, own: {budget: {amount: 1, per: day}}}\nchannels: [{id: m, kind: mock, models: [mock]}]\n"
	if err := os.WriteFile(file, []byte(budgets), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, said := keyRun(t, "add", "alice", "--limits", "own", "-c", file); code != 1 || out != "" || !strings.Contains(said, "2 limits with a budget") {
		t.Errorf("a second budget: %d, %q, %q", code, out, said)
	}
	if err := os.WriteFile(file, []byte("store: {url: \"memory:\"}\nchannels: [{id: m, kind: mock, models: [mock]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := keyRun(t, "list", "-c", file); code != 1 || !strings.Contains(said, "only the running server has") {
		t.Errorf("memory: %d, %q", code, said)
	}
}

func TestTheEndOfAKeyIsATimeOrADuration(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if at, err := expiry("2h", now); err != nil || !at.Equal(now.Add(2*time.Hour)) {
		t.Errorf("got %v, %v", at, err)
	}
	if at, err := expiry("2027-01-31T00:00:00Z", now); err != nil || at.Year() != 2027 {
		t.Errorf("got %v, %v", at, err)
	}
	if at, err := expiry("", now); err != nil || !at.IsZero() {
		t.Errorf("got %v, %v", at, err)
	}
}
