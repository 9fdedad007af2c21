package responses

import (
	"encoding/json"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes one answer to a client. The vendor's stream is a sequence of numbered events
// about the items of the output; the last one repeats all of them.
type encoder struct {
	answering
	socket   bool   // it writes messages of a socket, not server-sent events
	lane     string // the stream that they name; empty: none
	started  bool
	sequence int64
	usage    translate.Usage
	finish   translate.Finish

	output []piece
	open   int   // the item that texts belong to, in output; negative: there is none
	calls  []int // where the calls are in output
	runes  jsonx.Runes
	at     int // the item that the half of a character in runes belongs to
}

// answering is what an answer says of its question.
type answering struct {
	envelope translate.Envelope
	model    string // asked for; the answer says which one answered
	raw      []byte // the question as it came
	members  []jsonx.Member
	free     map[string]bool // names of custom tools
	spaces   []string        // namespaces of tools
	mark     string          // of the ids of items that are not of an output; empty: they are
}

// piece is an item of the output.
type piece struct {
	kind translate.PartKind
	text []byte // so far: the text, the reasoning, the arguments
	sign []byte // of reasoning, as the canonical form has it
	id   string // of a call
	name string // of a call
	free bool   // a call of a custom tool
	over bool
	cut  bool // the answer ended within it
}

// NewEncoder returns an encoder for one answer to req.
func (codec) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	e := &encoder{answering: answering{envelope: h, model: req.Model, spaces: spacesOf(req)}, open: -1, at: -1}
	if req.Raw != nil {
		e.raw, e.members = req.Raw, req.RawOutline().Members
	}
	for i := range req.Tools {
		if t := &req.Tools[i]; t.Free {
			if e.free == nil {
				e.free = make(map[string]bool)
			}
			e.free[t.Name] = true
		}
	}
	return e
}

// Append appends the events of the wire for ev. The end is held for AppendTail, since the
// usage that belongs to it may come after KindFinish.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		return e.start(dst, ev.ID, ev.Name)
	case translate.KindText:
		return e.say(dst, translate.PartText, ev.Text)
	case translate.KindReasoning:
		return e.say(dst, translate.PartReasoning, ev.Text)
	case translate.KindSignature:
		return e.signed(dst, ev.Text)
	case translate.KindToolStart:
		return e.callStart(dst, ev)
	case translate.KindToolArgs:
		if i := int(ev.Index); i >= 0 && i < len(e.calls) {
			return e.add(dst, e.calls[i], ev.Text)
		}
	case translate.KindUsage:
		e.usage.Merge(ev.Usage)
	case translate.KindFinish:
		e.usage.Merge(ev.Usage)
		e.finish = ev.Finish
		return e.closeAll(e.start(dst, nil, nil))
	}
	return dst
}

// Follow implements [translate.Follower]: the error of an answer that passes through has the
// next number, and the id that the channel gave.
func (e *encoder) Follow(ev translate.Event) {
	if len(ev.Raw) == 0 || ev.Raw[0] == ':' {
		return
	}
	e.sequence++
	if ev.Kind != translate.KindStart {
		return
	}
	e.started, e.envelope.ID = true, string(ev.ID)
	if len(ev.Name) > 0 {
		e.model = string(ev.Name)
	}
}

// start appends the first two events, once.
func (e *encoder) start(dst, id, model []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	if len(model) > 0 {
		e.model = string(model)
	}
	e.envelope.SettleID(string(id))
	for _, kind := range [...]string{"response.created", "response.in_progress"} {
		dst = e.begin(dst, kind)
		dst = append(dst, `,"response":`...)
		dst = e.appendResponse(dst, "in_progress", nil, nil, nil)
		dst = e.end(dst)
	}
	return dst
}

// begin appends the front of an event, and end its number and its end.
func (e *encoder) begin(dst []byte, kind string) []byte {
	if !e.socket {
		dst = append(append(append(dst, `event: `...), kind...), "\ndata: "...)
	}
	dst = append(append(dst, `{"type":"`...), kind...)
	return append(dst, '"')
}

func (e *encoder) end(dst []byte) []byte {
	dst = append(dst, `,"sequence_number":`...)
	dst = jsonx.AppendInt(dst, e.sequence)
	e.sequence++
	if e.lane != "" {
		dst = e.appendLane(dst)
	}
	if e.socket {
		return append(dst, "}\n"...)
	}
	return append(dst, "}\n\n"...)
}

// about appends which item an event is about.
func (e *encoder) about(dst []byte, i int) []byte {
	dst = append(dst, `,"item_id":"`...)
	dst = e.appendItemID(dst, i, e.output[i].kind, e.output[i].free)
	dst = append(dst, `","output_index":`...)
	return jsonx.AppendInt(dst, int64(i))
}

// say appends a piece of text or of reasoning to the open item, or to a new one.
func (e *encoder) say(dst []byte, kind translate.PartKind, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	if e.open < 0 || e.output[e.open].kind != kind || len(e.output[e.open].sign) > 0 {
		dst = e.item(dst, piece{kind: kind})
		e.open = len(e.output) - 1
		dst = e.part(dst, e.open, "added", nil)
	}
	return e.add(dst, e.open, text)
}

// signed keeps a signature for the end of the open item, or of a new one.
func (e *encoder) signed(dst, signature []byte) []byte {
	if e.open < 0 || e.output[e.open].kind != translate.PartReasoning {
		dst = e.item(dst, piece{kind: translate.PartReasoning})
		e.open = len(e.output) - 1
	}
	o := &e.output[e.open]
	o.sign = append(o.sign, signature...)
	return dst
}

func (e *encoder) callStart(dst []byte, ev translate.Event) []byte {
	called := string(ev.Name)
	dst = e.item(dst, piece{kind: translate.PartToolCall, id: string(ev.ID), name: called, free: e.free[called]})
	e.calls = append(e.calls, len(e.output)-1)
	return dst
}

// item ends the open item, and calls that are complete, and begins another.
func (e *encoder) item(dst []byte, p piece) []byte {
	dst = e.start(dst, nil, nil)
	if e.open >= 0 {
		dst = e.close(dst, e.open)
		e.open = -1
	}
	for _, i := range e.calls {
		if o := &e.output[i]; !o.over && json.Valid(o.text) {
			dst = e.close(dst, i)
		}
	}
	e.output = append(e.output, p)
	return e.itemEvent(dst, len(e.output)-1, "added")
}

// add appends a piece of an item but for a rune at its end that is not complete, which waits for
// the next piece of the same item.
func (e *encoder) add(dst []byte, i int, text []byte) []byte {
	if i != e.at {
		dst = e.delta(dst, e.at, e.runes.Rest())
		e.at = i
	}
	return e.delta(dst, i, e.runes.Next(text))
}

// mostKept is how much of an answer its last event repeats.
const mostKept = translate.MaxAnswer

// delta appends the event of a piece. The input of a custom tool waits for its end.
func (e *encoder) delta(dst []byte, i int, text []byte) []byte {
	if len(text) == 0 || i < 0 || e.output[i].over {
		return dst
	}
	o := &e.output[i]
	if len(o.text)+len(text) <= mostKept {
		o.text = append(o.text, text...)
	}
	if o.free {
		return dst
	}
	return e.deltaEvent(dst, i, text)
}

func (e *encoder) deltaEvent(dst []byte, i int, text []byte) []byte {
	o := &e.output[i]
	of := formOf(o)
	dst = e.about(e.begin(dst, of.delta), i)
	dst = append(append(dst, of.place...), `,"delta":"`...)
	dst = jsonx.AppendEscaped(dst, text)
	dst = append(dst, '"')
	if o.kind == translate.PartText {
		dst = append(dst, `,"logprobs":[]`...)
	}
	return e.end(dst)
}

// form is how the events about one kind of item are called.
type form struct {
	delta, done, text string
	place             string // of its one part
	part              string // the event of that part; empty: it has none
	prefix            string // of its id
}

var (
	messageForm   = form{"response.output_text.delta", "response.output_text.done", "text", `,"content_index":0`, "response.content_part.", "msg_"}
	reasoningForm = form{"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "text", `,"summary_index":0`, "response.reasoning_summary_part.", "rs_"}
	callForm      = form{"response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments", "", "", "fc_"}
	freeForm      = form{"response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input", "", "", "ctc_"}
)

func formOf(p *piece) *form {
	switch {
	case p.kind == translate.PartText:
		return &messageForm
	case p.kind == translate.PartReasoning:
		return &reasoningForm
	case p.free:
		return &freeForm
	}
	return &callForm
}

// part appends the event of the one part of an item, which has begun or ended with text.
func (e *encoder) part(dst []byte, i int, what string, text []byte) []byte {
	o := &e.output[i]
	of := formOf(o)
	if of.part == "" {
		return dst
	}
	dst = e.about(e.begin(dst, of.part+what), i)
	dst = append(append(dst, of.place...), `,"part":`...)
	dst = appendPart(dst, o.kind, text)
	return e.end(dst)
}

// itemEvent appends the event of an item that has begun or ended.
func (e *encoder) itemEvent(dst []byte, i int, what string) []byte {
	dst = e.begin(dst, "response.output_item."+what)
	dst = append(dst, `,"output_index":`...)
	dst = jsonx.AppendInt(dst, int64(i))
	dst = append(dst, `,"item":`...)
	return e.end(e.appendItem(dst, i, &e.output[i]))
}

// close appends the events of the end of an item.
func (e *encoder) close(dst []byte, i int) []byte {
	if e.at == i {
		dst = e.delta(dst, i, e.runes.Rest())
		e.at = -1
	}
	o := &e.output[i]
	if o.over {
		return dst
	}
	text := o.text
	if o.free {
		text = []byte(freeInput(string(o.text)))
		dst = e.deltaEvent(dst, i, text)
	}
	o.over = true
	if of := formOf(o); o.kind != translate.PartReasoning || len(o.text) > 0 {
		dst = e.about(e.begin(dst, of.done), i)
		dst = append(append(append(append(dst, of.place...), `,"`...), of.text...), `":`...)
		dst = jsonx.AppendString(dst, text)
		switch {
		case o.kind == translate.PartText:
			dst = append(dst, `,"logprobs":[]`...)
		case of == &callForm:
			_, called := unspaced(e.spaces, o.name)
			dst = append(dst, `,"name":`...)
			dst = jsonx.AppendString(dst, called)
		}
		dst = e.end(dst)
		dst = e.part(dst, i, "done", o.text)
	}
	return e.itemEvent(dst, i, "done")
}

// closeAll ends every item that is open. Where the answer was cut, it was cut in the last one.
func (e *encoder) closeAll(dst []byte) []byte {
	if n := len(e.output); n > 0 && !e.output[n-1].over {
		e.output[n-1].cut = e.finish == translate.FinishLength || e.finish == translate.FinishFilter
	}
	for i := range e.output {
		dst = e.close(dst, i)
	}
	e.open = -1
	return dst
}

// AppendTail appends the last event, which repeats the answer, with its usage.
func (e *encoder) AppendTail(dst []byte) []byte {
	dst = e.closeAll(e.start(dst, nil, nil))
	status := statusOf(e.finish)
	dst = e.begin(dst, "response."+status)
	dst = append(dst, `,"response":`...)
	dst = e.appendResponse(dst, status, e.output, &ending{finish: e.finish}, &e.usage)
	return e.end(dst)
}

// AppendWhole appends a as one response object.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	if a.Model != "" {
		e.model = a.Model
	}
	e.envelope.SettleID(a.ID)
	pieces := e.pieces(a.Parts)
	if n := len(pieces); n > 0 {
		pieces[n-1].cut = a.Finish == translate.FinishLength || a.Finish == translate.FinishFilter
	}
	return e.appendResponse(dst, statusOf(a.Finish), pieces, &ending{finish: a.Finish}, &a.Usage)
}

// pieces are the items of an answer.
func (e *answering) pieces(parts []translate.Part) (all []piece) {
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case translate.PartText, translate.PartReasoning:
			all = append(all, piece{kind: p.Kind, text: []byte(p.Text), sign: []byte(p.Signature), over: true})
		case translate.PartToolCall:
			args := p.Args
			if strings.TrimSpace(args) == "" {
				args = "{}"
			}
			all = append(all, piece{kind: p.Kind, text: []byte(args), id: p.ID, name: p.Name, free: e.free[p.Name], over: true})
		}
	}
	return all
}
