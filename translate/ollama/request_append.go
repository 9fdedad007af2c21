package ollama

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendRequest appends the body that puts req to an upstream, as a chat. One that passes through
// goes on as it came, with the model replaced.
func (codec) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return req.AppendRaw(dst, req.RawOutline())
	}
	dst = req.Room(dst)
	dst = append(dst, `{"model":`...)
	dst = jsonx.AppendString(dst, req.Model)
	dst = append(dst, `,"messages":[`...)
	a := appending{req: req}
	start, question := len(dst), translate.Question(req.Messages)
	for i := range req.Messages {
		before := len(dst)
		if dst = a.message(dst, &req.Messages[i]); i == question && len(dst) == before && req.Messages[i].Role != translate.RoleAssistant {
			return dst, req.Nothing()
		}
	}
	dst = jsonx.CloseList(dst, start)
	dst = jsonx.AppendBool(append(dst, `,"stream":`...), req.Stream) // the default is to stream
	dst = appendTools(dst, req)
	dst = appendParams(dst, req)
	req.DropIf(req.User != "", "user")
	return append(dst, '}'), nil
}

// appending is the list of messages while it grows.
type appending struct {
	req   *translate.Request
	calls []translate.Called // of the newest message of the model
}

// message appends m with a comma after it, or nothing where nothing of m can be said.
func (a *appending) message(dst []byte, m *translate.Message) []byte {
	if m.Role == translate.RoleTool {
		return a.results(dst, m)
	}
	a.req.DropIf(m.Name != "", "name")
	start := len(dst)
	dst = append(append(append(dst, `{"role":"`...), m.Role.String()...), `","content":"`...)
	dst, said := a.texts(dst, m)
	dst = append(dst, '"')
	dst, shown := a.images(dst, m.Parts, m.Role == translate.RoleUser)
	if m.Role == translate.RoleAssistant {
		var more bool
		if dst, more = a.thoughts(dst, m); more {
			said = true
		}
		if dst, more = a.toolCalls(dst, m); more {
			said = true
		}
	}
	if !said && !shown {
		return dst[:start]
	}
	return append(dst, `},`...)
}

// texts appends the texts of m as one, without quotes.
func (a *appending) texts(dst []byte, m *translate.Message) (_ []byte, said bool) {
	for i := range m.Parts {
		p := &m.Parts[i]
		a.req.DropIf(p.Cache != nil, "cache_control")
		text := ""
		switch p.Kind {
		case translate.PartText:
			text = p.Text
		case translate.PartDocument, translate.PartSearch:
			if p.Text == "" {
				a.req.DropDocument(p)
				continue
			}
			text = a.req.DocumentText(p)
		case translate.PartAudio:
			a.req.Drop("content.input_audio")
			continue
		case translate.PartMedia:
			a.req.Drop("media")
			continue
		default:
			continue
		}
		if said {
			dst = append(dst, `\n`...)
		}
		said = true
		dst = jsonx.AppendEscaped(dst, text)
	}
	return dst, said
}

// images appends the images among parts, of which one who may not show any has none to say.
func (a *appending) images(dst []byte, parts []translate.Part, may bool) (_ []byte, shown bool) {
	start := len(dst)
	dst = append(dst, `,"images":[`...)
	from := len(dst)
	for i := range parts {
		p := &parts[i]
		switch {
		case p.Kind != translate.PartImage:
			continue
		case !may:
			a.req.Drop("image")
			continue
		case p.Data == "":
			a.req.Drop("content.image.url")
			continue
		}
		a.req.DropIf(p.Detail != "", "detail")
		dst = append(jsonx.AppendString(dst, p.Data), ',')
	}
	if len(dst) == from {
		return dst[:start], false
	}
	return jsonx.CloseList(dst, from), true
}

// thoughts appends what the model thought, which it wants back where it called tools, and a
// client of this dialect sends as it pleases.
func (a *appending) thoughts(dst []byte, m *translate.Message) (_ []byte, said bool) {
	start := len(dst)
	dst = append(dst, `,"thinking":"`...)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != translate.PartReasoning {
			continue
		}
		if p.Signature != "" {
			a.req.Drop("signature")
		}
		if p.Text == "" {
			continue
		}
		if a.req.Dialect != name && (!a.req.Thoughts || p.Signature != "" || !m.Calls()) {
			a.req.Drop("reasoning")
			continue
		}
		said = true
		dst = jsonx.AppendEscaped(dst, p.Text)
	}
	if !said {
		return dst[:start], false
	}
	return append(dst, '"'), true
}

func (a *appending) toolCalls(dst []byte, m *translate.Message) (_ []byte, said bool) {
	a.calls = a.calls[:0]
	if !m.Calls() {
		return dst, false
	}
	dst = append(dst, `,"tool_calls":[`...)
	start, n := len(dst), int64(0)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != translate.PartToolCall {
			continue
		}
		a.calls = append(a.calls, translate.Called{ID: p.ID, Name: p.Name})
		id := p.ID
		if translate.IsMade(id) {
			id = ""
		}
		dst = append(appendCall(dst, n, id, p.Name, p.Args), ',')
		n++
	}
	return jsonx.CloseList(dst, start), true
}

// results appends one message for each result, under the name of its tool, which its call has.
func (a *appending) results(dst []byte, m *translate.Message) []byte {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == translate.PartImage {
			continue // it goes with its result
		}
		if p.Kind != translate.PartToolResult {
			a.req.Drop("part of a tool message")
			continue
		}
		a.req.DropIf(p.Failed, "is_error")
		a.req.DropIf(p.Cache != nil, "cache_control")
		dst = jsonx.AppendString(append(dst, `{"role":"tool","content":`...), p.Text)
		for _, c := range a.calls {
			if c.ID == p.ID {
				dst = jsonx.AppendString(append(dst, `,"tool_name":`...), c.Name)
				break
			}
		}
		if !translate.IsMade(p.ID) {
			dst = jsonx.AppendString(append(dst, `,"tool_call_id":`...), p.ID)
		}
		dst, _ = a.images(dst, m.Shown(i), true)
		dst = append(dst, `},`...)
	}
	return dst
}

// appendCall appends the nth call of a message. One without an id has none.
func appendCall[T string | []byte](dst []byte, n int64, id, name string, args T) []byte {
	dst = append(dst, '{')
	if id != "" {
		dst = append(jsonx.AppendString(append(dst, `"id":`...), id), ',')
	}
	dst = append(dst, `"function":{"index":`...)
	dst = jsonx.AppendInt(dst, n)
	dst = jsonx.AppendString(append(dst, `,"name":`...), name)
	dst = append(dst, `,"arguments":`...)
	return append(appendArgs(dst, args), `}}`...)
}

// appendArgs appends arguments as an object, without the ends of lines between its members: an
// answer is a line.
func appendArgs[T string | []byte](dst []byte, args T) []byte {
	start := len(dst)
	dst = translate.AppendArgs(dst, args)
	if bytes.ContainsAny(dst[start:], "\n\r") {
		dst = append(dst[:start], jsonx.Compact(dst[start:])...)
	}
	return dst
}
