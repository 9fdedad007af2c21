package gemini

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireContent is one turn.
type wireContent struct {
	Role  string
	Parts translate.Raw
}

func (w *wireContent) fields() []translate.Field {
	return []translate.Field{{Name: "role", To: &w.Role}, {Name: "parts", To: &w.Parts}}
}

// decodeSystem reads the system instruction, whose role says nothing.
func decodeSystem(req *translate.Request, raw translate.Raw) error {
	if raw.Null() {
		return nil
	}
	if raw[0] == '"' {
		text, err := translate.Text("systemInstruction", raw)
		req.Messages = append(req.Messages, translate.TextMessage(translate.RoleSystem, text))
		return err
	}
	var w wireContent
	if err := translate.Object("systemInstruction", raw, w.fields()); err != nil {
		return err
	}
	d := newDecoding(req, w.Parts)
	d.parts.Begin()
	if err := d.each("systemInstruction.parts", w.Parts, func(path string, p *translate.Part) error {
		if p.Kind != translate.PartText {
			return translate.Invalid(path + " must be a text")
		}
		d.parts.Add(*p)
		return nil
	}); err != nil {
		return err
	}
	if parts := d.parts.Of(); parts != nil {
		req.Messages = append(req.Messages, translate.Message{Role: translate.RoleSystem, Parts: parts})
	}
	return nil
}

// decoding is what contents are read into.
type decoding struct {
	req   *translate.Request
	parts translate.Parts
	role  translate.Role // of the message that grows; 0: none does
	calls translate.Unnamed

	part   wirePart
	fields []translate.Field
}

func newDecoding(req *translate.Request, raw translate.Raw) *decoding {
	d := &decoding{req: req, parts: translate.NewParts(max(1, jsonx.ItemsIn(raw)))}
	d.fields = d.part.fields()
	return d
}

func decodeContents(req *translate.Request, raw translate.Raw) error {
	contents, n, err := list("contents", raw)
	if err != nil {
		return err
	}
	d := newDecoding(req, raw)
	req.Messages = append(make([]translate.Message, 0, n+len(req.Messages)), req.Messages...)
	i := 0
	var w wireContent
	fields := w.fields()
	for raw := range contents {
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("contents", i)
		i++
		w = wireContent{}
		if err := translate.Object(path, raw, fields); err != nil {
			return err
		}
		if err := d.content(path, &w); err != nil {
			return err
		}
	}
	if i == 0 {
		return translate.InvalidAt("contents", "contents must not be empty")
	}
	return nil
}

// content appends the messages that a turn makes: results of functions, which stand in a turn of
// the user, are messages of their own.
func (d *decoding) content(path string, w *wireContent) error {
	role := translate.RoleUser
	switch w.Role {
	case "user", "function", "":
	case "model":
		role = translate.RoleAssistant
	default:
		return translate.InvalidAt(path+".role", path+".role must be user or model")
	}
	d.role = 0
	d.parts.Begin()
	if err := d.each(path+".parts", w.Parts, func(path string, p *translate.Part) error {
		return d.add(path, role, p)
	}); err != nil {
		return err
	}
	if d.role == 0 {
		d.role = role // of a turn of which nothing can be told
	}
	d.end()
	return nil
}

// add adds a part of a turn of role.
func (d *decoding) add(path string, role translate.Role, p *translate.Part) error {
	switch p.Kind {
	case translate.PartToolResult:
		if role != translate.RoleUser {
			return translate.Invalid(path + ".functionResponse belongs into a turn of the user")
		}
		role = translate.RoleTool
	case translate.PartImage:
		if d.role == translate.RoleTool {
			role = translate.RoleTool // right behind a result it belongs to that
		}
	case translate.PartToolCall:
		if role != translate.RoleAssistant {
			return translate.Invalid(path + ".functionCall belongs into a turn of the model")
		}
	}
	if d.role != role && d.role != 0 {
		d.end()
		d.parts.Begin()
	}
	d.role = role
	d.parts.Add(*p)
	if p.Kind == translate.PartToolResult {
		return d.shown(path)
	}
	return nil
}

// shown adds the images of the result of the function that was read last.
func (d *decoding) shown(path string) error {
	raw := d.part.response.Parts
	if raw.Null() {
		return nil
	}
	return d.each(path+".functionResponse.parts", raw, func(_ string, p *translate.Part) error {
		if p.Kind == translate.PartImage {
			d.parts.Add(*p)
		} else {
			d.req.Drop("content.functionResponse.parts")
		}
		return nil
	})
}

// end appends the message that has grown.
func (d *decoding) end() {
	d.req.Messages = append(d.req.Messages, translate.Message{Role: d.role, Parts: d.parts.Of()})
}

// each calls take with each part of a list that the canonical form can say. The part is lent.
func (d *decoding) each(path string, raw translate.Raw, take func(path string, p *translate.Part) error) error {
	if raw.Null() {
		return nil
	}
	parts, _, err := list(path, raw)
	if err != nil {
		return err
	}
	i := 0
	for raw := range parts {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		at := translate.Index(path, i)
		i++
		d.part = wirePart{}
		if err := translate.Object(at, raw, d.fields); err != nil {
			return err
		}
		p, err := d.decodePart(at, raw)
		if err != nil {
			return err
		}
		if p.Kind == 0 {
			continue
		}
		if err := take(at, &p); err != nil {
			return err
		}
	}
	return nil
}
