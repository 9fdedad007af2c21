package openai

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// passage reads one answer of a path beside chat as far as the gateway must know it: whether it is one,
// what it used, and where it ends.
type passage struct {
	translate.Opaque
	refusals translate.Decoder
	parser   fastjson.Parser
	members  jsonx.Passing
	came     int    // bytes of an answer that is not made of events
	first    []byte // its first bytes, at most pageMost
	pieces   int64  // events that may be tokens
	images   int    // events that tell of a picture that is complete
	usage    translate.Usage
	complete bool // an event has told of the end
	done     bool
}

// NewDecoder returns a decoder for one answer to req. It is a [translate.Passage].
func (endpoint) NewDecoder(req *translate.Request) translate.Decoder {
	return &passage{Opaque: *req.Opaque, refusals: codec{}.NewDecoder(req)}
}

// Decode takes one event of a streamed answer.
func (p *passage) Decode(evs []translate.Event, frame []byte) ([]translate.Event, error) {
	if text := bytes.TrimSpace(frame); string(text) == "[DONE]" {
		return p.End(evs), nil
	}
	v, err := p.parser.ParseBytes(frame)
	if err != nil || v.Type() != fastjson.TypeObject {
		return evs, translate.Broken("the model answered nonsense", err)
	}
	if failed := v.Get("error"); failed != nil && failed.Type() != fastjson.TypeNull || string(v.GetStringBytes("type")) == "error" {
		return evs, translate.FailedIn(frame)
	}
	p.count(v)
	if kind := string(v.GetStringBytes("type")); p.Images && strings.HasSuffix(kind, ".completed") {
		p.images++
	}
	p.complete = p.complete || ends(v)
	evs = append(evs, translate.Event{Kind: translate.KindOther})
	if p.Answer > 0 {
		p.pieces++
	}
	return append(evs, translate.Event{Kind: translate.KindUsage, Usage: p.used()}), nil
}

// ends reports whether an event says that nothing but counts follow.
func ends(v *fastjson.Value) bool {
	kind := string(v.GetStringBytes("type"))
	if strings.HasSuffix(kind, ".completed") || strings.HasSuffix(kind, ".done") && !strings.HasSuffix(kind, "segment.done") {
		return true
	}
	choices := v.GetArray("choices")
	for _, c := range choices {
		if len(c.GetStringBytes("finish_reason")) == 0 {
			return false
		}
	}
	return len(choices) > 0
}

// count reads what v says of tokens.
func (p *passage) count(v *fastjson.Value) {
	for _, name := range p.Usage {
		at := v.Get(name)
		u, ok := readUsage(at)
		if !ok {
			continue
		}
		if !said(u) {
			u.Input = translate.CountOf(at.Get("total_tokens"))
		}
		u.Sound = soundIn(at)
		if said(u) {
			p.usage = u
			return
		}
	}
}

// soundIn is how long the sound was that a usage tells of: {"type":"duration","seconds":n}.
func soundIn(usage *fastjson.Value) int32 {
	if kind := usage.GetStringBytes("type"); len(kind) > 0 && string(kind) != "duration" {
		return 0
	}
	return translate.SoundOf(usage.Get("seconds"))
}

// used is what was counted, and estimated where it was not: an event of a completion is about one
// token.
func (p *passage) used() translate.Usage {
	u := p.usage
	u.Images = uint16(min(max(p.images, p.members.Counted()), translate.MostPictures))
	if u.Output == 0 && p.pieces > 0 {
		u.Output, u.Estimated = p.pieces, true
	}
	return u
}

// Complete implements [translate.Ender].
func (p *passage) Complete() bool { return p.complete && !p.done }

// End implements [translate.Ender].
func (p *passage) End(evs []translate.Event) []translate.Event {
	if p.done {
		return evs
	}
	p.done = true
	return append(evs, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishStop, Usage: p.used()})
}

// Done implements [translate.Decoder].
func (p *passage) Done() bool { return p.done }

// DecodeWhole reads a refusal. An answer does not come here: it goes by.
func (p *passage) DecodeWhole(evs []translate.Event, status int, body []byte) ([]translate.Event, error) {
	evs, err := p.refusals.DecodeWhole(evs, status, body)
	return evs, translate.Lacking(status, err)
}

// pageMost is how many bytes at the beginning of an answer are looked at to know a web page.
const pageMost = 64

// page reports whether an answer that begins so is a web page.
func page(first []byte) bool {
	text := bytes.ToLower(bytes.TrimSpace(first))
	return bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.HasPrefix(text, []byte("<html"))
}

// marked reports whether an answer that begins so is text in a markup language: a page that begins in
// another way, or an error in XML.
func marked(first []byte) bool {
	text := bytes.TrimSpace(first)
	return len(text) > 1 && text[0] == '<' && (text[1] == '!' || text[1] == '?' || text[1] >= 'A' && text[1] <= 'Z' || text[1] >= 'a' && text[1] <= 'z') &&
		!binary(first)
}

// binary reports whether an answer that begins so is no text.
func binary(first []byte) bool {
	return bytes.ContainsFunc(first, func(r rune) bool { return r < '\t' })
}

// Pass implements [translate.Passage].
func (p *passage) Pass(piece []byte) {
	if p.came == 0 {
		p.members.Keep = append([]string{"error"}, p.Usage...)
		if p.Duration != "" {
			p.members.Keep = append(p.members.Keep, p.Duration)
		}
		if p.Images {
			p.members.Count = "data"
		}
	}
	p.first = append(p.first, piece[:min(len(piece), pageMost-len(p.first))]...)
	p.came += len(piece)
	_, _ = p.members.Write(piece)
}

// Passed implements [translate.Passage].
func (p *passage) Passed(evs []translate.Event, isJSON bool) ([]translate.Event, error) {
	switch {
	case p.came == 0:
		return evs, translate.Broken("the answer is empty", nil)
	case page(p.first), !p.Text && marked(p.first):
		return evs, translate.Broken("the model answered with a web page", nil)
	case p.Prose(p.first):
		return evs, translate.Broken("the model answered with something that is not JSON", nil)
	case binary(p.first): // whatever its label
	case isJSON && !p.members.Over(), !p.Text && p.members.Within():
		return evs, translate.Truncated(nil)
	}
	if failed := p.members.Member("error"); p.members.Ended() && len(failed) > 0 && string(failed) != "null" {
		return evs, translate.Lacking(200, translate.FailedIn(append(append([]byte(`{"error":`), failed...), '}')))
	}
	for _, name := range p.Usage {
		value := p.members.Member(name)
		if value == nil || !p.members.Over() || said(p.usage) {
			continue
		}
		if v, err := p.parser.Parse(`{"` + name + `":` + string(value) + `}`); err == nil {
			p.count(v)
		}
	}
	p.last()
	return p.End(evs), nil
}

// last reads how long the sound was where no usage says what was used: verbose_json has it beside the text.
func (p *passage) last() {
	if p.Duration == "" || said(p.usage) || !p.members.Over() {
		return
	}
	if v, err := p.parser.ParseBytes(p.members.Member(p.Duration)); err == nil {
		p.usage.Sound = translate.SoundOf(v)
	}
}
