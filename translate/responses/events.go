package responses

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// maxItems bounds what a decoder remembers of an answer's items.
const maxItems = 4096

// decoder reads one answer. Events alias the frame, the parser's copy of it or the decoder's
// memory.
type decoder struct {
	translate.Deltas
	long     map[string]string // names of tools that were shortened, by what they became; nil: none
	started  bool
	said     bool // there was content
	refused  bool // the model declined in its own words
	finished bool // KindFinish was appended
	done     bool
	usage    translate.Usage
	given    translate.CallIDs
	items    []item // by their place in the output, as far as it was told
	calls    int32
	ids      []byte // the answer's id, of which missing ids of calls are made
	room     [48]byte
}

// item is an item of the output, as far as it is known.
type item struct {
	index int    // its place
	call  int32  // its number among the calls; negative: it is none
	free  bool   // a call of a custom tool
	said  bool   // a piece of it has come
	held  []byte // arguments of which it is not clear yet what they are
	over  bool
}

// NewDecoder returns a decoder for one answer to req.
func (codec) NewDecoder(req *translate.Request) translate.Decoder {
	d := &decoder{Deltas: translate.Deltas{Pass: req.PassThrough}}
	if !d.Pass {
		d.long = req.Renamed(toldName)
	}
	return d
}

// Decode appends the events of the data of one server-sent event, whose own type says what it
// is. In a passed-through answer a frame that means nothing gives one KindOpaque, so that it
// reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.Begin()
	before := len(evs)
	if d.done {
		return d.Passed(evs, before), nil
	}
	evs, err := d.decode(evs, frame)
	if err != nil {
		return evs, err
	}
	return d.Passed(evs, before), nil
}

// Done reports whether the last event was seen, or an answer in one piece.
func (d *decoder) Done() bool { return d.done }

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if len(frame) == 0 || frame[0] != '{' {
		if translate.DoneMark(frame) {
			if d.Pass { // its client goes on from the response of the end
				return evs, translate.Truncated(nil)
			}
			return d.finish(evs, 0, translate.ReasonMissing), nil
		}
		if translate.Idle(frame) {
			return evs, nil
		}
	}
	v, err := d.object(frame)
	if err != nil {
		return evs, err
	}
	kind := v.GetStringBytes("type")
	if rest, ok := bytes.CutPrefix(kind, []byte("response.")); ok {
		return d.event(evs, rest, v)
	}
	switch {
	case string(kind) == "error" || translate.Failed(v, "output"):
		return evs, translate.FailedIn(frame)
	case string(v.GetStringBytes("object")) == "response": // the whole answer as one event
		return d.whole(evs, v)
	}
	return evs, nil
}

// object parses data, which must be an object.
func (d *decoder) object(data []byte) (*fastjson.Value, error) {
	v, err := d.Parser.ParseBytes(data)
	if err != nil || v.Type() != fastjson.TypeObject {
		return nil, translate.Broken("the model answered with something that is not a JSON object", nil)
	}
	return v, nil
}

// event appends what an event says; kind is its type without what all have before it.
func (d *decoder) event(evs []translate.Event, kind []byte, v *fastjson.Value) ([]translate.Event, error) {
	switch string(kind) {
	case "created", "in_progress", "queued":
		return d.start(evs, v.Get("response")), nil
	case "completed", "incomplete", "failed", "cancelled":
		return d.over(evs, v.Get("response"))
	}
	it, err := d.item(v.GetInt("output_index"))
	if err != nil {
		return evs, err
	}
	switch string(kind) {
	case "output_item.added":
		return d.begin(evs, it, v.Get("item")), nil
	case "output_item.done":
		return d.end(d.begin(evs, it, v.Get("item")), it, v.Get("item")), nil
	case "output_text.delta":
		return d.piece(evs, it, translate.KindText, v), nil
	case "refusal.delta":
		d.refused = true
		return d.piece(evs, it, translate.KindText, v), nil
	case "reasoning_summary_text.delta", "reasoning_text.delta":
		return d.piece(evs, it, translate.KindReasoning, v), nil
	case "reasoning_summary_part.added":
		if it.said && v.GetInt("summary_index") > 0 {
			evs = append(evs, translate.Event{Kind: translate.KindReasoning, Text: between})
		}
	case "function_call_arguments.delta":
		return it.args(evs, v.GetStringBytes("delta")), nil
	case "function_call_arguments.done":
		if !it.said {
			return it.args(evs, d.argsOf(v)), nil
		}
	case "custom_tool_call_input.delta":
		return it.args(evs, d.escaped(v.GetStringBytes("delta"))), nil
	case "output_text.annotation.added":
		d.Other = true
	}
	return evs, nil
}

// between stands between the parts of a summary, which are paragraphs.
var between = []byte("\n\n")

// start appends the start of the answer, once.
func (d *decoder) start(evs []translate.Event, response *fastjson.Value) []translate.Event {
	if d.started {
		return evs
	}
	d.started = true
	id := response.GetStringBytes("id")
	d.ids = append(d.room[:0], id[max(0, len(id)-idPart):]...)
	return append(evs, translate.Event{Kind: translate.KindStart, ID: id, Name: response.GetStringBytes("model")})
}

// idPart is how much of an answer's id is part of those that are made for its calls.
const idPart = 24

// item returns the item at a place of the output.
func (d *decoder) item(index int) (*item, error) {
	for i := len(d.items) - 1; i >= 0; i-- {
		if d.items[i].index == index {
			return &d.items[i], nil
		}
	}
	if len(d.items) >= maxItems {
		return nil, translate.Broken("the model's answer has too many items", nil)
	}
	d.items = append(d.items, item{index: index, call: -1})
	return &d.items[len(d.items)-1], nil
}

// piece appends a piece of text or of reasoning.
func (d *decoder) piece(evs []translate.Event, it *item, k translate.Kind, v *fastjson.Value) []translate.Event {
	text := v.GetStringBytes("delta")
	if len(text) == 0 {
		return evs
	}
	it.said, d.said, d.started = true, true, true
	return append(evs, translate.Event{Kind: k, Text: text})
}

// over appends the end of the answer, and all of it where no part of it came before.
func (d *decoder) over(evs []translate.Event, response *fastjson.Value) ([]translate.Event, error) {
	if response == nil || response.Type() != fastjson.TypeObject {
		if d.Pass { // its client goes on from the response that the event has
			return evs, translate.Broken("the end of the model's answer has no response", nil)
		}
		return d.finish(evs, 0, translate.ReasonGiven), nil
	}
	d.count(response)
	if !d.said {
		return d.whole(evs, response)
	}
	reason, err := d.reason(response)
	if err != nil {
		return evs, err
	}
	return d.finish(evs, reason, translate.ReasonGiven), nil
}

// reason is why an answer ended; 0: it is complete. The error is what became of one that failed.
func (d *decoder) reason(response *fastjson.Value) (translate.Finish, error) {
	if e := response.Get("error"); translate.Holds(e) {
		start := len(d.Scratch)
		d.Scratch = response.MarshalTo(d.Scratch)
		return 0, translate.FailedIn(d.Scratch[start:])
	}
	switch status := response.GetStringBytes("status"); string(status) {
	case "", "completed":
		return 0, nil
	case "incomplete":
		f, failed := translate.FinishOf(response.GetStringBytes("incomplete_details", "reason"))
		if failed || len(response.GetStringBytes("incomplete_details", "reason")) == 0 {
			return translate.FinishLength, nil
		}
		return f, nil
	case "failed", "cancelled":
		return 0, translate.InBand(translate.Refusal{Code: "server_error", Message: "status " + string(status)})
	default:
		return 0, translate.InBand(translate.Refusal{Code: "server_error", Message: "the answer stands at " + translate.Clip(strings.ToValidUTF8(string(status), "?"))})
	}
}

// finish appends the end of the answer, once; reason 0 is a good one.
func (d *decoder) finish(evs []translate.Event, reason translate.Finish, given translate.Reason) []translate.Event {
	d.done = true
	if d.finished {
		return evs
	}
	d.finished = true
	evs = d.endCalls(evs)
	if reason == 0 {
		reason = translate.FinishStop
		switch {
		case d.calls > 0:
			reason = translate.FinishTool
		case d.refused:
			reason = translate.FinishFilter
		}
	}
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: reason, Reason: given, Usage: d.usage})
}

// count reads the usage of a response.
func (d *decoder) count(response *fastjson.Value) {
	u := response.Get("usage")
	if u == nil || u.Type() != fastjson.TypeObject {
		return
	}
	d.usage.Merge(translate.Usage{
		Input: translate.CountOf(u.Get("input_tokens")), Output: translate.CountOf(u.Get("output_tokens")),
		CacheRead:  translate.CountOf(u.Get("input_tokens_details", "cached_tokens")),
		CacheWrite: translate.CountOf(u.Get("input_tokens_details", "cache_write_tokens")),
		Reasoning:  translate.CountOf(u.Get("output_tokens_details", "reasoning_tokens")),
	})
}
