package anthropic

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxCalls bounds what a decoder remembers of an answer's tool calls.
const maxCalls = 1024

// decoder reads one answer. Events alias the frame, the parser's copy of it or the
// scratch.
type decoder struct {
	parser   jsonx.Parser
	pass     bool // every frame must give an event, see Decode
	started  bool
	finished bool
	done     bool
	// quiet: the open block is thinking and has shown no text so far; a
	// signature then stands for the whole block.
	quiet   bool
	alike   translate.Kind // of the frames that the parser has learnt
	calls   []call
	counts  counts
	scratch []byte
}

// call is a tool call by the index of its block; its place in the slice is the
// canonical one.
type call struct {
	block int
	args  bool // a piece of arguments was seen
}

// counts are the vendor's numbers, which count the input three ways.
type counts struct{ fresh, read, written, output int64 }

func (c *counts) usage() translate.Usage {
	input := c.fresh + c.read + c.written
	if c.fresh < 0 || c.read < 0 || c.written < 0 {
		input = translate.NoCount
	}
	return translate.Usage{Input: input, Output: c.output, CacheRead: c.read, CacheWrite: c.written}
}

// add takes the totals of a usage object: what is absent or 0 leaves the earlier
// number as it was.
func (c *counts) add(v *fastjson.Value) bool {
	if v == nil || v.Type() != fastjson.TypeObject {
		return false
	}
	take := func(dst *int64, key string) {
		if n := translate.CountOf(v.Get(key)); n != 0 {
			*dst = n
		}
	}
	take(&c.fresh, "input_tokens")
	take(&c.read, "cache_read_input_tokens")
	take(&c.written, "cache_creation_input_tokens")
	take(&c.output, "output_tokens")
	return true
}

// Decode appends the events of the data of one server-sent event; the event's
// own type field decides what it is. In a passed-through answer a frame that
// means nothing gives one KindOpaque, so that it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.scratch = d.scratch[:0]
	before := len(evs)
	if piece, grown, ok := d.parser.Match(frame, d.scratch); ok && !d.finished {
		d.scratch = grown
		d.quiet = d.quiet && (d.alike != translate.KindReasoning || len(piece) == 0)
		evs = text(evs, d.alike, piece)
	} else {
		var err error
		if evs, err = d.decode(evs, frame); err != nil {
			return evs, err
		}
		d.learn(evs[before:], frame)
	}
	if d.pass && len(evs) == before {
		evs = append(evs, translate.Event{Kind: translate.KindOpaque})
	}
	return evs, nil
}

// learn remembers a frame that was nothing but a piece of text: nearly all of an
// answer is like it.
func (d *decoder) learn(evs []translate.Event, frame []byte) {
	if len(evs) != 1 {
		return
	}
	key := "text"
	switch evs[0].Kind {
	case translate.KindText:
	case translate.KindReasoning:
		key = "thinking"
	default:
		return
	}
	d.alike = evs[0].Kind
	d.parser.Learn(frame, key, evs[0].Text)
}

// Done reports whether message_stop was seen, or an answer in one piece.
func (d *decoder) Done() bool { return d.done }

// Borrow implements [translate.Borrower].
func (d *decoder) Borrow(m *jsonx.Memory) { d.parser.Borrow(m) }

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	v, err := d.parser.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, broken()
	}
	kind := string(v.GetStringBytes("type"))
	if kind == "error" || kind == "" && v.Exists("error") {
		return evs, translate.InBand(translate.RefusalFrom(frame))
	}
	if d.finished && kind != "message_stop" {
		return evs, nil
	}
	switch kind {
	case "message_start":
		return d.start(evs, v.Get("message")), nil
	case "content_block_start":
		return d.blockStart(evs, v)
	case "content_block_delta":
		return d.delta(evs, v), nil
	case "content_block_stop":
		return d.blockStop(evs, v.GetInt("index")), nil
	case "message_delta":
		if d.counts.add(v.Get("usage")) {
			evs = append(evs, translate.Event{Kind: translate.KindUsage, Usage: d.counts.usage()})
		}
		if reason := v.GetStringBytes("delta", "stop_reason"); len(reason) > 0 {
			evs = d.finish(evs, reason, v.GetStringBytes("delta", "stop_sequence"))
		}
	case "message_stop":
		d.done = true
		return d.finish(evs, nil, nil), nil
	}
	return evs, nil
}

func broken() *translate.Error {
	return translate.Broken("the model answered with something that is not a JSON object", nil)
}

func (d *decoder) start(evs []translate.Event, m *fastjson.Value) []translate.Event {
	d.counts.add(m.Get("usage"))
	if d.started {
		return evs
	}
	d.started = true
	return append(evs, translate.Event{
		Kind: translate.KindStart, ID: m.GetStringBytes("id"), Name: m.GetStringBytes("model"), Usage: d.counts.usage(),
	})
}

func (d *decoder) finish(evs []translate.Event, reason, sequence []byte) []translate.Event {
	if d.finished {
		return evs
	}
	d.finished = true
	ev := translate.Event{Kind: translate.KindFinish, Finish: finishOf(reason), Usage: d.counts.usage()}
	if ev.Finish == translate.FinishSequence {
		ev.Text = sequence
	}
	if reason == nil && len(d.calls) > 0 {
		ev.Finish = translate.FinishTool
	}
	return append(evs, ev)
}

func finishOf(reason []byte) translate.Finish {
	switch string(reason) {
	case "max_tokens", "model_context_window_exceeded":
		return translate.FinishLength
	case "tool_use":
		return translate.FinishTool
	case "refusal":
		return translate.FinishFilter
	case "stop_sequence":
		return translate.FinishSequence
	case "pause_turn":
		return translate.FinishPause
	}
	return translate.FinishStop
}

func text(evs []translate.Event, k translate.Kind, piece []byte) []translate.Event {
	if len(piece) == 0 {
		return evs
	}
	return append(evs, translate.Event{Kind: k, Text: piece})
}

// marked appends a signature event of a mark and what it marks.
func (d *decoder) marked(evs []translate.Event, mark string, data []byte) []translate.Event {
	start := len(d.scratch)
	d.scratch = append(append(d.scratch, mark...), data...)
	return text(evs, translate.KindSignature, d.scratch[start:])
}

// blockStart begins a block. Blocks of unknown types, such as those of tools that
// the vendor runs itself, are skipped with everything that belongs to them.
func (d *decoder) blockStart(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	block := v.Get("content_block")
	d.quiet = false
	switch string(block.GetStringBytes("type")) {
	case "text":
		evs = text(evs, translate.KindText, block.GetStringBytes("text"))
	case "thinking":
		thought := block.GetStringBytes("thinking")
		d.quiet = len(thought) == 0
		evs = text(evs, translate.KindReasoning, thought)
		evs = d.signature(evs, block.GetStringBytes("signature"))
	case "redacted_thinking":
		evs = d.marked(evs, markRedacted, block.GetStringBytes("data"))
	case "tool_use":
		return d.callStart(evs, v.GetInt("index"), block)
	}
	return evs, nil
}

func (d *decoder) callStart(evs []translate.Event, block int, v *fastjson.Value) ([]translate.Event, error) {
	n := len(d.calls)
	if n >= maxCalls {
		return evs, translate.Broken("the model called too many tools", nil)
	}
	d.calls = append(d.calls, call{block: block})
	evs = append(evs, translate.Event{
		Kind: translate.KindToolStart, Index: int32(n), ID: v.GetStringBytes("id"), Name: v.GetStringBytes("name"),
	})
	// Some servers give the whole input here instead of in pieces.
	if input := v.Get("input"); input != nil && input.Type() == fastjson.TypeObject && input.GetObject().Len() > 0 {
		evs = d.args(evs, n, input)
	}
	return evs, nil
}

// args appends a whole input as one piece.
func (d *decoder) args(evs []translate.Event, n int, input *fastjson.Value) []translate.Event {
	start := len(d.scratch)
	d.scratch = input.MarshalTo(d.scratch)
	d.calls[n].args = true
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(n), Text: d.scratch[start:]})
}

func (d *decoder) delta(evs []translate.Event, v *fastjson.Value) []translate.Event {
	delta := v.Get("delta")
	switch string(delta.GetStringBytes("type")) {
	case "text_delta":
		return text(evs, translate.KindText, delta.GetStringBytes("text"))
	case "thinking_delta":
		thought := delta.GetStringBytes("thinking")
		d.quiet = d.quiet && len(thought) == 0
		return text(evs, translate.KindReasoning, thought)
	case "signature_delta":
		return d.signature(evs, delta.GetStringBytes("signature"))
	case "input_json_delta":
		n := d.callOf(v.GetInt("index"))
		piece := delta.GetStringBytes("partial_json")
		if n < 0 || len(piece) == 0 {
			return evs
		}
		d.calls[n].args = true
		return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(n), Text: piece})
	}
	return evs
}

func (d *decoder) signature(evs []translate.Event, piece []byte) []translate.Event {
	if len(piece) == 0 {
		return evs
	}
	if d.quiet {
		d.quiet = false
		return d.marked(evs, markThinking, piece)
	}
	return text(evs, translate.KindSignature, piece)
}

// callOf returns which call a block is, -1 for none.
func (d *decoder) callOf(block int) int {
	for i := len(d.calls) - 1; i >= 0; i-- {
		if d.calls[i].block == block {
			return i
		}
	}
	return -1
}

// blockStop gives a call without arguments the empty object that this dialect
// does not send: clients of other dialects parse the pieces.
func (d *decoder) blockStop(evs []translate.Event, block int) []translate.Event {
	n := d.callOf(block)
	if n < 0 || d.calls[n].args {
		return evs
	}
	d.calls[n].args = true
	d.scratch = append(d.scratch, `{}`...)
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(n), Text: d.scratch[len(d.scratch)-2:]})
}

// DecodeWhole appends the events of a message object, or returns the failure
// that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.scratch = d.scratch[:0]
	if status < 200 || status > 299 {
		return evs, translate.FromStatus(status, translate.RefusalFrom(body), 0)
	}
	v, err := d.parser.ParseBytes(body)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, broken()
	}
	if kind := string(v.GetStringBytes("type")); kind == "error" || kind == "" && v.Exists("error") {
		return evs, translate.InBand(translate.RefusalFrom(body))
	}
	blocks := v.Get("content")
	if blocks == nil || blocks.Type() != fastjson.TypeArray {
		return evs, translate.Broken("the model's answer has no content", nil)
	}
	evs = d.start(evs, v)
	for _, b := range blocks.GetArray() {
		if evs, err = d.block(evs, b); err != nil {
			return evs, err
		}
	}
	d.done = true
	return d.finish(evs, v.GetStringBytes("stop_reason"), v.GetStringBytes("stop_sequence")), nil
}

// block appends the events of a whole block.
func (d *decoder) block(evs []translate.Event, b *fastjson.Value) ([]translate.Event, error) {
	switch string(b.GetStringBytes("type")) {
	case "text":
		evs = text(evs, translate.KindText, b.GetStringBytes("text"))
	case "thinking":
		thought := b.GetStringBytes("thinking")
		d.quiet = len(thought) == 0
		evs = d.signature(text(evs, translate.KindReasoning, thought), b.GetStringBytes("signature"))
	case "redacted_thinking":
		evs = d.marked(evs, markRedacted, b.GetStringBytes("data"))
	case "tool_use":
		n := len(d.calls)
		evs, err := d.callStart(evs, n, b)
		if err != nil || d.calls[n].args {
			return evs, err
		}
		return d.blockStop(evs, n), nil
	}
	return evs, nil
}
