package responses

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// turn appends the items of a turn of the model, each with a comma after it.
func (a *asking) turn(dst []byte, m *translate.Message) []byte {
	for i := 0; i < len(m.Parts); i++ {
		p := &m.Parts[i]
		a.cached(p)
		switch p.Kind {
		case translate.PartText:
			n := i + 1
			for n < len(m.Parts) && m.Parts[n].Kind == translate.PartText {
				a.cached(&m.Parts[n])
				n++
			}
			dst = appendSaid(dst, m.Parts[i:n])
			i = n - 1
		case translate.PartReasoning:
			dst = a.thought(dst, p)
		case translate.PartToolCall:
			dst = a.call(dst, p)
		case translate.PartImage:
			a.req.Drop("image")
		case translate.PartDocument, translate.PartSearch:
			if p.Text == "" {
				a.req.DropDocument(p)
				continue
			}
			dst = appendSaid(dst, []translate.Part{{Kind: translate.PartText, Text: a.req.DocumentText(p)}})
		default:
			a.req.Drop("part of an answer")
		}
	}
	return dst
}

// appendSaid appends texts of the model as one message.
func appendSaid(dst []byte, texts []translate.Part) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	if len(texts) == 1 {
		dst = jsonx.AppendString(dst, texts[0].Text)
		return append(dst, `},`...)
	}
	dst = append(dst, '[')
	start := len(dst)
	for i := range texts {
		dst = append(dst, `{"type":"output_text","text":`...)
		dst = jsonx.AppendString(dst, texts[i].Text)
		dst = append(dst, `},`...)
	}
	return append(jsonx.CloseList(dst, start), `},`...)
}

// thought appends reasoning that a server of this dialect has sealed.
func (a *asking) thought(dst []byte, p *translate.Part) []byte {
	content, ok := translate.Unseal(p.Signature)
	if !ok || content == "" {
		a.req.Drop("reasoning")
		return dst
	}
	dst = append(dst, `{"type":"reasoning","summary":[`...)
	if p.Text != "" {
		dst = append(dst, `{"type":"summary_text","text":`...)
		dst = jsonx.AppendString(dst, p.Text)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"encrypted_content":`...)
	dst = jsonx.AppendString(dst, content)
	return append(dst, `},`...)
}

// call appends a call of a tool.
func (a *asking) call(dst []byte, p *translate.Part) []byte {
	kind, args, of := `{"type":"function_call","call_id":`, p.Args, `,"arguments":`
	if args == "" {
		args = "{}"
	}
	if a.free[p.Name] {
		kind, args, of = `{"type":"custom_tool_call","call_id":`, freeInput(p.Args), `,"input":`
		a.free[callMark+p.ID] = true
	}
	dst = append(dst, kind...)
	dst = jsonx.AppendString(dst, toldID(p.ID))
	dst = a.named(dst, p.Name)
	dst = append(dst, of...)
	dst = jsonx.AppendString(dst, args)
	return append(dst, `},`...)
}

// callMark tells the id of a call from a name.
const callMark = "call "

// named appends the name of a tool, and its namespace where it has one.
func (a *asking) named(dst []byte, called string) []byte {
	space, rest := unspaced(a.ns, called)
	if space != "" {
		dst = append(dst, `,"namespace":`...)
		dst = jsonx.AppendString(dst, space)
	}
	dst = append(dst, `,"name":`...)
	return jsonx.AppendString(dst, toldName(rest))
}

// results appends the results of tools, each with a comma after it.
func (a *asking) results(dst []byte, m *translate.Message) []byte {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == translate.PartImage {
			continue // it went with its result
		}
		if p.Kind != translate.PartToolResult {
			a.req.Drop("part of a tool message")
			continue
		}
		if p.Failed {
			a.req.Drop("is_error")
		}
		a.cached(p)
		kind := `{"type":"function_call_output","call_id":`
		if a.free[callMark+p.ID] {
			kind = `{"type":"custom_tool_call_output","call_id":`
		}
		dst = append(dst, kind...)
		dst = jsonx.AppendString(dst, toldID(p.ID))
		dst = append(dst, `,"output":`...)
		shown := m.Shown(i)
		if len(shown) == 0 {
			dst = jsonx.AppendString(dst, p.Text)
			dst = append(dst, `},`...)
			continue
		}
		dst = append(dst, '[')
		start := len(dst)
		if p.Text != "" {
			dst = a.text(dst, p.Text)
		}
		for j := range shown {
			dst = a.part(dst, translate.RoleUser, &shown[j])
		}
		dst = append(jsonx.CloseList(dst, start), `},`...)
	}
	return dst
}
