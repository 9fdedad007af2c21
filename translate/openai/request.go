package openai

import (
	"bytes"
	"strconv"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of POST /v1/chat/completions as far as the canonical
// form can say it.
type wireRequest struct {
	Model               string
	Messages            translate.Raw
	Stream              bool
	StreamOptions       translate.Raw
	MaxTokens           *int
	MaxCompletionTokens *int
	Temperature         *float64
	TopP                *float64
	TopK                *int
	PresencePenalty     *float64
	FrequencyPenalty    *float64
	RepetitionPenalty   *float64
	Seed                *int64
	N                   *int
	Stop                translate.Raw
	ReasoningEffort     string
	ResponseFormat      translate.Raw
	Logprobs            bool
	TopLogprobs         *int
	Tools               translate.Raw
	ToolChoice          translate.Raw
	ParallelToolCalls   *bool
	Functions           translate.Raw
	FunctionCall        translate.Raw
	User                string
}

func (w *wireRequest) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &w.Model},
		{Name: "messages", To: &w.Messages},
		{Name: "stream", To: &w.Stream},
		{Name: "stream_options", To: &w.StreamOptions},
		{Name: "max_tokens", To: &w.MaxTokens},
		{Name: "max_completion_tokens", To: &w.MaxCompletionTokens},
		{Name: "temperature", To: &w.Temperature},
		{Name: "top_p", To: &w.TopP},
		{Name: "top_k", To: &w.TopK},
		{Name: "presence_penalty", To: &w.PresencePenalty},
		{Name: "frequency_penalty", To: &w.FrequencyPenalty},
		{Name: "repetition_penalty", To: &w.RepetitionPenalty},
		{Name: "seed", To: &w.Seed},
		{Name: "n", To: &w.N},
		{Name: "stop", To: &w.Stop},
		{Name: "reasoning_effort", To: &w.ReasoningEffort},
		{Name: "response_format", To: &w.ResponseFormat},
		{Name: "logprobs", To: &w.Logprobs},
		{Name: "top_logprobs", To: &w.TopLogprobs},
		{Name: "tools", To: &w.Tools},
		{Name: "tool_choice", To: &w.ToolChoice},
		{Name: "parallel_tool_calls", To: &w.ParallelToolCalls},
		{Name: "functions", To: &w.Functions},
		{Name: "function_call", To: &w.FunctionCall},
		{Name: "user", To: &w.User},
	}
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
	o, ok := translate.ScanTopLevel(body, known)
	if ok && decodePlain(req, body, o) {
		return nil
	}
	return decodeAny(req, body, o, ok)
}

// decodePlain reads a question of the usual kind, texts and a few numbers, without
// reflection. On false req is as it was.
func decodePlain(req *translate.Request, body []byte, o jsonx.Outline) bool {
	f := translate.Fields{Body: body, Outline: o}
	f.Only("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "user")
	options := f.Object("stream_options", knownOptions)
	got := translate.Request{Dialect: name, Model: f.String("model"), Stream: f.Bool("stream"), UsageInStream: options.Bool("include_usage"), Raw: body}
	if f.NeedsDecode || options.NeedsDecode || translate.TooLong(got.Model, translate.MaxModel) {
		return false
	}
	got.User = translate.UserID(f.Text("user"))
	p := &got.Params
	p.MaxTokens, p.Temperature, p.TopP = f.Int("max_tokens"), f.Number("temperature"), f.Number("top_p")
	bound(p, f.Int("max_completion_tokens"))
	got.Messages = f.Messages("messages", translate.PlainRole)
	if f.NeedsDecode {
		return false
	}
	for i := range got.Messages {
		if m := &got.Messages[i]; m.Role == translate.RoleAssistant && m.Parts[0].Text == "" {
			m.Parts = nil
		}
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.UsageInStream = got.Dialect, got.Model, got.Stream, got.Raw, got.UsageInStream
	req.Messages, req.Params, req.User = got.Messages, got.Params, got.User
	return true
}

// decodeAny reads every question. o is its outline; once says that it is JSON of one
// reading.
func decodeAny(req *translate.Request, body []byte, o jsonx.Outline, once bool) error {
	if err := translate.Bounded(&o, body); err != nil {
		return err
	}
	if !o.Valid {
		return translate.NotJSON(body)
	}
	var w wireRequest
	if err := translate.Fill(body, o.Members, w.fields()); err != nil {
		return err
	}
	if err := translate.Foreign(&o, "messages"); err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return err
	}
	req.Dialect, req.Model, req.Stream, req.User = name, w.Model, w.Stream, translate.UserID(w.User)
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
	req.KeepRaw(body, known, o, once)
	return nil
}

// ScanRouting implements [translate.RoutingScanner].
func (codec) ScanRouting(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, known)
	if !ok {
		return false
	}
	if o.Named {
		return false // it may be too long
	}
	f := translate.Fields{Body: body, Outline: o}
	model, stream := f.String("model"), f.Bool("stream")
	options := f.Object("stream_options", knownOptions)
	usage := options.Bool("include_usage")
	f.Objects("messages")
	f.Count("max_tokens")
	f.Count("max_completion_tokens")
	if f.NeedsDecode || options.NeedsDecode || o.Find("n") != nil || o.Find("functions") != nil || translate.TooLong(model, translate.MaxModel) {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.UsageInStream, req.Raw, req.Outline = name, model, stream, usage, body, o.Members
	return true
}

func (w *wireRequest) check() error {
	switch {
	case w.Model == "":
		return translate.Invalid("model is required")
	case w.Messages.Null():
		return translate.Invalid("messages is required")
	case w.N != nil && (*w.N < 1 || *w.N > maxChoices):
		return translate.Invalid("n must be from 1 to " + strconv.Itoa(maxChoices))
	case w.MaxTokens != nil && *w.MaxTokens < 1:
		return translate.Invalid("max_tokens must be at least 1")
	case w.MaxCompletionTokens != nil && *w.MaxCompletionTokens < 1:
		return translate.Invalid("max_completion_tokens must be at least 1")
	}
	return translate.Bound("model", w.Model, translate.MaxModel)
}

// bound makes newer, max_completion_tokens, the bound of the answer, if it was said beside
// max_tokens or alone.
func bound(p *translate.Params, newer *int) {
	if newer == nil {
		return
	}
	if p.MaxTokens != nil {
		p.MostTokens = max(*p.MaxTokens, *newer)
	}
	p.MaxTokens = newer
}

func decodeParams(req *translate.Request, w *wireRequest) error {
	p := &req.Params
	p.MaxTokens = w.MaxTokens
	bound(p, w.MaxCompletionTokens)
	p.Temperature, p.TopP, p.TopK = w.Temperature, w.TopP, w.TopK
	p.PresencePenalty, p.FrequencyPenalty, p.RepetitionPenalty = w.PresencePenalty, w.FrequencyPenalty, w.RepetitionPenalty
	p.Seed, p.ReasoningEffort = w.Seed, w.ReasoningEffort
	p.Logprobs, p.TopLogprobs = w.Logprobs, w.TopLogprobs
	// Only an answer that passes through has several choices.
	if w.N != nil {
		p.Choices = *w.N
	}
	req.DropIf(p.Choices > 1, "n")
	if !w.ResponseFormat.Null() {
		if w.ResponseFormat[0] != '{' {
			return translate.Invalid("response_format must be an object")
		}
		p.ResponseFormat = bytes.Clone(w.ResponseFormat)
	}
	if !w.StreamOptions.Null() {
		var o struct {
			IncludeUsage       bool  `json:"include_usage"`
			IncludeObfuscation *bool `json:"include_obfuscation"`
		}
		if err := translate.Unmarshal("stream_options", w.StreamOptions, &o); err != nil {
			return err
		}
		req.UsageInStream = o.IncludeUsage
		req.DropIf(o.IncludeObfuscation != nil, "stream_options.include_obfuscation")
	}
	return decodeStop(p, w.Stop)
}

func decodeStop(p *translate.Params, raw translate.Raw) error {
	if raw.Null() {
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
	stops, err := translate.Words("stop", raw, translate.MaxStops)
	p.Stop = stops
	return err
}

type wireFunction struct {
	Name        string
	Description string
	Parameters  translate.Raw
	Strict      bool
}

// read reads the function at path.
func (f *wireFunction) read(path string, raw translate.Raw) error {
	return translate.Object(path, raw, []translate.Field{
		{Name: "name", To: &f.Name}, {Name: "description", To: &f.Description}, {Name: "parameters", To: &f.Parameters}, {Name: "strict", To: &f.Strict},
	})
}

// tool returns f, which lies at path in the message.
func (f *wireFunction) tool(path string) (t translate.Tool, err error) {
	if f.Name == "" {
		return t, translate.Invalid(path + ".name is required")
	}
	if err := translate.Bound(path+".name", f.Name, translate.MaxToolName); err != nil {
		return t, err
	}
	t = translate.Tool{Name: f.Name, Description: f.Description, Strict: f.Strict}
	if f.Parameters.Null() {
		return t, nil
	}
	if f.Parameters[0] != '{' {
		return t, translate.Invalid(path + ".parameters must be an object")
	}
	t.Schema = bytes.Clone(f.Parameters)
	return t, nil
}

func decodeTools(req *translate.Request, w *wireRequest) error {
	tools, n, err := translate.Elements("tools", w.Tools)
	if err != nil {
		return err
	}
	i := -1
	for raw := range tools {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("tools", i)
		var kind string
		var function translate.Raw
		if err := translate.Object(path, raw, []translate.Field{{Name: "type", To: &kind}, {Name: "function", To: &function}}); err != nil {
			return err
		}
		if kind != "function" && kind != "" {
			req.DropWord("tools." + kind)
			continue
		}
		var f wireFunction
		if err := f.read(path+".function", function); err != nil {
			return err
		}
		tool, err := f.tool(path + ".function")
		if err != nil {
			return err
		}
		if req.Tools == nil {
			req.Tools = make([]translate.Tool, 0, n)
		}
		req.Tools = append(req.Tools, tool)
	}
	req.ToolChoice.NoParallel = w.ParallelToolCalls != nil && !*w.ParallelToolCalls
	return decodeToolChoice(req, w.ToolChoice)
}

func decodeToolChoice(req *translate.Request, raw translate.Raw) error {
	if raw.Null() {
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
	return translate.Bound("tool_choice.function.name", c.Name, translate.MaxToolName)
}
