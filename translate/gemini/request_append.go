package gemini

import (
	"encoding/json"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendRequest appends the body that puts req to an upstream. One that passes through goes on
// as it came: its path names the model.
func (codec) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return appendRaw(dst, req), nil
	}
	dst, err := appendQuestion(append(req.Room(dst), '{'), req)
	if err != nil {
		return dst, err
	}
	dst = appendTools(dst, req)
	dst = appendConfig(dst, req)
	req.DropIf(req.User != "", "user")
	return append(dst, '}'), nil
}

// appendRaw appends the client's body. A model that it names besides the path becomes the
// channel's.
func appendRaw(dst []byte, req *translate.Request) []byte {
	req.Dropped = nil
	o := req.RawOutline()
	if m := o.Find("model"); m != nil {
		return jsonx.Splice(dst, req.Raw, m, "models/"+req.Model)
	}
	return append(dst, req.Raw...)
}

// appendQuestion appends the system instruction and the contents.
func appendQuestion(dst []byte, req *translate.Request) ([]byte, error) {
	msgs := translate.Settled(translate.SystemFirst(req.Messages))
	leading := translate.Leading(msgs)
	system, fold := msgs[:leading], familyOf(req).Has(translate.RefusesSystem)
	if !fold {
		dst = appendSystem(dst, req, system)
	}
	dst = append(dst, `"contents":[`...)
	a := appending{req: req, start: len(dst)}
	if fold {
		for i := range system {
			dst = a.message(dst, &translate.Message{Role: translate.RoleUser, Parts: system[i].Parts})
		}
	}
	question := translate.Question(msgs)
	for i := leading; i < len(msgs); i++ {
		before := len(dst)
		if dst = a.message(dst, &msgs[i]); i == question && len(dst) == before && msgs[i].Role != translate.RoleAssistant {
			return dst, req.Nothing()
		}
	}
	if leading == len(msgs) || len(dst) == a.start {
		return dst, req.Nothing()
	}
	return jsonx.CloseList(dst, a.start), nil
}

// appendSystem appends the system messages as one instruction, with a comma after it.
func appendSystem(dst []byte, req *translate.Request, system []translate.Message) []byte {
	before := len(dst)
	dst = append(dst, `"systemInstruction":{"parts":[`...)
	start := len(dst)
	for i := range system {
		for j := range system[i].Parts {
			p := &system[i].Parts[j]
			req.DropIf(p.Cache != nil, "cache_control")
			if p.Kind != translate.PartText {
				req.Drop("system: parts other than text")
				continue
			}
			if p.Text != "" {
				dst = appendText(dst, p.Text)
			}
		}
	}
	if len(dst) == start {
		return dst[:before]
	}
	return append(jsonx.CloseList(dst, start), `},`...)
}

// appending is the list of contents while it grows.
type appending struct {
	req   *translate.Request
	start int
	open  translate.Role     // whose turn the newest content is
	calls []translate.Called // of the newest turn of the model
}

// message appends what can be said of m. Results of tools that follow each other are one turn,
// and so is what the model says: the vendor counts the results of a turn.
func (a *appending) message(dst []byte, m *translate.Message) []byte {
	a.req.DropIf(m.Name != "", "name")
	before := len(dst)
	joins := m.Role == a.open && m.Role != translate.RoleUser
	if joins {
		dst = append(dst[:len(dst)-len(`]},`)], ',')
	} else {
		dst = append(dst, `{"role":"`...)
		if m.Role == translate.RoleAssistant {
			dst = append(dst, `model`...)
			a.calls = a.calls[:0]
		} else {
			dst = append(dst, `user`...)
		}
		dst = append(dst, `","parts":[`...)
	}
	from := len(dst)
	if dst = a.parts(dst, m); len(dst) == from {
		if joins {
			return append(dst[:before-len(`]},`)], `]},`...)
		}
		return dst[:before]
	}
	a.open = m.Role
	return append(dst[:len(dst)-1], `]},`...)
}

// parts appends the parts of m, each with a comma after it.
func (a *appending) parts(dst []byte, m *translate.Message) []byte {
	req := a.req
	for i := range m.Parts {
		p := &m.Parts[i]
		req.DropIf(p.Cache != nil, "cache_control")
		switch p.Kind {
		case translate.PartText:
			if p.Text != "" {
				dst = appendText(dst, p.Text)
			}
		case translate.PartReasoning:
			dst = appendThought(dst, req, m, p)
		case translate.PartToolCall:
			dst = a.call(dst, p)
		case translate.PartToolResult:
			dst = a.result(dst, p)
		case translate.PartImage:
			if m.Role == translate.RoleAssistant {
				req.Drop("image")
				continue
			}
			req.DropIf(p.Detail != "", "detail")
			dst = appendFile(dst, req, p, "content.image.file")
		case translate.PartDocument, translate.PartSearch:
			dst = appendDocument(dst, req, m, p)
		case translate.PartAudio:
			dst = append(dst, `{"inlineData":{"mimeType":"audio/`...)
			dst = jsonx.AppendEscaped(dst, p.MediaType)
			dst = jsonx.AppendString(append(dst, `","data":`...), p.Data)
			dst = append(dst, `}},`...)
		default:
			req.Drop("media")
		}
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	dst = append(dst, `{"text":`...)
	return append(jsonx.AppendString(dst, text), `},`...)
}

// appendThought appends a thought of the model that a client of this dialect sends back. Others
// have thoughts of other models.
func appendThought(dst []byte, req *translate.Request, m *translate.Message, p *translate.Part) []byte {
	if req.Dialect != name || m.Role != translate.RoleAssistant || p.Text == "" {
		req.Drop("reasoning")
		return dst
	}
	dst = append(dst, `{"text":`...)
	return append(jsonx.AppendString(dst, p.Text), `,"thought":true},`...)
}

// unsigned stands for the signature of a call that another model made, or whose signature is
// lost: the vendor has it for that case ("Thought signatures", its FAQ).
const unsigned = `"skip_thought_signature_validator"`

// call appends a call with its signature. The first one of a turn must have one for some models.
func (a *appending) call(dst []byte, p *translate.Part) []byte {
	made := translate.IsMade(p.ID)
	proof := p.Signature
	if proof == "" && a.req.Proof != nil && !made {
		proof = a.req.Proof(p.ID)
	}
	signature := string(signatureOf(proof))
	if signature == "" && len(a.calls) == 0 && signs(a.req) {
		signature = unsigned
	}
	a.calls = append(a.calls, translate.Called{ID: p.ID, Name: p.Name})
	dst = append(dst, `{"functionCall":{`...)
	if !made {
		dst = append(jsonx.AppendString(append(dst, `"id":`...), p.ID), ',')
	}
	dst = append(dst, `"name":`...)
	dst = jsonx.AppendString(dst, toldName(p.Name))
	dst = append(dst, `,"args":`...)
	dst = append(translate.AppendArgs(dst, p.Args), '}')
	if signature != "" {
		dst = append(append(dst, `,"thoughtSignature":`...), signature...)
	}
	return append(dst, `},`...)
}

// result appends the result of a tool under the name of its function, which its call has.
func (a *appending) result(dst []byte, p *translate.Part) []byte {
	function := ""
	for i := range a.calls {
		if a.calls[i].ID == p.ID {
			function = a.calls[i].Name
			break
		}
	}
	dst = append(dst, `{"functionResponse":{`...)
	if !translate.IsMade(p.ID) {
		dst = append(jsonx.AppendString(append(dst, `"id":`...), p.ID), ',')
	}
	dst = append(dst, `"name":`...)
	dst = jsonx.AppendString(dst, toldName(function))
	dst = append(dst, `,"response":`...)
	text := strings.TrimSpace(p.Text)
	switch {
	case p.Failed:
		dst = append(jsonx.AppendString(append(dst, `{"error":`...), p.Text), '}')
	case strings.HasPrefix(text, "{") && json.Valid([]byte(text)):
		dst = append(dst, text...)
	default:
		dst = append(jsonx.AppendString(append(dst, `{"output":`...), p.Text), '}')
	}
	return append(dst, `}},`...)
}

// appendDocument appends a document, or what a search found.
func appendDocument(dst []byte, req *translate.Request, m *translate.Message, p *translate.Part) []byte {
	switch {
	case p.Text != "":
		return appendText(dst, req.DocumentText(p))
	case p.Kind == translate.PartSearch, m.Role == translate.RoleAssistant:
		req.DropDocument(p)
		return dst
	}
	req.DropIf(p.Detail != "", "content.document.context")
	req.DropIf(p.Args != "", "citations")
	return appendFile(dst, req, p, "content.document.file_id")
}

// appendFile appends an image or a document: its bytes, its address, or the id that the vendor has
// for it; other is what is dropped where that is another's.
func appendFile(dst []byte, req *translate.Request, p *translate.Part, other string) []byte {
	at, media := p.URL, p.MediaType
	switch {
	case p.Data != "":
		dst = append(dst, `{"inlineData":{"mimeType":`...)
		dst = jsonx.AppendString(dst, strings.ToLower(media))
		dst = append(dst, `,"data":`...)
		return append(jsonx.AppendString(dst, p.Data), `}},`...)
	case p.ID != "" && req.Dialect == name:
		at = p.ID
	case p.ID != "":
		req.Drop(other)
		return dst
	}
	if media == "" {
		media = mediaOf(at)
	}
	if media == "" && p.Kind == translate.PartImage {
		media = "image/jpeg" // which all readers look into anyway
	}
	if media == "" {
		req.DropDocument(p)
		return dst
	}
	dst = append(dst, `{"fileData":{"mimeType":`...)
	dst = jsonx.AppendString(dst, media)
	dst = append(dst, `,"fileUri":`...)
	return append(jsonx.AppendString(dst, at), `}},`...)
}
