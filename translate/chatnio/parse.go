package chatnio

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/translate"
)

// parser reads single JSON values leniently and keeps the first failure.
type parser struct{ err *translate.Error }

func invalid(message string, cause error) *translate.Error {
	e := translate.Invalid(message)
	e.Cause = cause
	return e
}

func (p *parser) fail(field, want string) {
	if p.err == nil {
		p.err = translate.Invalid(field + " must be " + want)
	}
}

// question reads the fields that chat and restart frames have beside the type.
func (p *parser) question(f *Frame, w *wireFrame) {
	f.Message = p.text("message", w.Message)
	if f.Model = p.text("model", w.Model); translate.TooLong(f.Model, translate.MaxModel) {
		p.fail("model", "at most 256 characters long")
		f.Model = ""
	}
	f.Web = p.flag("web", w.Web)
	f.IgnoreContext = p.flag("ignore_context", w.IgnoreContext)
	if n := p.integer("context", w.Context); n != nil {
		f.Context = *n
	}
	f.Params = translate.Params{
		MaxTokens:         p.integer("max_tokens", w.MaxTokens),
		TopK:              p.integer("top_k", w.TopK),
		Temperature:       p.number("temperature", w.Temperature),
		TopP:              p.number("top_p", w.TopP),
		PresencePenalty:   p.number("presence_penalty", w.PresencePenalty),
		FrequencyPenalty:  p.number("frequency_penalty", w.FrequencyPenalty),
		RepetitionPenalty: p.number("repetition_penalty", w.RepetitionPenalty),
	}
}

func (p *parser) text(field string, raw translate.Raw) string {
	if raw.Null() {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		p.fail(field, "a string")
	}
	return s
}

// scalar returns a boolean's or number's text, with or without quotes; empty
// when there is none.
func scalar(raw translate.Raw) string {
	if raw.Null() {
		return ""
	}
	s, ok := text(raw)
	switch {
	case !ok:
		return "?"
	case raw[0] != '"':
		return s
	}
	return strings.TrimSpace(s)
}

// text is what a string of JSON says, and any other value as it is written; ok is false for a string that
// cannot be read. A string without escapes, as nearly all are, costs no decoder.
func text(raw translate.Raw) (s string, ok bool) {
	if raw[0] != '"' {
		return string(raw), true
	}
	if in := raw[1 : len(raw)-1]; utf8.Valid(in) && bytes.IndexByte(in, '\\') < 0 {
		return string(in), true
	}
	ok = json.Unmarshal(raw, &s) == nil
	return s, ok
}

func (p *parser) flag(field string, raw translate.Raw) bool {
	switch strings.ToLower(scalar(raw)) {
	case "true", "1":
		return true
	case "false", "0", "":
		return false
	}
	p.fail(field, "true or false")
	return false
}

func (p *parser) number(field string, raw translate.Raw) *float64 {
	s := scalar(raw)
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		p.fail(field, "a number")
		return nil
	}
	return &f
}

func (p *parser) integer(field string, raw translate.Raw) *int {
	s := scalar(raw)
	if s == "" {
		return nil
	}
	n, ok := integral(s)
	if !ok || n > math.MaxInt32 || n < math.MinInt32 {
		p.fail(field, "an integer")
		return nil
	}
	i := int(n)
	return &i
}

// integral reads an integer, also in a float's clothes: -1.0, 1e3.
func integral(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}
