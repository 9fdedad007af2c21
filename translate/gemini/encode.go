package gemini

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes one answer to a client. The part of a frame that is the same in all frames is
// rendered once, in tail.
type encoder struct {
	envelope translate.Envelope
	model    string // asked for; the answer says which one answered
	list     bool   // the client reads the stream as a JSON list
	begun    bool   // a frame was written
	usage    translate.Usage
	finish   translate.Finish
	tail     []byte // of a frame behind its part
	kind     translate.Kind
	runes    jsonx.Runes // of the text or the thought that grows
	calls    []heldCall  // that are not written yet
}

// heldCall is a call whose arguments grow: this dialect has calls in one piece.
type heldCall struct {
	index    int32
	id, name string
	args     []byte
}

// NewEncoder returns an encoder for one answer to req.
func (codec) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	return &encoder{envelope: h, model: req.Model, list: req.List}
}

// Append appends the frame of ev. Calls are held until something else follows or the answer
// ends, and the end for AppendTail, since the usage that belongs to it may come after KindFinish.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		e.settle(ev.ID, ev.Name)
	case translate.KindText, translate.KindReasoning:
		return e.piece(dst, ev.Kind, ev.Text)
	case translate.KindToolStart:
		e.calls = append(e.calls, heldCall{index: ev.Index, id: string(ev.ID), name: string(ev.Name)})
	case translate.KindToolArgs:
		for i := range e.calls {
			if c := &e.calls[i]; c.index == ev.Index {
				c.args = append(c.args, ev.Text...)
				break
			}
		}
	case translate.KindUsage:
		e.usage.Merge(ev.Usage)
	case translate.KindFinish:
		e.usage.Merge(ev.Usage)
		e.finish = ev.Finish
		return e.release(e.rest(dst))
	}
	return dst
}

// settle renders what every frame ends with, once.
func (e *encoder) settle(id, model []byte) {
	if e.tail != nil {
		return
	}
	if len(model) > 0 {
		e.model = string(model)
	}
	e.envelope.SettleID(string(id))
	e.tail = make([]byte, 0, 160)
	e.tail = append(e.tail, `],"role":"model"},"index":0}]`...)
	e.tail = append(e.appendEnvelope(e.tail), '}')
}

// appendEnvelope appends the model and the id, with a comma before each.
func (e *encoder) appendEnvelope(dst []byte) []byte {
	dst = append(dst, `,"modelVersion":`...)
	dst = jsonx.AppendString(dst, e.model)
	dst = append(dst, `,"responseId":`...)
	return jsonx.AppendString(dst, e.envelope.ID)
}

// open appends what stands before a frame.
func (e *encoder) open(dst []byte) []byte {
	switch {
	case !e.list:
		dst = append(dst, `data: `...)
	case e.begun:
		dst = append(dst, ",\r\n"...)
	default:
		dst = append(dst, '[')
	}
	e.begun = true
	return dst
}

// close appends what stands behind a frame.
func (e *encoder) close(dst []byte) []byte {
	if e.list {
		return dst
	}
	return append(dst, "\n\n"...)
}

// piece appends text but for a rune at its end that is not complete, which waits for the next
// piece of the same kind.
func (e *encoder) piece(dst []byte, k translate.Kind, text []byte) []byte {
	if k != e.kind {
		dst = e.rest(dst)
		e.kind = k
	}
	return e.write(dst, e.runes.Next(text))
}

// rest appends what is left of the text that has grown.
func (e *encoder) rest(dst []byte) []byte { return e.write(dst, e.runes.Rest()) }

// write appends the frame of a piece of e.kind.
func (e *encoder) write(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	e.settle(nil, nil)
	dst = append(e.open(dst), `{"candidates":[{"content":{"parts":[{"text":"`...)
	dst = append(jsonx.AppendEscaped(dst, text), '"')
	if e.kind == translate.KindReasoning {
		dst = append(dst, `,"thought":true`...)
	}
	dst = append(append(dst, '}'), e.tail...)
	return e.close(dst)
}

// release appends the calls that were held, all in one frame.
func (e *encoder) release(dst []byte) []byte {
	if len(e.calls) == 0 {
		return dst
	}
	e.settle(nil, nil)
	dst = append(e.open(dst), `{"candidates":[{"content":{"parts":[`...)
	for i := range e.calls {
		c := &e.calls[i]
		dst = append(appendCall(dst, c.id, c.name, c.args), ',')
	}
	e.calls = nil
	dst = append(dst[:len(dst)-1], e.tail...)
	return e.close(dst)
}

func appendCall[T string | []byte](dst []byte, id, name string, args T) []byte {
	dst = append(dst, `{"functionCall":{"id":`...)
	dst = jsonx.AppendString(dst, id)
	dst = append(dst, `,"name":`...)
	dst = jsonx.AppendString(dst, name)
	dst = append(dst, `,"args":`...)
	return append(translate.AppendArgs(dst, args), `}}`...)
}

// AppendTail appends the last frame: an empty text, as the vendor's own clients want a part in
// every frame, the reason of the end and the usage.
func (e *encoder) AppendTail(dst []byte) []byte {
	e.settle(nil, nil)
	dst = append(e.open(dst), `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"`...)
	dst = append(append(dst, reasonOf(e.finish)...), `","index":0}]`...)
	dst = append(e.appendEnvelope(appendUsage(dst, e.usage)), '}')
	if e.list {
		return append(dst, "]\n"...)
	}
	return e.close(dst)
}

func reasonOf(f translate.Finish) string {
	switch f {
	case translate.FinishLength:
		return "MAX_TOKENS"
	case translate.FinishFilter:
		return "SAFETY"
	}
	return "STOP"
}

// AppendWhole appends a as one object.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	if a.Model != "" {
		e.model = a.Model
	}
	e.envelope.SettleID(a.ID)
	dst = append(dst, `{"candidates":[{"content":{"parts":[`...)
	start := len(dst)
	for i := range a.Parts {
		dst = appendPart(dst, &a.Parts[i])
	}
	dst = jsonx.CloseList(dst, start)
	dst = append(dst, `,"role":"model"},"finishReason":"`...)
	dst = append(append(dst, reasonOf(a.Finish)...), `","index":0}]`...)
	return append(e.appendEnvelope(appendUsage(dst, a.Usage)), '}')
}

// appendPart appends a part of an answer, with a comma after it.
func appendPart(dst []byte, p *translate.Part) []byte {
	switch p.Kind {
	case translate.PartText:
		if p.Text != "" {
			return appendText(dst, p.Text)
		}
	case translate.PartReasoning:
		if p.Text != "" {
			dst = jsonx.AppendString(append(dst, `{"text":`...), p.Text)
			return append(dst, `,"thought":true},`...)
		}
	case translate.PartToolCall:
		return append(appendCall(dst, p.ID, p.Name, p.Args), ',')
	}
	return dst
}
