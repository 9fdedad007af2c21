package openai

import (
	"bytes"
	"slices"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

type wireMessage struct {
	Role             string
	Name             string
	Content          translate.Raw
	Refusal          string
	ReasoningContent string
	Reasoning        translate.Raw
	ToolCalls        translate.Raw
	ToolCallID       string
	FunctionCall     translate.Raw
	Details          translate.Raw // OpenRouter's
}

func (w *wireMessage) fields() []translate.Field {
	return []translate.Field{
		{Name: "role", To: &w.Role},
		{Name: "content", To: &w.Content},
		{Name: "name", To: &w.Name},
		{Name: "refusal", To: &w.Refusal},
		{Name: "reasoning_content", To: &w.ReasoningContent},
		{Name: "reasoning", To: &w.Reasoning},
		{Name: "tool_calls", To: &w.ToolCalls},
		{Name: "tool_call_id", To: &w.ToolCallID},
		{Name: "function_call", To: &w.FunctionCall},
		{Name: "reasoning_details", To: &w.Details},
	}
}

// wireCall is a call of a tool, or of a function without an id.
type wireCall struct {
	ID, Type        string
	Name, Arguments string
	Function, Extra translate.Raw
}

func (w *wireCall) fields() []translate.Field {
	return []translate.Field{{Name: "id", To: &w.ID}, {Name: "type", To: &w.Type}, {Name: "function", To: &w.Function}, {Name: "extra_content", To: &w.Extra}}
}

func (w *wireCall) function() []translate.Field {
	return []translate.Field{{Name: "name", To: &w.Name}, {Name: "arguments", To: &w.Arguments}}
}

type wirePart struct {
	Type, Text, Refusal string
	Image, File, Audio  translate.Raw
	URL, Detail         string
	Cache               translate.Raw // not OpenAI's own: its way of speaking of Anthropic's caches
}

func (w *wirePart) fields() []translate.Field {
	return []translate.Field{{Name: "type", To: &w.Type}, {Name: "text", To: &w.Text}, {Name: "refusal", To: &w.Refusal}, {Name: "image_url", To: &w.Image}, {Name: "file", To: &w.File}, {Name: "input_audio", To: &w.Audio}, {Name: "cache_control", To: &w.Cache}}
}

func (w *wirePart) image() []translate.Field {
	return []translate.Field{{Name: "url", To: &w.URL}, {Name: "detail", To: &w.Detail}}
}

// decoding is what is known while messages are read.
type decoding struct {
	req   *translate.Request
	older olderCalls
	parts translate.Parts
	// What is read now, one after the other in the same place, and where its members go.
	wire                                            wireMessage
	call                                            wireCall
	part                                            wirePart
	fields, callFields, function, partFields, image []translate.Field
}

func newDecoding(req *translate.Request, parts int) *decoding {
	d := &decoding{req: req, parts: translate.NewParts(parts)}
	d.fields, d.callFields, d.function = d.wire.fields(), d.call.fields(), d.call.function()
	d.partFields, d.image = d.part.fields(), d.part.image()
	return d
}

// decodeMessages joins the results of tools that follow each other.
func decodeMessages(req *translate.Request, raw translate.Raw) error {
	wire, n, err := translate.Elements("messages", raw)
	if err != nil {
		return err
	}
	d := newDecoding(req, jsonx.ItemsIn(raw))
	msgs := make([]translate.Message, 0, n)
	i := 0
	for raw := range wire {
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("messages", i)
		i++
		last := len(msgs) - 1
		before := translate.Role(0)
		if last >= 0 {
			before = msgs[last].Role
		}
		m, err := d.message(path, raw, before)
		if err != nil {
			return err
		}
		if m.Role == translate.RoleTool && before == m.Role {
			msgs[last] = m
			continue
		}
		msgs = append(msgs, m)
	}
	if i == 0 {
		return translate.Invalid("messages must not be empty")
	}
	req.Messages = msgs
	return nil
}

// message reads one message. The result of a tool has those before it among its parts,
// where before is the role of the message before it.
func (d *decoding) message(path string, raw []byte, before translate.Role) (m translate.Message, err error) {
	w := &d.wire
	*w = wireMessage{}
	if err := translate.Object(path, raw, d.fields); err != nil {
		return m, err
	}
	m.Role, m.Name = translate.ParseRole(w.Role), w.Name
	if w.Role == roleFunction {
		m = translate.Message{Role: translate.RoleTool}
	} else if err := translate.Bound(path+".name", w.Name, translate.MaxID); err != nil {
		return m, err
	}
	if m.Role == 0 {
		return m, badRole(path, w.Role)
	}
	if m.Role != translate.RoleTool || before != translate.RoleTool {
		d.parts.Begin()
	}
	switch {
	case m.Role == translate.RoleTool:
		err = d.result(path, w)
	case m.Role == translate.RoleAssistant:
		err = d.assistant(path, w)
	case w.Content.Null():
		err = translate.Invalid(path + ".content is required")
	default:
		err = d.content(path+".content", w.Content)
	}
	m.Parts = d.parts.Of()
	return m, err
}

// result reads the result of a tool, or of a function. Its content is one text; images in it
// come behind it.
func (d *decoding) result(path string, w *wireMessage) error {
	from := d.parts.Len()
	if err := d.content(path+".content", w.Content); err != nil {
		return err
	}
	whole := translate.Message{Parts: d.parts.Of()}
	whole.Parts = whole.Parts[from:]
	p := translate.Part{Kind: translate.PartToolResult, ID: w.ToolCallID, Text: whole.Text()}
	var images []translate.Part
	for i := range whole.Parts {
		if whole.Parts[i].Kind == translate.PartImage {
			images = append(images, whole.Parts[i])
		}
	}
	d.parts.Cut(from)
	switch {
	case w.Role == roleFunction && w.Name == "":
		return translate.Invalid(path + ".name is required")
	case w.Role == roleFunction:
		p.ID = d.older.end(w.Name)
		if err := translate.Bound(path+".name", w.Name, translate.MaxToolName); err != nil {
			return err
		}
	case p.ID == "":
		return translate.Invalid(path + ".tool_call_id is required")
	}
	d.parts.Add(p)
	for _, image := range images {
		d.parts.Add(image)
	}
	return translate.Bound(path+".tool_call_id", p.ID, translate.MaxID)
}

func badRole(path, role string) error {
	if role == "" {
		return translate.Invalid(path + ".role is required")
	}
	return translate.Invalid(path + ".role must be system, developer, user, assistant, tool or function")
}

// assistant reads a message of the model in the order in which it speaks: it thinks,
// answers, and then calls.
func (d *decoding) assistant(path string, w *wireMessage) error {
	details := ""
	if !w.Details.Null() {
		d.req.Drop(detailsName) // for all who cannot be told them
		details = string(w.Details)
	}
	thought := w.ReasoningContent
	if thought == "" && !w.Reasoning.Null() && w.Reasoning[0] == '"' {
		thought, _ = translate.Text(path+".reasoning", w.Reasoning)
	}
	if thought != "" || details != "" {
		d.parts.Add(translate.Part{Kind: translate.PartReasoning, Text: thought, Args: details})
	}
	from := d.parts.Len()
	if err := d.content(path+".content", w.Content); err != nil {
		return err
	}
	said := d.parts.Of()
	said = slices.DeleteFunc(said[min(from, len(said)):], func(p translate.Part) bool { return p.Kind == translate.PartText && p.Text == "" })
	d.parts.Cut(from + len(said))
	if w.Refusal != "" {
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: w.Refusal})
	}
	if err := d.toolCalls(path+".tool_calls", w.ToolCalls); err != nil {
		return err
	}
	if w.FunctionCall.Null() {
		return nil
	}
	f := &d.call
	*f = wireCall{}
	if err := translate.Object(path+".function_call", w.FunctionCall, d.function); err != nil {
		return err
	}
	if f.Name == "" {
		return translate.Invalid(path + ".function_call.name is required")
	}
	d.parts.Add(translate.Part{Kind: translate.PartToolCall, ID: d.older.begin(f.Name), Name: f.Name, Args: f.Arguments})
	return translate.Bound(path+".function_call.name", f.Name, translate.MaxToolName)
}

func (d *decoding) toolCalls(path string, raw translate.Raw) error {
	calls, _, err := translate.Elements(path, raw)
	if err != nil {
		return err
	}
	i := 0
	for raw := range calls {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		at := translate.Index(path, i)
		i++
		c := &d.call
		*c = wireCall{}
		if err := translate.Object(at, raw, d.callFields); err != nil {
			return err
		}
		if err := translate.Object(at+".function", c.Function, d.function); err != nil {
			return err
		}
		if c.ID == "" {
			return translate.Invalid(at + ".id is required")
		}
		if c.Name == "" {
			return translate.Invalid(at + ".function.name is required")
		}
		if err := translate.Bound(at+".id", c.ID, translate.MaxID); err != nil {
			return err
		}
		if err := translate.Bound(at+".function.name", c.Name, translate.MaxToolName); err != nil {
			return err
		}
		p := translate.Part{Kind: translate.PartToolCall, ID: c.ID, Name: c.Name, Args: c.Arguments}
		if !c.Extra.Null() {
			p.Signature = `"extra_content":` + string(c.Extra)
		}
		d.parts.Add(p)
	}
	return nil
}

// content adds the parts of a message's content.
func (d *decoding) content(path string, raw translate.Raw) error {
	if raw.Null() {
		return nil
	}
	if raw[0] == '"' {
		text, err := translate.Text(path, raw)
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: text})
		return err
	}
	if raw[0] != '[' {
		return translate.Invalid(path + " must be a string or an array of parts")
	}
	i := 0
	for raw := range jsonx.Elements(raw) {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		p, err := d.decodePart(translate.Index(path, i), raw)
		if err != nil {
			return err
		}
		if p.Kind != 0 {
			if cache := d.part.Cache; !cache.Null() && cache[0] == '{' {
				p.Cache = bytes.Clone(cache)
			}
			d.parts.Add(p)
		}
		i++
	}
	return nil
}

// decodePart returns a part without a kind for what the canonical form cannot
// say.
func (d *decoding) decodePart(path string, raw []byte) (p translate.Part, err error) {
	w := &d.part
	*w = wirePart{}
	if err := translate.Object(path, raw, d.partFields); err != nil {
		return p, err
	}
	switch w.Type {
	case "text":
		return translate.Part{Kind: translate.PartText, Text: w.Text}, nil
	case "refusal":
		return translate.Part{Kind: translate.PartText, Text: w.Refusal}, nil
	case "image_url":
		if err := translate.Object(path+".image_url", w.Image, d.image); err != nil {
			return p, err
		}
		if w.URL == "" {
			return p, translate.Invalid(path + ".image_url.url is required")
		}
		return decodeImage(path, w.URL, w.Detail)
	case "file":
		return d.file(path+".file", w.File)
	case "input_audio":
		return d.audio(path+".input_audio", w.Audio)
	case "":
		return p, translate.Invalid(path + ".type is required")
	}
	d.req.DropWord("content." + w.Type)
	return p, nil
}

// decodeImage takes a data URI apart.
func decodeImage(path, url, detail string) (translate.Part, error) {
	p := translate.Part{Kind: translate.PartImage, Detail: detail}
	if !translate.IsData(url) {
		p.URL = url
		return p, nil
	}
	media, data, ok := translate.DataURI(url)
	if !ok {
		return p, translate.Invalid(path + ".image_url.url must be an address or a base64 data URI")
	}
	if media == "" {
		return p, translate.Invalid(path + ".image_url.url names no media type")
	}
	p.MediaType, p.Data = translate.ImageType(media), data
	return p, nil
}
