package tracing

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/otlptest"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// traced returns a tracer that sends everything to c. It is closed at the end of the test.
func traced(t *testing.T, c *otlptest.Collector, change func(*config.Traces)) (*Tracer, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	tr := New(slog.New(slog.NewTextHandler(log, nil)), "v1")
	conf := &config.Traces{Endpoint: c.URL, Timeout: time.Minute, Service: "gateway", Sample: new(1.0)}
	if change != nil {
		change(conf)
	}
	tr.Apply(conf)
	t.Cleanup(tr.Close)
	return tr, log
}

var (
	aTrace  = [16]byte{0x0a, 0xf7, 15: 1}
	aSpan   = [8]byte{0xb7, 7: 2}
	aParent = [8]byte{0xee, 7: 3}
	began   = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

// ended is an exchange that failed at its first channel and was answered by the second.
func ended() *journal.Ended {
	return &journal.Ended{
		Operation: "chat",
		Span:      translate.TraceContext{TraceID: aTrace, SpanID: aSpan, Sampled: true, State: "vendor=1"}, Parent: aParent,
		ID: "req_1", Front: "openai", Caller: "alice", Model: "small", Conversation: "conv_1",
		Received: began, Took: 900 * time.Millisecond, Queue: 5 * time.Millisecond,
		Stream: true, Answered: "gpt-4o-mini-2024", Finish: translate.FinishStop, Usage: translate.Usage{Input: 12, Output: 34, CacheRead: 8},
		Attempts: []journal.EndedAttempt{
			{
				Span: [8]byte{1}, Channel: "vendor-a", Kind: "openai", Host: "api.example.com", Model: "gpt-4o", Tier: 1, Began: 6 * time.Millisecond, Took: 14 * time.Millisecond, Open: 14 * time.Millisecond,
				Outcome: journal.Outcome{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "the model failed", Failed: true},
			},
			{Span: [8]byte{2}, Channel: "vendor-b", Kind: "anthropic", Host: "127.0.0.1:4000", Model: "claude", Key: 1, Tier: 2, Began: 20 * time.Millisecond, Took: 880 * time.Millisecond, Open: 30 * time.Millisecond, First: 50 * time.Millisecond, Content: true},
		},
	}
}
