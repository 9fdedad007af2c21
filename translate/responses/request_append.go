package responses

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// asking is the making of one question.
type asking struct {
	req  *translate.Request
	told told
	free map[string]bool // names of custom tools; and the ids of their calls
	ns   []string        // namespaces of tools
}

// AppendRequest appends the body that puts req to an upstream, which is never to keep the answer: the
// conversation is kept here. Reasoning is asked for in the form in which it can be given back.
func (codec) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return req.AppendRaw(dst, req.RawOutline())
	}
	a := asking{req: req, told: toldOf(req), ns: spacesOf(req)}
	a.told.undrop(req)
	a.findFree()
	dst = req.Room(dst)
	dst = append(dst, `{"model":`...)
	dst = jsonx.AppendString(dst, req.Model)
	msgs := req.Messages
	if len(msgs) > 1 && msgs[0].Role == translate.RoleSystem && len(msgs[0].Parts) == 1 && msgs[0].Parts[0].Kind == translate.PartText {
		a.cached(&msgs[0].Parts[0])
		dst = append(dst, `,"instructions":`...)
		dst = jsonx.AppendString(dst, msgs[0].Parts[0].Text)
		msgs = msgs[1:]
	}
	dst, err := a.input(dst, msgs)
	if err != nil {
		return dst, err
	}
	if req.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	dst = append(dst, `,"store":false`...)
	dst = a.params(dst)
	dst = a.tools(dst)
	if req.User != "" {
		dst = append(dst, `,"user":`...)
		dst = jsonx.AppendString(dst, req.User)
	}
	return append(a.told.append(dst), '}'), nil
}

// findFree notes which tools are custom ones.
func (a *asking) findFree() {
	for i := range a.req.Tools {
		if t := &a.req.Tools[i]; t.Free && a.req.Dialect == name {
			if a.free == nil {
				a.free = make(map[string]bool)
			}
			a.free[t.Name] = true
		}
	}
}

// input appends the messages as items.
func (a *asking) input(dst []byte, msgs []translate.Message) ([]byte, error) {
	dst = append(dst, `,"input":[`...)
	start, question := len(dst), translate.Question(msgs)
	for i := range msgs {
		m := &msgs[i]
		before := len(dst)
		switch m.Role {
		case translate.RoleTool:
			dst = a.results(dst, m)
		case translate.RoleAssistant:
			dst = a.turn(dst, m)
		default:
			dst = a.message(dst, m)
		}
		if i == question && len(dst) == before && m.Role != translate.RoleAssistant {
			return dst, a.req.Nothing()
		}
	}
	return jsonx.CloseList(dst, start), nil
}

// cached notes a mark for a cache, which has no form here.
func (a *asking) cached(p *translate.Part) {
	if p.Cache != nil {
		a.req.Drop("cache_control")
	}
}

// message appends a message of the user or the system with a comma after it, or nothing
// where nothing of it can be said.
func (a *asking) message(dst []byte, m *translate.Message) []byte {
	if m.Name != "" {
		a.req.Drop("name")
	}
	start := len(dst)
	dst = append(dst, `{"role":"`...)
	dst = append(dst, m.Role.String()...)
	dst = append(dst, `","content":`...)
	if len(m.Parts) == 1 && m.Parts[0].Kind == translate.PartText {
		a.cached(&m.Parts[0])
		dst = jsonx.AppendString(dst, m.Parts[0].Text)
		return append(dst, `},`...)
	}
	dst = append(dst, '[')
	list := len(dst)
	for i := range m.Parts {
		dst = a.part(dst, m.Role, &m.Parts[i])
	}
	if len(dst) == list {
		return dst[:start]
	}
	return append(jsonx.CloseList(dst, list), `},`...)
}

// part appends a part of a message with a comma after it, and notes what cannot be said.
func (a *asking) part(dst []byte, role translate.Role, p *translate.Part) []byte {
	a.cached(p)
	switch p.Kind {
	case translate.PartText:
		return a.text(dst, p.Text)
	case translate.PartImage:
		switch {
		case role == translate.RoleSystem:
			a.req.Drop("image")
		case p.ID != "" && a.req.Dialect != name:
			a.req.Drop("content.image.file")
		default:
			return appendImage(dst, p)
		}
	case translate.PartDocument, translate.PartSearch:
		switch {
		case p.Text != "":
			return a.text(dst, a.req.DocumentText(p))
		case role == translate.RoleSystem || p.Data == "" && p.URL == "" && a.req.Dialect != name:
			a.req.DropDocument(p)
		default:
			return a.file(dst, p)
		}
	case translate.PartAudio:
		dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
		dst = jsonx.AppendString(dst, p.Data)
		dst = append(dst, `,"format":`...)
		dst = jsonx.AppendString(dst, p.MediaType)
		return append(dst, `}},`...)
	case translate.PartReasoning:
		a.req.Drop("reasoning")
	case translate.PartMedia:
		a.req.Drop("media")
	default:
		a.req.Drop("part of a message")
	}
	return dst
}

func (a *asking) text(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"input_text","text":`...)
	dst = jsonx.AppendString(dst, text)
	return append(dst, `},`...)
}

func appendImage(dst []byte, p *translate.Part) []byte {
	dst = append(dst, `{"type":"input_image"`...)
	if p.Detail != "" {
		dst = append(dst, `,"detail":`...)
		dst = jsonx.AppendString(dst, p.Detail)
	}
	switch {
	case p.ID != "":
		dst = append(dst, `,"file_id":`...)
		dst = jsonx.AppendString(dst, p.ID)
	case p.URL != "":
		dst = append(dst, `,"image_url":`...)
		dst = jsonx.AppendString(dst, p.URL)
	default:
		dst = appendData(append(dst, `,"image_url":`...), p)
	}
	return append(dst, `},`...)
}

// appendData appends the bytes of a part as a data URI.
func appendData(dst []byte, p *translate.Part) []byte {
	dst = append(dst, `"data:`...)
	dst = jsonx.AppendEscaped(dst, p.MediaType)
	dst = append(dst, `;base64,`...)
	dst = jsonx.AppendEscaped(dst, p.Data)
	return append(dst, '"')
}

// file appends a document that is no text.
func (a *asking) file(dst []byte, p *translate.Part) []byte {
	if p.Detail != "" {
		a.req.Drop("content.document.context")
	}
	if p.Args != "" {
		a.req.Drop("citations")
	}
	dst = append(dst, `{"type":"input_file",`...)
	switch {
	case p.Data != "":
		dst = append(dst, `"filename":`...)
		dst = jsonx.AppendString(dst, fileName(p))
		dst = appendData(append(dst, `,"file_data":`...), p)
	case p.URL != "":
		dst = append(dst, `"file_url":`...)
		dst = jsonx.AppendString(dst, p.URL)
	default:
		dst = append(dst, `"file_id":`...)
		dst = jsonx.AppendString(dst, p.ID)
	}
	return append(dst, `},`...)
}
