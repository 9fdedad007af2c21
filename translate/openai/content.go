package openai

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// thoughtKeys are the members that hold what the model thinks. Servers that have
// several say the same in each; the first that says anything counts.
var thoughtKeys = [...]string{
	"reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content", "reasoning_details", "thinking_blocks",
}

// thoughtTexts are the members of an object that may hold a text.
var thoughtTexts = [...]string{"text", "thinking", "reasoning", "content", "summary", "reasoning_content"}

// thoughts appends what a delta or a message says of the model's thinking.
func thoughts(evs []translate.Event, v *fastjson.Value) []translate.Event {
	before := len(evs)
	for _, key := range thoughtKeys {
		if evs = texts(evs, translate.KindReasoning, v.Get(key), 0); len(evs) > before {
			break
		}
	}
	return evs
}

// texts appends every text in v, however it is nested.
func texts(evs []translate.Event, k translate.Kind, v *fastjson.Value, depth int) []translate.Event {
	if v == nil || depth > 4 {
		return evs
	}
	switch v.Type() {
	case fastjson.TypeString:
		return translate.AppendPiece(evs, k, v.GetStringBytes())
	case fastjson.TypeArray:
		for _, e := range v.GetArray() {
			evs = texts(evs, k, e, depth+1)
		}
	case fastjson.TypeObject:
		before := len(evs)
		for _, key := range thoughtTexts {
			if evs = texts(evs, k, v.Get(key), depth+1); len(evs) > before {
				break
			}
		}
	}
	return evs
}

// content appends a text, or the parts that some servers send instead. thought says
// that the thoughts were told already.
func (d *decoder) content(evs []translate.Event, v *fastjson.Value, thought bool) []translate.Event {
	if v == nil {
		return evs
	}
	switch v.Type() {
	case fastjson.TypeString:
		return translate.AppendPiece(evs, translate.KindText, v.GetStringBytes())
	case fastjson.TypeObject:
		return d.part(evs, v, thought)
	}
	for _, p := range v.GetArray() {
		if p.Type() == fastjson.TypeString {
			evs = translate.AppendPiece(evs, translate.KindText, p.GetStringBytes())
		} else {
			evs = d.part(evs, p, thought)
		}
	}
	return evs
}

// part appends one part of a content.
func (d *decoder) part(evs []translate.Event, p *fastjson.Value, thought bool) []translate.Event {
	kind := p.GetStringBytes("type")
	switch {
	case bytes.Contains(kind, []byte("think")), bytes.Contains(kind, []byte("reason")), len(kind) == 0 && p.Get("thinking") != nil:
		if !thought {
			evs = texts(evs, translate.KindReasoning, p, 0)
		}
		return evs
	case string(kind) == "refusal":
		return d.refusal(evs, p.GetStringBytes("refusal"))
	}
	before := len(evs)
	if t := p.Get("text"); t != nil && t.Type() == fastjson.TypeObject {
		evs = translate.AppendPiece(evs, translate.KindText, t.GetStringBytes("value")) // as in OpenAI's assistants
	} else {
		evs = translate.AppendPiece(evs, translate.KindText, t.GetStringBytes())
	}
	d.Other = d.Other || len(evs) == before && len(kind) > 0 && string(kind) != "text"
	return evs
}

// refusal appends the words with which the model declined.
func (d *decoder) refusal(evs []translate.Event, words []byte) []translate.Event {
	d.refused = d.refused || len(words) > 0
	return translate.AppendPiece(evs, translate.KindText, words)
}

// beside reports whether a delta or a message has content that has no form here.
func beside(v *fastjson.Value) bool {
	return holdsOne(v, "images", "image", "audio", "video", "files", "annotations", "reasoning_details")
}

// speaks reports whether a choice says anything at all.
func speaks(choice *fastjson.Value) bool {
	for _, key := range [...]string{"delta", "message"} {
		if v := choice.Get(key); holdsOne(v, "content", "refusal", "tool_calls", "function_call") || holdsOne(v, thoughtKeys[:]...) || beside(v) {
			return true
		}
	}
	return false
}
