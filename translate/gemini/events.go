package gemini

import (
	"bytes"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of an answer's calls.
const (
	maxCalls = 1024
	maxProof = 64 << 10
)

// decoder reads one answer. Events alias the frame, the parser's copy of it or the scratch.
//
// The vendor has no end mark: the last reason that an answer gives counts when its connection
// ends, see [translate.Ender]. Some models give one in every frame.
type decoder struct {
	translate.Deltas
	renamed  map[string]string // names of functions that were told otherwise, by what they became; nil: none was
	started  bool
	reason   translate.Finish // the last that was given; 0: none was
	unsaid   translate.Reason // what to tell where there is none
	finished bool             // KindFinish was appended
	done     bool
	plain    bool // the frame has nothing beside its content
	calls    int32
	given    translate.CallIDs
	usage    translate.Usage
	ids      []byte // the answer's id, of which missing ids of calls are made
	room     [48]byte
}

// NewDecoder returns a decoder for one answer to req.
func (codec) NewDecoder(req *translate.Request) translate.Decoder {
	d := &decoder{Deltas: translate.Deltas{Pass: req.PassThrough}}
	if !d.Pass {
		d.renamed = req.Renamed(toldName)
	}
	return d
}

// Decode appends the events of the data of one server-sent event. In a passed-through answer a
// frame that means nothing gives one KindOpaque, so that it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.Begin()
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
	if out, ok := d.Match(evs, frame); ok {
		return out, nil
	}
	d.plain = true
	before := len(evs)
	evs, err := d.decode(evs, frame)
	if err == nil && d.plain && !d.Other {
		d.Learn(evs[before:], frame, "text", "text")
	}
	return evs, err
}

// Done reports whether the end was told: nothing in the answer itself says that it is over.
func (d *decoder) Done() bool { return d.done }

// Complete implements [translate.Ender].
func (d *decoder) Complete() bool { return d.reason != 0 && !d.done }

// End implements [translate.Ender].
func (d *decoder) End(evs []translate.Event) []translate.Event {
	d.done = true
	return d.finish(evs)
}

// doubled is what some gateways leave in the data of an event: the name of its field.
var doubled = []byte("data:")

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	for bytes.HasPrefix(frame, doubled) {
		frame = bytes.TrimLeft(frame[len(doubled):], " \t")
	}
	if len(frame) == 0 || frame[0] != '{' { // a list, or a mark, which may begin like one
		if translate.DoneMark(frame) { // of servers that imitate the vendor
			d.unsaid = translate.ReasonMissing
			return d.End(evs), nil
		}
		if translate.Idle(frame) {
			return evs, nil
		}
	}
	return d.values(evs, frame)
}

// values appends the events of data: an object, or a list of them, as an answer comes that was
// not asked for as events.
func (d *decoder) values(evs []translate.Event, data []byte) ([]translate.Event, error) {
	v, err := d.Parser.ParseBytes(data)
	if err != nil {
		return evs, broken()
	}
	if v.Type() != fastjson.TypeArray {
		return d.value(evs, v, data)
	}
	d.plain = false
	for _, e := range v.GetArray() {
		if evs, err = d.value(evs, e, nil); err != nil {
			return evs, err
		}
	}
	return evs, nil
}

func broken() *translate.Error {
	return translate.Broken("the model answered with something that is not a JSON object", nil)
}

// value appends the events of one object, whose text is data; nil: it is to be made.
func (d *decoder) value(evs []translate.Event, v *fastjson.Value, data []byte) ([]translate.Event, error) {
	o := v.GetObject()
	if o == nil {
		return evs, broken()
	}
	if failed(v) {
		if data == nil {
			data = v.MarshalTo(nil)
		}
		return evs, worded(translate.FailedIn(data))
	}
	before := len(evs)
	evs = d.start(evs, v)
	d.plain = d.plain && len(evs) == before
	var err error
	if r := first(v, "promptFeedback", "prompt_feedback"); r != nil {
		d.blocked(r)
	}
	for _, c := range candidates(v) {
		if c.GetInt("index") != 0 {
			d.Other = d.Other || len(c.GetArray("content", "parts")) > 0
			continue
		}
		if evs, err = d.candidate(evs, c); err != nil {
			return evs, err
		}
	}
	if counts := first(v, "usageMetadata", "usage_metadata"); counts != nil {
		if u := usageOf(counts); u != d.usage && u != (translate.Usage{}) {
			d.usage.Merge(u)
			d.plain = false
			evs = append(evs, translate.Event{Kind: translate.KindUsage, Usage: d.usage})
		}
	}
	return evs, nil
}

// failed reports whether v is an error instead of an answer, or of a piece of one.
func failed(v *fastjson.Value) bool {
	return translate.Failed(v, "candidates", "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata")
}

// first is the member of the first of keys that is there; nil: none is.
func first(v *fastjson.Value, keys ...string) *fastjson.Value {
	for _, key := range keys {
		if e := v.Get(key); e != nil && e.Type() != fastjson.TypeNull {
			return e
		}
	}
	return nil
}

// candidates are those of a frame or a body, which some servers send alone where they have one.
func candidates(v *fastjson.Value) []*fastjson.Value {
	c := v.Get("candidates")
	if c != nil && c.Type() == fastjson.TypeObject {
		return []*fastjson.Value{c}
	}
	return c.GetArray()
}

// start appends the start at the first frame.
func (d *decoder) start(evs []translate.Event, v *fastjson.Value) []translate.Event {
	if d.started {
		return evs
	}
	d.started = true
	id, model := first(v, "responseId", "response_id").GetStringBytes(), first(v, "modelVersion", "model_version").GetStringBytes()
	d.ids = append(d.room[:0], id[max(0, len(id)-idPart):]...)
	return append(evs, translate.Event{Kind: translate.KindStart, ID: id, Name: model})
}

// idPart is how much of an answer's id is part of those that are made for its calls.
const idPart = 24

// blocked notes that the question was refused, which is how the vendor filters one.
func (d *decoder) blocked(feedback *fastjson.Value) {
	switch string(first(feedback, "blockReason", "block_reason").GetStringBytes()) {
	case "", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED":
		return
	}
	d.reason, d.plain = translate.FinishFilter, false
}

// candidate appends what the first candidate says.
func (d *decoder) candidate(evs []translate.Event, c *fastjson.Value) ([]translate.Event, error) {
	var err error
	parts := c.Get("content", "parts")
	if parts != nil && parts.Type() == fastjson.TypeObject {
		if evs, err = d.part(evs, parts); err != nil {
			return evs, err
		}
	}
	for _, p := range parts.GetArray() {
		if evs, err = d.part(evs, p); err != nil {
			return evs, err
		}
	}
	reason := first(c, "finishReason", "finish_reason").GetStringBytes()
	if len(reason) == 0 || string(reason) == "FINISH_REASON_UNSPECIFIED" {
		return evs, nil
	}
	d.plain = false
	f, failed := translate.FinishOf(reason)
	if failed {
		says := "finishReason " + string(reason)
		if more := first(c, "finishMessage", "finish_message").GetStringBytes(); len(more) > 0 {
			says += ": " + string(more)
		}
		return evs, translate.InBand(translate.Refusal{Code: string(reason), Message: says})
	}
	d.reason = f
	return evs, nil
}

// part appends the events of one part. What has no form here is content all the same.
func (d *decoder) part(evs []translate.Event, p *fastjson.Value) ([]translate.Event, error) {
	var text, signature []byte
	var call *fastjson.Value
	thought := false
	p.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "text":
			text = v.GetStringBytes()
		case "thought":
			thought = v.Type() == fastjson.TypeTrue
		case "thoughtSignature", "thought_signature":
			signature = v.GetStringBytes()
		case "functionCall", "function_call":
			call = v
		case "inlineData", "inline_data", "fileData", "file_data", "executableCode", "executable_code", "codeExecutionResult", "code_execution_result", "toolCall", "toolResponse":
			d.Other, d.Apart = true, true
		}
	})
	if call != nil && call.Type() == fastjson.TypeObject {
		return d.call(evs, call, signature)
	}
	if thought {
		return translate.AppendPiece(evs, translate.KindReasoning, text), nil
	}
	return translate.AppendPiece(evs, translate.KindText, text), nil
}

// call appends a call, which comes whole, with its signature. A client that the answer passes
// through to has that.
func (d *decoder) call(evs []translate.Event, v *fastjson.Value, signature []byte) ([]translate.Event, error) {
	called := bytes.TrimSpace(v.GetStringBytes("name"))
	if len(called) == 0 {
		d.Other = true // arguments in pieces, which only a client of this dialect asks for
		return evs, nil
	}
	if d.calls >= maxCalls {
		return evs, translate.Broken("the model called too many tools", nil)
	}
	if own, ok := d.renamed[string(called)]; ok {
		called = []byte(own)
	}
	n := d.calls
	d.calls++
	id := d.callID(v.GetStringBytes("id"), n)
	args := noArgs
	if a := v.Get("args"); a != nil && a.Type() == fastjson.TypeObject {
		start := len(d.Scratch)
		d.Scratch = a.MarshalTo(d.Scratch)
		args = d.Scratch[start:]
	} else if text := translate.Arguments(a.GetStringBytes()); len(text) > 0 {
		args = text // as servers that imitate the vendor have them
	}
	evs = append(evs,
		translate.Event{Kind: translate.KindToolStart, Index: n, ID: id, Name: called},
		translate.Event{Kind: translate.KindToolArgs, Index: n, Text: args})
	if len(signature) == 0 || len(signature) > maxProof || d.Pass {
		return evs, nil
	}
	start := len(d.Scratch)
	d.Scratch = append(jsonx.AppendString(append(d.Scratch, proofFront...), signature), proofBack...)
	return append(evs, translate.Event{Kind: translate.KindToolProof, Index: n, ID: id, Text: d.Scratch[start:]}), nil
}

// noArgs are the arguments of a call without any. It is only read.
var noArgs = []byte("{}")

// callID is the id of the nth call: the server's, or one made of the answer's where it gave none,
// or gave it to another call.
func (d *decoder) callID(id []byte, n int32) []byte {
	if len(id) > 0 && !d.given.Given(id) {
		return id
	}
	start := len(d.Scratch)
	d.Scratch = append(append(d.Scratch, "call_"...), d.ids...)
	d.Scratch = jsonx.AppendInt(append(d.Scratch, '_'), int64(n))
	return d.Scratch[start:]
}

// finish appends the end of the answer, once.
func (d *decoder) finish(evs []translate.Event) []translate.Event {
	if d.finished {
		return evs
	}
	d.finished = true
	ev := translate.Event{Kind: translate.KindFinish, Finish: d.reason, Reason: d.Given(), Usage: d.usage}
	if d.reason == 0 {
		ev.Finish, ev.Reason = translate.FinishStop, d.unsaid
	}
	switch {
	case ev.Finish == translate.FinishStop && d.calls > 0:
		ev.Finish = translate.FinishTool // the vendor has no reason of its own for calls
	case ev.Finish == translate.FinishTool && d.calls == 0:
		ev.Finish = translate.FinishStop
	}
	return append(evs, ev)
}

// DecodeWhole appends the events of an answer in one piece, or of the list of its pieces, or
// returns the failure that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.Begin()
	if status < 200 || status > 299 {
		return evs, worded(translate.Refused(status, body))
	}
	before := len(evs)
	evs, err := d.values(slices.Grow(evs, usualEvents), body)
	if err != nil {
		return evs, err
	}
	if d.reason == 0 && !d.Other && !slices.ContainsFunc(evs[before:], isContent) {
		return evs, translate.Broken("the model's answer has no candidates", nil)
	}
	if d.Pass && d.Other {
		evs = append(evs, translate.Event{Kind: translate.KindOther})
	}
	return d.End(evs), nil
}

// usualEvents is how many events an answer in one piece usually has: start, text, usage and finish.
const usualEvents = 4

func isContent(ev translate.Event) bool { return ev.Kind.Content() }
