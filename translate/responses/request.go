package responses

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of POST /v1/responses as far as the canonical form can say it.
type wireRequest struct {
	Model        string
	Input        translate.Raw
	Instructions translate.Raw
	Stream       bool
	MaxTokens    *int
	Temperature  *float64
	TopP         *float64
	Tools        translate.Raw
	ToolChoice   translate.Raw
	Parallel     *bool
	Text         translate.Raw
	Reasoning    translate.Raw
	Include      translate.Raw
	User         string
	Background   bool
	Previous     translate.Raw
	Conversation translate.Raw
}

func (w *wireRequest) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &w.Model},
		{Name: "input", To: &w.Input},
		{Name: "instructions", To: &w.Instructions},
		{Name: "stream", To: &w.Stream},
		{Name: "max_output_tokens", To: &w.MaxTokens},
		{Name: "temperature", To: &w.Temperature},
		{Name: "top_p", To: &w.TopP},
		{Name: "tools", To: &w.Tools},
		{Name: "tool_choice", To: &w.ToolChoice},
		{Name: "parallel_tool_calls", To: &w.Parallel},
		{Name: "text", To: &w.Text},
		{Name: "reasoning", To: &w.Reasoning},
		{Name: "include", To: &w.Include},
		{Name: "user", To: &w.User},
		{Name: "background", To: &w.Background},
		{Name: "previous_response_id", To: &w.Previous},
		{Name: "conversation", To: &w.Conversation},
	}
}

// known are the names of wireRequest, and those that say where a response belongs, which the
// front reads. Any other name is passed on as it is or noted as dropped.
var known = []string{
	"model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls",
	"text", "reasoning", "include", "user", "background", "store", "previous_response_id", "conversation",
}

// DecodeRequest fills req from the body of POST /v1/responses. Members that the canonical form
// does not know are noted in req.Dropped; they, and those that nothing here changes, are kept in req.Own
// for a channel of this dialect.
// An item that refers to a stored one becomes a part of the kind PartReference, which the
// front replaces. The list of items may be empty where the question goes on from a response.
func (codec) DecodeRequest(req *translate.Request, body []byte) error {
	o, ok := translate.ScanTopLevel(body, known)
	if ok && decodePlain(req, body, o) {
		return nil
	}
	return decodeAny(req, body, o, ok)
}

// decodePlain reads a question of the usual kind, a text or texts and a few numbers, without
// reflection. On false req is as it was.
func decodePlain(req *translate.Request, body []byte, o jsonx.Outline) bool {
	f := translate.Fields{Body: body, Outline: o}
	f.Only("model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "user", "store")
	got := translate.Request{Dialect: name, Model: f.String("model"), Stream: f.Bool("stream"), Raw: body}
	if f.NeedsDecode || translate.TooLong(got.Model, translate.MaxModel) {
		return false
	}
	got.User = translate.UserID(f.Text("user"))
	p := &got.Params
	p.MaxTokens, p.Temperature, p.TopP = f.Int("max_output_tokens"), f.Number("temperature"), f.Number("top_p")
	if m := o.Find("input"); m != nil && body[m.Start] == '"' {
		got.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, f.Text("input"))}
	} else {
		got.Messages = f.Messages("input", translate.PlainRole)
	}
	system := f.Text("instructions")
	if f.NeedsDecode {
		return false
	}
	for i := range got.Messages {
		if m := &got.Messages[i]; m.Role == translate.RoleAssistant && m.Parts[0].Text == "" {
			m.Parts = nil
		}
	}
	if got.Messages = instructed(system, got.Messages); hasTwoAnswers(got.Messages) {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw = got.Dialect, got.Model, got.Stream, got.Raw
	req.Messages, req.Params, req.User = got.Messages, got.Params, got.User
	return true
}

// instructed puts the instructions before all messages.
func instructed(system string, msgs []translate.Message) []translate.Message {
	if system == "" {
		return msgs
	}
	return append([]translate.Message{translate.TextMessage(translate.RoleSystem, system)}, msgs...)
}

// hasTwoAnswers reports whether a message of the model follows another, which are one in the
// canonical form.
func hasTwoAnswers(msgs []translate.Message) bool {
	for i := 1; i < len(msgs); i++ {
		if msgs[i].Role == translate.RoleAssistant && msgs[i-1].Role == translate.RoleAssistant {
			return true
		}
	}
	return false
}

// decodeAny reads every question. o is its outline; once says that it is JSON of one reading.
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
	if err := translate.Foreign(&o, "input"); err != nil && o.Find("prompt") == nil {
		return err
	}
	if err := w.check(); err != nil {
		return err
	}
	system, err := translate.Text("instructions", w.Instructions)
	if err != nil {
		return err
	}
	req.Dialect, req.Model, req.Stream, req.User = name, w.Model, w.Stream, translate.UserID(w.User)
	if err := decodeInput(req, w.Input); err != nil {
		return err
	}
	req.Messages = instructed(system, req.Messages)
	var own ownMembers
	req.Changed = req.Changed || !w.alone() || foreignIn(req.Messages)
	if err := decodeTools(req, &w, &own); err != nil {
		return err
	}
	if err := decodeParams(req, &w, &own); err != nil {
		return err
	}
	if once {
		own.keepWhole(body, &o)
		req.Own = own.take(body, o.Members)
	}
	req.KeepRaw(body, known, o, once)
	return nil
}

// ScanRouting implements [translate.RoutingScanner]. A question that is to be stored, or goes on from
// a stored one, is none to be passed on as it is.
func (codec) ScanRouting(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, known)
	if !ok || o.Named {
		return false
	}
	f := translate.Fields{Body: body, Outline: o}
	model, stream := f.String("model"), f.Bool("stream")
	f.Count("max_output_tokens")
	input := o.Find("input")
	if input == nil || body[input.Start] != '"' {
		f.Objects("input")
	}
	continues := !f.Missing("previous_response_id") || !f.Missing("conversation")
	if tools := o.Find("tools"); tools != nil && renamed(body[tools.Start:tools.End]) {
		return false
	}
	if f.Bool("background") || f.NeedsDecode || continues || bytes.Contains(body, foreignSealed) || bytes.Contains(body, referring) || translate.TooLong(model, translate.MaxModel) {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.Outline = name, model, stream, body, o.Members
	return true
}

// renamed reports whether there may be tools whose calls an answer must tell in another form, or under
// another name, than the canonical form has: its encoder must know of them.
func renamed(tools []byte) bool {
	return bytes.Contains(tools, []byte(`"custom"`)) || bytes.Contains(tools, []byte(`"namespace"`))
}

// alone reports whether the question goes on from nothing that is stored.
func (w *wireRequest) alone() bool { return w.Previous.Null() && w.Conversation.Null() }

// foreignIn reports whether there is something in msgs that no server of this dialect knows: an item that
// is stored here, or reasoning that another vendor has signed.
func foreignIn(msgs []translate.Message) bool {
	for i := range msgs {
		for j := range msgs[i].Parts {
			p := &msgs[i].Parts[j]
			if _, ok := translate.Unseal(p.Signature); p.Kind == translate.PartReference || p.Signature != "" && !ok {
				return true
			}
		}
	}
	return false
}

func (w *wireRequest) check() error {
	switch {
	case w.Model == "":
		return translate.InvalidAt("model", "model is required")
	case w.Input.Null():
		return translate.InvalidAt("input", "input is required")
	case w.Input[0] == '[' && w.Previous.Null() && jsonx.Len(w.Input) == 0:
		return translate.InvalidAt("input", "input must not be empty")
	case w.Background:
		return translate.InvalidAt("background", "background is not served here: ask without it, and read the answer as it comes")
	case w.MaxTokens != nil && *w.MaxTokens < 1:
		return translate.InvalidAt("max_output_tokens", "max_output_tokens must be at least 1")
	}
	return translate.Bound("model", w.Model, translate.MaxModel)
}

// sealed is what clients include to have reasoning that they can give back. Every answer has it.
const sealed = "reasoning.encrypted_content"

func decodeParams(req *translate.Request, w *wireRequest, own *ownMembers) error {
	p := &req.Params
	p.MaxTokens, p.Temperature, p.TopP = w.MaxTokens, w.Temperature, w.TopP
	include, err := translate.Words("include", w.Include, translate.MaxStops)
	if err != nil {
		return err
	}
	for _, what := range include {
		own.keep("include")
		if what != sealed {
			req.DropWord("include." + what)
		}
	}
	var effort string
	if err := translate.Object("reasoning", w.Reasoning, []translate.Field{{Name: "effort", To: &effort}}); err != nil {
		return err
	}
	p.ReasoningEffort = effort
	for key, value := range jsonx.Pairs(w.Reasoning) {
		if k := string(key); k != "effort" && !translate.Raw(value).Null() {
			own.keep("reasoning")
			if k != "summary" && k != "generate_summary" { // what there is of one is always shown
				req.DropWord("reasoning." + k)
			}
		}
	}
	return decodeFormat(req, w.Text, own)
}

// decodeFormat reads what text says of the answer's form, which the canonical form has as OpenAI's chat
// completions write it.
func decodeFormat(req *translate.Request, raw translate.Raw, own *ownMembers) error {
	var format translate.Raw
	if err := translate.Object("text", raw, []translate.Field{{Name: "format", To: &format}}); err != nil {
		return err
	}
	for key, value := range jsonx.Pairs(raw) {
		if string(key) != "format" && !translate.Raw(value).Null() {
			own.keep("text")
			req.DropWord("text." + string(key))
		}
	}
	var kind string
	if err := translate.Object("text.format", format, []translate.Field{{Name: "type", To: &kind}}); err != nil {
		return err
	}
	switch kind {
	case "", "text":
	case "json_object":
		req.Params.ResponseFormat = []byte(`{"type":"json_object"}`)
	case "json_schema":
		req.Params.ResponseFormat = chatFormat(format)
	default:
		own.keep("text")
		req.DropWord("text.format." + kind)
	}
	return nil
}

// chatFormat is a json_schema in the form of chat completions.
func chatFormat(format []byte) []byte {
	dst := []byte(`{"type":"json_schema","json_schema":{`)
	start := len(dst)
	for key, value := range jsonx.Pairs(format) {
		if string(key) != "type" {
			dst = appendMember(dst, key, value)
			dst = append(dst, ',')
		}
	}
	dst = bytes.TrimSuffix(dst[:max(start, len(dst))], []byte{','})
	return append(dst, `}}`...)
}

func appendMember(dst, key, value []byte) []byte {
	dst = jsonx.AppendString(dst, key)
	dst = append(dst, ':')
	return append(dst, value...)
}
