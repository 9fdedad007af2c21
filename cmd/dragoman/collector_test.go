package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
)

// realCollector is an OpenTelemetry collector in a process of its own, as "make otel" builds it.
type realCollector struct {
	*testing.T
	said *logtest.Log
}

func startCollector(t *testing.T) (c *realCollector, url string) {
	t.Helper()
	program := os.Getenv("DRAGOMAN_COLLECTOR")
	if program == "" {
		t.Skip("DRAGOMAN_COLLECTOR does not name a collector: make otel builds one")
	}
	c = &realCollector{t, &logtest.Log{}}
	cmd := exec.Command(program, "--config", "../../internal/otlptest/testdata/collector/collector.yaml")
	cmd.Stdout, cmd.Stderr = c.said, c.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the collector said:\n%s", c.said)
		}
	})
	c.says("Everything is ready")
	m := regexp.MustCompile(`Starting HTTP server.*"endpoint": "([^"]+)"`).FindStringSubmatch(c.said.String())
	if m == nil {
		t.Fatal("it does not say where it listens")
	}
	return c, "http://" + m[1]
}

// says waits until the collector has printed what.
func (c *realCollector) says(what string) {
	c.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.said.String(), what); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("the collector does not say %q", what)
		}
	}
}

// spans are those that the collector has printed, by name and kind, each as lines of "name: value".
func (c *realCollector) spans() map[string]string {
	all := map[string]string{}
	for _, text := range strings.Split(c.said.String(), "\nSpan #")[1:] {
		name := regexp.MustCompile(`(?m)^ +Name +: (.*)$`).FindStringSubmatch(text)[1]
		all[name] = regexp.MustCompile(`(?m)^ +|\t.*$| +(:)`).ReplaceAllString(text, "$1")
	}
	return all
}

// A collector that nobody of this project wrote takes the spans of an exchange whose first attempt
// failed, and shows them as one tree under the span of the client.
func TestARealCollectorShowsAnExchangeUnderItsClientsSpan(t *testing.T) {
	t.Parallel()
	collector, url := startCollector(t)
	first, _ := openaiServer(t, http.StatusTooManyRequests, `{"error":{"message":"slow down","type":"rate_limit_error"}}`)
	second, _ := openaiServer(t, http.StatusOK, answered)
	r := runServeOn(t, fmt.Sprintf(tracesConf, url, first.URL, second.URL))
	if got := post(t, r.base, aQuestion, map[string]string{"traceparent": clientParent, "tracestate": "vendor=1", "X-Request-Id": "req_mine"}); !strings.Contains(got, "Hello") {
		t.Fatal(got)
	}
	collector.says("\n\t{\"resource\"") // the end of what it prints of spans
	said := collector.said.String()
	t.Logf("%s", said[strings.Index(said, "ResourceSpans #0"):])
	for _, secret := range []string{"private", "secret", "Hello", "127.0.0.0/24"} {
		if strings.Contains(said, secret) {
			t.Errorf("the collector was told %q", secret)
		}
	}
	spans := collector.spans()
	id := regexp.MustCompile(`(?m)^ID: ([0-9a-f]{16})$`).FindStringSubmatch(spans["chat small"])
	if len(spans) != 3 || id == nil {
		t.Fatalf("%d spans: %q", len(spans), spans)
	}
	for name, lines := range map[string][]string{
		"chat small": {"Trace ID: " + clientTrace, "Parent ID: b7ad6b7169203331", "Kind: Server", "TraceState: vendor=1", "Status code: Unset", "-> dragoman.attempts: Int(2)",
			"-> dragoman.channel: Str(second)", "-> dragoman.request.id: Str(req_mine)", "-> gen_ai.usage.output_tokens: Int(34)"},
		"chat gpt-4o-mini": {"Trace ID: " + clientTrace, "Parent ID: " + id[1], "Kind: Client", "Status code: Error", "Status message: the model is throttled", "-> error.type: Str(busy)", "-> dragoman.channel: Str(first)"},
		"chat llama-3":     {"Trace ID: " + clientTrace, "Parent ID: " + id[1], "Kind: Client", "Status code: Unset", "-> gen_ai.response.model: Str(llama-3-8b)", "-> Name: dragoman.first_content"},
	} {
		for _, line := range lines {
			if !strings.Contains("\n"+spans[name]+"\n", "\n"+line+"\n") {
				t.Errorf("the span %q has no line %q:\n%s", name, line, spans[name])
			}
		}
	}
}
