package openai

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of POST /v1/chat/completions as far as the canonical
// form can say it.
type wireRequest struct {
	Model               *string         `json:"model"`
	Messages            json.RawMessage `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       json.RawMessage `json:"stream_options"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	TopK                *int            `json:"top_k"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	RepetitionPenalty   *float64        `json:"repetition_penalty"`
	Seed                *int64          `json:"seed"`
	N                   *int            `json:"n"`
	Stop                json.RawMessage `json:"stop"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	ResponseFormat      json.RawMessage `json:"response_format"`
	Logprobs            bool            `json:"logprobs"`
	TopLogprobs         *int            `json:"top_logprobs"`
	Tools               json.RawMessage `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	Functions           json.RawMessage `json:"functions"`
	FunctionCall        json.RawMessage `json:"function_call"`
	User                string          `json:"user"`
}

// maxChoices is how many choices OpenAI gives at most.
const maxChoices = 128

// known are the names of wireRequest. A name that differs from one of them only
// by case makes a body ambiguous; any other name is passed on as it is or noted
// as dropped.
var known = []string{
	"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k",
	"presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "n", "stop", "reasoning_effort", "response_format",
	"logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "user",
}

// knownOptions are the names in stream_options.
var knownOptions = []string{"include_usage"}

// DecodeRequest fills req from the body of POST /v1/chat/completions. Names that
// the canonical form does not know are noted in req.Dropped; AppendRequest
// forgets them again when it passes the body on as it is.
func (codec) DecodeRequest(req *translate.Request, body []byte) error {
	if decodePlain(req, body) {
		return nil
	}
	return decodeAny(req, body)
}

// decodePlain reads a question of the usual kind, texts and a few numbers, without
// reflection. On false req is as it was.
func decodePlain(req *translate.Request, body []byte) bool {
	o, ok := translate.Outline(body, known)
	if !ok {
		return false
	}
	f := translate.Fields{Body: body, Outline: o}
	f.Only("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "user")
	options := f.Object("stream_options", knownOptions)
	got := translate.Request{Dialect: name, Model: f.String("model"), Stream: f.Bool("stream"), UsageInStream: options.Bool("include_usage"), Raw: body}
	if f.Odd || options.Odd {
		return false
	}
	got.User = f.Text("user")
	p := &got.Params
	p.MaxTokens, p.Temperature, p.TopP = f.Int("max_tokens"), f.Number("temperature"), f.Number("top_p")
	if n := f.Int("max_completion_tokens"); n != nil {
		p.MaxTokens = n
	}
	got.Messages = f.Messages("messages", plainRole)
	if f.Odd {
		return false
	}
	// The sort keeps the order of what is equal.
	slices.SortStableFunc(got.Messages, func(a, b translate.Message) int { return rank(&a) - rank(&b) })
	for i := range got.Messages {
		if m := &got.Messages[i]; m.Role == translate.RoleAssistant && m.Parts[0].Text == "" {
			m.Parts = nil
		}
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.UsageInStream = got.Dialect, got.Model, got.Stream, got.Raw, got.UsageInStream
	req.Messages, req.Params, req.User = got.Messages, got.Params, got.User
	return true
}

// plainRole is the role of a message that may be nothing but a text.
func plainRole(s string) translate.Role {
	if r := translate.ParseRole(s); r != translate.RoleTool {
		return r
	}
	return 0
}

// rank is where messages of a role go: instructions first.
func rank(m *translate.Message) int {
	if m.Role == translate.RoleSystem {
		return 0
	}
	return 1
}

// decodeAny reads every question.
func decodeAny(req *translate.Request, body []byte) error {
	var w wireRequest
	if err := translate.Unmarshal("", body, &w); err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return err
	}
	req.Dialect, req.Model, req.Stream, req.User = name, *w.Model, w.Stream, w.User
	if err := decodeMessages(req, w.Messages); err != nil {
		return err
	}
	if err := decodeTools(req, &w); err != nil {
		return err
	}
	if err := decodeFunctions(req, &w); err != nil {
		return err
	}
	if err := decodeParams(req, &w); err != nil {
		return err
	}
	req.KeepRaw(body, known)
	return nil
}

// Peek implements [translate.Peeker].
func (codec) Peek(req *translate.Request, body []byte) bool {
	o, ok := translate.Outline(body, known)
	if !ok {
		return false
	}
	f := translate.Fields{Body: body, Outline: o}
	model, stream := f.String("model"), f.Bool("stream")
	options := f.Object("stream_options", knownOptions)
	usage := options.Bool("include_usage")
	f.Objects("messages")
	f.Count("max_tokens")
	f.Count("max_completion_tokens")
	if f.Odd || options.Odd || o.Find("n") != nil || o.Find("functions") != nil {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.UsageInStream, req.Raw, req.Outline = name, model, stream, usage, body, o.Members
	return true
}

func (w *wireRequest) check() error {
	switch {
	case w.Model == nil || *w.Model == "":
		return translate.Invalid("model is required")
	case null(w.Messages):
		return translate.Invalid("messages is required")
	case w.N != nil && (*w.N < 1 || *w.N > maxChoices):
		return translate.Invalid("n must be from 1 to " + strconv.Itoa(maxChoices))
	case w.MaxTokens != nil && *w.MaxTokens < 1:
		return translate.Invalid("max_tokens must be at least 1")
	case w.MaxCompletionTokens != nil && *w.MaxCompletionTokens < 1:
		return translate.Invalid("max_completion_tokens must be at least 1")
	}
	return nil
}

// null reports whether a field is missing or null.
func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func decodeParams(req *translate.Request, w *wireRequest) error {
	p := &req.Params
	p.MaxTokens = w.MaxTokens
	if w.MaxCompletionTokens != nil {
		p.MaxTokens = w.MaxCompletionTokens
	}
	p.Temperature, p.TopP, p.TopK = w.Temperature, w.TopP, w.TopK
	p.PresencePenalty, p.FrequencyPenalty, p.RepetitionPenalty = w.PresencePenalty, w.FrequencyPenalty, w.RepetitionPenalty
	p.Seed, p.ReasoningEffort = w.Seed, w.ReasoningEffort
	p.Logprobs, p.TopLogprobs = w.Logprobs, w.TopLogprobs
	// Only an answer that passes through has several choices.
	if w.N != nil {
		p.Choices = *w.N
	}
	dropIf(req, p.Choices > 1, "n")
	if !null(w.ResponseFormat) {
		if w.ResponseFormat[0] != '{' {
			return translate.Invalid("response_format must be an object")
		}
		p.ResponseFormat = append(json.RawMessage(nil), w.ResponseFormat...)
	}
	if !null(w.StreamOptions) {
		var o struct {
			IncludeUsage       bool  `json:"include_usage"`
			IncludeObfuscation *bool `json:"include_obfuscation"`
		}
		if err := translate.Unmarshal("stream_options", w.StreamOptions, &o); err != nil {
			return err
		}
		req.UsageInStream = o.IncludeUsage
		dropIf(req, o.IncludeObfuscation != nil, "stream_options.include_obfuscation")
	}
	return decodeStop(p, w.Stop)
}

func decodeStop(p *translate.Params, raw json.RawMessage) error {
	if null(raw) {
		return nil
	}
	if raw[0] == '"' {
		var one string
		if err := translate.Unmarshal("stop", raw, &one); err != nil {
			return err
		}
		p.Stop = []string{one}
		return nil
	}
	return translate.Unmarshal("stop", raw, &p.Stop)
}

type wireTool struct {
	Type     string        `json:"type"`
	Function *wireFunction `json:"function"`
}

type wireFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// tool returns f, which lies at path in the message.
func (f *wireFunction) tool(path string) (t translate.Tool, err error) {
	if f == nil || f.Name == "" {
		return t, translate.Invalid(path + ".name is required")
	}
	t = translate.Tool{Name: f.Name, Description: f.Description, Strict: f.Strict}
	if null(f.Parameters) {
		return t, nil
	}
	if f.Parameters[0] != '{' {
		return t, translate.Invalid(path + ".parameters must be an object")
	}
	t.Schema = f.Parameters
	return t, nil
}

func decodeTools(req *translate.Request, w *wireRequest) error {
	var tools []json.RawMessage
	if !null(w.Tools) {
		if err := translate.Unmarshal("tools", w.Tools, &tools); err != nil {
			return err
		}
	}
	for i, raw := range tools {
		path := index("tools", i)
		var t wireTool
		if err := translate.Unmarshal(path, raw, &t); err != nil {
			return err
		}
		if t.Type != "function" && t.Type != "" {
			req.DropWord("tools." + t.Type)
			continue
		}
		tool, err := t.Function.tool(path + ".function")
		if err != nil {
			return err
		}
		req.Tools = append(req.Tools, tool)
	}
	req.ToolChoice.NoParallel = w.ParallelToolCalls != nil && !*w.ParallelToolCalls
	return decodeToolChoice(req, w.ToolChoice)
}

func decodeToolChoice(req *translate.Request, raw json.RawMessage) error {
	if null(raw) {
		return nil
	}
	c := &req.ToolChoice
	switch string(raw) {
	case `"auto"`:
		c.Mode = translate.ToolAuto
		return nil
	case `"none"`:
		c.Mode = translate.ToolNone
		return nil
	case `"required"`:
		c.Mode = translate.ToolRequired
		return nil
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if raw[0] != '{' {
		return translate.Invalid("tool_choice must be none, auto, required or an object")
	}
	if err := translate.Unmarshal("tool_choice", raw, &named); err != nil {
		return err
	}
	if named.Type != "function" {
		req.DropWord("tool_choice." + named.Type)
		return nil
	}
	if named.Function.Name == "" {
		return translate.Invalid("tool_choice.function.name is required")
	}
	c.Mode, c.Name = translate.ToolNamed, named.Function.Name
	return nil
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
