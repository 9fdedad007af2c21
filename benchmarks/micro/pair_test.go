package micro

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// sample is what an upstream of one dialect sends.
type sample struct {
	prelude []string // frames before the first piece of text
	text    string   // one piece of text in the middle of an answer
	whole   string   // an answer in one piece
}

// samples are as long and as full of fields as those of real servers; the text
// has an escape, and a letter that may be escaped.
var samples = map[string]sample{
	"openai": {
		prelude: []string{`{"id":"chatcmpl-7Qx","object":"chat.completion.chunk","created":1790000000,"model":"large-2026-08-01","service_tier":"default","system_fingerprint":"fp_0a1b2c3d4e","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`},
		text:    `{"id":"chatcmpl-7Qx","object":"chat.completion.chunk","created":1790000000,"model":"large-2026-08-01","service_tier":"default","system_fingerprint":"fp_0a1b2c3d4e","choices":[{"index":0,"delta":{"content":" \"first\" né\n"},"logprobs":null,"finish_reason":null}],"usage":null}`,
		whole:   `{"id":"chatcmpl-7Qx","object":"chat.completion","created":1790000000,"model":"large-2026-08-01","choices":[{"index":0,"message":{"role":"assistant","content":"The \"first\" né\n","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}`,
	},
	"anthropic": {
		prelude: []string{
			`{"type":"message_start","message":{"id":"msg_01Ab","type":"message","role":"assistant","model":"large-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":1}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		},
		text:  `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" \"first\" né\n"}}`,
		whole: `{"id":"msg_01Ab","type":"message","role":"assistant","model":"large-4-5","content":[{"type":"text","text":"The \"first\" né\n"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":5}}`,
	},
	"responses": {
		prelude: []string{
			`{"type":"response.created","response":{"id":"resp_68a0","object":"response","created_at":1790000000,"status":"in_progress","model":"large-2026-08-01","output":[]},"sequence_number":0}`,
			`{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_68a1","type":"message","status":"in_progress","content":[],"role":"assistant"},"sequence_number":1}`,
			`{"type":"response.content_part.added","item_id":"msg_68a1","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""},"sequence_number":2}`,
		},
		text:  `{"type":"response.output_text.delta","item_id":"msg_68a1","output_index":0,"content_index":0,"delta":" \"first\" né\n","logprobs":[],"obfuscation":"x8Fk","sequence_number":4}`,
		whole: `{"id":"resp_68a0","object":"response","created_at":1790000000,"status":"completed","error":null,"incomplete_details":null,"model":"large-2026-08-01","output":[{"id":"msg_68a1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"The \"first\" né\n"}],"role":"assistant"}],"usage":{"input_tokens":12,"output_tokens":5,"total_tokens":17}}`,
	},
	"gemini": {
		prelude: []string{`{"candidates": [{"content": {"parts": [{"text": "The"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 12,"candidatesTokenCount": 1,"totalTokenCount": 13,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 12}]},"modelVersion": "large-2.5","responseId": "tTCwacuEBMvnitYP06qsgQY"}`},
		text:    `{"candidates": [{"content": {"parts": [{"text": " \"first\" né\n"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 12,"candidatesTokenCount": 5,"totalTokenCount": 17,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 12}]},"modelVersion": "large-2.5","responseId": "tTCwacuEBMvnitYP06qsgQY"}`,
		whole:   `{"candidates": [{"content": {"parts": [{"text": "The \"first\" né\n"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 12,"candidatesTokenCount": 5,"totalTokenCount": 17},"modelVersion": "large-2.5","responseId": "tTCwacuEBMvnitYP06qsgQY"}`,
	},
	"ollama": {
		prelude: []string{`{"model":"large:70b","created_at":"2026-09-21T10:00:00.123456789Z","message":{"role":"assistant","content":"The"},"done":false}`},
		text:    `{"model":"large:70b","created_at":"2026-09-21T10:00:00.223456789Z","message":{"role":"assistant","content":" \"first\" né\n"},"done":false}`,
		whole:   `{"model":"large:70b","created_at":"2026-09-21T10:00:01.123456789Z","message":{"role":"assistant","content":"The \"first\" né\n"},"done_reason":"stop","done":true,"total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":12,"prompt_eval_duration":342546000,"eval_count":5,"eval_duration":4535599000}`,
	},
	"rest": {
		prelude: []string{`{"type":"start","conversationId":"conv_0123456789"}`},
		text:    `{"type":"content","text":" \"first\" né\n"}`,
		whole:   `{"success":true,"data":{"response":"The \"first\" né\n","conversationId":"conv_0123456789","usage":{"promptTokens":12,"completionTokens":5,"totalTokens":17}}}`,
	},
	"chatnio": {
		prelude: []string{`{"conversation":3,"quota":0,"keyword":"","message":"","end":false,"plan":false}`},
		text:    `{"conversation":0,"quota":0.016,"keyword":"","message":" \"first\" né\n","end":false,"plan":false}`,
	},
	"iagent": {
		text: `{"msg_id":"b1","msg_type":3,"chat_type":1,"sender":"helper","receiver":"ann","ref_msg_id":"ask","create_time":1790000000000,"resp_code":0,"content":"The \"first\" né\n"}`,
	},
}

// pieces reports whether d answers in pieces; of the others one frame is a whole
// answer.
func pieces(d translate.Dialect) bool { return d.Name() != "iagent" }

// road is one decoder and one encoder, in the middle of an answer.
type road struct {
	dec translate.Decoder
	enc translate.Encoder
	evs []translate.Event
	out []byte
	txt []byte
}

func request(d translate.Dialect) *translate.Request {
	return &translate.Request{Dialect: d.Name(), Model: "m", Stream: true, UsageInStream: true, User: "ann"}
}

var head = translate.Envelope{ID: "id-1", Created: 1790000000000, Conversation: "conv_1", Talk: func() string { return "conv_1" }, Number: 1}

func newRoad(tb testing.TB, up, down translate.Dialect) *road {
	tb.Helper()
	s := samples[up.Name()]
	if s.text == "" {
		tb.Fatalf("there is no sample of %s", up.Name())
	}
	r := &road{dec: up.NewDecoder(request(up)), enc: down.NewEncoder(request(down), head), txt: []byte(s.text)}
	for _, f := range s.prelude {
		r.step(tb, []byte(f))
	}
	r.step(tb, r.txt)
	return r
}

// step decodes one frame and encodes what it holds.
func (r *road) step(tb testing.TB, frame []byte) {
	var err error
	if r.evs, err = r.dec.Decode(r.evs[:0], frame); err != nil {
		tb.Fatalf("%v: %s", err, frame)
	}
	r.out = r.out[:0]
	for i := range r.evs {
		r.out = r.enc.Append(r.out, r.evs[i])
	}
}

// answer decodes a whole answer of up and encodes it for down.
func answer(tb testing.TB, up, down translate.Dialect, body, dst []byte) []byte {
	dec := up.NewDecoder(request(up))
	var evs []translate.Event
	var err error
	if pieces(up) {
		evs, err = dec.DecodeWhole(nil, 200, body)
	} else {
		evs, err = dec.Decode(nil, body)
	}
	if err != nil {
		tb.Fatalf("%s: %v", up.Name(), err)
	}
	var a translate.Answer
	for i := range evs {
		a.Add(evs[i])
	}
	if a.Text() == "" {
		tb.Fatalf("%s: no text in %s", up.Name(), body)
	}
	return down.NewEncoder(request(down), head).AppendWhole(dst, &a)
}

// wholeOf is the sample of an answer in one piece; nil: the dialect has none.
func wholeOf(d translate.Dialect) []byte {
	s := samples[d.Name()]
	if !pieces(d) {
		return []byte(s.text)
	}
	if s.whole == "" {
		return nil
	}
	return []byte(s.whole)
}

func eachPair(f func(name string, up, down translate.Dialect)) {
	for _, up := range dialects.All {
		for _, down := range dialects.All {
			f(up.Name()+"-to-"+down.Name(), up, down)
		}
	}
}

// BenchmarkEvent is one piece of text: a frame of the upstream decoded and
// written for the client.
func BenchmarkEvent(b *testing.B) {
	eachPair(func(name string, up, down translate.Dialect) {
		if !pieces(up) || !pieces(down) {
			return
		}
		b.Run(name, func(b *testing.B) {
			r := newRoad(b, up, down)
			b.ReportAllocs()
			b.SetBytes(int64(len(r.txt)))
			for b.Loop() {
				r.step(b, r.txt)
			}
		})
	})
}

// BenchmarkAnswer is an answer in one piece: decoded and written for a client
// that waits for all of it.
func BenchmarkAnswer(b *testing.B) {
	eachPair(func(name string, up, down translate.Dialect) {
		body := wholeOf(up)
		if body == nil {
			return
		}
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				answer(b, up, down, body, dst[:0])
			}
		})
	})
}
