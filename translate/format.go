package translate

import "encoding/json"

// AnswerFormat is what a question wants its answer to be like. The zero value is plain text.
type AnswerFormat struct {
	Schema  Raw  // that it is to keep to; nil: none
	AnyJSON bool // it is JSON of any kind
	Unknown bool // the format is none that is known
}

// Format reads ResponseFormat. Schema aliases it.
func (p *Params) Format() (f AnswerFormat) {
	if len(p.ResponseFormat) == 0 {
		return f
	}
	var w struct {
		Type   string `json:"type"`
		Schema struct {
			Schema Raw `json:"schema"`
		} `json:"json_schema"`
	}
	err := json.Unmarshal(p.ResponseFormat, &w)
	switch schema := w.Schema.Schema; {
	case err == nil && w.Type == "text":
	case err == nil && w.Type == "json_object":
		f.AnyJSON = true
	case err == nil && w.Type == "json_schema" && !schema.Null() && schema[0] == '{':
		f.Schema = schema
	default:
		f.Unknown = true
	}
	return f
}
