package openai

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes one answer to a client. The part of a chunk that is the same
// in all chunks is rendered once, in prefix.
type encoder struct {
	envelope   translate.Envelope
	model      string // asked for; the answer says which one answered
	usageAsked bool
	functions  bool // the client knows functions, not tools
	started    bool
	usage      translate.Usage
	prefix     []byte // up to and with "delta":{
	runes      jsonx.Runes
	at         place // where the newest piece of text belongs
}

// place is where a piece of text belongs: the text, the reasoning, or the
// arguments of a call.
type place struct {
	kind  translate.Kind
	index int32
}

const tailPlain = `},"logprobs":null,"finish_reason":null}]}` + "\n\n"

// tailUsage ends a chunk of a stream that will report usage: OpenAI then sends
// the field in every chunk.
const tailUsage = `},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

// NewEncoder returns an encoder for one answer to req.
func (codec) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	return &encoder{envelope: h, model: req.Model, usageAsked: req.UsageInStream, functions: req.Functions}
}

// Append appends the chunk for ev. The first chunk of an answer carries the
// role, since clients refuse streams without it. Usage is held for AppendTail.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		return e.start(dst, ev.ID, ev.Name)
	case translate.KindText:
		return e.piece(dst, place{kind: ev.Kind}, ev.Text)
	case translate.KindReasoning:
		return e.piece(dst, place{kind: ev.Kind}, ev.Text)
	case translate.KindToolStart:
		if e.functions {
			return e.functionStart(dst, ev)
		}
		dst = append(e.start(dst, nil, nil), e.prefix...)
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = jsonx.AppendInt(dst, int64(ev.Index))
		dst = append(dst, `,"id":`...)
		dst = jsonx.AppendString(dst, ev.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonx.AppendString(dst, ev.Name)
		dst = append(dst, `,"arguments":""}}]`...)
		return e.tail(dst)
	case translate.KindToolArgs:
		return e.piece(dst, place{ev.Kind, ev.Index}, ev.Text)
	case translate.KindUsage:
		e.usage.Merge(ev.Usage)
	case translate.KindFinish:
		e.usage.Merge(ev.Usage)
		return e.finish(e.write(dst, e.runes.Rest()), ev.Finish)
	}
	return dst
}

// piece appends text but for a rune at its end that is not complete, which waits
// for the next piece of the same place.
func (e *encoder) piece(dst []byte, at place, text []byte) []byte {
	if at != e.at {
		dst = e.write(dst, e.runes.Rest())
		e.at = at
	}
	return e.write(dst, e.runes.Next(text))
}

// write appends the chunk of a piece for e.at.
func (e *encoder) write(dst, text []byte) []byte {
	if len(text) == 0 || e.functions && e.at.index != 0 {
		return dst
	}
	dst = append(e.start(dst, nil, nil), e.prefix...)
	end := `"`
	switch {
	case e.at.kind == translate.KindText:
		dst = append(dst, `"content":"`...)
	case e.at.kind == translate.KindReasoning:
		dst = append(dst, `"reasoning_content":"`...)
	case e.functions:
		dst, end = append(dst, `"function_call":{"arguments":"`...), `"}`
	default:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = jsonx.AppendInt(dst, int64(e.at.index))
		dst, end = append(dst, `,"function":{"arguments":"`...), `"}}]`
	}
	dst = jsonx.AppendEscaped(dst, text)
	return e.tail(append(dst, end...))
}

func (e *encoder) tail(dst []byte) []byte {
	if e.usageAsked {
		return append(dst, tailUsage...)
	}
	return append(dst, tailPlain...)
}

// start renders the prefix and appends the chunk with the role, once.
func (e *encoder) start(dst, id, model []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	if len(model) > 0 {
		e.model = string(model)
	}
	e.prefix = append(e.prefix[:0], `data: `...)
	e.prefix = e.appendEnvelope(e.prefix, "chat.completion.chunk", string(id))
	e.prefix = append(e.prefix, `,"choices":[{"index":0,"delta":{`...)
	dst = append(dst, e.prefix...)
	dst = append(dst, `"role":"assistant","content":""`...)
	return e.tail(dst)
}

// appendEnvelope appends what every object of an answer begins with.
func (e *encoder) appendEnvelope(dst []byte, object, id string) []byte {
	e.envelope.SettleID(id)
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, e.envelope.ID)
	dst = append(dst, `,"object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = jsonx.AppendInt(dst, e.envelope.Created/1000)
	dst = append(dst, `,"model":`...)
	return jsonx.AppendString(dst, e.model)
}

func (e *encoder) finish(dst []byte, f translate.Finish) []byte {
	dst = append(e.start(dst, nil, nil), e.prefix...)
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(dst, e.reasonOf(f)...)
	if e.usageAsked {
		return append(dst, `"}],"usage":null}`+"\n\n"...)
	}
	return append(dst, `"}]}`+"\n\n"...)
}

func (e *encoder) reasonOf(f translate.Finish) string {
	switch f {
	case translate.FinishLength:
		return "length"
	case translate.FinishTool:
		if e.functions {
			return "function_call"
		}
		return "tool_calls"
	case translate.FinishFilter:
		return "content_filter"
	}
	return "stop"
}

// AppendTail appends the usage chunk, if the client asked for it, and [DONE].
func (e *encoder) AppendTail(dst []byte) []byte {
	if e.usageAsked {
		dst = e.start(dst, nil, nil)
		dst = append(dst, `data: `...)
		dst = e.appendEnvelope(dst, "chat.completion.chunk", "")
		dst = append(dst, `,"choices":[],"usage":`...)
		dst = appendUsage(dst, e.usage)
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func appendUsage(dst []byte, u translate.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Input)
	dst = append(dst, `,"completion_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Output)
	dst = append(dst, `,"total_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Total())
	if u.CacheRead > 0 {
		dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
		dst = jsonx.AppendInt(dst, u.CacheRead)
		dst = append(dst, '}')
	}
	if u.Reasoning > 0 {
		dst = append(dst, `,"completion_tokens_details":{"reasoning_tokens":`...)
		dst = jsonx.AppendInt(dst, u.Reasoning)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendWhole appends a as one chat.completion object.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	if a.Model != "" {
		e.model = a.Model
	}
	dst = e.appendEnvelope(dst, "chat.completion", a.ID)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	m := a.Message()
	calls := 0
	for i := range m.Parts {
		if m.Parts[i].Kind == translate.PartToolCall {
			calls++
		}
	}
	if text := a.Text(); text != "" || calls == 0 {
		dst = jsonx.AppendString(dst, text)
	} else {
		dst = append(dst, `null`...)
	}
	if thought := a.Reasoning(); thought != "" {
		dst = append(dst, `,"reasoning_content":`...)
		dst = jsonx.AppendString(dst, thought)
	}
	dst = append(dst, `,"refusal":null`...)
	switch {
	case calls > 0 && e.functions:
		dst = appendFunctionCall(dst, &m)
	case calls > 0:
		dst = appendCalls(dst, nil, &m)
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(dst, e.reasonOf(a.Finish)...)
	dst = append(dst, `"}],"usage":`...)
	dst = appendUsage(dst, a.Usage)
	return append(dst, '}')
}
