package anthropic

import (
	"bytes"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// ownTool is a tool that the vendor knows and the client runs: others get it as a function
// with the inputs that the vendor documents.
type ownTool struct {
	prefix      string // of its type, which ends with a date
	name        string // where the client says none
	description string
	schema      string
}

// ownTools are those of platform.claude.com: "Bash tool", "Text editor tool" and "Memory tool".
var ownTools = []ownTool{
	{
		"bash_", "bash", "Runs a command in a bash session that goes on between calls.",
		`{"type":"object","properties":{"command":{"type":"string","description":"The command to run. Required unless the session is restarted."},` +
			`"restart":{"type":"boolean","description":"true restarts the session."}}}`,
	},
	{
		"text_editor_", "str_replace_based_edit_tool", "Views, creates and edits files.",
		`{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"],"description":"What to do."},` +
			`"path":{"type":"string","description":"The file, or for view the directory."},` +
			`"view_range":{"type":"array","items":{"type":"integer"},"description":"view: the first and the last line, from 1 on; -1 is the end of the file."},` +
			`"file_text":{"type":"string","description":"create: the content of the file."},` +
			`"old_str":{"type":"string","description":"str_replace: the text to replace, which must stand in the file once."},` +
			`"new_str":{"type":"string","description":"str_replace: the text in its place; insert: the text to insert."},` +
			`"insert_line":{"type":"integer","description":"insert: the line behind which the text goes; 0 is the beginning."},` +
			`"insert_text":{"type":"string","description":"insert: the text to insert."}},"required":["command","path"]}`,
	},
	{
		"memory_", "memory", "Keeps notes in files below /memories.",
		`{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"],"description":"What to do."},` +
			`"path":{"type":"string","description":"The file or directory, below /memories."},` +
			`"view_range":{"type":"array","items":{"type":"integer"},"description":"view: the first and the last line."},` +
			`"file_text":{"type":"string","description":"create: the content of the file."},` +
			`"old_str":{"type":"string","description":"str_replace: the text to replace."},` +
			`"new_str":{"type":"string","description":"str_replace: the text in its place."},` +
			`"insert_line":{"type":"integer","description":"insert: the line behind which the text goes."},` +
			`"insert_text":{"type":"string","description":"insert: the text to insert."},` +
			`"old_path":{"type":"string","description":"rename: the present path."},` +
			`"new_path":{"type":"string","description":"rename: the new path."}},"required":["command"]}`,
	},
}

// runByClient returns the tool of a type that the vendor knows and the client runs.
func runByClient(path string, t *wireTool, raw translate.Raw) (tool translate.Tool, ok bool, err error) {
	for i := range ownTools {
		own := &ownTools[i]
		date, found := strings.CutPrefix(t.Type, own.prefix)
		if !found || date == "" || strings.Trim(date, "0123456789") != "" {
			continue
		}
		tool = translate.Tool{Name: t.Name, Description: own.description, Schema: []byte(own.schema), Own: bytes.Clone(raw)}
		if tool.Name == "" {
			tool.Name = own.name
		}
		if tool.Cache, err = cacheControl(path, t.Cache); err == nil {
			err = translate.Bound(path+".name", tool.Name, translate.MaxToolName)
		}
		return tool, true, err
	}
	return tool, false, nil
}

func appendTools(dst []byte, req *translate.Request) []byte {
	if len(req.Tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	start := len(dst)
	for i := range req.Tools {
		t := &req.Tools[i]
		if t.Own != nil {
			dst = append(append(dst, t.Own...), ',')
			continue
		}
		dst = append(dst, `{"name":`...)
		dst = jsonx.AppendString(dst, toldName(t.Name))
		if t.Description != "" {
			dst = append(dst, `,"description":`...)
			dst = jsonx.AppendString(dst, t.Description)
		}
		dst = append(dst, `,"input_schema":`...)
		if len(t.Schema) > 0 {
			dst = append(dst, req.ObjectSchema("input_schema", t.Schema)...)
		} else {
			dst = append(dst, `{"type":"object","properties":{}}`...)
		}
		if t.Strict {
			dst = append(dst, `,"strict":true`...)
		}
		dst = appendCache(dst, t.Cache)
	}
	dst = jsonx.CloseList(dst, start)
	return appendToolChoice(dst, &req.ToolChoice)
}

func appendToolChoice(dst []byte, c *translate.ToolChoice) []byte {
	if c.Mode == translate.ToolDefault && !c.NoParallel {
		return dst
	}
	dst = append(dst, `,"tool_choice":{"type":`...)
	switch c.Mode {
	case translate.ToolNone:
		return append(dst, `"none"}`...)
	case translate.ToolRequired:
		dst = append(dst, `"any"`...)
	case translate.ToolNamed:
		dst = append(dst, `"tool","name":`...)
		dst = jsonx.AppendString(dst, toldName(c.Name))
	default:
		dst = append(dst, `"auto"`...)
	}
	if c.NoParallel {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}')
}
