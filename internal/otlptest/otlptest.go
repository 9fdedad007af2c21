// Package otlptest is a collector for tests: it takes spans by OTLP over HTTP and reads them
// with the published messages.
package otlptest

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Collector takes spans as a real one does. It is closed at the end of the test.
type Collector struct {
	*httptest.Server
	spans chan *tracepb.ResourceSpans

	mu    sync.Mutex
	heads []http.Header
	// Answer, if it is not nil, is what the nth post gets, from 0; it is set before the first.
	// What gets 200 and nothing more is taken.
	Answer func(n int) (status int, reply []byte)
}

// New returns a collector that listens.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{spans: make(chan *tracepb.ResourceSpans, 64)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.heads)
		c.heads = append(c.heads, r.Header.Clone())
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the gateway has given it up
		}
		var req collectorpb.ExportTraceServiceRequest
		if err = proto.Unmarshal(body, &req); err != nil || r.URL.Path != "/v1/traces" || len(req.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%s %s: %v, unknown: %x", r.Method, r.URL, err, req.ProtoReflect().GetUnknown())
		}
		if c.Answer != nil {
			if status, reply := c.Answer(n); status != 200 || reply != nil {
				w.WriteHeader(status)
				_, _ = w.Write(reply)
				return
			}
		}
		for _, s := range req.ResourceSpans {
			c.spans <- s
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// Next returns the next spans that come.
func (c *Collector) Next(t testing.TB) *tracepb.ResourceSpans {
	t.Helper()
	select {
	case s := <-c.spans:
		return s
	case <-time.After(time.Minute):
		t.Fatal("no spans came")
		return nil
	}
}

// Headers are those of the nth post, from 0.
func (c *Collector) Headers(n int) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heads[n]
}

// Shown writes spans as a person reads them, the earliest first, times counted from began.
func Shown(rs *tracepb.ResourceSpans, began time.Time) string {
	since := func(nanos uint64) time.Duration { return time.Unix(0, int64(nanos)).Sub(began) }
	var b strings.Builder
	fmt.Fprintf(&b, "resource %s\n", attrs(rs.Resource.Attributes))
	for _, ss := range rs.ScopeSpans {
		fmt.Fprintf(&b, "scope %s %s\n", ss.Scope.Name, ss.Scope.Version)
		slices.SortStableFunc(ss.Spans, func(x, y *tracepb.Span) int {
			return cmp.Compare(x.StartTimeUnixNano, y.StartTimeUnixNano)
		})
		for _, s := range ss.Spans {
			fmt.Fprintf(&b, "span %q %s %s-%s parent %q state %q flags %x\n  %v to %v\n", s.Name, s.Kind, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId), s.TraceState, s.Flags, since(s.StartTimeUnixNano), since(s.EndTimeUnixNano))
			if s.Status != nil {
				fmt.Fprintf(&b, "  status %s %q\n", s.Status.Code, s.Status.Message)
			}
			for _, kv := range s.Attributes {
				fmt.Fprintf(&b, "  %s\n", attr(kv))
			}
			for _, e := range s.Events {
				fmt.Fprintf(&b, "  event %s at %v%s\n", e.Name, since(e.TimeUnixNano), with(e.Attributes))
			}
		}
	}
	return b.String()
}

// with is what stands behind the time of an event.
func with(all []*commonpb.KeyValue) string {
	if len(all) == 0 {
		return ""
	}
	return " " + attrs(all)
}

func attrs(all []*commonpb.KeyValue) string {
	var words []string
	for _, kv := range all {
		words = append(words, attr(kv))
	}
	return strings.Join(words, ", ")
}

func attr(kv *commonpb.KeyValue) string { return kv.Key + "=" + valueText(kv.Value) }

func valueText(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return fmt.Sprintf("%q", v.StringValue)
	case *commonpb.AnyValue_ArrayValue:
		var words []string
		for _, one := range v.ArrayValue.Values {
			words = append(words, valueText(one))
		}
		return "[" + strings.Join(words, " ") + "]"
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *commonpb.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	}
	return fmt.Sprintf("%T", v.Value)
}
