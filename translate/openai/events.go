package openai

import (
	"bytes"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxCalls bounds what a decoder remembers of an answer's tool calls.
const maxCalls = 1024

// decoder reads one answer. Events alias the frame or the parser's copy of it.
type decoder struct {
	parser    jsonx.Parser
	pass      bool // every frame must give an event, see Decode
	showUsage bool // the client asked for the usage chunk
	started   bool
	finished  bool
	done      bool
	refused   bool // the model declined in its own words
	hide      bool
	alike     translate.Kind // of the frames that the parser has learnt
	usage     translate.Usage
	calls     []call
	ids       []byte // the answer's id, from which missing ids of calls are made
	room      [48]byte
	scratch   []byte
}

// call is a tool call by the vendor's index; its place in the slice is the
// canonical one.
type call struct {
	index int
	id    string
	args  bool // a piece of arguments was seen
}

// doneMark ends a stream; noArgs are the arguments of a call without any. Both
// are only read.
var (
	doneMark = []byte("[DONE]")
	noArgs   = []byte("{}")
)

// Decode appends the events of the data of one server-sent event. In a
// passed-through answer a frame that means nothing gives one KindOpaque, so that
// it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.hide, d.scratch = false, d.scratch[:0]
	before := len(evs)
	if piece, grown, ok := d.parser.Match(frame, d.scratch); ok && !d.finished {
		d.scratch = grown
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
	if len(evs) != 1 || d.hide || d.refused {
		return
	}
	key := "content"
	switch evs[0].Kind {
	case translate.KindText:
	case translate.KindReasoning:
		key = "reasoning_content"
	default:
		return
	}
	d.alike = evs[0].Kind
	d.parser.Learn(frame, key, evs[0].Text)
}

// Hide reports that the frame that was decoded last must not be shown to the
// client of a passed-through answer: it is the usage chunk that only the gateway
// asked for.
func (d *decoder) Hide() bool { return d.hide }

// Done reports whether [DONE] was seen, or an answer in one piece.
func (d *decoder) Done() bool { return d.done }

// Borrow implements [translate.Borrower].
func (d *decoder) Borrow(m *jsonx.Memory) { d.parser.Borrow(m) }

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if bytes.Equal(bytes.TrimSpace(frame), doneMark) {
		d.done = true
		return d.finish(evs, 0), nil
	}
	v, err := d.parser.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, translate.Broken("the model answered with something that is not a JSON object", nil)
	}
	if failed(v) {
		return evs, translate.InBand(translate.RefusalFrom(frame))
	}
	choices := v.GetArray("choices")
	evs = d.start(evs, v, len(choices) > 0)
	usage, counted := readUsage(v.Get("usage"))
	if counted {
		d.usage.Merge(usage)
		d.hide = !d.showUsage && len(choices) == 0
	}
	var reason translate.Finish
	for _, c := range choices {
		if c.GetInt("index") != 0 || d.finished {
			continue
		}
		if evs, err = d.delta(evs, c.Get("delta")); err != nil {
			return evs, err
		}
		if r := c.GetStringBytes("finish_reason"); len(r) > 0 {
			reason = finishOf(r)
		}
	}
	if counted {
		evs = append(evs, translate.Event{Kind: translate.KindUsage, Usage: d.usage})
	}
	if reason != 0 {
		evs = d.finish(evs, reason)
	}
	return evs, nil
}

// failed reports whether v is an error instead of an answer.
func failed(v *fastjson.Value) bool {
	if e := v.Get("error"); e != nil && e.Type() != fastjson.TypeNull {
		return true
	}
	return string(v.GetStringBytes("object")) == "error"
}

// start appends the start at the first chunk that says anything: some servers
// send an empty one first.
func (d *decoder) start(evs []translate.Event, v *fastjson.Value, content bool) []translate.Event {
	if d.started {
		return evs
	}
	id, model := v.GetStringBytes("id"), v.GetStringBytes("model")
	if !content && len(id) == 0 && len(model) == 0 {
		return evs
	}
	d.started = true
	d.ids = append(d.room[:0], id...)
	return append(evs, translate.Event{Kind: translate.KindStart, ID: id, Name: model})
}

// finish appends the end of the answer, once. reason 0 stands for an end mark
// that gives no reason.
func (d *decoder) finish(evs []translate.Event, reason translate.Finish) []translate.Event {
	if d.finished {
		return evs
	}
	d.finished = true
	// Clients parse the arguments, and no text at all is not JSON.
	for i := range d.calls {
		if !d.calls[i].args {
			evs = append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(i), Text: noArgs})
		}
	}
	if reason == 0 || reason == translate.FinishStop {
		reason = translate.FinishStop
		// Servers that imitate OpenAI end tool calls with "stop", and OpenAI
		// itself ends a refusal with it.
		if len(d.calls) > 0 {
			reason = translate.FinishTool
		} else if d.refused {
			reason = translate.FinishFilter
		}
	}
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: reason, Usage: d.usage})
}

func finishOf(reason []byte) translate.Finish {
	switch string(reason) {
	case "length", "max_tokens":
		return translate.FinishLength
	case "tool_calls", "function_call":
		return translate.FinishTool
	case "content_filter":
		return translate.FinishFilter
	}
	return translate.FinishStop
}

func (d *decoder) delta(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	thought := v.GetStringBytes("reasoning_content")
	if len(thought) == 0 {
		thought = v.GetStringBytes("reasoning")
	}
	evs = text(evs, translate.KindReasoning, thought)
	evs = content(evs, v.Get("content"))
	if refusal := v.GetStringBytes("refusal"); len(refusal) > 0 {
		d.refused = true
		evs = text(evs, translate.KindText, refusal)
	}
	for _, c := range v.GetArray("tool_calls") {
		var err error
		if evs, err = d.call(evs, c); err != nil {
			return evs, err
		}
	}
	return d.functionCall(evs, v.Get("function_call")), nil
}

// content appends a text, or the parts that some servers send instead: texts,
// and thoughts as lists of texts.
func content(evs []translate.Event, v *fastjson.Value) []translate.Event {
	if v == nil || v.Type() == fastjson.TypeString {
		return text(evs, translate.KindText, v.GetStringBytes())
	}
	for _, p := range v.GetArray() {
		evs = text(evs, translate.KindText, p.GetStringBytes("text"))
		for _, t := range p.GetArray("thinking") {
			evs = text(evs, translate.KindReasoning, t.GetStringBytes("text"))
		}
	}
	return evs
}

func text(evs []translate.Event, k translate.Kind, piece []byte) []translate.Event {
	if len(piece) == 0 {
		return evs
	}
	return append(evs, translate.Event{Kind: k, Text: piece})
}

// call appends the start of a call at its first piece, and its arguments.
func (d *decoder) call(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	id, name := v.GetStringBytes("id"), v.GetStringBytes("function", "name")
	at := d.find(v.Get("index"), id, name)
	if at < 0 {
		if at = len(d.calls); at >= maxCalls {
			return evs, translate.Broken("the model called too many tools", nil)
		}
		vendor := at
		if i := v.Get("index"); i != nil {
			vendor = i.GetInt()
		}
		d.calls = append(d.calls, call{index: vendor, id: string(id)})
		if len(id) == 0 {
			id = d.makeID(at)
		}
		evs = append(evs, translate.Event{Kind: translate.KindToolStart, Index: int32(at), ID: id, Name: name})
	}
	args := v.Get("function", "arguments")
	if args == nil {
		return evs, nil
	}
	piece := args.GetStringBytes()
	if t := args.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
		start := len(d.scratch)
		d.scratch = args.MarshalTo(d.scratch)
		piece = d.scratch[start:]
	}
	if len(piece) > 0 {
		d.calls[at].args = true
		evs = append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(at), Text: piece})
	}
	return evs, nil
}

// find returns which call a piece belongs to, -1 for a new one. Some servers
// give every call the index 0, or none at all, and tell them apart by their ids.
func (d *decoder) find(index *fastjson.Value, id, name []byte) int {
	if index == nil || index.Type() != fastjson.TypeNumber {
		if len(id) == 0 && len(name) == 0 {
			return len(d.calls) - 1
		}
		for i := range d.calls {
			if len(id) > 0 && d.calls[i].id == string(id) {
				return i
			}
		}
		return -1
	}
	n := index.GetInt()
	for i := len(d.calls) - 1; i >= 0; i-- {
		if c := &d.calls[i]; c.index == n {
			if len(id) > 0 && len(name) > 0 && c.id != string(id) {
				return -1
			}
			return i
		}
	}
	return -1
}

// makeID makes the id of a call whose server gave none.
func (d *decoder) makeID(n int) []byte {
	start := len(d.scratch)
	d.scratch = append(d.scratch, "call_"...)
	d.scratch = append(d.scratch, d.ids...)
	d.scratch = append(d.scratch, '_')
	d.scratch = strconv.AppendInt(d.scratch, int64(n), 10)
	return d.scratch[start:]
}

func readUsage(v *fastjson.Value) (u translate.Usage, ok bool) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return u, false
	}
	u.Input = translate.CountOf(v.Get("prompt_tokens"))
	u.Output = translate.CountOf(v.Get("completion_tokens"))
	u.CacheRead = translate.CountOf(v.Get("prompt_tokens_details", "cached_tokens"))
	if u.CacheRead == 0 {
		u.CacheRead = translate.CountOf(v.Get("prompt_cache_hit_tokens"))
	}
	u.Reasoning = translate.CountOf(v.Get("completion_tokens_details", "reasoning_tokens"))
	return u, true
}

// DecodeWhole appends the events of a chat.completion object, or returns the
// failure that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.hide, d.scratch = false, d.scratch[:0]
	if status < 200 || status > 299 {
		return evs, translate.FromStatus(status, translate.RefusalFrom(body), 0)
	}
	v, err := d.parser.ParseBytes(body)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, translate.Broken("the model answered with something that is not a JSON object", nil)
	}
	if failed(v) {
		return evs, translate.InBand(translate.RefusalFrom(body))
	}
	choices := v.GetArray("choices")
	if len(choices) == 0 {
		return evs, translate.Broken("the model's answer has no choices", nil)
	}
	choice := choices[0]
	for _, c := range choices {
		if c.GetInt("index") == 0 {
			choice = c
			break
		}
	}
	d.usage, _ = readUsage(v.Get("usage"))
	if !d.started {
		evs = d.start(evs, v, true)
		evs[len(evs)-1].Usage = d.usage
	}
	if evs, err = d.delta(evs, choice.Get("message")); err != nil {
		return evs, err
	}
	d.done = true
	return d.finish(evs, finishOf(choice.GetStringBytes("finish_reason"))), nil
}
