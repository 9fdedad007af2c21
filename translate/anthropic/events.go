package anthropic

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// maxCalls bounds what a decoder remembers of an answer's tool calls.
const maxCalls = 1024

// decoder reads one answer. Events alias the frame, the parser's copy of it or the
// scratch.
type decoder struct {
	translate.Deltas
	started  bool
	reason   translate.Finish // the last that was given; 0: none was
	sequence []byte           // that it names, in memory of its own
	alone    bool             // an end mark came without a reason
	finished bool             // KindFinish was appended
	done     bool
	// quiet: the open block is thinking and has shown no text so far; a
	// signature then stands for the whole block.
	quiet   bool
	remade  bool // the frame is a whole answer
	event   []byte
	calls   []call
	given   translate.CallIDs
	renamed map[string]string // names of tools that were told otherwise, by what they became; nil: none was
	counts  counts
	id      []byte // the answer's, of which missing ids of calls are made
	room    [48]byte
}

// call is a tool call by the index of its block; its place in the slice is the
// canonical one.
type call struct {
	block int
	id    []byte // the server's; empty: it gave none
	args  bool   // a piece of arguments was seen
	input []byte // the whole input that its beginning had, until a piece of it or its end comes
	// quoted are pieces that begin a JSON string: the input may be in it.
	quoted []byte
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

// NewDecoder returns a decoder for one answer to req.
func (codec) NewDecoder(req *translate.Request) translate.Decoder {
	d := &decoder{Deltas: translate.Deltas{Pass: req.PassThrough}}
	if !d.Pass {
		d.renamed = req.Renamed(toldName)
	}
	return d
}

// Decode appends the events of the data of one server-sent event; the event's
// own type field decides what it is. In a passed-through answer a frame that
// means nothing gives one KindOpaque, so that it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.Begin()
	d.remade, d.event = false, nil
	before := len(evs)
	evs, err := d.frame(evs, frame)
	if err != nil {
		return evs, err
	}
	return d.Passed(evs, before), nil
}

// frame appends the events of a frame, by its likeness to the one before where it is like it.
func (d *decoder) frame(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if d.done {
		return evs, nil // nothing can follow
	}
	before := len(evs)
	if out, ok := d.Match(evs, frame); ok {
		d.event = deltaEvent // nothing else is learnt
		d.quiet = d.quiet && (len(out) == before || out[before].Kind != translate.KindReasoning)
		return out, nil
	}
	evs, err := d.decode(evs, frame)
	if err == nil {
		d.Learn(evs[before:], frame, "text", "thinking")
	}
	return evs, err
}

// Remade reports whether the frame that was decoded last is a whole answer, which no client of a
// stream reads.
func (d *decoder) Remade() bool { return d.remade }

// EventName is the name of the event whose data was decoded last, by which clients know it; empty: it is not
// known.
func (d *decoder) EventName() []byte { return d.event }

var deltaEvent = []byte("content_block_delta") // only read

// Done reports whether message_stop was seen, or an answer in one piece.
func (d *decoder) Done() bool { return d.done }

// Complete implements [translate.Ender].
func (d *decoder) Complete() bool { return d.reason != 0 && !d.done }

// End implements [translate.Ender].
func (d *decoder) End(evs []translate.Event) []translate.Event {
	d.done = true
	return d.finish(evs)
}

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if len(frame) == 0 || frame[0] != '{' {
		if translate.DoneMark(frame) {
			d.alone = true
			return d.End(evs), nil
		}
		if translate.Idle(frame) {
			return evs, nil
		}
	}
	v, err := d.Parser.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, broken()
	}
	if failed(v) {
		return evs, translate.FailedIn(frame)
	}
	d.event = typeOf(v)
	switch string(d.event) {
	case "message_start":
		m := v.Get("message")
		evs = d.start(evs, m)
		return evs, d.ends(m.GetStringBytes("stop_reason"), m.GetStringBytes("stop_sequence"))
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
		return evs, d.ends(v.GetStringBytes("delta", "stop_reason"), v.GetStringBytes("delta", "stop_sequence"))
	case "message_stop":
		d.alone = true
		return d.End(evs), nil
	case "message":
		d.remade = true
		return d.message(evs, v)
	}
	return evs, nil
}

// typeOf is the type of an event, by its members where it does not say one.
func typeOf(v *fastjson.Value) []byte {
	if t := v.GetStringBytes("type"); len(t) > 0 {
		return t
	}
	switch {
	case v.Exists("content_block"):
		return []byte("content_block_start")
	case len(v.GetStringBytes("delta", "type")) > 0:
		return []byte("content_block_delta")
	case v.Exists("delta"):
		return []byte("message_delta")
	case v.Exists("message", "role"):
		return []byte("message_start")
	}
	return nil
}

// failed reports whether v, the value of a frame or a body, is an error instead.
func failed(v *fastjson.Value) bool {
	if kind := typeOf(v); len(kind) > 0 && string(kind) != "error" {
		return translate.Holds(v.Get("error"))
	}
	return translate.Failed(v, "content") || !v.Exists("type") && !v.Exists("content") && translate.Holds(v.Get("message"))
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
	d.id = append(d.room[:0], m.GetStringBytes("id")...)
	return append(evs, translate.Event{
		Kind: translate.KindStart, ID: m.GetStringBytes("id"), Name: m.GetStringBytes("model"), Usage: d.counts.usage(),
	})
}

// ends notes the reason that an answer ends for; the last one counts. One that tells of a
// failure is an error.
func (d *decoder) ends(reason, sequence []byte) error {
	if len(reason) == 0 {
		return nil
	}
	f, failed := finishOf(reason)
	if failed {
		return translate.InBand(translate.Refusal{Code: string(reason), Message: "stop_reason " + string(reason)})
	}
	d.reason, d.sequence = f, append(d.sequence[:0], sequence...)
	return nil
}

// finish appends the end of the answer, once. Servers that imitate the vendor give other
// reasons to answers with calls.
func (d *decoder) finish(evs []translate.Event) []translate.Event {
	if d.finished {
		return evs
	}
	d.finished = true
	evs = d.flush(evs)
	ev := translate.Event{Kind: translate.KindFinish, Finish: d.reason, Reason: d.Given(), Usage: d.counts.usage()}
	if d.reason == 0 {
		ev.Finish, ev.Reason = translate.FinishStop, translate.ReasonUntold
		if d.alone {
			ev.Reason = translate.ReasonMissing
		}
	}
	switch plain := ev.Finish == translate.FinishStop || ev.Finish == translate.FinishSequence; {
	case plain && len(d.calls) > 0:
		ev.Finish = translate.FinishTool
	case ev.Finish == translate.FinishTool && len(d.calls) == 0:
		ev.Finish = translate.FinishStop // a client would look for calls
	case ev.Finish == translate.FinishSequence:
		ev.Text = d.sequence
	}
	return append(evs, ev)
}

func finishOf(reason []byte) (f translate.Finish, failed bool) {
	switch string(reason) {
	case "end_turn":
		return translate.FinishStop, false
	case "stop_sequence":
		return translate.FinishSequence, false
	case "pause_turn":
		return translate.FinishPause, false
	}
	return translate.FinishOf(reason)
}

// marked appends a signature event of a mark and what it marks.
func (d *decoder) marked(evs []translate.Event, mark string, data []byte) []translate.Event {
	start := len(d.Scratch)
	d.Scratch = append(append(d.Scratch, mark...), data...)
	return translate.AppendPiece(evs, translate.KindSignature, d.Scratch[start:])
}

// blockStart begins a block. Blocks of unknown types, such as those of tools that
// the vendor runs itself, are skipped with everything that belongs to them.
func (d *decoder) blockStart(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	block := v.Get("content_block")
	d.quiet = false
	kind := string(block.GetStringBytes("type"))
	if kind != "tool_use" {
		evs = d.flush(evs) // other calls may be under way all the same
	}
	switch kind {
	case "text":
		evs = translate.AppendPiece(evs, translate.KindText, block.GetStringBytes("text"))
	case "thinking":
		thought := block.GetStringBytes("thinking")
		d.quiet = len(thought) == 0
		evs = translate.AppendPiece(evs, translate.KindReasoning, thought)
		evs = d.signature(evs, block.GetStringBytes("signature"))
	case "redacted_thinking":
		evs = d.marked(evs, markRedacted, block.GetStringBytes("data"))
	case "tool_use":
		return d.callStart(evs, v.GetInt("index"), block)
	default:
		d.Other, d.Apart = d.Other || block != nil, d.Apart || block != nil
	}
	return evs, nil
}

func (d *decoder) delta(evs []translate.Event, v *fastjson.Value) []translate.Event {
	delta := v.Get("delta")
	switch string(delta.GetStringBytes("type")) {
	case "text_delta":
		return translate.AppendPiece(evs, translate.KindText, delta.GetStringBytes("text"))
	case "thinking_delta":
		thought := delta.GetStringBytes("thinking")
		d.quiet = d.quiet && len(thought) == 0
		return translate.AppendPiece(evs, translate.KindReasoning, thought)
	case "signature_delta":
		return d.signature(evs, delta.GetStringBytes("signature"))
	case "input_json_delta":
		return d.callArgs(evs, d.callOf(v.GetInt("index")), d.partial(delta.Get("partial_json")))
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
	return translate.AppendPiece(evs, translate.KindSignature, piece)
}
