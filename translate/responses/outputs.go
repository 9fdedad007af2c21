package responses

import (
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// begin appends what the beginning of an item says: the start of a call.
func (d *decoder) begin(evs []translate.Event, it *item, v *fastjson.Value) []translate.Event {
	if it.over || it.call >= 0 {
		return evs
	}
	switch kind := v.GetStringBytes("type"); string(kind) {
	case "message", "reasoning", "":
		return evs
	case "function_call", "custom_tool_call":
		called := v.GetStringBytes("name")
		if len(called) == 0 {
			return evs // it is named at its end, if at all
		}
		it.call, it.free = d.calls, string(kind) == "custom_tool_call"
		d.calls++
		d.said, d.started = true, true
		evs = append(evs, translate.Event{Kind: translate.KindToolStart, Index: it.call, ID: d.idOf(v, it.call), Name: d.nameOf(v.GetStringBytes("namespace"), called)})
		if it.free {
			evs = append(evs, translate.Event{Kind: translate.KindToolArgs, Index: it.call, Text: freeBegins})
		}
		return evs
	}
	d.Other, d.said = true, true // of a tool that the vendor runs
	return evs
}

var freeBegins, freeEnds = []byte(freeStart), []byte(freeEnd)

// idOf is the id of a call, in the decoder's memory where the server gave none, or gave it to another call.
func (d *decoder) idOf(v *fastjson.Value, n int32) []byte {
	for _, key := range [...]string{"call_id", "id"} {
		if id := v.GetStringBytes(key); len(id) > 0 && (d.Pass || !d.given.Given(id)) {
			return id
		}
	}
	start := len(d.Scratch)
	d.Scratch = append(append(append(d.Scratch, "call_"...), d.ids...), '_')
	d.Scratch = strconv.AppendInt(d.Scratch, int64(n), 10)
	return d.Scratch[start:]
}

// nameOf is the client's name of a tool.
func (d *decoder) nameOf(space, called []byte) []byte {
	if len(space) > 0 {
		return []byte(spaced(string(space), string(called)))
	}
	if long, ok := d.long[string(called)]; ok {
		return []byte(long)
	}
	return called
}

// args appends a piece of the arguments of a call.
func (it *item) args(evs []translate.Event, piece []byte) []translate.Event {
	if it.call < 0 || it.over || len(piece) == 0 {
		return evs
	}
	if !it.said && !it.free && translate.Unsettled(it.held) {
		if translate.Replaced(it.held) {
			it.held = it.held[:0]
		}
		if it.held = append(it.held, piece...); translate.Unsettled(it.held) {
			return evs
		}
		piece, it.held = it.held, nil
	}
	it.said = true
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: it.call, Text: piece})
}

// argsOf are all arguments of a call, which some servers give as an object.
func (d *decoder) argsOf(v *fastjson.Value) []byte {
	a := v.Get("arguments")
	if a == nil || a.Type() != fastjson.TypeObject {
		return a.GetStringBytes()
	}
	start := len(d.Scratch)
	d.Scratch = a.MarshalTo(d.Scratch)
	return d.Scratch[start:]
}

// escaped is a piece of the input of a custom tool as a piece of arguments.
func (d *decoder) escaped(piece []byte) []byte {
	start := len(d.Scratch)
	d.Scratch = jsonx.AppendEscaped(d.Scratch, piece)
	return d.Scratch[start:]
}

// end appends what the end of an item says that its pieces have not.
func (d *decoder) end(evs []translate.Event, it *item, v *fastjson.Value) []translate.Event {
	if it.over {
		return evs
	}
	switch string(v.GetStringBytes("type")) {
	case "message":
		if !it.said {
			evs = d.message(evs, v)
		}
	case "reasoning":
		if !it.said {
			evs = d.thoughts(evs, v)
		}
		evs = d.secret(evs, v)
	case "function_call", "custom_tool_call":
		evs = d.endCall(evs, it, v)
	}
	it.over = true
	return evs
}

// message appends the texts of a message in one piece.
func (d *decoder) message(evs []translate.Event, v *fastjson.Value) []translate.Event {
	before := len(evs)
	if text := v.Get("content"); text != nil && text.Type() == fastjson.TypeString {
		evs = translate.AppendPiece(evs, translate.KindText, text.GetStringBytes())
	}
	for _, part := range v.GetArray("content") {
		switch string(part.GetStringBytes("type")) {
		case "output_text", "text":
			evs = translate.AppendPiece(evs, translate.KindText, part.GetStringBytes("text"))
			d.Other = d.Other || translate.Holds(part.Get("annotations"))
		case "refusal":
			d.refused = d.refused || len(part.GetStringBytes("refusal")) > 0
			evs = translate.AppendPiece(evs, translate.KindText, part.GetStringBytes("refusal"))
		default:
			d.Other = true
		}
	}
	d.said = d.said || len(evs) > before
	return evs
}

// thoughts appends the reasoning of an item in one piece: its summary, else its words.
func (d *decoder) thoughts(evs []translate.Event, v *fastjson.Value) []translate.Event {
	before := len(evs)
	for _, key := range [...]string{"summary", "content"} {
		for i, part := range v.GetArray(key) {
			if i > 0 && len(evs) > before {
				evs = append(evs, translate.Event{Kind: translate.KindReasoning, Text: between})
			}
			evs = translate.AppendPiece(evs, translate.KindReasoning, part.GetStringBytes("text"))
		}
		if len(evs) > before {
			d.said = true
			break
		}
	}
	return evs
}

// secret appends what the server has sealed of its reasoning.
func (d *decoder) secret(evs []translate.Event, v *fastjson.Value) []translate.Event {
	content := v.GetStringBytes("encrypted_content")
	if len(content) == 0 {
		return evs
	}
	start := len(d.Scratch)
	d.Scratch = append(d.Scratch, signatureOf(string(content))...)
	return append(evs, translate.Event{Kind: translate.KindSignature, Text: d.Scratch[start:]})
}

// endCall appends what is missing of a call at its end.
func (d *decoder) endCall(evs []translate.Event, it *item, v *fastjson.Value) []translate.Event {
	if it.call < 0 {
		return evs // nobody named it
	}
	switch {
	case it.said:
	case it.free:
		evs = it.args(evs, d.escaped(v.GetStringBytes("input")))
	default:
		evs = it.args(evs, d.argsOf(v))
	}
	return closeCall(evs, it)
}

// noArgs are the arguments of a call without any. It is only read.
var noArgs = []byte("{}")

// closeCall appends the end of arguments that clients can parse.
func closeCall(evs []translate.Event, it *item) []translate.Event {
	switch {
	case it.free:
		return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: it.call, Text: freeEnds})
	case !it.said:
		args := noArgs
		if whole := translate.Arguments(it.held); len(whole) > 0 {
			args = whole
		}
		return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: it.call, Text: args})
	}
	return evs
}

// endCalls ends the calls whose end the server has left out.
func (d *decoder) endCalls(evs []translate.Event) []translate.Event {
	for i := range d.items {
		if it := &d.items[i]; it.call >= 0 && !it.over {
			it.over = true
			evs = closeCall(evs, it)
		}
	}
	return evs
}

// DecodeWhole appends the events of a response object, or returns the failure that status and
// body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.Begin()
	if status < 200 || status > 299 {
		return evs, translate.Refused(status, body)
	}
	v, err := d.object(body)
	if err != nil {
		return evs, err
	}
	if translate.Failed(v, "output") {
		return evs, translate.FailedIn(body)
	}
	if v.Get("output") == nil || v.Get("output").Type() != fastjson.TypeArray {
		return evs, translate.Broken("the model's answer has no output", nil)
	}
	return d.whole(evs, v)
}

// whole appends the events of a response object.
func (d *decoder) whole(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	reason, err := d.reason(v)
	if err != nil {
		return evs, err
	}
	d.count(v)
	if !d.started {
		evs = d.start(evs, v)
		evs[len(evs)-1].Usage = d.usage
	}
	for i, one := range v.GetArray("output") {
		it, err := d.item(i)
		if err != nil {
			return evs, err
		}
		evs = d.end(d.begin(evs, it, one), it, one)
	}
	if d.Pass && d.Other {
		d.Other = false
		evs = append(evs, translate.Event{Kind: translate.KindOther})
	}
	return d.finish(evs, reason, translate.ReasonGiven), nil
}
