package ollama

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

type wireMessage struct {
	Role, Content, Thinking string
	Images, ToolCalls       translate.Raw
	ToolName, ToolCallID    string
}

func (w *wireMessage) fields() []translate.Field {
	return []translate.Field{
		{Name: "role", To: &w.Role},
		{Name: "content", To: &w.Content},
		{Name: "thinking", To: &w.Thinking},
		{Name: "images", To: &w.Images},
		{Name: "tool_calls", To: &w.ToolCalls},
		{Name: "tool_name", To: &w.ToolName},
		{Name: "name", To: &w.ToolName}, // of older clients
		{Name: "tool_call_id", To: &w.ToolCallID},
	}
}

// decoding is what is known while messages are read.
type decoding struct {
	req    *translate.Request
	parts  translate.Parts
	calls  translate.Unnamed
	few    int         // how many thoughts and images there may still be
	wire   wireMessage // what is read now
	fields []translate.Field
}

// newDecoding returns what reads raw, which has parts parts at least. Thoughts and images, which are
// texts and not objects, are bounded with the objects.
func newDecoding(req *translate.Request, parts int, raw translate.Raw) *decoding {
	d := &decoding{req: req, parts: translate.NewParts(max(1, parts)), few: jsonx.ItemsOf(len(raw)) - jsonx.ItemsIn(raw)}
	d.fields = d.wire.fields()
	return d
}

// decodeMessages joins the results of tools that follow each other.
func decodeMessages(req *translate.Request, raw translate.Raw) error {
	wire, n, err := translate.Elements("messages", raw)
	if err != nil {
		return err
	}
	d := newDecoding(req, jsonx.ItemsIn(raw), raw)
	msgs := make([]translate.Message, 0, n)
	i := 0
	for raw := range wire {
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("messages", i)
		i++
		last := len(msgs) - 1
		goesOn := last >= 0 && msgs[last].Role == translate.RoleTool
		m, err := d.message(path, raw, goesOn)
		if err != nil {
			return err
		}
		if m.Role == translate.RoleTool && goesOn {
			msgs[last] = m
			continue
		}
		msgs = append(msgs, m)
	}
	if i == 0 {
		return translate.InvalidAt("messages", "messages must not be empty")
	}
	req.Messages = msgs
	return nil
}

// message reads one message. goesOn: the one before it is the result of a tool, whose parts the
// next result has before its own.
func (d *decoding) message(path string, raw []byte, goesOn bool) (m translate.Message, err error) {
	w := &d.wire
	*w = wireMessage{}
	if err := translate.Object(path, raw, d.fields); err != nil {
		return m, err
	}
	if m.Role = translate.ParseRole(w.Role); m.Role == 0 || w.Role == "developer" {
		return m, translate.InvalidAt(path+".role", path+".role must be system, user, assistant or tool")
	}
	if m.Role != translate.RoleTool || !goesOn {
		d.parts.Begin()
	}
	switch m.Role {
	case translate.RoleTool:
		err = d.result(path, w)
	case translate.RoleAssistant:
		err = d.assistant(path, w)
	default:
		if w.Content != "" || w.Images.Null() {
			d.parts.Add(translate.Part{Kind: translate.PartText, Text: w.Content})
		}
		err = d.images(path+".images", w.Images)
	}
	m.Parts = d.parts.Of()
	return m, err
}

// result reads the result of a tool. One that names no call is that of the oldest call of its
// tool, or of any tool, that has none so far.
func (d *decoding) result(path string, w *wireMessage) error {
	if err := translate.Bound(path+".tool_name", w.ToolName, translate.MaxToolName); err != nil {
		return err
	}
	if err := translate.Bound(path+".tool_call_id", w.ToolCallID, translate.MaxID); err != nil {
		return err
	}
	d.parts.Add(translate.Part{Kind: translate.PartToolResult, ID: d.calls.End(w.ToolCallID, w.ToolName), Text: w.Content})
	return d.images(path+".images", w.Images)
}

// assistant reads a message of the model in the order in which it speaks: it thinks, answers,
// and then calls.
func (d *decoding) assistant(path string, w *wireMessage) error {
	if w.Thinking != "" {
		if err := d.another(path + ".thinking"); err != nil {
			return err
		}
		d.parts.Add(translate.Part{Kind: translate.PartReasoning, Text: w.Thinking})
	}
	if w.Content != "" {
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: w.Content})
	}
	d.req.DropIf(says(w.Images), "image")
	d.calls.Forget()
	calls, _, err := translate.Elements(path+".tool_calls", w.ToolCalls)
	if err != nil {
		return err
	}
	i := 0
	for raw := range calls {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		if err := d.call(translate.Index(path+".tool_calls", i), raw); err != nil {
			return err
		}
		i++
	}
	return nil
}

// call reads a call. Its arguments are an object; some clients send the text of one.
func (d *decoding) call(path string, raw []byte) error {
	p := translate.Part{Kind: translate.PartToolCall, Args: "{}"}
	var function, args translate.Raw
	if err := translate.Object(path, raw, []translate.Field{{Name: "id", To: &p.ID}, {Name: "function", To: &function}}); err != nil {
		return err
	}
	if err := translate.Object(path+".function", function, []translate.Field{{Name: "name", To: &p.Name}, {Name: "arguments", To: &args}}); err != nil {
		return err
	}
	if p.Name == "" {
		return translate.Invalid(path + ".function.name is required")
	}
	if err := translate.Bound(path+".function.name", p.Name, translate.MaxToolName); err != nil {
		return err
	}
	if err := translate.Bound(path+".id", p.ID, translate.MaxID); err != nil {
		return err
	}
	switch {
	case args.Null():
	case args[0] == '{':
		p.Args = jsonx.Compact(args)
	case args[0] == '"':
		p.Args, _ = translate.Text("", args)
	default:
		return translate.Invalid(path + ".function.arguments must be an object")
	}
	p.ID = d.calls.Begin(p.ID, p.Name)
	d.parts.Add(p)
	return nil
}

// images adds images, which are base64 without a media type.
func (d *decoding) images(path string, raw translate.Raw) error {
	images, _, err := translate.Elements(path, raw)
	if err != nil {
		return err
	}
	i := 0
	for raw := range images {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		at := translate.Index(path, i)
		i++
		if err := d.another(at); err != nil {
			return err
		}
		data, err := translate.Text(at, raw)
		if err != nil {
			return err
		}
		media := mediaOf(data)
		if head, rest, ok := strings.Cut(data, ";base64,"); ok && strings.HasPrefix(head, "data:image/") {
			data, media = rest, strings.ToLower(head[len("data:"):]) // what other APIs take
		}
		if data == "" || strings.ContainsAny(data[:min(len(data), 64)], ": ") {
			return translate.InvalidAt(at, at+" must be an image in base64")
		}
		d.parts.Add(translate.Part{Kind: translate.PartImage, MediaType: media, Data: data})
	}
	return nil
}

// another counts a thought or an image.
func (d *decoding) another(path string) error {
	if d.few--; d.few < 0 {
		return translate.InvalidAt(path, "the message has too many messages, thoughts and images")
	}
	return nil
}

// beginnings are those of images in base64.
var beginnings = [...]struct{ begins, media string }{
	{"/9j/", "image/jpeg"}, {"iVBORw", "image/png"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"}, {"Qk", "image/bmp"},
}

// mediaOf tells from the first bytes of an image what it is.
func mediaOf(data string) string {
	for _, b := range beginnings {
		if strings.HasPrefix(data, b.begins) {
			return b.media
		}
	}
	return "image/jpeg" // which all readers look into anyway
}
