package anthropic

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of POST /v1/messages as far as the canonical form can
// say it.
type wireRequest struct {
	Model         string
	MaxTokens     *int
	Messages      translate.Raw
	System        translate.Raw
	Stream        bool
	Temperature   *float64
	TopP          *float64
	TopK          *int
	StopSequences translate.Raw
	Tools         translate.Raw
	ToolChoice    translate.Raw
	Thinking      translate.Raw
	OutputConfig  translate.Raw
	Metadata      translate.Raw
}

func (w *wireRequest) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &w.Model},
		{Name: "max_tokens", To: &w.MaxTokens},
		{Name: "messages", To: &w.Messages},
		{Name: "system", To: &w.System},
		{Name: "stream", To: &w.Stream},
		{Name: "temperature", To: &w.Temperature},
		{Name: "top_p", To: &w.TopP},
		{Name: "top_k", To: &w.TopK},
		{Name: "stop_sequences", To: &w.StopSequences},
		{Name: "tools", To: &w.Tools},
		{Name: "tool_choice", To: &w.ToolChoice},
		{Name: "thinking", To: &w.Thinking},
		{Name: "output_config", To: &w.OutputConfig},
		{Name: "metadata", To: &w.Metadata},
	}
}

var known = []string{
	"model", "max_tokens", "messages", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice",
	"thinking", "output_config", "metadata",
}

// DecodeRequest fills req from the body of POST /v1/messages. Names that the
// canonical form does not know are noted in req.Dropped; AppendRequest forgets
// them again when it passes the body on as it is.
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
	f.Only("model", "max_tokens", "messages", "system", "stream", "temperature", "top_p")
	got := translate.Request{Dialect: name, Model: f.String("model"), Stream: f.Bool("stream"), Raw: body}
	p := &got.Params
	p.MaxTokens = f.Int("max_tokens")
	if f.NeedsDecode || p.MaxTokens == nil || translate.TooLong(got.Model, translate.MaxModel) {
		return false
	}
	p.Temperature, p.TopP = f.Number("temperature"), f.Number("top_p")
	system := f.Text("system")
	got.Messages = f.Messages("messages", plainRole)
	if f.NeedsDecode {
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
	switch s {
	case "user":
		return translate.RoleUser
	case "assistant":
		return translate.RoleAssistant
	case "system":
		return translate.RoleSystem
	}
	return 0
}

// decodeAny reads every question. o is its outline; once says that it is JSON of one
// reading.
func decodeAny(req *translate.Request, body []byte, o jsonx.Outline, once bool) error {
	return decode(req, body, o, once, true)
}

// decode reads every question; answered says that it is to be answered, and not only
// counted.
func decode(req *translate.Request, body []byte, o jsonx.Outline, once, answered bool) error {
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
	switch {
	case w.Model == "":
		return translate.Invalid("model is required")
	case w.MaxTokens == nil && answered:
		return translate.Invalid("max_tokens is required")
	case w.MaxTokens != nil && *w.MaxTokens < 1:
		return translate.Invalid("max_tokens must be at least 1")
	case w.Messages.Null():
		return translate.Invalid("messages is required")
	}
	if err := translate.Bound("model", w.Model, translate.MaxModel); err != nil {
		return err
	}
	req.Dialect, req.Model, req.Stream = name, w.Model, w.Stream
	user := ""
	if err := translate.Object("metadata", w.Metadata, []translate.Field{{Name: "user_id", To: &user}}); err != nil {
		return err
	}
	req.User = translate.UserID(user)
	stops, err := translate.Words("stop_sequences", w.StopSequences, translate.MaxStops)
	if err != nil {
		return err
	}
	p := &req.Params
	p.MaxTokens, p.Temperature, p.TopP, p.TopK, p.Stop = w.MaxTokens, w.Temperature, w.TopP, w.TopK, stops
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
	req.KeepRaw(body, known, o, once)
	req.Changed = req.Changed || translate.HoldsSeal(body)
	return nil
}

// ScanRouting implements [translate.RoutingScanner].
func (codec) ScanRouting(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, known)
	if !ok {
		return false
	}
	if o.Named || translate.HoldsSeal(body) {
		return false // a name may be too long; reasoning of another vendor is to be left out
	}
	f := translate.Fields{Body: body, Outline: o}
	model, stream := f.String("model"), f.Bool("stream")
	f.Objects("messages")
	if !f.Count("max_tokens") || f.NeedsDecode || translate.TooLong(model, translate.MaxModel) {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.Outline = name, model, stream, body, o.Members
	return true
}

// decodeThinking reads the budget of thinking, or the effort of a model that
// chooses its budget itself, for which the vendor's default is high.
func decodeThinking(req *translate.Request, w *wireRequest) error {
	var config struct {
		Effort string        `json:"effort"`
		Format translate.Raw `json:"format"`
	}
	if !w.OutputConfig.Null() {
		if err := translate.Unmarshal("output_config", w.OutputConfig, &config); err != nil {
			return err
		}
		if !config.Format.Null() {
			if err := decodeFormat(req, config.Format); err != nil {
				return err
			}
		}
	}
	var t struct {
		Type   string
		Budget *int
	}
	if err := translate.Object("thinking", w.Thinking, []translate.Field{{Name: "type", To: &t.Type}, {Name: "budget_tokens", To: &t.Budget}}); err != nil {
		return err
	}
	if t.Type != "adaptive" {
		req.Params.Effort = config.Effort
	}
	if w.Thinking.Null() {
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

type wireTool struct {
	Type        string
	Name        string
	Description string
	InputSchema translate.Raw
	Cache       translate.Raw
	Strict      bool
}

func (t *wireTool) fields() []translate.Field {
	return []translate.Field{
		{Name: "type", To: &t.Type}, {Name: "name", To: &t.Name}, {Name: "description", To: &t.Description}, {Name: "input_schema", To: &t.InputSchema},
		{Name: "cache_control", To: &t.Cache}, {Name: "strict", To: &t.Strict},
	}
}

func decodeTools(req *translate.Request, raw translate.Raw) error {
	tools, n, err := translate.Elements("tools", raw)
	if err != nil {
		return err
	}
	var t wireTool
	fields := t.fields()
	i := -1
	for raw := range tools {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("tools", i)
		t = wireTool{}
		if err := translate.Object(path, raw, fields); err != nil {
			return err
		}
		if t.Type != "" && t.Type != "custom" {
			own, ok, err := runByClient(path, &t, raw)
			if err != nil {
				return err
			}
			if ok {
				req.Tools = append(req.Tools, own)
			} else {
				req.DropWord("tools." + t.Type)
			}
			continue
		}
		if t.Name == "" {
			return translate.Invalid(path + ".name is required")
		}
		if err := translate.Bound(path+".name", t.Name, translate.MaxToolName); err != nil {
			return err
		}
		if t.InputSchema.Null() || t.InputSchema[0] != '{' {
			return translate.Invalid(path + ".input_schema must be an object")
		}
		cache, err := cacheControl(path, t.Cache)
		if err != nil {
			return err
		}
		if req.Tools == nil {
			req.Tools = make([]translate.Tool, 0, n)
		}
		req.Tools = append(req.Tools, translate.Tool{Name: t.Name, Description: t.Description, Schema: bytes.Clone(t.InputSchema), Strict: t.Strict, Cache: cache})
	}
	return nil
}

// cacheControl returns raw, nil where it is missing.
func cacheControl(path string, raw translate.Raw) (json.RawMessage, error) {
	if raw.Null() {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, translate.Invalid(path + ".cache_control must be an object")
	}
	return bytes.Clone(raw), nil
}

func decodeToolChoice(req *translate.Request, raw translate.Raw) error {
	if raw.Null() {
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
	return translate.Bound("tool_choice.name", c.Name, translate.MaxToolName)
}
