//go:build !race

package anthropic

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
	`{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}`,
	`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`,
}

var steady = []string{
	`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel\"lo\n \u0416"}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
	`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
}
