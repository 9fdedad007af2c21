package tracing

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields in the messages of OTLP (opentelemetry/proto/collector/trace/v1 and
// opentelemetry/proto/trace/v1, version 1). A message is written behind its own length, which
// is why each has a function that appends its fields.

// encode returns spans, all of one resource and one scope, as an ExportTraceServiceRequest.
func encode(spans []sdktrace.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return nil
	}
	return message(nil, 1, func(b []byte) []byte { // resource_spans
		b = message(b, 1, func(b []byte) []byte { return attributes(b, 1, spans[0].Resource().Attributes()) })
		return message(b, 2, func(b []byte) []byte { // scope_spans
			b = message(b, 1, func(b []byte) []byte { return scope(b, spans[0].InstrumentationScope()) })
			for _, s := range spans {
				b = message(b, 2, func(b []byte) []byte { return span(b, s) })
			}
			return b
		})
	})
}

func scope(b []byte, s instrumentation.Scope) []byte {
	return text(text(b, 1, s.Name), 2, s.Version)
}

// Flags of a span besides those of W3C.
const (
	knowsRemote = 1 << 8 // whether the parent is of another process
	isRemote    = 1 << 9 // it is
)

func span(b []byte, s sdktrace.ReadOnlySpan) []byte {
	own, parent := s.SpanContext(), s.Parent()
	traceID, spanID := own.TraceID(), own.SpanID()
	b = raw(raw(b, 1, traceID[:]), 2, spanID[:])
	b = text(b, 3, own.TraceState().String())
	if parent.HasSpanID() {
		parentID := parent.SpanID()
		b = raw(b, 4, parentID[:])
	}
	b = text(b, 5, s.Name())
	b = number(b, 6, uint64(s.SpanKind())) // both count from internal, 1
	b = instant(instant(b, 7, s.StartTime()), 8, s.EndTime())
	b = attributes(b, 9, s.Attributes())
	for _, e := range s.Events() {
		b = message(b, 11, func(b []byte) []byte { return attributes(text(instant(b, 1, e.Time), 2, e.Name), 3, e.Attributes) })
	}
	if st := s.Status(); st.Code != codes.Unset {
		b = message(b, 15, func(b []byte) []byte { return number(text(b, 2, st.Description), 3, statusOf(st.Code)) })
	}
	return fixed32(b, 16, flagsOf(own, parent))
}

func flagsOf(own, parent trace.SpanContext) uint32 {
	flags := uint32(own.TraceFlags()) | knowsRemote
	if parent.IsRemote() {
		flags |= isRemote
	}
	return flags
}

// statusOf is a status as OTLP counts them: 1 is well, 2 an error.
func statusOf(c codes.Code) uint64 {
	if c == codes.Error {
		return 2
	}
	return 1
}

// attributes appends all as KeyValue messages under num.
func attributes(b []byte, num protowire.Number, all []attribute.KeyValue) []byte {
	for _, kv := range all {
		b = message(b, num, func(b []byte) []byte {
			b = text(b, 1, string(kv.Key))
			return message(b, 2, func(b []byte) []byte { return value(b, kv.Value) })
		})
	}
	return b
}

// value appends the field of an AnyValue. Zero values are written too: each is a value.
func value(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return protowire.AppendFixed64(protowire.AppendTag(b, 4, protowire.Fixed64Type), math.Float64bits(v.AsFloat64()))
	case attribute.STRINGSLICE:
		return message(b, 5, func(b []byte) []byte {
			for _, s := range v.AsStringSlice() {
				b = message(b, 1, func(b []byte) []byte { return word(b, 1, s) })
			}
			return b
		})
	}
	return word(b, 1, v.String())
}

// message appends the message whose fields body appends.
func message(b []byte, num protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, body(nil))
}

// word appends a string, be it empty. A collector refuses all of a message in which one is no
// UTF-8.
func word(b []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), strings.ToValidUTF8(s, "\ufffd"))
}

func text(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return word(b, num, s)
}

func raw(b []byte, num protowire.Number, p []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), p)
}

func number(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func instant(b []byte, num protowire.Number, at time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), uint64(at.UnixNano()))
}

func fixed32(b []byte, num protowire.Number, n uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), n)
}
