package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// post is a call with a body.
func (r *running) post(path string, body any) (int, string) {
	r.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", r.operator+path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer operator-token")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

func (r *running) wants(status int, words ...string) func(int, string) {
	return func(got int, body string) {
		r.t.Helper()
		for _, w := range words {
			if !strings.Contains(body, w) {
				r.t.Errorf("%q is not in %s", w, body)
			}
		}
		if got != status {
			r.t.Errorf("got %d, want %d: %s", got, status, body)
		}
	}
}

func TestAnOperatorComparesAppliesAndTakesBackAConfiguration(t *testing.T) {
	t.Parallel()
	r := runServe(t, "one")
	first, next := fmt.Sprintf(reloadConf, "one"), fmt.Sprintf(reloadConf, "two")
	r.wants(200, `"text":"\nlisten`, `token: \"***`, `"read_only":""`, `"revision":1`, `"differs_from_file":false`)(r.call("GET", r.operator+"/api/configuration", "operator-token"))
	r.wants(200, `"valid":false`, `"line":1`, `"path":"chanels"`)(r.post("/api/configuration/validate", map[string]string{"text": "chanels: []\n"}))
	r.wants(200, `"valid":true`)(r.post("/api/configuration/validate", map[string]string{"text": next}))
	restart := strings.Replace(next, "memory:", "sqlite:elsewhere.db", 1)
	r.wants(200, `"channels[a].models[two]"`, `"restart":["store"]`)(r.post("/api/configuration/diff", map[string]string{"text": restart}))
	if got := r.models(); got != "one" {
		t.Errorf("a question what would change has changed it: %s", got)
	}
	r.wants(400, `"problems":[{"line":1`)(r.post("/api/configuration/apply", map[string]string{"text": "chanels: []\n"}))
	r.wants(200, `"revision":2`, `"restart":[]`)(r.post("/api/configuration/apply", map[string]string{"text": next}))
	if text, err := os.ReadFile(r.file); err != nil || string(text) != next || r.models() != "two" {
		t.Errorf("%v, %s, the file says %s", err, r.models(), text)
	}
	r.wants(200, `"how":"apply","by":{"name":"admin.token","address":"127.0.0.1"}`, `"how":"start"`)(r.call("GET", r.operator+"/api/configuration/history", "operator-token"))
	r.wants(200, `models: [one]`)(r.call("GET", r.operator+"/api/configuration/history/1", "operator-token"))
	r.wants(404, "NOT_FOUND")(r.post("/api/configuration/rollback", map[string]int{"revision": 9}))
	r.wants(200, `"revision":3`)(r.post("/api/configuration/rollback", map[string]int{"revision": 1}))
	if text, err := os.ReadFile(r.file); err != nil || string(text) != first || r.models() != "one" {
		t.Errorf("%v, %s, the file says %s", err, r.models(), text)
	}
	if err := os.Chmod(r.file, 0o400); err != nil {
		t.Fatal(err)
	}
	r.wants(409, "CONFLICT", "read-only")(r.post("/api/configuration/apply", map[string]string{"text": next}))
}

func TestCheckPrintsWhatWouldChangeOfTheGatewayThatRuns(t *testing.T) {
	t.Parallel()
	r := runServe(t, "one")
	check := func() string {
		var out bytes.Buffer
		code := run(t.Context(), []string{"check", "-c", r.file, "--url", r.operator}, environment{in: strings.NewReader(""), out: &out, err: &out})
		if code != 0 {
			t.Errorf("%d", code)
		}
		return out.String()
	}
	if got := check(); !strings.Contains(got, "runs has this configuration") {
		t.Errorf("%s", got)
	}
	r.write(strings.Replace(fmt.Sprintf(reloadConf, "two"), "memory:", "sqlite:elsewhere.db", 1))
	got := check()
	for _, want := range []string{"added    channels[a].models[two]", "removed  channels[a].models[one]", "changed  store.url: memory: -> sqlite:elsewhere.db  (counts only after a restart)", "A restart is needed for store."} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}
