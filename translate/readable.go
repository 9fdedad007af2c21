package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Readable is r as indented JSON, for people: the messages with their parts, the tools, and what
// else was said. Of an image or another file it has the size. It is no wire format, and may change.
func Readable(r *Request) []byte {
	type part struct {
		Kind      string          `json:"kind"`
		Text      string          `json:"text,omitempty"`
		URL       string          `json:"url,omitempty"`
		File      string          `json:"file,omitempty"`
		Detail    string          `json:"detail,omitempty"`
		ID        string          `json:"id,omitempty"`
		Name      string          `json:"name,omitempty"`
		Arguments string          `json:"arguments,omitempty"`
		Failed    bool            `json:"failed,omitempty"`
		Signed    bool            `json:"signed,omitempty"`
		Cache     json.RawMessage `json:"cache_control,omitempty"`
	}
	type message struct {
		Role  string `json:"role"`
		Name  string `json:"name,omitempty"`
		Parts []part `json:"parts"`
	}
	type tool struct {
		Name        string          `json:"name,omitempty"`
		Description string          `json:"description,omitempty"`
		Schema      json.RawMessage `json:"schema,omitempty"`
		Strict      bool            `json:"strict,omitempty"`
		Own         json.RawMessage `json:"own,omitempty"`
	}
	out := struct {
		Dialect    string          `json:"dialect"`
		Model      string          `json:"model"`
		Stream     bool            `json:"stream"`
		User       string          `json:"user,omitempty"`
		Group      string          `json:"group,omitempty"`
		Preset     string          `json:"preset,omitempty"`
		Context    int             `json:"context,omitempty"`
		Web        bool            `json:"web,omitempty"`
		Messages   []message       `json:"messages"`
		Tools      []tool          `json:"tools,omitempty"`
		ToolChoice string          `json:"tool_choice,omitempty"`
		ToolName   string          `json:"tool_name,omitempty"`
		Parameters map[string]any  `json:"parameters,omitempty"`
		Own        json.RawMessage `json:"own,omitempty"`
	}{
		Dialect: r.Dialect, Model: r.Model, Stream: r.Stream, User: r.User, Group: r.Group, Preset: r.Preset, Context: r.Context, Web: r.Web,
		ToolChoice: [...]string{"", "auto", "none", "required", "named"}[r.ToolChoice.Mode], ToolName: r.ToolChoice.Name,
		Messages: []message{}, Parameters: r.Params.said(), Own: valid(r.Own),
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		one := message{Role: m.Role.String(), Name: m.Name, Parts: []part{}}
		for _, p := range m.Parts {
			q := part{Kind: partNames[p.Kind], Text: p.Text, URL: p.URL, Detail: p.Detail, ID: p.ID, Name: p.Name, Arguments: p.Args, Failed: p.Failed, Signed: p.Signature != "", Cache: valid(p.Cache)}
			if p.Data != "" {
				q.File = fmt.Sprintf("%s, %d bytes in base64", p.MediaType, len(p.Data))
			}
			one.Parts = append(one.Parts, q)
		}
		out.Messages = append(out.Messages, one)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, tool{t.Name, t.Description, valid(t.Schema), t.Strict, valid(t.Own)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&out); err != nil {
		return []byte("the question cannot be shown: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// partNames are the kinds of parts, as people read them.
var partNames = map[PartKind]string{
	PartText: "text", PartImage: "image", PartReasoning: "reasoning", PartToolCall: "tool call", PartToolResult: "tool result", PartMedia: "media",
	PartDocument: "document", PartAudio: "audio", PartSearch: "search result", PartReference: "reference",
}

// valid is raw where it is JSON; else nothing.
func valid(raw json.RawMessage) json.RawMessage {
	if !json.Valid(raw) {
		return nil
	}
	return raw
}

// said are the parameters that p has, by the names that most dialects give them.
func (p *Params) said() map[string]any {
	all := map[string]any{}
	put := func(name string, has bool, v any) {
		if has {
			all[name] = v
		}
	}
	put("max_tokens", p.MaxTokens != nil, p.MaxTokens)
	put("temperature", p.Temperature != nil, p.Temperature)
	put("top_p", p.TopP != nil, p.TopP)
	put("top_k", p.TopK != nil, p.TopK)
	put("presence_penalty", p.PresencePenalty != nil, p.PresencePenalty)
	put("frequency_penalty", p.FrequencyPenalty != nil, p.FrequencyPenalty)
	put("repetition_penalty", p.RepetitionPenalty != nil, p.RepetitionPenalty)
	put("seed", p.Seed != nil, p.Seed)
	put("stop", len(p.Stop) > 0, p.Stop)
	put("reasoning_effort", p.ReasoningEffort != "", p.ReasoningEffort)
	put("reasoning_budget", p.ReasoningBudget != 0, p.ReasoningBudget)
	put("effort", p.Effort != "", p.Effort)
	put("response_format", valid(p.ResponseFormat) != nil, p.ResponseFormat)
	put("logprobs", p.Logprobs, true)
	put("top_logprobs", p.TopLogprobs != nil, p.TopLogprobs)
	put("choices", p.Choices != 0, p.Choices)
	return all
}
