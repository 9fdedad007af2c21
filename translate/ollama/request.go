package ollama

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of a chat or of a prompt as far as the canonical form can say it.
type wireRequest struct {
	Model                          string
	Messages                       translate.Raw // of a chat
	Prompt, System                 string
	Images                         translate.Raw // of a prompt
	Suffix, Template, Context, Raw translate.Raw
	Stream                         *bool
	Format, Options, Tools, Think  translate.Raw
	Logprobs                       bool
	TopLogprobs                    *int
}

func (w *wireRequest) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &w.Model},
		{Name: "messages", To: &w.Messages},
		{Name: "prompt", To: &w.Prompt},
		{Name: "system", To: &w.System},
		{Name: "images", To: &w.Images},
		{Name: "suffix", To: &w.Suffix},
		{Name: "template", To: &w.Template},
		{Name: "context", To: &w.Context},
		{Name: "raw", To: &w.Raw},
		{Name: "stream", To: &w.Stream},
		{Name: "format", To: &w.Format},
		{Name: "options", To: &w.Options},
		{Name: "tools", To: &w.Tools},
		{Name: "think", To: &w.Think},
		{Name: "logprobs", To: &w.Logprobs},
		{Name: "top_logprobs", To: &w.TopLogprobs},
	}
}

// known are the names of wireRequest, and keep_alive, which means nothing to other channels.
var known = []string{
	"model", "messages", "prompt", "system", "images", "suffix", "template", "context", "raw", "stream", "format", "options", "tools", "think",
	"logprobs", "top_logprobs", "keep_alive",
}

// DecodeRequest fills req from the body of a chat, or with req.Prompt from that of a prompt.
// Names that the canonical form does not know are noted in req.Dropped; AppendRequest forgets
// them again when it passes the body on as it is.
func (codec) DecodeRequest(req *translate.Request, body []byte) error {
	o, once := translate.ScanTopLevel(body, known)
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
	if err := elsewhere(&o, req.Prompt); err != nil {
		return err
	}
	if w.Model == "" {
		return translate.InvalidAt("model", "model is required")
	}
	if err := translate.Bound("model", w.Model, translate.MaxModel); err != nil {
		return err
	}
	req.Dialect, req.Model, req.Stream = name, w.Model, w.Stream == nil || *w.Stream
	decode := decodeChat
	if req.Prompt {
		decode = decodePrompt
	}
	if err := decode(req, &w); err != nil {
		return err
	}
	if err := decodeTools(req, w.Tools); err != nil {
		return err
	}
	if err := decodeParams(req, &w); err != nil {
		return err
	}
	req.KeepRaw(body, known, o, once)
	return nil
}

// elsewhere returns an *Error for a body that belongs to another path or front: a prompt among the
// chats, a chat among the prompts, and a question of another dialect.
func elsewhere(o *jsonx.Outline, prompt bool) *translate.Error {
	own, other, path := "messages", "prompt", "POST /api/generate"
	if prompt {
		own, other, path = "prompt", "messages", "POST /api/chat"
	}
	switch {
	case o.Find(own) != nil:
		return nil
	case o.Find(other) != nil:
		return translate.InvalidAt(own, own+" is required: a body with "+other+" is for "+path)
	case o.Find("message") != nil:
		return translate.InvalidAt(own, own+" is required: a body with message is for the rest front's POST /api/chat")
	}
	return translate.Foreign(o, own)
}

// decodeChat reads the messages of a chat.
func decodeChat(req *translate.Request, w *wireRequest) error {
	if w.Messages.Null() {
		return translate.InvalidAt("messages", "messages is required")
	}
	return decodeMessages(req, w.Messages)
}

// decodePrompt reads a prompt, which is one message of a user behind an instruction.
func decodePrompt(req *translate.Request, w *wireRequest) error {
	if w.Prompt == "" && w.Images.Null() {
		return translate.InvalidAt("prompt", "prompt is required")
	}
	req.DropIf(says(w.Suffix), "suffix")
	req.DropIf(says(w.Template), "template")
	req.DropIf(says(w.Context), "context")
	req.DropIf(string(w.Raw) == "true", "raw")
	if w.System != "" {
		req.Messages = append(req.Messages, translate.TextMessage(translate.RoleSystem, w.System))
	}
	d := newDecoding(req, 4, w.Images)
	d.parts.Begin()
	if w.Prompt != "" {
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: w.Prompt})
	}
	if err := d.images("images", w.Images); err != nil {
		return err
	}
	req.Messages = append(req.Messages, translate.Message{Role: translate.RoleUser, Parts: d.parts.Of()})
	return nil
}

// says reports whether a member is there and not empty.
func says(raw translate.Raw) bool { return !raw.Null() && string(raw) != `""` && string(raw) != `[]` }

// ScanRouting implements [translate.RoutingScanner].
func (codec) ScanRouting(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, known)
	if !ok || o.Named {
		return false
	}
	f := translate.Fields{Body: body, Outline: o}
	model, stream := f.String("model"), f.Bool("stream") || f.Missing("stream")
	if req.Prompt {
		_ = f.String("prompt")
	} else {
		f.Objects("messages")
	}
	if f.NeedsDecode || translate.TooLong(model, translate.MaxModel) {
		return false
	}
	req.Dialect, req.Model, req.Stream, req.Raw, req.Outline = name, model, stream, body, o.Members
	return true
}

// IsChat reports whether a body is a chat of this dialect: an object with a list of messages. It
// is cheap for a body that is none.
func IsChat(body []byte) bool {
	if !bytes.Contains(body, []byte(`"messages"`)) {
		return false
	}
	o, _ := jsonx.Members(body)
	m := o.Find("messages")
	return m != nil && body[m.Start] == '['
}
