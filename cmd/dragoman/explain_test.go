package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// explain runs the command and returns its exit code and what it printed.
func explain(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"explain"}, args...), environment{out: &o, err: &e})
	return code, o.String(), e.String()
}

// explainConf writes a file whose operators' side is at listen.
func explainConf(t *testing.T, listen string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := fmt.Sprintf("store: {url: \"memory:\"}\nadmin: {listen: %q, token: the-operators-token}\n", listen) + `
callers: {keys: [{name: alice, key: sk-alice, models: [m], limits: few}]}
limits: {few: {requests: 5/m}}
channels:
  - {id: down, kind: mock, models: [{name: m, upstream: fail-500}]}
  - {id: up, kind: mock, models: [{name: m, upstream: echo}, other], tier: 2}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExplainForeseesAFileThatNobodyServes(t *testing.T) {
	t.Parallel()
	path := explainConf(t, "127.0.0.1:1")
	code, out, said := explain(t, "-c", path, "--model", "m", "--caller", "alice", "--front", "rest")
	for _, want := range []string{"caller   alice\n", "limits   few\n", "front    rest\n", "verdict  it would go to down, the only one of its tier", "\n  down     0    m = fail-500  1     1       ready  100 % by weight\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if code != 0 || !strings.Contains(said, "the file alone") || t.Failed() {
		t.Errorf("%d\n%s%s", code, out, said)
	}
	if code, _, said := explain(t, "-c", path, "--model", "other", "--caller", "alice"); code != 1 || !strings.Contains(said, "not for this caller") {
		t.Errorf("%d %s", code, said)
	}
	if code, _, said := explain(t, "-c", path, "some-id"); code != 1 || !strings.Contains(said, "cannot be asked") {
		t.Errorf("%d %s", code, said)
	}
	if code, _, _ := explain(t, "-c", path); code != 1 {
		t.Errorf("neither an id nor a model: %d", code)
	}
}

// A question of an endpoint beside chat goes to channels of its dialect only.
func TestExplainForeseesEndpointsBesideChat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := `
store: {url: "memory:"}
admin: {listen: "127.0.0.1:1", token: the-operators-token}
presets: {p: {model: m}}
channels:
  - {id: mock, kind: mock, models: [m, chat]}
  - {id: claude, kind: anthropic, url: "http://127.0.0.1:1", keys: [k], models: [m]}
  - {id: first, kind: openai, url: "http://127.0.0.1:1/v1", keys: [k], models: [m, omni-moderation-latest], tier: 2}
  - {id: second, kind: openai, url: "http://127.0.0.1:1/v1", keys: [k], models: [m], tier: 3}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"--model", "m", "--endpoint", "/v1/embeddings"}, 0, []string{"endpoint  /v1/embeddings\n", "front     openai\n", "it would go to first, the only one of its tier", "unsuited", "it does not speak the dialect of the endpoint"}},
		{[]string{"--model", "m", "--endpoint", "audio/transcriptions"}, 0, []string{"endpoint  /v1/audio/transcriptions\n", "it would go to first"}},
		{[]string{"--endpoint", "/moderations"}, 0, []string{"model     omni-moderation-latest\n", "it would go to first"}},
		{[]string{"--model", "chat", "--endpoint", "/rerank"}, 0, []string{"verdict   /v1/rerank takes a channel of kind openai, and this model has none\n"}},
		{[]string{"--model", "m"}, 0, []string{"verdict  p2c would choose among mock, claude"}},
		{[]string{"--endpoint", "/embeddings"}, 1, []string{"has to name its model"}},
		{[]string{"--model", "m", "--front", "foo"}, 1, []string{"there is no such front: want one of chatnio, "}},
		{[]string{"--model", "m", "--front", "gemini", "--endpoint", "/embeddings"}, 1, []string{"/v1/embeddings is an endpoint of the openai front"}},
		{[]string{"--model", "m", "--endpoint", "/files"}, 1, []string{"want one of /v1/embeddings, /v1/completions"}},
		{[]string{"--model", "p", "--endpoint", "/embeddings"}, 1, []string{"a preset is for chats"}},
		{[]string{"--model", "m", "--endpoint", "/embeddings", "some-id"}, 1, []string{"not both"}},
	} {
		code, out, said := explain(t, append([]string{"-c", path}, c.args...)...)
		for _, want := range c.says {
			if code != c.code || !strings.Contains(out+said, want) {
				t.Errorf("%v: %d, lacks %q:\n%s%s", c.args, code, want, out, said)
			}
		}
	}
}

func TestExplainAsksTheRunningGateway(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	path := explainConf(t, ln.Addr().String())
	conf, err := loadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	log := slog.New(slog.DiscardHandler)
	g, err := proxy.New(conf, st, openUpstream, log, proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	op, err := startOperator(conf, ln, admin.Options{Gateway: g, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer op.stop()
	who, bad := g.Identify("sk-alice", "")
	if bad != nil {
		t.Fatal(bad)
	}
	m, _ := g.Resolve(who, "m")
	put := func() {
		x, err := g.Open(t.Context(), proxy.Question{ID: "the-id", Front: "openai", Caller: who, Model: m, Request: &translate.Request{
			Stream: true, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}}})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = x.Next()
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		_ = x.Close()
	}
	put()

	code, out, said := explain(t, "-c", path, "the-id")
	for _, want := range []string{"request  the-id\n", "outcome  ok\n", "asked 2 x\n", " broken: ", " second try ", "Time, ms: queue ", ", room 0, failed attempts "} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if code != 0 || t.Failed() {
		t.Errorf("%d\n%s%s", code, out, said)
	}
	asked := func(out string) string {
		_, rest, _ := strings.Cut(out, "\nasked ")
		at, _, _ := strings.Cut(rest, "\n")
		return at
	}
	first := asked(out)
	put()
	code, out, said = explain(t, "-c", path, "the-id")
	if code != 0 || !strings.Contains(out, "2 exchanges have this id") || asked(out) != first || first == "" {
		t.Errorf("the oldest of two: %d\n%s%s", code, out, said)
	}
	code, out, said = explain(t, "-c", path, "--nth", "2", "--caller", "alice", "the-id")
	if code != 0 || !strings.Contains(out, "2 exchanges have this id") || asked(out) == first {
		t.Errorf("the second of two: %d\n%s%s", code, out, said)
	}
	code, out, _ = explain(t, "-c", path, "--json", "--model", "m", "--caller", "alice")
	if code != 0 || !strings.Contains(out, `"verdict": "it would go to `) {
		t.Errorf("%d %s", code, out)
	}
	if code, _, said := explain(t, "--url", "http://"+ln.Addr().String(), "--token", "wrong", "the-id"); code != 1 || !strings.Contains(said, "UNAUTHORIZED") {
		t.Errorf("%d %s", code, said)
	}
	if code, _, said := explain(t, "-c", path, "another-id"); code != 1 || !strings.Contains(said, "NOT_FOUND") {
		t.Errorf("%d %s", code, said)
	}
}
