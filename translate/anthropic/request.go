package anthropic

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of POST /v1/messages as far as the canonical form can
// say it.
type wireRequest struct {
	Model         *string         `json:"model"`
	MaxTokens     *int            `json:"max_tokens"`
	Messages      json.RawMessage `json:"messages"`
	System        json.RawMessage `json:"system"`
	Stream        bool            `json:"stream"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int            `json:"top_k"`
	StopSequences []string        `json:"stop_sequences"`
	Tools         json.RawMessage `json:"tools"`
	ToolChoice    json.RawMessage `json:"tool_choice"`
	Thinking      json.RawMessage `json:"thinking"`
	OutputConfig  json.RawMessage `json:"output_config"`
	Metadata      *struct {
		UserID string `json:"user_id"`
	} `json:"metadata"`
}

var known = []string{
	"model", "max_tokens", "messages", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice",
	"thinking", "output_config", "metadata",
}

// DecodeRequest fills req from the body of POST /v1/messages. Names that the
// canonical form does not know are noted in req.Dropped; AppendRequest forgets
// them again when it passes the body on as it is.
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
	f.Only("model", "max_tokens", "messages", "system", "stream", "temperature", "top_p")
	got := translate.Request{Dialect: name, Model: f.String("model"), Stream: f.Bool("stream"), Raw: body}
	p := &got.Params
	p.MaxTokens = f.Int("max_tokens")
	if f.Odd || p.MaxTokens == nil {
		return false
	}
	p.Temperature, p.TopP = f.Number("temperature"), f.Number("top_p")
	system := f.Text("system")
	got.Messages = f.Messages("messages", plainRole)
	if f.Odd {
		return false
	}
	if system != "" {
		got.Messages = slices.Insert(got.Messages, 0, translate.TextMessage(translate.RoleSystem, system))
	} else if o.Find("system") != nil {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw = got.Dialect, got.Model, got.Stream, got.Raw
	req.Messages, req.Params = got.Messages, got.Params
	return true
}

// plainRole is the role of a message.
func plainRole(s string) translate.Role {
	if r := translate.ParseRole(s); r == translate.RoleUser || r == translate.RoleAssistant {
		return r
	}
	return 0
}

// decodeAny reads every question.
func decodeAny(req *translate.Request, body []byte) error {
	var w wireRequest
	if err := translate.Unmarshal("", body, &w); err != nil {
		return err
	}
	switch {
	case w.Model == nil || *w.Model == "":
		return translate.Invalid("model is required")
	case w.MaxTokens == nil:
		return translate.Invalid("max_tokens is required")
	case *w.MaxTokens < 1:
		return translate.Invalid("max_tokens must be at least 1")
	case null(w.Messages):
		return translate.Invalid("messages is required")
	}
	req.Dialect, req.Model, req.Stream = name, *w.Model, w.Stream
	if w.Metadata != nil {
		req.User = w.Metadata.UserID
	}
	p := &req.Params
	p.MaxTokens, p.Temperature, p.TopP, p.TopK, p.Stop = w.MaxTokens, w.Temperature, w.TopP, w.TopK, w.StopSequences
	if err := decodeSystem(req, w.System); err != nil {
		return err
	}
	if err := decodeMessages(req, w.Messages); err != nil {
		return err
	}
	if err := decodeTools(req, w.Tools); err != nil {
		return err
	}
	if err := decodeToolChoice(req, w.ToolChoice); err != nil {
		return err
	}
	if err := decodeThinking(req, &w); err != nil {
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
	f.Objects("messages")
	if !f.Count("max_tokens") || f.Odd {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.Outline = name, model, stream, body, o.Members
	return true
}

// null reports whether a field is missing or null.
func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// decodeThinking reads the budget of thinking, or the effort of a model that
// chooses its budget itself, for which the vendor's default is high.
func decodeThinking(req *translate.Request, w *wireRequest) error {
	var config struct {
		Effort string          `json:"effort"`
		Format json.RawMessage `json:"format"`
	}
	if !null(w.OutputConfig) {
		if err := translate.Unmarshal("output_config", w.OutputConfig, &config); err != nil {
			return err
		}
		if !null(config.Format) {
			if err := decodeFormat(req, config.Format); err != nil {
				return err
			}
		}
	}
	var t struct {
		Type   string `json:"type"`
		Budget *int   `json:"budget_tokens"`
	}
	if !null(w.Thinking) {
		if err := translate.Unmarshal("thinking", w.Thinking, &t); err != nil {
			return err
		}
	}
	if config.Effort != "" && t.Type != "adaptive" {
		req.Drop("output_config.effort")
	}
	if null(w.Thinking) {
		return nil
	}
	switch t.Type {
	case "disabled":
	case "adaptive":
		req.Params.ReasoningEffort = config.Effort
		if config.Effort == "" {
			req.Params.ReasoningEffort = "high"
		}
	case "enabled":
		if t.Budget == nil {
			return translate.Invalid("thinking.budget_tokens is required")
		}
		if *t.Budget < minBudget {
			return translate.Invalid("thinking.budget_tokens must be at least " + strconv.Itoa(minBudget))
		}
		req.Params.ReasoningBudget = *t.Budget
	default:
		return translate.Invalid("thinking.type must be enabled, adaptive or disabled")
	}
	return nil
}

func decodeTools(req *translate.Request, raw json.RawMessage) error {
	if null(raw) {
		return nil
	}
	var tools []json.RawMessage
	if err := translate.Unmarshal("tools", raw, &tools); err != nil {
		return err
	}
	for i, raw := range tools {
		path := index("tools", i)
		var t struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			InputSchema json.RawMessage `json:"input_schema"`
			Cache       json.RawMessage `json:"cache_control"`
			Strict      bool            `json:"strict"`
		}
		if err := translate.Unmarshal(path, raw, &t); err != nil {
			return err
		}
		if t.Type != "" && t.Type != "custom" {
			req.DropWord("tools." + t.Type)
			continue
		}
		if t.Name == "" {
			return translate.Invalid(path + ".name is required")
		}
		if null(t.InputSchema) || t.InputSchema[0] != '{' {
			return translate.Invalid(path + ".input_schema must be an object")
		}
		cache, err := cacheControl(path, t.Cache)
		if err != nil {
			return err
		}
		req.Tools = append(req.Tools, translate.Tool{Name: t.Name, Description: t.Description, Schema: t.InputSchema, Strict: t.Strict, Cache: cache})
	}
	return nil
}

// cacheControl returns raw, nil where it is missing.
func cacheControl(path string, raw json.RawMessage) (json.RawMessage, error) {
	if null(raw) {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, translate.Invalid(path + ".cache_control must be an object")
	}
	return raw, nil
}

func decodeToolChoice(req *translate.Request, raw json.RawMessage) error {
	if null(raw) {
		return nil
	}
	var w struct {
		Type       string `json:"type"`
		Name       string `json:"name"`
		NoParallel bool   `json:"disable_parallel_tool_use"`
	}
	if err := translate.Unmarshal("tool_choice", raw, &w); err != nil {
		return err
	}
	c := &req.ToolChoice
	c.NoParallel = w.NoParallel
	switch w.Type {
	case "auto":
		c.Mode = translate.ToolAuto
	case "any":
		c.Mode = translate.ToolRequired
	case "none":
		c.Mode = translate.ToolNone
	case "tool":
		if w.Name == "" {
			return translate.Invalid("tool_choice.name is required")
		}
		c.Mode, c.Name = translate.ToolNamed, w.Name
	default:
		return translate.Invalid("tool_choice.type must be auto, any, tool or none")
	}
	return nil
}
