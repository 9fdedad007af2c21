package gemini

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireFunction is a declaration of a function.
type wireFunction struct {
	Name, Description string
	Parameters        translate.Raw // in the vendor's form of a schema
	Schema            translate.Raw // as JSON Schema
}

func (f *wireFunction) fields() []translate.Field {
	return []translate.Field{
		{Name: "name", To: &f.Name}, {Name: "description", To: &f.Description}, {Name: "parameters", To: &f.Parameters},
		{Name: "parametersJsonSchema", To: &f.Schema}, {Name: "parameters_json_schema", To: &f.Schema},
	}
}

// decodeTools reads the declarations of functions. Tools that the vendor runs itself are noted
// as dropped.
func decodeTools(req *translate.Request, raw translate.Raw) error {
	if raw.Null() {
		return nil
	}
	tools, _, err := list("tools", raw)
	if err != nil {
		return err
	}
	i := -1
	for raw := range tools {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		path := translate.Index("tools", i)
		if raw[0] != '{' {
			return translate.Invalid(path + " must be an object")
		}
		for key, value := range jsonx.Pairs(raw) {
			switch string(key) {
			case "functionDeclarations", "function_declarations":
				if err := decodeFunctions(req, path+".functionDeclarations", value); err != nil {
					return err
				}
			default:
				req.DropWord("tools." + string(key))
			}
		}
	}
	return nil
}

func decodeFunctions(req *translate.Request, path string, raw translate.Raw) error {
	functions, n, err := list(path, raw)
	if err != nil {
		return err
	}
	if req.Tools == nil {
		req.Tools = make([]translate.Tool, 0, n)
	}
	var f wireFunction
	fields := f.fields()
	i := -1
	for raw := range functions {
		i++
		if err := req.Stopped(i); err != nil {
			return err
		}
		at := translate.Index(path, i)
		f = wireFunction{}
		if err := translate.Object(at, raw, fields); err != nil {
			return err
		}
		if f.Name == "" {
			return translate.Invalid(at + ".name is required")
		}
		if err := translate.Bound(at+".name", f.Name, translate.MaxToolName); err != nil {
			return err
		}
		t := translate.Tool{Name: f.Name, Description: f.Description}
		switch {
		case !f.Schema.Null():
			if f.Schema[0] != '{' {
				return translate.Invalid(at + ".parametersJsonSchema must be an object")
			}
			t.Schema = bytes.Clone(f.Schema)
		case !f.Parameters.Null():
			if f.Parameters[0] != '{' {
				return translate.Invalid(at + ".parameters must be an object")
			}
			t.Schema = appendSchema(nil, f.Parameters)
		}
		req.Tools = append(req.Tools, t)
	}
	return nil
}

// decodeToolConfig reads whether functions are to be called.
func decodeToolConfig(req *translate.Request, raw translate.Raw) error {
	var calling, allowed translate.Raw
	var mode string
	if err := translate.Object("toolConfig", raw, []translate.Field{{Name: "functionCallingConfig", To: &calling}, {Name: "function_calling_config", To: &calling}}); err != nil {
		return err
	}
	const at = "toolConfig.functionCallingConfig"
	if err := translate.Object(at, calling, []translate.Field{{Name: "mode", To: &mode}, {Name: "allowedFunctionNames", To: &allowed}, {Name: "allowed_function_names", To: &allowed}}); err != nil {
		return err
	}
	names, err := translate.Words(at+".allowedFunctionNames", allowed, translate.MaxStops)
	if err != nil {
		return err
	}
	c := &req.ToolChoice
	switch mode {
	case "", "MODE_UNSPECIFIED":
	case "AUTO", "VALIDATED":
		c.Mode = translate.ToolAuto
	case "NONE":
		c.Mode = translate.ToolNone
	case "ANY":
		c.Mode = translate.ToolRequired
		if len(names) == 1 {
			c.Mode, c.Name, names = translate.ToolNamed, names[0], nil
		}
	default:
		return translate.InvalidAt(at+".mode", at+".mode must be AUTO, ANY, NONE or VALIDATED")
	}
	if names != nil {
		req.Drop("toolConfig.allowedFunctionNames")
	}
	return translate.Bound(at+".allowedFunctionNames", c.Name, translate.MaxToolName)
}

// appendTools appends the declarations of functions, with a comma before them.
func appendTools(dst []byte, req *translate.Request) []byte {
	if len(req.Tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[{"functionDeclarations":[`...)
	start := len(dst)
	for i := range req.Tools {
		t := &req.Tools[i]
		req.DropIf(t.Cache != nil, "cache_control")
		req.DropIf(t.Strict, "strict")
		dst = append(dst, `{"name":`...)
		dst = jsonx.AppendString(dst, toldName(t.Name))
		if t.Description != "" {
			dst = append(dst, `,"description":`...)
			dst = jsonx.AppendString(dst, t.Description)
		}
		if len(t.Schema) > 0 {
			dst = append(dst, `,"parametersJsonSchema":`...)
			dst = append(dst, req.ObjectSchema("parameters", t.Schema)...)
		}
		dst = append(dst, `},`...)
	}
	dst = append(jsonx.CloseList(dst, start), `}]`...)
	return appendToolConfig(dst, req)
}

func appendToolConfig(dst []byte, req *translate.Request) []byte {
	c := &req.ToolChoice
	req.DropIf(c.NoParallel, "parallel_tool_calls")
	mode := ""
	switch c.Mode {
	case translate.ToolAuto:
		mode = "AUTO"
	case translate.ToolNone:
		mode = "NONE"
	case translate.ToolRequired, translate.ToolNamed:
		mode = "ANY"
	default:
		return dst
	}
	dst = append(dst, `,"toolConfig":{"functionCallingConfig":{"mode":"`...)
	dst = append(append(dst, mode...), '"')
	if c.Mode == translate.ToolNamed {
		dst = append(dst, `,"allowedFunctionNames":[`...)
		dst = append(jsonx.AppendString(dst, toldName(c.Name)), ']')
	}
	return append(dst, `}}`...)
}
