package iagent

import (
	"errors"
	"math"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// DecodeReply reads a frame from an agent, with every tolerance of docs/rules/iagent.md
// 5.8: numbers may be numeric strings, content may be an object (its JSON text is
// kept), a missing resp_code is 0. Only what is no JSON object is an *Error, with
// FaultBroken. It checks nothing else: a frame without Ref is a push.
func DecodeReply(frame []byte) (Message, error) {
	var p fastjson.Parser
	v, err := p.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return Message{}, nonsense(err)
	}
	return Message{
		ChatType:    number(v.Get("chat_type")),
		ID:          string(v.GetStringBytes("msg_id")),
		Ref:         string(v.GetStringBytes("ref_msg_id")),
		Timestamp:   int64(number(v.Get("timestamp"))),
		Group:       string(v.GetStringBytes("group_id")),
		SenderType:  number(v.Get("sender_type")),
		Sender:      string(v.GetStringBytes("sender_id")),
		Receiver:    string(v.GetStringBytes("receiver_id")),
		Code:        number(v.Get("resp_code")),
		ContentType: number(v.Get("content_type")),
		Content:     string(content(v, nil)),
	}, nil
}

// Reader reads the frames of a connection, whose questions are many, as far as a
// transport needs them. One goroutine uses it.
type Reader struct {
	parser fastjson.Parser
	frame  *fastjson.Value
}

// Next takes a frame and returns the id of the question that it answers, which is
// empty for what answers none and for what is no frame. It lives until the next call,
// and frame must not change until then.
func (r *Reader) Next(frame []byte) (ref []byte) {
	v, err := r.parser.ParseBytes(frame)
	if err != nil {
		return nil
	}
	r.frame = v
	return v.GetStringBytes("ref_msg_id")
}

// Answer returns the answer in the frame that Next took and found an id in. It is the
// caller's own.
func (r *Reader) Answer() Answer {
	v := r.frame
	id := v.GetStringBytes("msg_id")
	text := content(v, append(make([]byte, 0, len(id)+len(v.GetStringBytes("content"))), id...))
	return Answer{code: number(v.Get("resp_code")), id: text[:len(id):len(id)], text: text[len(id):]}
}

// Answer is an answer that a [Reader] has found.
type Answer struct {
	code     int
	id, text []byte
}

// Events appends what the decoder of [Dialect] makes of the frame: start, text and
// finish, which refer to a; or what its error is.
func (a *Answer) Events(evs []translate.Event) ([]translate.Event, error) {
	return answer(evs, a.code, a.id, a.text)
}

// decoder reads the one frame that answers a question. Which frame that is, the
// transport knows by its Ref.
type decoder struct {
	scratch []byte // what the events refer to
	done    bool
}

// parsers are shared, since a decoder reads no more than one frame.
var parsers fastjson.ParserPool

// Done reports whether the frame has come. What follows it is ignored
// (docs/rules/iagent.md 5.4).
func (d *decoder) Done() bool { return d.done }

// Decode reads the answer: start, text and finish at once, or an *Error.
func (d *decoder) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if d.done {
		return evs, nil
	}
	p := parsers.Get()
	defer parsers.Put(p)
	v, err := p.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, nonsense(err)
	}
	d.done = true
	d.scratch = append(d.scratch[:0], v.GetStringBytes("msg_id")...)
	id := len(d.scratch)
	d.scratch = content(v, d.scratch)
	return answer(evs, number(v.Get("resp_code")), d.scratch[:id:id], d.scratch[id:])
}

// DecodeWhole reads the same frame, or the refusal of a handshake.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	if status >= 200 && status <= 299 {
		return d.Decode(evs, body)
	}
	ref := translate.Refusal{}
	p := parsers.Get()
	defer parsers.Put(p)
	v, err := p.ParseBytes(body)
	if err != nil {
		return evs, translate.Refused(status, body)
	}
	ref.Message, ref.Code = cut(string(v.GetStringBytes("error"))), cut(string(v.GetStringBytes("code")))
	if code := translate.Code(ref.Code); code.Known() {
		return evs, translate.FromCode(code, ref.Message)
	}
	return evs, translate.FromStatus(status, ref, 0)
}

// answer makes events of a reply. Codes that are not known mean what their
// neighbours mean (docs/rules/iagent.md 5.8).
func answer(evs []translate.Event, code int, id, text []byte) ([]translate.Event, error) {
	finish := translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop}
	switch {
	case code >= 40 && code <= 49:
		e := translate.FromStatus(400, translate.Refusal{Message: cut(string(text))}, 0)
		e.Upstream.Status = 0
		return evs, e
	case code < 0 || code >= 50:
		return evs, failure(string(text))
	case code != CodeOK:
		finish.Finish, text = translate.FinishSilent, nil
	}
	evs = append(evs, translate.Event{Kind: translate.KindStart, ID: id})
	if len(text) > 0 {
		evs = append(evs, translate.Event{Kind: translate.KindText, Text: text})
	}
	return append(evs, finish), nil
}

// failure says what a 50 means: a leading code of the catalogue decides
// (docs/rules/iagent.md 6). The text goes to the log, never to a client.
func failure(text string) *translate.Error {
	if e := translate.FromText(text); e != nil {
		return e
	}
	return translate.Broken("the model answered with an error", errors.New("upstream: "+cut(text)))
}

func nonsense(cause error) *translate.Error {
	return translate.Broken("the model answered nonsense", cause)
}

// content returns the text of a reply; of a content that is no string, its JSON.
func content(v *fastjson.Value, dst []byte) []byte {
	c := v.Get("content")
	if c == nil || c.Type() == fastjson.TypeNull {
		return dst
	}
	if isString(c) {
		return append(dst, c.GetStringBytes()...)
	}
	return c.MarshalTo(dst)
}

func isString(v *fastjson.Value) bool { return v != nil && v.Type() == fastjson.TypeString }

// number reads an integer, or a string that holds one; 0 for anything else.
func number(v *fastjson.Value) int {
	if v == nil {
		return 0
	}
	f := v.GetFloat64()
	if v.Type() == fastjson.TypeString {
		f, _ = strconv.ParseFloat(string(v.GetStringBytes()), 64)
	}
	if math.IsNaN(f) || math.Abs(f) >= 1<<53 {
		return 0
	}
	return int(f)
}

// cut bounds what of an upstream's text is kept for the log.
func cut(text string) string { return jsonx.Cut(text, 200) }
