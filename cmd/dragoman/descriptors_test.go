//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// silent opens n connections to c on which nothing is said.
func (c *child) silent(t *testing.T, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", c.addr); err != nil {
			t.Fatalf("the connection %d: %v", i, err)
		}
		_ = conns[i].SetDeadline(time.Now().Add(time.Minute))
		t.Cleanup(func() { _ = conns[i].Close() })
	}
	return conns
}

// askOn asks a question on an open connection, and returns the answer.
func askOn(conn net.Conn, path, body string) (*http.Response, string, error) {
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, childKey, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

func TestMoreConnectionsThanDescriptorsAreRefusedAndTheOthersServed(t *testing.T) {
	t.Parallel()
	c := serving(t, childConf(t, filepath.Join(t.TempDir(), "d.db")), descriptorLimit+"=200")
	conns := c.silent(t, 260)
	served, refused := 0, 0
	for i, conn := range conns {
		resp, text, err := askOn(conn, "/api/chat", fmt.Sprintf(`{"userId":"u%d","message":"hi"}`, i))
		switch {
		case err == nil && resp.StatusCode == 200:
			served++
		case err == nil && resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "" && resp.Close && strings.Contains(text, "CHANNEL_UNAVAILABLE"):
			refused++
		default:
			t.Errorf("the connection %d: %v %v %s", i, resp, err, text)
		}
		if i < 150 && served != i+1 {
			t.Fatalf("the connection %d of 260 was not served: %s", i, text)
		}
	}
	if served+refused != 260 || refused == 0 {
		t.Errorf("%d were served and %d refused", served, refused)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	c.serves(t)
	c.stop(t)
	if log := c.err.String(); strings.Count(log, "the bound on connections is reached") != 1 {
		t.Errorf("the log says %s", log)
	}
}

// serves waits until a new connection is served, which takes a moment after others
// have ended.
func (c *child) serves(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		status, _, err := c.ask("after", "hi")
		if err == nil && status == 200 {
			return
		}
		childClient.CloseIdleConnections()
	}
	t.Error("nothing is served any more")
}

func TestWithoutDescriptorsTheGatewayLivesAndBlamesNoChannel(t *testing.T) {
	t.Parallel()
	// The back end keeps no connection, so that each question needs a new one.
	model := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`)
	}))
	model.Config.SetKeepAlivesEnabled(false)
	model.Start()
	defer model.Close()
	conf := childConf(t, filepath.Join(t.TempDir(), "d.db"))
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	more := "connections: {total: 10000}\n" + strings.Replace(string(text), "channels: [", `channels: [{id: up, kind: openai, url: "`+model.URL+`/v1", keys: [k], models: [echo-up]}, `, 1)
	if err := os.WriteFile(conf, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serving(t, conf, descriptorLimit+"=100")
	ask := func(conn net.Conn) (int, string) {
		resp, text, err := askOn(conn, "/v1/chat/completions", `{"model":"echo-up","messages":[{"role":"user","content":"hi"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, text
	}
	first := c.silent(t, 1)[0]
	if status, text, err := c.ask("u", "hi"); status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	childClient.CloseIdleConnections()
	all := c.silent(t, 150)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if status, _ := ask(first); status != 200 {
			break // all connections were taken in, as far as there were descriptors
		}
	}
	refused := 0
	for tries := 0; refused < 12; tries++ { // a breaker opens on five
		status, text := ask(first)
		if status == 200 && tries < 200 {
			continue // something of the gateway's own has just given one back
		}
		if status != 503 || !strings.Contains(text, "no connection to be had here") {
			t.Fatalf("without descriptors: %d %s", status, text)
		}
		refused++
	}
	for _, conn := range all {
		_ = conn.Close()
	}
	for until := time.Now().Add(time.Minute); ; {
		status, text := ask(first)
		if status == 200 {
			break
		}
		if time.Now().After(until) || !strings.Contains(text, "no connection to be had here") {
			t.Fatalf("with descriptors again: %d %s", status, text)
		}
	}
	c.serves(t)
	c.stop(t)
	if log := c.err.String(); strings.Count(log, "connections cannot be accepted for now") != 1 {
		t.Errorf("the log says %s", log)
	}
}
