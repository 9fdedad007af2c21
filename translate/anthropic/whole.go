package anthropic

import (
	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// DecodeWhole appends the events of a message object, or returns the failure
// that status and body tell of.
func (d *decoder) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	d.Begin()
	if status < 200 || status > 299 {
		return evs, translate.Refused(status, body)
	}
	v, err := d.Parser.ParseBytes(body)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, broken()
	}
	if failed(v) {
		return evs, translate.FailedIn(body)
	}
	return d.message(evs, v)
}

// message appends the events of a message object.
func (d *decoder) message(evs []translate.Event, v *fastjson.Value) (_ []translate.Event, err error) {
	reason := v.GetStringBytes("stop_reason")
	blocks := v.Get("content")
	switch {
	case blocks != nil && (blocks.Type() == fastjson.TypeArray || blocks.Type() == fastjson.TypeString || blocks.Type() == fastjson.TypeObject):
	case blocks != nil && blocks.Type() == fastjson.TypeNull && len(reason) > 0:
	default:
		return evs, translate.Broken("the model's answer has no content", nil)
	}
	evs = translate.AppendPiece(d.start(evs, v), translate.KindText, blocks.GetStringBytes())
	list := blocks.GetArray()
	if blocks.Type() == fastjson.TypeObject {
		list = []*fastjson.Value{blocks}
	}
	for _, b := range list {
		if evs, err = d.block(evs, b); err != nil {
			return evs, err
		}
	}
	if err := d.ends(reason, v.GetStringBytes("stop_sequence")); err != nil {
		return evs, err
	}
	if d.Pass && d.Other {
		evs = append(evs, translate.Event{Kind: translate.KindOther})
	}
	return d.End(evs), nil
}

// block appends the events of a whole block.
func (d *decoder) block(evs []translate.Event, b *fastjson.Value) ([]translate.Event, error) {
	if b.Type() == fastjson.TypeString {
		return translate.AppendPiece(evs, translate.KindText, b.GetStringBytes()), nil
	}
	switch string(b.GetStringBytes("type")) {
	case "text":
		evs = translate.AppendPiece(evs, translate.KindText, b.GetStringBytes("text"))
	case "thinking":
		thought := b.GetStringBytes("thinking")
		d.quiet = len(thought) == 0
		evs = d.signature(translate.AppendPiece(evs, translate.KindReasoning, thought), b.GetStringBytes("signature"))
	case "redacted_thinking":
		evs = d.marked(evs, markRedacted, b.GetStringBytes("data"))
	case "tool_use":
		evs, err := d.callStart(evs, len(d.calls), b)
		return d.flush(evs), err
	default:
		d.Other, d.Apart = true, true
	}
	return evs, nil
}
