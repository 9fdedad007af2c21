package rest

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes an answer as the documentation has it: start, content, end as
// unnamed server-sent events, or one envelope (docs/rules/rest.md 2.3, 2.4, 3).
type encoder struct {
	talk  func() string // nil: the answer names no conversation
	begun bool
	usage translate.Usage
	runes jsonx.Runes
}

// Append appends the event for ev: the start once, before anything else, and
// text. Usage is kept for the end; all other events have no form here (see
// [Losses]). A rune that is not complete yet waits for the next text or the end.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		return e.begin(dst)
	case translate.KindText:
		return e.text(dst, e.runes.Next(ev.Text))
	case translate.KindUsage:
		e.usage.Merge(ev.Usage)
	case translate.KindFinish:
		e.usage.Merge(ev.Usage)
		return e.text(dst, e.runes.Rest())
	}
	return dst
}

// AppendTail appends the end event with the usage, zeros where nobody counted.
func (e *encoder) AppendTail(dst []byte) []byte {
	dst = append(e.begin(dst), `data: {"type":"end","usage":`...)
	return append(appendUsage(dst, e.usage), "}\n\n"...)
}

// AppendWhole appends the envelope of an answer.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	dst = jsonx.AppendString(append(dst, `{"success":true,"data":{"response":`...), a.Text())
	dst = jsonx.AppendString(append(dst, `,"conversationId":`...), e.conversation())
	dst = appendUsage(append(dst, `,"usage":`...), a.Usage)
	return append(dst, `}}`...)
}

// AppendError appends an error event once the answer has begun, after which
// nothing may follow (docs/rules/rest.md 3.2), else the envelope of [AppendError].
func (e *encoder) AppendError(dst []byte, err *translate.Error, started bool) []byte {
	if !started {
		return AppendError(dst, err)
	}
	dst = appendFailure(append(dst, `data: {"type":"error",`...), err)
	return append(dst, "}\n\n"...)
}

func (e *encoder) begin(dst []byte) []byte {
	if e.begun {
		return dst
	}
	e.begun = true
	dst = append(dst, `data: {"type":"start","conversationId":`...)
	return append(jsonx.AppendString(dst, e.conversation()), "}\n\n"...)
}

func (e *encoder) conversation() string {
	if e.talk == nil {
		return ""
	}
	return e.talk()
}

func (e *encoder) text(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = append(e.begin(dst), `data: {"type":"content","text":`...)
	return append(jsonx.AppendString(dst, text), "}\n\n"...)
}

func appendUsage(dst []byte, u translate.Usage) []byte {
	dst = jsonx.AppendInt(append(dst, `{"promptTokens":`...), u.Input)
	dst = jsonx.AppendInt(append(dst, `,"completionTokens":`...), u.Output)
	dst = jsonx.AppendInt(append(dst, `,"totalTokens":`...), u.Total())
	return append(dst, '}')
}

// AppendError appends the envelope of an error (docs/rules/rest.md 2.3), to be sent
// with err.Status().
func AppendError(dst []byte, err *translate.Error) []byte {
	return append(appendFailure(append(dst, `{"success":false,`...), err), '}')
}

// AppendUnknownPath is AppendError for a path under /api that nobody serves: it
// says the same besides in the words of chatnio, whose calls share the prefix.
func AppendUnknownPath(dst []byte, err *translate.Error) []byte {
	dst = appendFailure(append(dst, `{"success":false,`...), err)
	dst = append(dst, `,"status":false,"message":`...)
	return append(jsonx.AppendString(dst, messageFor(err)), '}')
}

func messageFor(err *translate.Error) string {
	if err.Message == "" {
		return string(err.Code)
	}
	return err.Message
}

// appendFailure appends the members error, code and, where there is something to
// tell, details. What an upstream said in its own words is not among them.
func appendFailure(dst []byte, err *translate.Error) []byte {
	dst = jsonx.AppendString(append(dst, `"error":`...), messageFor(err))
	dst = jsonx.AppendString(append(dst, `,"code":`...), string(err.Code))
	if err.Code != translate.CodeModel {
		return dst
	}
	if err.Timeout {
		return append(dst, `,"details":{"reason":"timeout"}`...)
	}
	if err.Fault == translate.FaultRejected && err.Upstream != nil && err.Upstream.Status > 0 {
		dst = jsonx.AppendInt(append(dst, `,"details":{"status":`...), int64(err.Upstream.Status))
		dst = append(dst, '}')
	}
	return dst
}
