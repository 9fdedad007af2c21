package responses

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireTool is a tool that the client runs, or a namespace of such tools.
type wireTool struct {
	Type, Name, Description string
	Parameters              translate.Raw
	Strict                  *bool
	Format                  translate.Raw
	Tools                   translate.Raw
}

func (w *wireTool) fields() []translate.Field {
	return []translate.Field{
		{Name: "type", To: &w.Type}, {Name: "name", To: &w.Name}, {Name: "description", To: &w.Description}, {Name: "parameters", To: &w.Parameters},
		{Name: "strict", To: &w.Strict}, {Name: "format", To: &w.Format}, {Name: "tools", To: &w.Tools},
	}
}

// decodeTools reads the tools. Where there is one that the client does not run, or that says
// more than the canonical form, a channel of this dialect is told all of them as they came.
func decodeTools(req *translate.Request, w *wireRequest, own *ownMembers) error {
	if err := decodeToolList(req, "tools", "", w.Tools, own); err != nil {
		return err
	}
	req.ToolChoice.NoParallel = w.Parallel != nil && !*w.Parallel
	return decodeToolChoice(req, w.ToolChoice, own)
}

// decodeToolList reads the tools of a list, which may be that of a namespace.
func decodeToolList(req *translate.Request, at, space string, raw translate.Raw, own *ownMembers) error {
	tools, n, err := translate.Elements(at, raw)
	if err != nil {
		return err
	}
	i := -1
	for raw := range tools {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index(at, i)
		var w wireTool
		if err := translate.Object(path, raw, w.fields()); err != nil {
			return err
		}
		switch {
		case w.Type == "namespace" && space == "" && w.Name != "":
			own.keep("tools")
			if err := decodeToolList(req, path+".tools", w.Name, w.Tools, own); err != nil {
				return err
			}
			continue
		case w.Type != "function" && w.Type != "custom":
			own.keep("tools")
			req.DropWord("tools." + w.Type)
			continue
		}
		tool, err := w.tool(path, space)
		if err != nil {
			return err
		}
		if w.Type == "custom" {
			own.keep("tools")
		}
		if req.Tools == nil {
			req.Tools = make([]translate.Tool, 0, n)
		}
		req.Tools = append(req.Tools, tool)
	}
	return nil
}

// tool returns w, which lies at path in the message.
func (w *wireTool) tool(path, space string) (t translate.Tool, err error) {
	if w.Name == "" {
		return t, translate.InvalidAt(path+".name", path+".name is required")
	}
	t = translate.Tool{Name: spaced(space, w.Name), Description: w.Description, Strict: w.Strict != nil && *w.Strict}
	if err := translate.Bound(path+".name", t.Name, translate.MaxToolName); err != nil {
		return t, err
	}
	if w.Type == "custom" {
		t.Free, t.Schema = true, freeSchema
		return t, w.grammar(path, &t)
	}
	if w.Parameters.Null() {
		return t, nil
	}
	if w.Parameters[0] != '{' {
		return t, translate.InvalidAt(path+".parameters", path+".parameters must be an object")
	}
	t.Schema = bytes.Clone(w.Parameters)
	return t, nil
}

// grammar adds to the description of a tool the grammar that its input must have.
func (w *wireTool) grammar(path string, t *translate.Tool) error {
	var kind, syntax, definition string
	err := translate.Object(path+".format", w.Format, []translate.Field{{Name: "type", To: &kind}, {Name: "syntax", To: &syntax}, {Name: "definition", To: &definition}})
	if kind == "grammar" {
		t.Description += "\n\nThe input must match this grammar (" + syntax + "):\n" + definition
	}
	return err
}

// A custom tool has one free text in place of arguments. In the canonical form that is the
// only member of its arguments.
const (
	freeStart = `{"input":"`
	freeEnd   = `"}`
)

// freeSchema is the schema of such arguments. It is only read.
var freeSchema = json.RawMessage(`{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`)

// freeArgs are the arguments of a custom tool that is given input.
func freeArgs(input string) string {
	return string(append(jsonx.AppendEscaped([]byte(freeStart), input), freeEnd...))
}

// freeInput is the input in such arguments; arguments of another form are it as they are.
func freeInput(args string) string {
	var w struct {
		Input *string `json:"input"`
	}
	if json.Unmarshal([]byte(args), &w) != nil || w.Input == nil {
		return args
	}
	return *w.Input
}

// spaced is the name of a tool in a namespace; see unspaced.
func spaced(space, name string) string {
	if space == "" {
		return name
	}
	return space + spaceMark + name
}

// spaceMark stands between the namespace of a tool and its name.
const spaceMark = "__"

// unspaced takes the name of a tool apart where req has told it in a namespace.
func unspaced(spaces []string, called string) (space, name string) {
	for _, s := range spaces {
		if rest, ok := strings.CutPrefix(called, s+spaceMark); ok {
			return s, rest
		}
	}
	return "", called
}

// spacesOf are the namespaces of the tools of a question.
func spacesOf(req *translate.Request) (spaces []string) {
	t := toldOf(req)
	m := t.o.Find("tools")
	if m == nil {
		return nil
	}
	for raw := range jsonx.Elements(t.text[m.Start:m.End]) {
		var w wireTool
		if translate.Object("tools", raw, w.fields()) == nil && w.Type == "namespace" {
			spaces = append(spaces, w.Name)
		}
	}
	return spaces
}

func decodeToolChoice(req *translate.Request, raw translate.Raw, own *ownMembers) error {
	if raw.Null() {
		return nil
	}
	c := &req.ToolChoice
	if raw[0] == '"' {
		word, err := translate.Text("tool_choice", raw)
		if err != nil {
			return err
		}
		if c.Mode = modeOf(word); c.Mode == translate.ToolDefault {
			return translate.InvalidAt("tool_choice", "tool_choice must be none, auto, required or an object")
		}
		return nil
	}
	var kind, called, space, mode string
	var tools translate.Raw
	err := translate.Object("tool_choice", raw, []translate.Field{
		{Name: "type", To: &kind}, {Name: "name", To: &called}, {Name: "namespace", To: &space}, {Name: "mode", To: &mode}, {Name: "tools", To: &tools},
	})
	if err != nil {
		return err
	}
	switch kind {
	case "function", "custom":
		if called == "" {
			return translate.InvalidAt("tool_choice.name", "tool_choice.name is required")
		}
		if kind == "custom" {
			own.keep("tool_choice")
		}
		c.Mode, c.Name = translate.ToolNamed, spaced(space, called)
		return translate.Bound("tool_choice.name", c.Name, translate.MaxToolName)
	case "allowed_tools":
		own.keep("tools")
		own.keep("tool_choice")
		c.Mode = modeOf(mode)
		return allowOnly(req, tools)
	}
	own.keep("tool_choice")
	req.DropWord("tool_choice." + kind)
	return nil
}

// modeOf is the mode of a word, ToolDefault of one that is unknown.
func modeOf(word string) translate.ToolMode {
	switch word {
	case "auto":
		return translate.ToolAuto
	case "none":
		return translate.ToolNone
	case "required":
		return translate.ToolRequired
	}
	return translate.ToolDefault
}

// allowOnly leaves of the tools those that a list names: other dialects know no such list.
func allowOnly(req *translate.Request, raw translate.Raw) error {
	list, _, err := translate.Elements("tool_choice.tools", raw)
	if err != nil {
		return err
	}
	var names []string
	for one := range list {
		var called string
		if err := translate.Object("tool_choice.tools", one, []translate.Field{{Name: "name", To: &called}}); err != nil {
			return err
		}
		names = append(names, called)
	}
	req.Tools = slices.DeleteFunc(req.Tools, func(t translate.Tool) bool { return !slices.Contains(names, t.Name) })
	return nil
}
