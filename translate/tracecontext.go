package translate

import (
	"encoding/hex"
	"strings"
)

// TraceContext is a span by its ids, as the W3C's Trace Context has it: the parent that a
// client names, or the span that a channel is to take for its parent. The zero value is none.
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte
	Sampled bool // the span is kept
	// State is the header tracestate as it came, which goes on with the ids; empty: none.
	State string
}

// MaxTraceState bounds the header tracestate, in bytes.
const MaxTraceState = 512

const (
	traceParentLength = 55 // of version 00: version, trace, parent and flags in hexadecimal
	flagSampled       = 1
	flagsAt           = 53
)

// Valid reports whether c is a span.
func (c *TraceContext) Valid() bool { return c.TraceID != [16]byte{} && c.SpanID != [8]byte{} }

// ParseTraceContext reads the headers traceparent and tracestate. ok is false for a
// traceparent that is malformed, which then counts as none. A later version is read as far
// as version 00 goes. A tracestate that is malformed or longer than [MaxTraceState] is left out.
func ParseTraceContext(parent, state []byte) (c TraceContext, ok bool) {
	if len(parent) < traceParentLength || !lowerHex(parent[:2]) || string(parent[:2]) == "ff" ||
		string(parent[:2]) == "00" && len(parent) > traceParentLength || len(parent) > traceParentLength && parent[traceParentLength] != '-' {
		return TraceContext{}, false
	}
	trace, span, flags := parent[3:35], parent[36:52], parent[flagsAt:traceParentLength]
	if parent[2] != '-' || parent[35] != '-' || parent[52] != '-' || !lowerHex(trace) || !lowerHex(span) || !lowerHex(flags) {
		return TraceContext{}, false
	}
	_, _ = hex.Decode(c.TraceID[:], trace)
	_, _ = hex.Decode(c.SpanID[:], span)
	if !c.Valid() {
		return TraceContext{}, false
	}
	var bits [1]byte
	_, _ = hex.Decode(bits[:], flags)
	c.Sampled = bits[0]&flagSampled != 0
	if len(state) > 0 && len(state) <= MaxTraceState && members(state) {
		c.State = string(state)
	}
	return c, true
}

// AppendParent appends the header traceparent that names c, without its name.
func (c *TraceContext) AppendParent(dst []byte) []byte {
	dst = hex.AppendEncode(append(dst, "00-"...), c.TraceID[:])
	dst = hex.AppendEncode(append(dst, '-'), c.SpanID[:])
	if c.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}

// Trace is the id of the trace in hexadecimal; empty: there is none.
func (c *TraceContext) Trace() string {
	if !c.Valid() {
		return ""
	}
	return hex.EncodeToString(c.TraceID[:])
}

func lowerHex(s []byte) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// members reports whether state is a list of pairs, key=value, of visible characters.
func members(state []byte) bool {
	for _, c := range state {
		if c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	pairs := 0
	for one := range strings.SplitSeq(string(state), ",") {
		if one = strings.Trim(one, " \t"); one == "" {
			continue
		}
		if key, value, ok := strings.Cut(one, "="); !ok || key == "" || value == "" {
			return false
		}
		pairs++
	}
	return pairs > 0 && pairs <= 32
}
