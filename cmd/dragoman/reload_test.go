package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// running is a serve command in this process.
type running struct {
	t        *testing.T
	file     string
	base     string // of the fronts, with their prefix
	operator string
	stop     func() // begins the end, which the test waits for
	hangups  chan os.Signal
	log      *logtest.Log
}

const reloadConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
channels: [{id: a, kind: mock, models: [%s]}]
`

func runServe(t *testing.T, models string) *running {
	t.Helper()
	return runServeOn(t, fmt.Sprintf(reloadConf, models))
}

// runServeOn serves what the file says until the test ends.
func runServeOn(t *testing.T, text string) *running {
	t.Helper()
	r := &running{t: t, file: filepath.Join(t.TempDir(), "dragoman.yaml"), hangups: make(chan os.Signal, 1), log: &logtest.Log{}}
	r.write(text)
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "-c", r.file}, environment{in: strings.NewReader(""), out: in, err: r.log, hangups: r.hangups})
		_ = in.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("serve ended with %d: %s", code, r.log)
		}
	})
	var said bytes.Buffer
	buf := make([]byte, 4096)
	for r.operator == "" {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("serve did not start: %v, %s", err, r.log)
		}
		said.Write(buf[:n])
		if m := regexp.MustCompile(`openai +(https?://\S+)/v1[\s\S]*operators +(https?://\S+)`).FindStringSubmatch(said.String()); m != nil {
			r.base, r.operator = m[1], m[2]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return r
}

func (r *running) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// call returns status and body.
func (r *running) call(method, url, token string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// models are those that alice sees.
func (r *running) models() string {
	r.t.Helper()
	_, body := r.call("GET", r.base+"/v1/models", "sk-alice")
	var ids []string
	for _, m := range regexp.MustCompile(`"id":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

// logged waits until the log says what.
func (r *running) logged(what string) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), what); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("the log does not say %q: %s", what, r.log)
		}
	}
}

func TestASignalOrAnOperatorMakesServeReadItsFileAgain(t *testing.T) {
	t.Parallel()
	r := runServe(t, "one")
	if got := r.models(); got != "one" {
		t.Fatalf("models: %s", got)
	}
	r.write(strings.Replace(fmt.Sprintf(reloadConf, "one, two"), "memory:", "sqlite:elsewhere.db", 1))
	r.hangups <- syscall.SIGHUP
	r.logged("was read again")
	if got := r.models(); got != "one two" {
		t.Errorf("after the signal: %s", got)
	}
	r.logged("only after a restart\" key=store")

	r.write("chanels: []\n")
	r.hangups <- syscall.SIGHUP
	r.logged("the one before stays")
	if got := r.models(); got != "one two" {
		t.Errorf("after a refused file: %s", got)
	}
	if status, body := r.call("POST", r.operator+"/api/reload", "operator-token"); status != 400 || !strings.Contains(body, "dragoman.yaml:1") {
		t.Errorf("the operator got %d %s", status, body)
	}
	r.write(fmt.Sprintf(reloadConf, "three"))
	if status, body := r.call("POST", r.operator+"/api/reload", "operator-token"); status != 200 || !strings.Contains(body, `"restart":[]`) {
		t.Errorf("the operator got %d %s", status, body)
	}
	if got := r.models(); got != "three" {
		t.Errorf("after the operator's call: %s", got)
	}
}
