package anthropic

import (
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireBlock is a block of a message's content, of any type.
type wireBlock struct {
	Type      string
	Text      string
	Source    translate.Raw // a text in a search_result
	Title     string
	Context   string
	Citations translate.Raw
	ToolName  string // tool_reference
	ID        string
	Name      string
	Input     translate.Raw
	ToolUseID string
	Content   translate.Raw
	IsError   bool
	Thinking  string
	Signature string
	Data      string
	Cache     translate.Raw
}

func (w *wireBlock) fields() []translate.Field {
	return []translate.Field{
		{Name: "type", To: &w.Type},
		{Name: "text", To: &w.Text},
		{Name: "source", To: &w.Source},
		{Name: "title", To: &w.Title},
		{Name: "context", To: &w.Context},
		{Name: "citations", To: &w.Citations},
		{Name: "tool_name", To: &w.ToolName},
		{Name: "id", To: &w.ID},
		{Name: "name", To: &w.Name},
		{Name: "input", To: &w.Input},
		{Name: "tool_use_id", To: &w.ToolUseID},
		{Name: "content", To: &w.Content},
		{Name: "is_error", To: &w.IsError},
		{Name: "thinking", To: &w.Thinking},
		{Name: "signature", To: &w.Signature},
		{Name: "data", To: &w.Data},
		{Name: "cache_control", To: &w.Cache},
	}
}

type wireMessage struct {
	Role    string
	Content translate.Raw
}

type wireSource struct {
	Type, MediaType, Data, URL, FileID string
	Content                            translate.Raw
}

func decodeSystem(req *translate.Request, raw translate.Raw) error {
	m := translate.Message{Role: translate.RoleSystem, Parts: make([]translate.Part, 0, max(1, jsonx.ItemsIn(raw)))}
	err := eachBlock("system", raw, func(path string, b *wireBlock) error {
		if b.Type != "text" {
			return translate.Invalid(path + ".type must be text")
		}
		p, err := textPart(path, b)
		m.Parts = append(m.Parts, p)
		return err
	})
	if len(m.Parts) > 0 {
		req.Messages = append(req.Messages, m)
	}
	return err
}

// eachBlock calls take with each block of a content, which is lent. It takes a text for one
// block of text, as the vendor does.
func eachBlock(path string, raw translate.Raw, take func(path string, b *wireBlock) error) error {
	if raw.Null() {
		return nil
	}
	if raw[0] == '"' {
		text, err := translate.Text(path, raw)
		if err != nil {
			return err
		}
		return take(translate.Index(path, 0), &wireBlock{Type: "text", Text: text})
	}
	if raw[0] != '[' {
		return translate.Invalid(path + " must be a string or an array of blocks")
	}
	i := 0
	var b wireBlock
	fields := b.fields()
	for raw := range jsonx.Elements(raw) {
		at := translate.Index(path, i)
		i++
		b = wireBlock{}
		if err := translate.Object(at, raw, fields); err != nil {
			return err
		}
		if err := take(at, &b); err != nil {
			return err
		}
	}
	return nil
}

func textPart(path string, b *wireBlock) (p translate.Part, err error) {
	p = translate.Part{Kind: translate.PartText, Text: b.Text}
	p.Cache, err = cacheControl(path, b.Cache)
	return p, err
}

// decoding is what messages are read into.
type decoding struct {
	req   *translate.Request
	parts translate.Parts
}

func decodeMessages(req *translate.Request, raw translate.Raw) error {
	wire, n, err := translate.Elements("messages", raw)
	if err != nil {
		return err
	}
	d := decoding{req: req, parts: translate.NewParts(jsonx.ItemsIn(raw))}
	req.Messages = append(make([]translate.Message, 0, n+len(req.Messages)), req.Messages...)
	i := 0
	var w wireMessage
	fields := []translate.Field{{Name: "role", To: &w.Role}, {Name: "content", To: &w.Content}}
	for raw := range wire {
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("messages", i)
		i++
		w = wireMessage{}
		if err := translate.Object(path, raw, fields); err != nil {
			return err
		}
		role := plainRole(w.Role)
		if role == 0 {
			return translate.Invalid(path + ".role must be user, assistant or system")
		}
		if w.Content.Null() {
			return translate.Invalid(path + ".content is required")
		}
		if err := d.message(role, path+".content", w.Content); err != nil {
			return err
		}
	}
	if i == 0 {
		return translate.Invalid("messages must not be empty")
	}
	return nil
}

// message appends the messages that a content makes: the results of tools,
// which the vendor puts into a user's message, and the rest.
func (d *decoding) message(role translate.Role, path string, content translate.Raw) error {
	d.parts.Begin()
	if role == translate.RoleSystem {
		return d.system(path, content)
	}
	if err := d.blocks(path, content, true, true); err != nil {
		return err
	}
	parts := d.parts.Of()
	isResult := func(p translate.Part) bool { return p.Kind == translate.PartToolResult }
	first := slices.IndexFunc(parts, isResult)
	if first < 0 {
		d.req.Messages = append(d.req.Messages, translate.Message{Role: role, Parts: parts})
		return nil
	}
	if role != translate.RoleUser {
		return translate.Invalid(path + " has a tool_result, which belongs into a user's message")
	}
	results := len(parts)
	if others := slices.IndexFunc(parts, func(p translate.Part) bool { return !isResult(p) }); others >= 0 {
		// Read once more, in the order in which they are told: this takes no room.
		d.parts.Cut(0)
		if err := d.blocks(path, content, true, false); err != nil {
			return err
		}
		results = d.parts.Len()
		if err := d.blocks(path, content, false, true); err != nil {
			return err
		}
		parts = d.parts.Of()
	}
	d.req.Messages = append(d.req.Messages, translate.Message{Role: translate.RoleTool, Parts: parts[:results:results]})
	if results < len(parts) {
		d.req.Messages = append(d.req.Messages, translate.Message{Role: role, Parts: parts[results:]})
	}
	return nil
}

// system appends a system message from amid the conversation (Anthropic's "Mid-conversation
// system messages"). It consists of texts; the changes of tools that a beta allows there are
// noted as dropped.
func (d *decoding) system(path string, content translate.Raw) error {
	err := eachBlock(path, content, func(at string, b *wireBlock) error {
		switch b.Type {
		case "text":
			p, err := textPart(at, b)
			d.parts.Add(p)
			return err
		case "":
			return translate.Invalid(at + ".type is required")
		}
		d.req.DropWord("content." + b.Type)
		return nil
	})
	if parts := d.parts.Of(); len(parts) > 0 {
		d.req.Messages = append(d.req.Messages, translate.Message{Role: translate.RoleSystem, Parts: parts})
	}
	return err
}

// blocks adds the results of tools, the other parts, or both. The images and files of
// a result have no place in the canonical result and are among the others.
func (d *decoding) blocks(path string, content translate.Raw, results, others bool) error {
	i := 0
	return eachBlock(path, content, func(at string, b *wireBlock) error {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		i++
		if b.Type == "tool_result" {
			return d.result(at, b, results, others)
		}
		if !others {
			return nil
		}
		p, err := decodePart(d.req, at, b)
		if err == nil && p.Kind != 0 {
			d.parts.Add(p)
		}
		return err
	})
}

// result adds a tool's result, what it has beside text, or both.
func (d *decoding) result(path string, b *wireBlock, result, images bool) error {
	if b.ToolUseID == "" {
		return translate.Invalid(path + ".tool_use_id is required")
	}
	if err := translate.Bound(path+".tool_use_id", b.ToolUseID, translate.MaxID); err != nil {
		return err
	}
	var texts []string
	err := eachBlock(path+".content", b.Content, func(at string, b *wireBlock) error {
		inner, err := decodePart(d.req, at, b)
		switch {
		case err != nil:
			return err
		case inner.Kind == translate.PartText && result:
			texts = append(texts, inner.Text)
		case isText(&inner) && result:
			texts = append(texts, d.req.DocumentText(&inner))
		case (inner.Kind == translate.PartImage || inner.Kind == translate.PartDocument && !isText(&inner)) && images:
			d.parts.Add(inner)
		}
		return nil
	})
	if err != nil || !result {
		return err
	}
	p := translate.Part{Kind: translate.PartToolResult, ID: b.ToolUseID, Text: strings.Join(texts, "\n"), Failed: b.IsError}
	if p.Cache, err = cacheControl(path, b.Cache); err == nil {
		d.parts.Add(p)
	}
	return err
}

// decodePart returns a part without a kind for what the canonical form cannot
// say.
func decodePart(req *translate.Request, path string, b *wireBlock) (p translate.Part, err error) {
	switch b.Type {
	case "text":
		p = translate.Part{Kind: translate.PartText, Text: b.Text}
	case "thinking":
		p = translate.Part{Kind: translate.PartReasoning, Text: b.Thinking, Signature: b.Signature}
		if b.Thinking == "" && b.Signature != "" {
			p.Signature = markThinking + b.Signature
		}
		return p, nil
	case "redacted_thinking":
		return translate.Part{Kind: translate.PartReasoning, Signature: markRedacted + b.Data}, nil
	case "tool_use":
		p, err = decodeCall(path, b)
	case "image":
		p, err = decodeImage(req, path, b.Source)
	case "document":
		p, err = decodeDocument(req, path, b)
	case "search_result":
		p, err = decodeSearch(req, path, b)
	case "tool_reference":
		p = translate.Part{Kind: translate.PartText, Text: "tool: " + b.ToolName}
	case "":
		return p, translate.Invalid(path + ".type is required")
	default:
		req.DropWord("content." + b.Type)
		return p, nil
	}
	if err != nil || p.Kind == 0 {
		return p, err
	}
	p.Cache, err = cacheControl(path, b.Cache)
	return p, err
}

func decodeCall(path string, b *wireBlock) (p translate.Part, err error) {
	switch {
	case b.ID == "":
		return p, translate.Invalid(path + ".id is required")
	case b.Name == "":
		return p, translate.Invalid(path + ".name is required")
	case b.Input.Null() || b.Input[0] != '{':
		return p, translate.Invalid(path + ".input must be an object")
	}
	if err := translate.Bound(path+".id", b.ID, translate.MaxID); err != nil {
		return p, err
	}
	if err := translate.Bound(path+".name", b.Name, translate.MaxToolName); err != nil {
		return p, err
	}
	return translate.Part{Kind: translate.PartToolCall, ID: b.ID, Name: b.Name, Args: jsonx.Compact(b.Input)}, nil
}

// decodeSource returns nil where there is none.
func decodeSource(path string, raw translate.Raw) (s *wireSource, err error) {
	if raw.Null() {
		return nil, nil
	}
	s = new(wireSource)
	err = translate.Object(path+".source", raw, []translate.Field{
		{Name: "type", To: &s.Type}, {Name: "media_type", To: &s.MediaType}, {Name: "data", To: &s.Data}, {Name: "url", To: &s.URL},
		{Name: "file_id", To: &s.FileID}, {Name: "content", To: &s.Content},
	})
	return s, err
}

func decodeImage(req *translate.Request, path string, raw translate.Raw) (p translate.Part, err error) {
	s, err := decodeSource(path, raw)
	if err != nil {
		return p, err
	}
	if s == nil {
		return p, translate.Invalid(path + ".source is required")
	}
	p.Kind = translate.PartImage
	switch s.Type {
	case "base64":
		if s.MediaType == "" || s.Data == "" {
			return p, translate.Invalid(path + ".source must have media_type and data")
		}
		p.MediaType, p.Data = s.MediaType, s.Data
	case "url":
		if s.URL == "" {
			return p, translate.Invalid(path + ".source.url is required")
		}
		p.URL = s.URL
	case "":
		return p, translate.Invalid(path + ".source.type is required")
	case "file":
		p.ID = s.FileID
	default:
		req.DropWord("content.image." + s.Type)
		p.Kind = 0
	}
	return p, nil
}
