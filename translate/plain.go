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
	case PartDocument, PartSearch:
		return r.DocumentText(p)
	case PartAudio:
		r.Drop("content.input_audio")
	}
	return ""
}

// DocumentText returns what can be said of a document, or of what a search found, to those
// who know nothing but text: its title and its context in lines of their own, and its text. It
// is "" for one that is no text. What it leaves out is noted.
func (r *Request) DocumentText(p *Part) string {
	if p.Text == "" {
		r.Drop(p.document())
		return ""
	}
	if p.Args != "" {
		r.Drop("citations")
	}
	var b strings.Builder
	for _, line := range [...]struct{ name, text string }{{"Title: ", p.Name}, {"Source: ", p.URL}, {"Context: ", p.Detail}} {
		if line.text != "" {
			b.WriteString(line.name)
			b.WriteString(line.text)
			b.WriteByte('\n')
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(p.Text)
	return b.String()
}

// document is what a document that is left out is called.
func (p *Part) document() string {
	switch {
	case p.ID != "":
		return "content.document.file_id"
	case p.URL != "":
		return "content.document.url"
	}
	return "content.document"
}

// DropDocument notes that p, a document, is left out.
func (r *Request) DropDocument(p *Part) { r.Drop(p.document()) }

// Nothing returns the *Error for a question of which nothing is left that could be told: it
// names what was left out.
func (r *Request) Nothing() *Error {
	var parts []string
	for _, d := range r.Dropped {
		if strings.HasPrefix(d, "content.") || d == "image" || d == "media" || d == "reasoning" {
			parts = append(parts, d)
		}
	}
	if parts == nil {
		return Invalid("message is empty")
	}
	return InvalidAt("messages", "nothing is left of the question: this model cannot be told "+strings.Join(parts, ", "))
}

// DropIf is Drop where the client has said it.
func (r *Request) DropIf(said bool, what string) {
	if said {
		r.Drop(what)
	}
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
			case PartAudio:
				r.Drop("content.input_audio")
			case PartDocument:
				if p.Text == "" {
					r.DropDocument(p)
				}
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
