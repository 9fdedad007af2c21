package rest

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// decoder reads an answer in any of the vocabularies of docs/rules/rest.md 4.
type decoder struct {
	parser  jsonx.Parser
	scratch []byte // texts that the parser's memory does not hold in one piece
	begun   bool
	done    bool
}

// Done reports whether the end, or an error, has been seen.
func (d *decoder) Done() bool { return d.done }

// UseArena implements [translate.ArenaUser].
func (d *decoder) UseArena(a *jsonx.Arena) { d.parser.UseArena(a) }

// Decode reads the data of one event. Data that is not one JSON value is taken
// line by line: the documentation's own sample has no blank lines between its
// events (docs/rules/rest.md 4.3).
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	d.scratch = d.scratch[:0]
	frame = bytes.TrimSpace(frame)
	if d.done || len(frame) == 0 {
		return evs, nil
	}
	if isDone(frame) {
		return d.finish(evs, translate.Usage{}), nil
	}
	if frame[0] != '{' && translate.Idle(frame) {
		return evs, nil
	}
	v, err := d.parser.ParseBytes(frame)
	if err == nil {
		return d.event(evs, v, false)
	}
	if bytes.IndexByte(frame, '\n') < 0 {
		return evs, translate.Broken("the model answered nonsense", err)
	}
	return d.lines(evs, frame)
}

func (d *decoder) lines(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	for line := range bytes.Lines(frame) {
		line = bytes.TrimSpace(line)
		if d.done {
			break
		}
		if translate.Idle(line) {
			continue
		}
		if isDone(line) {
			return d.finish(evs, translate.Usage{}), nil
		}
		v, err := d.parser.ParseBytes(line)
		if err != nil {
			return evs, translate.Broken("the model answered nonsense", err)
		}
		if evs, err = d.event(evs, v, true); err != nil {
			return evs, err
		}
	}
	return evs, nil
}

// event reads one JSON value of a stream. What is no object, or has an unknown
// type, is ignored. With keep, the parser will be used again before the caller
// has seen the events, so that texts are copied.
func (d *decoder) event(evs []translate.Event, v *fastjson.Value, keep bool) ([]translate.Event, error) {
	if v.Type() != fastjson.TypeObject {
		return evs, nil
	}
	kind := v.GetStringBytes("type")
	if string(kind) == "error" || failed(v) {
		d.done = true
		return evs, failure(200, v)
	}
	switch string(kind) {
	case "start":
		if d.begun {
			return evs, nil
		}
		d.begun = true
		return append(evs, translate.Event{Kind: translate.KindStart, ID: d.text(v.Get("conversationId"), keep)}), nil
	case "content", "":
		if text := d.content(v, keep); len(text) > 0 {
			d.begun = true
			evs = append(evs, translate.Event{Kind: translate.KindText, Text: text})
		}
		return evs, nil
	case "end", "done":
		usage := v.Get("usage")
		if usage == nil {
			usage = v.Get("data", "usage")
		}
		return d.finish(evs, usageOf(usage)), nil
	}
	return evs, nil
}

func (d *decoder) finish(evs []translate.Event, u translate.Usage) []translate.Event {
	d.done = true
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop, Usage: u})
}

// content finds the text of a content event under the names of all vocabularies
// (docs/rules/rest.md 4.2).
func (d *decoder) content(v *fastjson.Value, keep bool) []byte {
	for _, key := range [...]string{"text", "data", "content"} {
		if text := d.text(v.Get(key), keep); text != nil {
			return text
		}
	}
	return nil
}

// text returns a string, or the joined text parts of an array; nil for anything
// else.
func (d *decoder) text(v *fastjson.Value, keep bool) []byte {
	if v == nil {
		return nil
	}
	start := len(d.scratch)
	switch v.Type() {
	case fastjson.TypeString:
		text := v.GetStringBytes()
		if !keep {
			return text
		}
		d.scratch = append(d.scratch, text...)
	case fastjson.TypeArray:
		for _, part := range v.GetArray() {
			if part.Type() == fastjson.TypeString {
				d.scratch = append(d.scratch, part.GetStringBytes()...)
			} else if kind := part.GetStringBytes("type"); len(kind) == 0 || string(kind) == "text" {
				d.scratch = append(d.scratch, part.GetStringBytes("text")...)
			}
		}
	default:
		return nil
	}
	return d.scratch[start:len(d.scratch):len(d.scratch)]
}

// DecodeWhole reads an answer or an error in one piece, in any envelope of
// docs/rules/rest.md 4.1. A success without an answer in it is broken.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.scratch = d.scratch[:0]
	bad := status < 200 || status > 299
	v, err := d.parser.ParseBytes(body)
	if err != nil || v.Type() != fastjson.TypeObject {
		if bad {
			return evs, translate.Refused(status, body)
		}
		return evs, translate.Broken("the model answered something that is no JSON object", err)
	}
	if bad || failed(v) {
		return evs, failure(status, v)
	}
	data := v
	if inner := v.Get("data"); inner != nil && inner.Type() == fastjson.TypeObject {
		data = inner
	}
	text := d.text(data.Get("response"), false)
	if text == nil {
		text = d.text(data.Get("content"), false)
	}
	if text == nil {
		return evs, translate.Broken("the model's answer holds no text", nil)
	}
	evs = append(evs, translate.Event{Kind: translate.KindStart, ID: data.GetStringBytes("conversationId")})
	if len(text) > 0 {
		evs = append(evs, translate.Event{Kind: translate.KindText, Text: text})
	}
	return d.finish(evs, usageOf(data.Get("usage"))), nil
}

// usageOf reads the three counts and what newer servers add to them. One of the
// three that is missing follows from the others.
func usageOf(v *fastjson.Value) translate.Usage {
	u := translate.Usage{
		Input:     translate.CountOf(v.Get("promptTokens")),
		Output:    translate.CountOf(v.Get("completionTokens")),
		CacheRead: translate.CountOf(v.Get("cachedTokens")),
		Reasoning: translate.CountOf(v.Get("reasoningTokens")),
	}
	total := translate.CountOf(v.Get("totalTokens"))
	switch {
	case u.Output == 0 && u.Input >= 0:
		u.Output = max(0, total-u.Input)
	case u.Input == 0 && u.Output >= 0:
		u.Input = max(0, total-u.Output)
	}
	return u
}

func count(v *fastjson.Value, key string) int64 {
	f := v.GetFloat64(key)
	if f > 0 && f < 1<<53 {
		return int64(f)
	}
	return 0
}

// isDone reports whether data is an end mark, not an object.
func isDone(data []byte) bool { return data[0] != '{' && translate.DoneMark(data) }
