package translate

import (
	"slices"
	"strings"
)

// Plain returns m as text, for dialects that know nothing else: text parts as
// they are, tool calls and results in a form that a model can read, images as a
// line with their URL, or their data URI if inline is set. What it leaves out is
// noted with [Request.Drop].
func (r *Request) Plain(m *Message, inline bool) string {
	var b strings.Builder
	for i := range m.Parts {
		line := r.plainPart(&m.Parts[i], inline)
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return b.String()
}

func (r *Request) plainPart(p *Part, inline bool) string {
	switch p.Kind {
	case PartText:
		return p.Text
	case PartToolCall:
		return "[tool call " + p.Name + " " + p.Args + "]"
	case PartToolResult:
		if p.Failed {
			return "[tool error] " + p.Text
		}
		return "[tool result] " + p.Text
	case PartImage:
		if p.URL != "" {
			return p.URL
		}
		if inline {
			return "data:" + p.MediaType + ";base64," + p.Data
		}
		r.Drop("image")
	case PartReasoning:
		r.Drop("reasoning")
	case PartMedia:
		r.Drop("media")
	}
	return ""
}

// DropUnsaid notes every parameter that the client gave, marks for a prompt cache
// included, and that is not among said, by its name in the OpenAI dialect.
// AppendRequest of a dialect calls it with the names that it can say.
func (r *Request) DropUnsaid(said ...string) {
	p := &r.Params
	for _, f := range [...]struct {
		name  string
		given bool
	}{
		{"tools", len(r.Tools) > 0},
		{"tool_choice", r.ToolChoice != ToolChoice{}},
		{"max_tokens", p.MaxTokens != nil},
		{"temperature", p.Temperature != nil},
		{"top_p", p.TopP != nil},
		{"top_k", p.TopK != nil},
		{"presence_penalty", p.PresencePenalty != nil},
		{"frequency_penalty", p.FrequencyPenalty != nil},
		{"repetition_penalty", p.RepetitionPenalty != nil},
		{"seed", p.Seed != nil},
		{"stop", len(p.Stop) > 0},
		{"reasoning_effort", p.ReasoningEffort != "" || p.ReasoningBudget != 0},
		{"output_config.effort", p.Effort != ""},
		{"response_format", p.ResponseFormat != nil},
		{"logprobs", p.Logprobs || p.TopLogprobs != nil},
		{"web", r.Web},
		{"cache_control", r.caches()},
	} {
		if f.given && !slices.Contains(said, f.name) {
			r.Drop(f.name)
		}
	}
}

// DropUnfolded notes what is lost of the messages before the newest where all of
// them become one text: reasoning, images, and marks for a prompt cache.
func (r *Request) DropUnfolded() {
	for i := range r.Messages[:max(0, len(r.Messages)-1)] {
		for j := range r.Messages[i].Parts {
			p := &r.Messages[i].Parts[j]
			switch p.Kind {
			case PartReasoning:
				r.Drop("reasoning")
			case PartImage:
				r.Drop("image")
			}
			if p.Cache != nil {
				r.Drop("cache_control")
			}
		}
	}
}

// caches reports whether a part of a message, or a tool, is marked for a prompt
// cache.
func (r *Request) caches() bool {
	for i := range r.Tools {
		if r.Tools[i].Cache != nil {
			return true
		}
	}
	for i := range r.Messages {
		for j := range r.Messages[i].Parts {
			if r.Messages[i].Parts[j].Cache != nil {
				return true
			}
		}
	}
	return false
}
