package anthropic

import (
	"encoding/json"

	"github.com/dragoman-gateway/dragoman/translate"
)

// decodeFormat reads output_config.format (Anthropic's reference, "Structured
// outputs") into what the canonical form has for it: OpenAI's response_format, which
// needs a name. It is strict where OpenAI could take the schema so.
func decodeFormat(req *translate.Request, raw translate.Raw) error {
	var f struct {
		Type   string        `json:"type"`
		Schema translate.Raw `json:"schema"`
	}
	if err := translate.Unmarshal("output_config.format", raw, &f); err != nil {
		return err
	}
	if f.Type != "json_schema" {
		req.Drop("output_config.format")
		return nil
	}
	if f.Schema.Null() || f.Schema[0] != '{' {
		return translate.Invalid("output_config.format.schema must be an object")
	}
	format := append(json.RawMessage(nil), `{"type":"json_schema","json_schema":{"name":"answer","schema":`...)
	format = append(format, f.Schema...)
	if translate.Closed(f.Schema) {
		format = append(format, `,"strict":true`...)
	}
	req.Params.ResponseFormat = append(format, `}}`...)
	return nil
}

// appendFormat appends the format of the answer. The vendor knows schemas; plain
// text is what it answers anyway; any JSON is more than can be asked for.
func appendFormat(dst []byte, req *translate.Request) []byte {
	raw := req.Params.ResponseFormat
	if len(raw) == 0 {
		return dst
	}
	var f struct {
		Type   string `json:"type"`
		Schema struct {
			Schema translate.Raw `json:"schema"`
		} `json:"json_schema"`
	}
	err := json.Unmarshal(raw, &f)
	switch schema := f.Schema.Schema; {
	case err == nil && f.Type == "text":
	case err == nil && f.Type == "json_schema" && !schema.Null() && schema[0] == '{':
		dst = append(dst, `,"output_config":{"format":{"type":"json_schema","schema":`...)
		dst = append(dst, schema...)
		dst = append(dst, `}}`...)
	default:
		req.Drop("response_format")
	}
	return dst
}
