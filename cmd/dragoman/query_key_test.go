package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/otlptest"
)

// queryConf keeps all that the gateway can keep of a request.
const queryConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
log: {level: debug}
callers: {keys: [{name: alice, key: sk-key-in-a-query}]}
traces: {endpoint: "%s", sample: 1}
channels:
  - {id: a, kind: mock, models: [echo, fail-500]}
`

// A key that stands in the query of a path of Google's API is told nowhere, however it is written and
// whatever becomes of its request.
func TestAKeyInAQueryIsToldNowhere(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t)
	r := runServeOn(t, fmt.Sprintf(queryConf, collector.URL))
	if status, body := r.post("/api/captures", map[string]any{"caller": "alice", "seconds": 600}); status != http.StatusOK {
		t.Fatal(status, body)
	}
	const (
		k     = "sk-key-in-a-query"
		wrong = "sk-wrong-in-a-query"
		ask   = `{"contents":[{"parts":[{"text":"hi"}]}]}`
	)
	asked := 0
	for i, c := range []struct {
		method, target, body string
		status               int
	}{
		{"POST", "/v1beta/models/echo:generateContent?key=" + k, ask, 200},
		{"POST", "/v1beta/models/echo:streamGenerateContent?alt=sse&key=" + k, ask, 200},
		{"POST", "/v1beta/models/echo:streamGenerateContent?key=" + k, ask, 200},
		{"POST", "/v1beta/models/echo:countTokens?key=" + k, ask, 200},
		{"POST", "/v1beta/models/fail-500:generateContent?key=" + k, ask, 502},
		{"GET", "/v1beta/models?key=" + k, "", 200},
		{"GET", "/v1beta/models/none?key=" + k, "", 404},
		// Percent-encoded, and twice.
		{"POST", "/v1beta/models/echo:generateContent?%6bey=sk%2Dkey-in-a-%71uery", ask, 200},
		{"POST", "/v1beta/models/echo:generateContent?key=" + k + "&key=" + wrong, ask, 200},
		{"POST", "/v1beta/models/echo:generateContent?key=" + wrong + "&key=" + k, ask, 401},
		{"POST", "/v1beta/models/echo:generateContent?key=" + wrong, ask, 401},
		{"POST", "/v1beta//models/echo:generateContent/?key=" + k, ask, 200},
		// A query that is none, since its mark is escaped, or since it stands before the verb.
		{"POST", "/v1beta/models/echo:generateContent%3Fkey=" + k, ask, 401},
		{"POST", "/v1beta/models/echo:generateContent%3Fkey=" + k + "?key=" + k, ask, 404},
		{"POST", "/v1beta/models/echo%3Fkey=" + k + ":generateContent?key=" + k, ask, 404},
		{"POST", "/v1beta/models/echo%3Fkey=" + k + ":generateContent", ask, 401},
		{"GET", "/v1beta/models/echo%3Fkey=" + k, "", 401},
		{"POST", "/v1beta/models/echo:generateContent&key=" + k, ask, 401},
		{"POST", "/v1beta/models/echo:generateContent&key=" + k + "?key=" + k, ask, 404},
		{"POST", "/v1beta/models/echo&key=" + k + ":generateContent?key=" + k, ask, 404},
		{"POST", "/v1beta/models/echo?key=" + k + ":generateContent", ask, 401},
		// Unknown paths, wrong methods, bad bodies, and no HTTP.
		{"POST", "/v1beta/models/echo:embedContent?key=" + k, ask, 404},
		{"POST", "/v1beta/files?key=" + k, ask, 404},
		{"POST", "/v1beta/files%3Fkey=" + k, ask, 404},
		{"POST", "/nothing?key=" + k, ask, 404},
		{"POST", "/v1/nothing%3Fkey=" + k, ask, 404},
		{"PUT", "/v1beta/models/echo:generateContent?key=" + k, ask, 405},
		{"DELETE", "/v1beta/models?key=" + k, "", 405},
		{"POST", "/v1beta/models/echo:generateContent?key=" + k, "{", 400},
		{"POST", "/v1beta/models/echo:generateContent?key=" + k, `{"messages":[]}`, 400},
		{"POST", "/v1beta/models/echo:streamGenerateContent?alt=" + k + "&key=" + k, ask, 400},
		{"POST", "/v1beta/models/echo:generateContent?key=" + k + " HTTP/1.1 x", ask, 400},
		{"POST", "/v1beta/models/echo:generateContent?x=%zz\x01&key=" + k, ask, 400},
	} {
		status, answer := rawRequest(t, r, c.method, c.target, c.body, fmt.Sprint("r-", i))
		if status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.target, status, answer, c.status)
		}
		told(t, "the answer to "+c.method+" "+c.target, answer)
		if _, text := r.call("GET", r.operator+fmt.Sprint("/api/explain/r-", i), "operator-token"); status == 200 || status == 502 {
			told(t, "explain", text)
		}
		if (status == 200 || status == 502) && c.method == "POST" && !strings.Contains(c.target, "countTokens") {
			asked++
		}
	}
	for traces := asked; traces > 0; {
		rs := collector.Next(t)
		told(t, "a trace", otlptest.Shown(rs, time.Time{}))
		for _, span := range rs.ScopeSpans[0].Spans {
			if len(span.ParentSpanId) == 0 {
				traces--
			}
		}
	}
	for _, path := range []string{"/api/exchanges", "/api/ledger", "/api/overview", "/api/captures", "/api/callers", "/api/limits", "/api/traffic", "/metrics", "/api/conversations?caller=alice"} {
		status, text := r.call("GET", r.operator+path, "operator-token")
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		told(t, path, text)
		if path != "/api/captures" {
			continue
		}
		kept := regexp.MustCompile(`"id":"(r-\d+)"[^}]*?"at":"([^"]+)"`).FindAllStringSubmatch(text, -1)
		if len(kept) < asked {
			t.Errorf("%d exchanges are kept of %d: %s", len(kept), asked, text)
		}
		for _, one := range kept {
			_, forms := r.call("GET", r.operator+"/api/captures/exchanges/"+one[1]+"?caller=alice&at="+one[2], "operator-token")
			told(t, "a captured exchange", forms)
		}
	}
	r.logged("msg=exchange")
	told(t, "the log", r.log.String())
}

// told fails t where text holds a part of a key, percent-encoded or not.
func told(t *testing.T, where, text string) {
	t.Helper()
	for _, part := range []string{"in-a-query", "in-a-%71uery"} {
		if strings.Contains(text, part) {
			t.Errorf("%s tells the key: %s", where, text)
		}
	}
}

// rawRequest sends a request as it is written, and returns status and body of the answer.
func rawRequest(t *testing.T, r *running, method, target, body, id string) (int, string) {
	t.Helper()
	host := strings.TrimPrefix(r.base, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Request-Id: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, target, host, id, len(body), body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, fmt.Sprint(resp.Header) + string(got)
}
