package ollama

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// decodeTools reads the tools that a model may call.
func decodeTools(req *translate.Request, raw translate.Raw) error {
	tools, n, err := translate.Elements("tools", raw)
	if err != nil || n == 0 {
		return err
	}
	req.Tools = make([]translate.Tool, 0, n)
	i := -1
	for raw := range tools {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("tools", i)
		var function, schema translate.Raw
		var t translate.Tool
		if err := translate.Object(path, raw, []translate.Field{{Name: "function", To: &function}}); err != nil {
			return err
		}
		path += ".function"
		if err := translate.Object(path, function, []translate.Field{{Name: "name", To: &t.Name}, {Name: "description", To: &t.Description}, {Name: "parameters", To: &schema}}); err != nil {
			return err
		}
		if t.Name == "" {
			return translate.Invalid(path + ".name is required")
		}
		if err := translate.Bound(path+".name", t.Name, translate.MaxToolName); err != nil {
			return err
		}
		if !schema.Null() {
			if schema[0] != '{' {
				return translate.Invalid(path + ".parameters must be an object")
			}
			t.Schema = bytes.Clone(schema)
		}
		req.Tools = append(req.Tools, t)
	}
	return nil
}

// appendTools appends the tools, with a comma before them. No tool may be called where there are
// none: this dialect has no other word for that.
func appendTools(dst []byte, req *translate.Request) []byte {
	c := &req.ToolChoice
	if len(req.Tools) == 0 || c.Mode == translate.ToolNone {
		return dst
	}
	req.DropIf(c.Mode == translate.ToolRequired || c.Mode == translate.ToolNamed, "tool_choice")
	req.DropIf(c.NoParallel, "parallel_tool_calls")
	dst = append(dst, `,"tools":[`...)
	start := len(dst)
	for i := range req.Tools {
		t := &req.Tools[i]
		req.DropIf(t.Cache != nil, "cache_control")
		req.DropIf(t.Strict, "strict")
		dst = append(dst, `{"type":"function","function":{"name":`...)
		dst = jsonx.AppendString(dst, t.Name)
		if t.Description != "" {
			dst = jsonx.AppendString(append(dst, `,"description":`...), t.Description)
		}
		if len(t.Schema) > 0 {
			dst = append(append(dst, `,"parameters":`...), req.ObjectSchema("parameters", t.Schema)...)
		}
		dst = append(dst, `}},`...)
	}
	return jsonx.CloseList(dst, start)
}
