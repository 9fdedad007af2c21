package anthropic

import (
	"bytes"
	"strings"

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
