package openai

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// decoder reads one answer, of OpenAI or of one of the many servers that imitate it.
// Events alias the frame, the parser's copy of it or the decoder's memory.
type decoder struct {
	translate.Deltas
	tools     []translate.Tool  // that the client offered, as the back end knows them
	long      map[string]string // names of tools that were shortened, by what they became; nil: none
	showUsage bool              // the client asked for the usage chunk
	started   bool
	said      bool             // there was content
	reason    translate.Finish // the last that was given; 0: none was
	unsaid    translate.Reason // what to tell where there is none
	finished  bool             // KindFinish was appended
	done      bool
	refused   bool // the model declined in its own words
	plain     bool // the frame has nothing beside its content
	hide      bool
	remade    bool  // the frame is a whole answer
	begun     int32 // of calls
	usage     translate.Usage
	calls     []call
	given     translate.CallIDs
	wanted    int32  // choices, of an answer that passes through
	over      uint64 // a bit for each of them that has had its reason
	index     int32  // of the one that counts
	held      int32  // of them have not begun
	heldBytes int32  // what is kept of those
	list      int32  // counts the frames with calls
	ids       []byte // the answer's id, from which missing ids of calls are made
	room      [40]byte
	single    [1]*fastjson.Value
}

// NewDecoder returns a decoder for one answer to req.
func (codec) NewDecoder(req *translate.Request) translate.Decoder {
	d := &decoder{Deltas: translate.Deltas{Pass: req.PassThrough}, showUsage: req.UsageInStream, tools: req.Tools}
	if d.Pass {
		d.wanted = int32(min(req.Params.Choices, 64))
	}
	if d.long = req.Renamed(toldName); d.long != nil && !d.Pass {
		d.tools = slices.Clone(req.Tools)
		for i := range d.tools {
			d.tools[i].Name = toldName(d.tools[i].Name)
		}
	}
	return d
}

// Decode appends the events of the data of one server-sent event. In a
// passed-through answer a frame that means nothing gives one KindOpaque, so that
// it reaches the client.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.Begin()
	d.hide, d.remade, d.plain = false, false, true
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
	if d.held == 0 {
		if out, ok := d.Match(evs, frame); ok {
			return out, nil
		}
	}
	before := len(evs)
	evs, err := d.decode(evs, frame)
	if err == nil && d.plain && !d.hide && !d.refused && !d.Other {
		d.Learn(evs[before:], frame, "content", "reasoning_content")
	}
	return evs, err
}

// Hide reports that the frame that was decoded last must not be shown to the
// client of a passed-through answer: it is the usage chunk that only the gateway
// asked for.
func (d *decoder) Hide() bool { return d.hide }

// Remade reports whether the frame that was decoded last has another form than those of a stream,
// which no client reads.
func (d *decoder) Remade() bool { return d.remade }

// Done reports whether [DONE] was seen, or an answer in one piece.
func (d *decoder) Done() bool { return d.done }

// Complete implements [translate.Ender].
func (d *decoder) Complete() bool { return d.reason != 0 && !d.done }

// End implements [translate.Ender].
func (d *decoder) End(evs []translate.Event) []translate.Event {
	d.done, d.Scratch = true, d.Scratch[:0]
	return d.finish(evs)
}

// doubled is what some gateways leave in the data of an event: the name of its field.
var doubled = []byte("data:")

func (d *decoder) decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	for bytes.HasPrefix(frame, doubled) {
		frame = bytes.TrimLeft(frame[len(doubled):], " \t")
	}
	if len(frame) == 0 || frame[0] != '{' {
		if translate.DoneMark(frame) {
			d.unsaid = translate.ReasonMissing
			d.hide = string(frame) != "[DONE]" // else the libraries of clients would fail on it
			return d.End(evs), nil
		}
		if translate.Idle(frame) {
			return evs, nil
		}
	}
	v, err := d.object(frame)
	if err != nil {
		return evs, err
	}
	odd := oddTop(v)
	if err := failure(v, frame, odd); err != nil {
		return evs, err
	}
	choices := d.choices(v)
	evs = d.start(evs, v, len(choices) > 0)
	usage, counted := usageIn(v, choices, odd)
	if counted {
		d.plain = false
		d.usage.Merge(usage)
		d.hide = !d.showUsage && len(choices) == 0 && v.Get("usage") != nil
	}
	for _, c := range choices {
		if !d.counts(c) {
			d.Other = d.Other || speaks(c)
			continue
		}
		if evs, err = d.choice(evs, c); err != nil {
			return evs, err
		}
	}
	if counted {
		evs = append(evs, translate.Event{Kind: translate.KindUsage, Usage: d.usage})
	}
	return evs, nil
}

// counts reports whether c is a piece of the choice that is told: the first one, or where none is
// wanted but one the one that came first, whatever its index.
func (d *decoder) counts(c *fastjson.Value) bool {
	n := int32(c.GetInt("index"))
	if d.wanted > 1 && n >= 0 && n < 64 && len(c.GetStringBytes("finish_reason")) > 0 {
		d.over |= 1 << n
		d.plain = false
	}
	if n != d.index && !d.Pass && !d.said && d.reason == 0 && speaks(c) {
		d.index = n
	}
	return n == d.index
}

// Awaits reports whether other choices that the client asked for have not ended: silence is no end
// of theirs.
func (d *decoder) Awaits() bool { return d.wanted > 1 && int32(bits.OnesCount64(d.over)) < d.wanted }

// choices are those of a frame or a body, which some servers send alone where they have one.
func (d *decoder) choices(v *fastjson.Value) []*fastjson.Value {
	c := v.Get("choices")
	if c == nil || c.Type() != fastjson.TypeObject {
		return c.GetArray()
	}
	d.single[0] = c
	return d.single[:]
}

// object parses data, which must be an object, or a list that holds nothing else.
func (d *decoder) object(data []byte) (*fastjson.Value, error) {
	v, err := d.Parser.ParseBytes(data)
	if err == nil && v.Type() == fastjson.TypeArray && len(v.GetArray()) == 1 {
		v = v.GetArray()[0]
	}
	if err != nil || v.Type() != fastjson.TypeObject {
		return nil, translate.Broken("the model answered with something that is not a JSON object", nil)
	}
	return v, nil
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
	d.ids = append(d.room[:0], id[max(0, len(id)-idPart):]...)
	return append(evs, translate.Event{Kind: translate.KindStart, ID: id, Name: model})
}

// idPart is how much of an answer's id is part of those that are made for its calls, so that OpenAI
// takes them back.
const idPart = 24

// choice appends what the first choice says. Its reason to end is kept until the end:
// some servers give one in each frame, and some send calls behind it.
func (d *decoder) choice(evs []translate.Event, c *fastjson.Value) ([]translate.Event, error) {
	if holds(c.Get("error")) {
		return evs, translate.FailedIn(d.marshal(c))
	}
	if m := c.Get("message"); m != nil && holds(m.Get("error")) {
		return evs, translate.FailedIn(d.marshal(m))
	}
	before := len(evs)
	said := c.Get("delta")
	if !d.said && (said == nil || said.Type() != fastjson.TypeObject) {
		said = c.Get("message") // the whole answer as one event
		d.remade = said != nil
	}
	evs, err := d.delta(evs, said)
	if err != nil {
		return evs, err
	}
	if said == nil {
		evs = translate.AppendPiece(evs, translate.KindText, c.GetStringBytes("text")) // as completions before there was a chat
	}
	d.said = d.said || len(evs) > before || d.held > 0
	reason := c.GetStringBytes("finish_reason")
	if len(reason) == 0 {
		return evs, nil
	}
	d.plain = false
	finish := finishOf(reason)
	if finish == finishFailed {
		return evs, brokenOff(reason)
	}
	d.reason = finish
	return d.beginEmpty(evs), nil
}

// delta appends what a delta or a message says.
func (d *decoder) delta(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	if v == nil {
		return evs, nil
	}
	if d.held == 0 && !oddDelta(v) {
		return translate.AppendPiece(evs, translate.KindText, v.GetStringBytes("content")), nil
	}
	if holds(v.Get("error")) {
		return evs, translate.FailedIn(d.marshal(v))
	}
	before := len(evs)
	if d.held > 0 && (holdsOne(v, "content", "refusal") || holdsOne(v, thoughtKeys[:]...)) {
		evs = d.beginAll(evs)
	}
	evs = thoughts(evs, v)
	evs = d.content(evs, v.Get("content"), len(evs) > before)
	evs = d.refusal(evs, v.GetStringBytes("refusal"))
	if len(evs) == before && !d.Pass {
		evs = translate.AppendPiece(evs, translate.KindText, v.GetStringBytes("audio", "transcript")) // what is said of sound
	}
	d.Other = d.Other || beside(v)
	d.Apart = d.Apart || holdsOne(v, "images", "image", "audio", "video", "files")
	calls := v.Get("tool_calls")
	if holds(calls) {
		return d.toolCalls(evs, calls)
	}
	return d.functionCall(evs, v.Get("function_call"))
}

// finish appends the end of the answer, once.
func (d *decoder) finish(evs []translate.Event) []translate.Event {
	if d.finished {
		return evs
	}
	d.finished = true
	evs = d.endCalls(evs)
	reason := d.reason
	switch {
	case d.begun > 0 && (reason == 0 || reason == translate.FinishStop):
		reason = translate.FinishTool // as servers that imitate OpenAI end calls
	case d.begun == 0 && reason == translate.FinishTool:
		reason = translate.FinishStop // a client would look for calls
	case reason == 0:
		reason = translate.FinishStop
	}
	if reason == translate.FinishStop && d.refused {
		reason = translate.FinishFilter // OpenAI itself ends a refusal with stop
	}
	said := d.Given()
	if d.reason == 0 {
		said = d.unsaid
	}
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: reason, Reason: said, Usage: d.usage})
}

// DecodeWhole appends the events of a chat.completion object, or returns the
// failure that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.Begin()
	d.hide = false
	if status < 200 || status > 299 {
		return evs, translate.Refused(status, body)
	}
	v, err := d.object(body)
	if err != nil {
		return evs, err
	}
	odd := oddTop(v)
	if err := failure(v, body, odd); err != nil {
		return evs, err
	}
	choices := d.choices(v)
	if len(choices) == 0 {
		return evs, translate.Broken("the model's answer has no choices", nil)
	}
	first := 0
	for i, c := range choices {
		if c.GetInt("index") == 0 {
			first = i
			break
		}
	}
	d.usage, _ = usageIn(v, choices[first:first+1], odd)
	if !d.started {
		evs = d.start(evs, v, true)
		evs[len(evs)-1].Usage = d.usage
	}
	if evs, err = d.choice(evs, choices[first]); err != nil {
		return evs, err
	}
	for i, c := range choices {
		d.Other = d.Other || i != first && speaks(c)
	}
	if d.Pass && d.Other {
		evs = append(evs, translate.Event{Kind: translate.KindOther})
	}
	d.done = true
	return d.finish(evs), nil
}
