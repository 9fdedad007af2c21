package ollama

import (
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes one answer to a client, a line for each piece. The part of a line that is the
// same in all lines is rendered once, in prefix.
type encoder struct {
	envelope translate.Envelope
	model    string // asked for; the answer says which one answered
	prompt   bool   // the client sent a prompt: there are no messages
	usage    translate.Usage
	finish   translate.Finish
	prefix   []byte        // up to the first member that says something; nil: not known yet
	first    time.Duration // until the first piece; 0: there was none
	kind     translate.Kind
	runes    jsonx.Runes // of the text or the thought that grows
	calls    []heldCall  // that are not written yet
	called   int64       // calls that are
}

// heldCall is a call whose arguments grow: this dialect has calls in one piece.
type heldCall struct {
	index    int32
	id, name string
	args     []byte
}

// NewEncoder returns an encoder for one answer to req.
func (codec) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	return &encoder{envelope: h, model: req.Model, prompt: req.Prompt}
}

// Append appends the line of ev. Calls are held until something else follows or the answer ends,
// and the end for AppendTail, since the usage that belongs to it may come after KindFinish.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		e.settle(ev.Name)
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

// settle renders what every line begins with, once.
func (e *encoder) settle(model []byte) {
	if e.prefix != nil {
		return
	}
	if len(model) > 0 {
		e.model = string(model)
	}
	e.prefix = appendHead(make([]byte, 0, 160), e.model, e.envelope.Created)
	if !e.prompt {
		e.prefix = append(e.prefix, `,"message":{"role":"assistant"`...)
	}
}

// appendHead appends the beginning of an answer, or of a line of one; created is in milliseconds.
func appendHead(dst []byte, model string, created int64) []byte {
	dst = jsonx.AppendString(append(dst, `{"model":`...), model)
	dst = append(dst, `,"created_at":"`...)
	dst = time.UnixMilli(created).UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// content is the member that holds a text.
func (e *encoder) content() string {
	if e.prompt {
		return `,"response":"`
	}
	return `,"content":"`
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

// write appends the line of a piece of e.kind.
func (e *encoder) write(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	e.begin()
	dst = append(append(dst, e.prefix...), e.content()...)
	if e.kind == translate.KindReasoning {
		dst = append(dst, `","thinking":"`...)
	}
	return e.close(append(jsonx.AppendEscaped(dst, text), '"'))
}

// begin notes when the first piece comes.
func (e *encoder) begin() {
	e.settle(nil)
	if e.first == 0 && e.envelope.Since != nil {
		e.first = max(1, e.envelope.Since())
	}
}

// close ends a line that is not the last.
func (e *encoder) close(dst []byte) []byte {
	if !e.prompt {
		dst = append(dst, '}')
	}
	return append(dst, `,"done":false}`+"\n"...)
}

// release appends the calls that were held, all in one line. Who sent a prompt knows none.
func (e *encoder) release(dst []byte) []byte {
	if len(e.calls) == 0 {
		return dst
	}
	e.begin()
	if !e.prompt {
		dst = append(append(dst, e.prefix...), `,"content":"","tool_calls":[`...)
		start := len(dst)
		for i := range e.calls {
			c := &e.calls[i]
			dst = append(appendCall(dst, e.called, c.id, c.name, c.args), ',')
			e.called++
		}
		dst = e.close(jsonx.CloseList(dst, start))
	}
	e.calls = nil
	return dst
}

// AppendTail appends the last line: no text, the reason of the end, the usage and how long it
// took.
func (e *encoder) AppendTail(dst []byte) []byte {
	e.settle(nil)
	dst = append(append(append(dst, e.prefix...), e.content()...), '"')
	return append(e.end(dst), '\n')
}

// end appends what follows the message of the last line, or of a whole answer.
func (e *encoder) end(dst []byte) []byte {
	if !e.prompt {
		dst = append(dst, '}')
	}
	dst = append(dst, `,"done":true,"done_reason":"`...)
	dst = append(append(dst, reasonOf(e.finish)...), '"')
	var total time.Duration
	if e.envelope.Since != nil {
		total = max(1, e.envelope.Since())
	}
	dst = appendSpan(dst, "total_duration", total)
	dst = appendCount(dst, "prompt_eval_count", e.usage.Input)
	dst = appendSpan(dst, "prompt_eval_duration", e.first)
	dst = appendCount(dst, "eval_count", e.usage.Output)
	return append(appendSpan(dst, "eval_duration", total-e.first), '}')
}

// appendSpan appends a duration in nanoseconds, unless there is none.
func appendSpan(dst []byte, key string, d time.Duration) []byte {
	return appendCount(dst, key, int64(d))
}

func appendCount(dst []byte, key string, n int64) []byte {
	if n <= 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), key...), `":`...)
	return jsonx.AppendInt(dst, n)
}

func reasonOf(f translate.Finish) string {
	switch f {
	case translate.FinishLength:
		return "length"
	case translate.FinishFilter:
		return "content_filter"
	}
	return "stop"
}

// AppendWhole appends a as one object.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	if a.Model != "" {
		e.model = a.Model
	}
	e.usage, e.finish = a.Usage, a.Finish
	e.settle(nil)
	dst = append(append(dst, e.prefix...), e.content()...)
	dst = append(jsonx.AppendEscaped(dst, a.Text()), '"')
	if thought := a.Reasoning(); thought != "" {
		dst = jsonx.AppendString(append(dst, `,"thinking":`...), thought)
	}
	m := a.Message()
	if m.Calls() && !e.prompt {
		dst = append(dst, `,"tool_calls":[`...)
		start := len(dst)
		for i := range m.Parts {
			if p := &m.Parts[i]; p.Kind == translate.PartToolCall {
				dst = append(appendCall(dst, e.called, p.ID, p.Name, p.Args), ',')
				e.called++
			}
		}
		dst = jsonx.CloseList(dst, start)
	}
	return e.end(dst)
}

// AppendError appends the vendor's error object, with the code of the catalogue of all dialects and
// the id of the request beside it: as a whole body, or as the last line of a stream.
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	message := err.Message
	if r := err.Rejection(); r != nil {
		if told := r.Told(err.Masker); told.Message != "" {
			message = told.Message
		}
	}
	dst = jsonx.AppendString(append(dst, `{"error":`...), message)
	dst = jsonx.AppendString(append(dst, `,"code":`...), string(err.Code))
	if n := err.RetrySeconds(); n > 0 {
		dst = jsonx.AppendInt(append(dst, `,"retry_after":`...), int64(n))
	}
	if e.envelope.RequestID != "" {
		dst = jsonx.AppendString(append(dst, `,"request_id":`...), e.envelope.RequestID)
	}
	dst = append(dst, '}')
	if started {
		dst = append(dst, '\n')
	}
	return dst
}

// Status returns the HTTP status with which an ollama client is told of err: that of the upstream
// where it rejected the question, else that of the code.
func Status(err *translate.Error) int { return err.ToldStatus() }
