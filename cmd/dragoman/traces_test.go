package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/otlptest"
)

const (
	clientParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	clientTrace  = "0af7651916cd43dd8448eb211c80319c"
)

// openaiServer is a back end that answers with reply and status, and tells of its headers.
func openaiServer(t *testing.T, status int, reply string) (*httptest.Server, <-chan http.Header) {
	t.Helper()
	told := make(chan http.Header, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Clone()
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(srv.Close)
	return srv, told
}

// tracesConf has a channel that fails, and one that answers when it has failed.
const tracesConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
traces: {endpoint: "%s", headers: {Authorization: "Bearer collector-secret"}, sample: 0}
channels:
  - {id: first, kind: openai, url: "%s/v1", keys: [sk-first-secret], models: [{name: small, upstream: gpt-4o-mini}], tier: 1}
  - {id: second, kind: openai, url: "%s/v1", keys: [sk-second-secret], models: [{name: small, upstream: llama-3}], tier: 2}
`

// post asks the gateway at base a question of alice.
func post(t *testing.T, base, body string, headers map[string]string) string {
	t.Helper()
	req, err := http.NewRequest("POST", base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-alice")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

const (
	answered  = `{"id":"c1","object":"chat.completion","created":1,"model":"llama-3-8b","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}`
	aQuestion = `{"model":"small","messages":[{"role":"user","content":"my private words"}]}`
)

// differing is what differs from run to run.
var differing = regexp.MustCompile(`\d+(\.\d+)?(µs|ms|s)\b|(queue\.seconds=|server\.port=)[\d.e-]+`)

// The operator's page shows the spans of this test, as the collector got them.
func TestAFailoverUnderAClientsSpanReachesTheCollector(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t)
	first, toFirst := openaiServer(t, 429, `{"error":{"message":"slow down","type":"rate_limit_error"}}`)
	second, toSecond := openaiServer(t, 200, answered)
	r := runServeOn(t, fmt.Sprintf(tracesConf, collector.URL, first.URL, second.URL))
	if got := post(t, r.base, aQuestion, map[string]string{"traceparent": clientParent, "tracestate": "vendor=1", "X-Request-Id": "req_mine"}); !strings.Contains(got, "Hello") {
		t.Fatal(got)
	}
	rs := collector.Next(t)
	got := otlptest.Shown(rs, time.Time{})
	spans := rs.ScopeSpans[0].Spans // as shown: the exchange, then its attempts
	for i, told := range []<-chan http.Header{toFirst, toSecond} {
		h := <-told
		want := "00-" + clientTrace + "-" + hex.EncodeToString(spans[i+1].SpanId) + "-01"
		if h.Get("Traceparent") != want || h.Get("Tracestate") != "vendor=1" {
			t.Errorf("channel %d was told of %q and %q, its span is %s", i+1, h.Get("Traceparent"), h.Get("Tracestate"), want)
		}
	}
	if h := collector.Headers(0); h.Get("Authorization") != "Bearer collector-secret" {
		t.Error("the collector got no credential")
	}
	for _, secret := range []string{"private", "secret", "Hello"} {
		if strings.Contains(got, secret) {
			t.Errorf("the spans tell %q", secret)
		}
	}
	if _, text := r.call("GET", r.operator+"/metrics", "operator-token"); !strings.Contains(text, "dragoman_trace_spans_dropped_total 0\n") {
		t.Errorf("no metric of dropped spans in %s", text)
	}

	got = differing.ReplaceAllString(otlptest.Shown(rs, time.Unix(0, int64(spans[0].StartTimeUnixNano))), "$3…")
	for i, id := range []string{"<exchange>", "<attempt 1>", "<attempt 2>"} {
		got = strings.ReplaceAll(got, hex.EncodeToString(spans[i].SpanId), id)
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if block := "```\n" + got + "```\n"; !strings.Contains(string(page), block) {
		t.Errorf("docs/operations.md does not show what the collector got:\n%s", block)
	}
}

// reload has the gateway read text in the place of its file.
func (r *running) reload(text string) {
	r.t.Helper()
	r.write(text)
	if status, body := r.call("POST", r.operator+"/api/reload", "operator-token"); status != 200 {
		r.t.Fatal(status, body)
	}
}

// An answer in one piece goes out when its line is written.
func TestAReloadChangesTheLog(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t)
	second, _ := openaiServer(t, 200, answered)
	conf := fmt.Sprintf(tracesConf, collector.URL, second.URL, second.URL) + "prefix: /gate\n"
	r := runServeOn(t, conf+"log: {format: json}\n")
	ask := func() { post(t, r.base, aQuestion, map[string]string{"traceparent": clientParent}) }
	ask()
	r.reload(conf + "log: {level: warn}\n")
	ask()
	r.reload(conf + "log: {requests: off}\n")
	ask()
	r.reload(conf)
	ask()
	r.logged("msg=exchange")
	line := regexp.MustCompile(`(?m)^\{"time":"[^"]+","level":"INFO","msg":"exchange","id":"[^"]+",.*"code":"ok",.*"trace":"` + clientTrace + `"`)
	if n := strings.Count(r.log.String(), "exchange"); n != 2 || !line.MatchString(r.log.String()) || !strings.Contains(r.log.String(), " trace="+clientTrace) {
		t.Errorf("%d lines of exchanges, of which the first and the last were to have one: %s", n, r.log)
	}
}
