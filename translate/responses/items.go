package responses

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireItem is an item of input. An item of the type message may leave out its type.
type wireItem struct {
	Type, Role, ID    string
	Content, Summary  translate.Raw
	CallID, Name      string
	Namespace         string
	Arguments, Input  string
	Output, Encrypted translate.Raw
}

func (w *wireItem) fields() []translate.Field {
	return []translate.Field{
		{Name: "type", To: &w.Type},
		{Name: "role", To: &w.Role},
		{Name: "content", To: &w.Content},
		{Name: "id", To: &w.ID},
		{Name: "summary", To: &w.Summary},
		{Name: "encrypted_content", To: &w.Encrypted},
		{Name: "call_id", To: &w.CallID},
		{Name: "name", To: &w.Name},
		{Name: "namespace", To: &w.Namespace},
		{Name: "arguments", To: &w.Arguments},
		{Name: "input", To: &w.Input},
		{Name: "output", To: &w.Output},
	}
}

// decoding is what is known while items are read.
type decoding struct {
	req   *translate.Request
	parts translate.Parts
	msgs  []translate.Message
	// What is read now, one after the other in the same place, and where its members go.
	item       wireItem
	part       wirePart
	itemFields []translate.Field
	partFields []translate.Field
}

// decodeInput reads a text, or a list of items. The items of one turn of the model are one message, and so
// are the results of tools that follow each other.
func decodeInput(req *translate.Request, raw translate.Raw) error {
	if raw[0] == '"' {
		text, err := translate.Text("input", raw)
		req.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, text)}
		return err
	}
	if raw[0] != '[' {
		return translate.InvalidAt("input", "input must be a string or an array of items")
	}
	items, n, err := translate.Elements("input", raw)
	if err != nil {
		return err
	}
	d := &decoding{req: req, parts: translate.NewParts(jsonx.ItemsIn(raw)), msgs: make([]translate.Message, 0, n)}
	d.itemFields, d.partFields = d.item.fields(), d.part.fields()
	i := 0
	for raw := range items {
		if err := req.Stopped(i); err != nil {
			return err
		}
		if err := d.read(translate.Index("input", i), raw); err != nil {
			return err
		}
		i++
	}
	req.Messages = d.msgs
	return nil
}

// read reads one item.
func (d *decoding) read(path string, raw []byte) error {
	w := &d.item
	*w = wireItem{}
	if err := translate.Object(path, raw, d.itemFields); err != nil {
		return err
	}
	if err := translate.Bound(path+".id", w.ID, translate.MaxID); err != nil {
		return err
	}
	switch w.Type {
	case "", "message":
		return d.message(path, w)
	case "reasoning":
		return d.reasoning(path, w)
	case "function_call":
		return d.call(path, w, w.Arguments)
	case "custom_tool_call":
		return d.call(path, w, freeArgs(w.Input))
	case "function_call_output", "custom_tool_call_output":
		return d.result(path, w)
	case "item_reference":
		if w.ID == "" {
			return translate.InvalidAt(path+".id", path+".id is required")
		}
		d.begin(translate.RoleAssistant)
		d.add(translate.Part{Kind: translate.PartReference, ID: w.ID})
		return nil
	}
	d.req.DropWord("input." + w.Type)
	return nil
}

// begin begins a message, unless the last one is of the model, or of tools, and goes on.
func (d *decoding) begin(role translate.Role) {
	last := len(d.msgs) - 1
	if last >= 0 && d.msgs[last].Role == role && (role == translate.RoleAssistant || role == translate.RoleTool) {
		return
	}
	d.parts.Begin()
	d.msgs = append(d.msgs, translate.Message{Role: role})
}

// add adds a part to the message.
func (d *decoding) add(p translate.Part) {
	d.parts.Add(p)
	d.msgs[len(d.msgs)-1].Parts = d.parts.Of()
}

func (d *decoding) message(path string, w *wireItem) error {
	role := translate.PlainRole(w.Role)
	switch {
	case w.Role == "":
		return translate.InvalidAt(path+".role", path+".role is required")
	case role == 0:
		return translate.InvalidAt(path+".role", path+".role must be user, assistant, system or developer")
	case w.Content.Null():
		return translate.InvalidAt(path+".content", path+".content is required")
	}
	d.begin(role)
	from := d.parts.Len()
	if err := d.content(path+".content", w.Content, ""); err != nil {
		return err
	}
	if role == translate.RoleAssistant {
		d.dropBlank(from)
	}
	d.msgs[len(d.msgs)-1].Parts = d.parts.Of()
	return nil
}

// dropBlank takes out the texts of the model from a part on that say nothing.
func (d *decoding) dropBlank(from int) {
	parts := d.parts.Of()
	kept := from
	for i := from; i < len(parts); i++ {
		if parts[i].Kind != translate.PartText || parts[i].Text != "" {
			parts[kept] = parts[i]
			kept++
		}
	}
	d.parts.Cut(kept)
}

// reasoning reads what the model thought: its summary or its words, and the same as its
// server has sealed it.
func (d *decoding) reasoning(path string, w *wireItem) error {
	secret, err := translate.Text(path+".encrypted_content", w.Encrypted)
	if err != nil {
		return err
	}
	text := ""
	for _, list := range [...]struct {
		name string
		raw  translate.Raw
	}{{"summary", w.Summary}, {"content", w.Content}} {
		if text != "" {
			break
		}
		if text, err = d.thoughts(path+"."+list.name, list.raw); err != nil {
			return err
		}
	}
	if text == "" && secret == "" {
		return nil
	}
	d.begin(translate.RoleAssistant)
	d.add(translate.Part{Kind: translate.PartReasoning, Text: text, Signature: signatureOf(secret)})
	return nil
}

// thoughts joins the texts of a list.
func (d *decoding) thoughts(path string, raw translate.Raw) (string, error) {
	list, _, err := translate.Elements(path, raw)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	var text string
	fields := []translate.Field{{Name: "text", To: &text}}
	for one := range list {
		text = ""
		if err := translate.Object(path, one, fields); err != nil {
			return "", err
		}
		if all.Len() > 0 && text != "" {
			all.WriteString("\n\n")
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

func (d *decoding) call(path string, w *wireItem, args string) error {
	switch {
	case w.CallID == "":
		return translate.InvalidAt(path+".call_id", path+".call_id is required")
	case w.Name == "":
		return translate.InvalidAt(path+".name", path+".name is required")
	}
	called := spaced(w.Namespace, w.Name)
	if err := translate.Bound(path+".call_id", w.CallID, translate.MaxID); err != nil {
		return err
	}
	d.begin(translate.RoleAssistant)
	d.add(translate.Part{Kind: translate.PartToolCall, ID: w.CallID, Name: called, Args: args})
	return translate.Bound(path+".name", called, translate.MaxToolName)
}

// result reads the result of a tool. Its text is one; images in it come behind it.
func (d *decoding) result(path string, w *wireItem) error {
	if w.CallID == "" {
		return translate.InvalidAt(path+".call_id", path+".call_id is required")
	}
	d.begin(translate.RoleTool)
	from := d.parts.Len()
	if err := d.content(path+".output", w.Output, "output"); err != nil {
		return err
	}
	whole := translate.Message{Parts: d.parts.Of()}
	if from > 0 {
		whole.Parts = whole.Parts[min(from, len(whole.Parts)):]
	}
	p := translate.Part{Kind: translate.PartToolResult, ID: w.CallID, Text: whole.Text()}
	var images []translate.Part
	for i := range whole.Parts {
		switch one := &whole.Parts[i]; one.Kind {
		case translate.PartImage:
			images = append(images, *one)
		case translate.PartText:
		default:
			d.req.DropDocument(one)
		}
	}
	d.parts.Cut(from)
	d.add(p)
	for _, image := range images {
		d.add(image)
	}
	return translate.Bound(path+".call_id", w.CallID, translate.MaxID)
}
