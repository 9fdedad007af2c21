package ollama

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxCalls is how many calls one answer may have.
const maxCalls = 1024

// decoder reads one answer. Events alias the parser's copy of the frame or the decoder's memory.
// No line is like the one before: each has a time of its own.
type decoder struct {
	translate.Deltas
	started bool
	done    bool
	calls   int32
	given   translate.CallIDs
	ids     []byte // made of the time of the first line: ids of calls are made of it
	room    [48]byte
}

// NewDecoder returns a decoder for one answer to req.
func (codec) NewDecoder(req *translate.Request) translate.Decoder {
	return &decoder{Deltas: translate.Deltas{Pass: req.PassThrough}}
}

// Done reports whether the last line, or an answer in one piece, was seen.
func (d *decoder) Done() bool { return d.done }

// Decode appends the events of one line. In a passed-through answer a line that means nothing
// gives one KindOpaque, so that it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.Begin()
	before := len(evs)
	if !d.done && len(bytes.TrimSpace(frame)) > 0 {
		var err error
		if evs, err = d.framed(evs, frame); err != nil {
			return evs, err
		}
	}
	return d.Passed(evs, before), nil
}

// framed appends the events of one line, which may be none of the vendor's.
func (d *decoder) framed(evs []translate.Event, text []byte) ([]translate.Event, error) {
	switch {
	case text[0] == '{':
	case translate.DoneMark(text): // of servers that imitate the vendor
		if d.Pass { // its client waits for the vendor's last line
			return evs, translate.Truncated(nil)
		}
		return d.end(evs, nil)
	}
	return d.line(evs, text)
}

// line appends the events of one object, which is the whole answer or a piece of it.
func (d *decoder) line(evs []translate.Event, text []byte) ([]translate.Event, error) {
	v, err := d.Parser.ParseBytes(text)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, translate.Broken("the model answered with something that is not a JSON object", nil)
	}
	if translate.Failed(v, "message", "response", "done") {
		return evs, translate.FailedIn(text)
	}
	if !d.started {
		d.started = true
		d.stamp(v.GetStringBytes("created_at"))
		evs = append(evs, translate.Event{Kind: translate.KindStart, Name: v.GetStringBytes("model")})
	}
	said := v
	if m := v.Get("message"); m != nil && m.Type() == fastjson.TypeObject {
		said = m
	}
	evs = translate.AppendPiece(evs, translate.KindReasoning, said.GetStringBytes("thinking"))
	evs = translate.AppendPiece(evs, translate.KindText, said.GetStringBytes("content"))
	evs = translate.AppendPiece(evs, translate.KindText, v.GetStringBytes("response"))
	d.Other = d.Other || translate.Holds(said.Get("images")) || translate.Holds(v.Get("image"))
	calls := said.Get("tool_calls")
	if calls != nil && calls.Type() == fastjson.TypeObject {
		if evs, err = d.call(evs, calls); err != nil {
			return evs, err
		}
	}
	for _, c := range calls.GetArray() {
		if evs, err = d.call(evs, c); err != nil {
			return evs, err
		}
	}
	if !v.GetBool("done") {
		return evs, nil
	}
	return d.end(evs, v)
}

// end appends the end of the answer, which v tells of; nil: a mark of another vendor does.
func (d *decoder) end(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	usage := translate.Usage{Input: translate.CountOf(v.Get("prompt_eval_count")), Output: translate.CountOf(v.Get("eval_count"))}
	ev := translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop, Usage: usage}
	if reason := v.GetStringBytes("done_reason"); len(reason) > 0 {
		f, failed := translate.FinishOf(reason)
		if failed {
			return evs, translate.InBand(translate.Refusal{Code: string(reason), Message: "done_reason " + string(reason)})
		}
		ev.Finish, ev.Reason = f, translate.ReasonGiven
	}
	if v == nil {
		ev.Reason = translate.ReasonMissing
	}
	switch {
	case ev.Finish == translate.FinishStop && d.calls > 0:
		ev.Finish = translate.FinishTool // the vendor has no reason of its own for calls
	case ev.Finish == translate.FinishTool && d.calls == 0:
		ev.Finish = translate.FinishStop
	}
	if usage != (translate.Usage{}) {
		evs = append(evs, translate.Event{Kind: translate.KindUsage, Usage: usage})
	}
	d.done = true
	return append(evs, ev), nil
}

// stamp keeps the digits of a time, of which ids of calls are made.
func (d *decoder) stamp(created []byte) {
	d.ids = d.room[:0]
	for _, c := range created {
		if c >= '0' && c <= '9' && len(d.ids) < 24 {
			d.ids = append(d.ids, c)
		}
	}
}

// call appends a call, which comes whole.
func (d *decoder) call(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	f := v.Get("function")
	if f == nil {
		f = v // its members beside the id
	}
	called := bytes.TrimSpace(f.GetStringBytes("name"))
	if len(called) == 0 {
		d.Other = true
		return evs, nil
	}
	if d.calls >= maxCalls {
		return evs, translate.Broken("the model called too many tools", nil)
	}
	n := d.calls
	d.calls++
	id, args := d.callID(v.GetStringBytes("id"), n), noArgs
	if a := f.Get("arguments"); a != nil && a.Type() == fastjson.TypeObject {
		start := len(d.Scratch)
		d.Scratch = a.MarshalTo(d.Scratch)
		args = d.Scratch[start:]
	} else if text := translate.Arguments(a.GetStringBytes()); len(text) > 0 {
		args = text // as servers that imitate OpenAI have them
	}
	return append(evs,
		translate.Event{Kind: translate.KindToolStart, Index: n, ID: id, Name: called},
		translate.Event{Kind: translate.KindToolArgs, Index: n, Text: args}), nil
}

// noArgs are the arguments of a call without any. It is only read.
var noArgs = []byte("{}")

// callID is the id of the nth call: the server's, or one made of the answer's time where it gave
// none, or gave it to another call.
func (d *decoder) callID(id []byte, n int32) []byte {
	if len(id) > 0 && !d.given.Given(id) {
		return id
	}
	start := len(d.Scratch)
	d.Scratch = append(append(d.Scratch, "call_"...), d.ids...)
	d.Scratch = jsonx.AppendInt(append(d.Scratch, '_'), int64(n))
	return d.Scratch[start:]
}

// DecodeWhole appends the events of an answer in one piece, or of the lines of a stream that came
// under the label of one, or returns the failure that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.Begin()
	if status < 200 || status > 299 {
		return evs, translate.Refused(status, body)
	}
	if evs, err := d.line(evs, body); err == nil || d.started || !bytes.Contains(bytes.TrimSpace(body), []byte("\n")) {
		return d.whole(evs, err)
	}
	var err error
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 || d.done {
			continue
		}
		// Each has a memory of its own: the events of all of them are wanted at once.
		one := decoder{started: d.started, calls: d.calls, given: d.given, ids: d.ids, Deltas: translate.Deltas{Pass: d.Pass}}
		if evs, err = one.line(evs, line); err != nil {
			return evs, err
		}
		d.started, d.calls, d.given, d.done, d.Other = one.started, one.calls, one.given, one.done, d.Other || one.Other
		d.ids = append(d.room[:0], one.ids...)
	}
	return d.whole(evs, nil)
}

// whole ends an answer that came in one piece.
func (d *decoder) whole(evs []translate.Event, err error) ([]translate.Event, error) {
	if err != nil {
		return evs, err
	}
	if !d.done {
		return evs, translate.Broken("the model's answer has no end", nil)
	}
	if d.Pass && d.Other {
		last := len(evs) - 1
		evs = append(evs[:last], translate.Event{Kind: translate.KindOther}, evs[last])
	}
	return evs, nil
}
