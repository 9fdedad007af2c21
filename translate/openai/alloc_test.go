//go:build !race

package openai

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAnEventCostsNoAllocationInSteadyState(t *testing.T) {
	for _, f := range steady {
		req := &translate.Request{UsageInStream: true}
		d, e := Dialect.NewDecoder(req), Dialect.NewEncoder(req, head)
		var evs []translate.Event
		var out []byte
		step := func(frame []byte) {
			var err error
			if evs, err = d.Decode(evs[:0], frame); err != nil {
				t.Fatal(err)
			}
			out = out[:0]
			for _, ev := range evs {
				out = e.Append(out, ev)
			}
		}
		for _, p := range prelude {
			step([]byte(p))
		}
		frame := []byte(f)
		step(frame)
		step(frame)
		if n := testing.AllocsPerRun(200, func() { step(frame) }); n != 0 || len(out) == 0 {
			t.Errorf("%s: %v allocations, %d bytes", f, n, len(out))
		}
	}
}

func BenchmarkDecodeAndAppendText(b *testing.B) {
	req := &translate.Request{}
	d, e := Dialect.NewDecoder(req), Dialect.NewEncoder(req, head)
	var evs []translate.Event
	var out []byte
	frame := []byte(steady[0])
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		evs, _ = d.Decode(evs[:0], frame)
		out = out[:0]
		for _, ev := range evs {
			out = e.Append(out, ev)
		}
	}
}

var prelude = []string{
	`{"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
	`{"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}`,
}

var steady = []string{
	`{"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_fc9f1d7035","choices":[{"index":0,"delta":{"content":"Hel\"lo\n \u0416"},"logprobs":null,"finish_reason":null}],"usage":null}`,
	`{"id":"x","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}`,
	`{"id":"x","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}`,
}
