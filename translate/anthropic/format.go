package anthropic

import (
	"encoding/json"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
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

// appendConfig appends output_config: how much trouble the model is to take, and the format
// of its answer.
func appendConfig(dst []byte, req *translate.Request, effort string) []byte {
	f := req.Params.Format()
	schema := f.Schema
	if f.Unknown {
		req.Drop("response_format")
	}
	if effort == "" && schema == nil {
		return dst
	}
	dst = append(dst, `,"output_config":{`...)
	if effort != "" {
		dst = append(dst, `"effort":`...)
		dst = jsonx.AppendString(dst, effort)
	}
	if schema != nil {
		if effort != "" {
			dst = append(dst, ',')
		}
		dst = append(dst, `"format":{"type":"json_schema","schema":`...)
		dst = append(append(dst, schema...), '}')
	}
	return append(dst, '}')
}

// anyJSON is what a model is told of an answer that is to be JSON of any kind, for which
// the vendor has no format.
const anyJSON = "Answer with one JSON object and nothing else: no words before or after it and no code fence."
