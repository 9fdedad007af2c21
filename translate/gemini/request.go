package gemini

import (
	"iter"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireRequest is the body of a question as far as the canonical form can say it.
type wireRequest struct {
	Model      string // only within what is counted; the path says it
	Contents   translate.Raw
	System     translate.Raw
	Tools      translate.Raw
	ToolConfig translate.Raw
	Config     translate.Raw
}

func (w *wireRequest) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &w.Model},
		{Name: "contents", To: &w.Contents},
		{Name: "systemInstruction", To: &w.System},
		{Name: "system_instruction", To: &w.System},
		{Name: "tools", To: &w.Tools},
		{Name: "toolConfig", To: &w.ToolConfig},
		{Name: "tool_config", To: &w.ToolConfig},
		{Name: "generationConfig", To: &w.Config},
		{Name: "generation_config", To: &w.Config},
	}
}

// known are the names of wireRequest.
var known = []string{
	"model", "contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "tool_config", "generationConfig", "generation_config",
}

// twoNames are those of known that mean the same.
var twoNames = [][2]string{{"systemInstruction", "system_instruction"}, {"toolConfig", "tool_config"}, {"generationConfig", "generation_config"}}

// DecodeRequest fills req from the body of a question. Names that the canonical form does not
// know are noted in req.Dropped; AppendRequest forgets them again when it passes the body on
// as it is. Model and Stream are those of the path.
func (codec) DecodeRequest(req *translate.Request, body []byte) error { return decode(req, body) }

func decode(req *translate.Request, body []byte) error {
	o, once := translate.ScanTopLevel(body, known)
	if err := translate.Bounded(&o, body); err != nil {
		return err
	}
	if !o.Valid {
		return translate.NotJSON(body)
	}
	var w wireRequest
	if err := translate.Fill(body, o.Members, w.fields()); err != nil {
		return err
	}
	if w.Contents.Null() {
		if err := translate.Foreign(&o, "contents"); err != nil {
			return err
		}
		return translate.InvalidAt("contents", "contents is required")
	}
	req.Dialect = name
	if err := decodeSystem(req, w.System); err != nil {
		return err
	}
	if err := decodeContents(req, w.Contents); err != nil {
		return err
	}
	if err := decodeTools(req, w.Tools); err != nil {
		return err
	}
	if err := decodeToolConfig(req, w.ToolConfig); err != nil {
		return err
	}
	if err := decodeConfig(req, w.Config); err != nil {
		return err
	}
	req.KeepRaw(body, known, o, once && mayPass(req, &o))
	return nil
}

// mayPass reports whether the body may go on as it came: no member stands there under both of
// its names, and the answer is not wanted as a list, which no channel is asked for.
func mayPass(req *translate.Request, o *jsonx.Outline) bool {
	for _, names := range twoNames {
		if o.Find(names[0]) != nil && o.Find(names[1]) != nil {
			return false
		}
	}
	return !req.List
}

// ScanRouting implements [translate.RoutingScanner]. Model and Stream are those of the path.
func (codec) ScanRouting(req *translate.Request, body []byte) bool {
	o, ok := translate.ScanTopLevel(body, known)
	if !ok || o.Named || !mayPass(req, &o) {
		return false
	}
	f := translate.Fields{Body: body, Outline: o}
	f.Objects("contents")
	if f.NeedsDecode || o.Find("generationConfig") == nil && o.Find("generation_config") != nil {
		return false
	}
	req.Dialect, req.Raw, req.Outline = name, body, o.Members
	return true
}

// list returns the values of the list at path, which may be one object that stands for a list of
// itself, and how many there are.
func list(path string, raw translate.Raw) (iter.Seq[[]byte], int, error) {
	if !raw.Null() && raw[0] == '{' {
		return func(yield func([]byte) bool) { yield(raw) }, 1, nil
	}
	return translate.Elements(path, raw)
}
