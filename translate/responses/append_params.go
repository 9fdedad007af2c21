package responses

import (
	"bytes"
	"math"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// params appends what is said of the answer.
func (a *asking) params(dst []byte) []byte {
	req := a.req
	// What the model refuses is left out of a copy: another channel may be asked next.
	kept := req.Params
	defer func() { req.Params = kept }()
	for _, f := range [...]struct {
		name string
		said bool
	}{
		{"top_k", kept.TopK != nil}, {"presence_penalty", kept.PresencePenalty != nil}, {"frequency_penalty", kept.FrequencyPenalty != nil},
		{"repetition_penalty", kept.RepetitionPenalty != nil}, {"seed", kept.Seed != nil}, {"stop", len(kept.Stop) > 0},
		{"logprobs", kept.Logprobs}, {"top_logprobs", kept.TopLogprobs != nil},
	} {
		if f.said {
			req.Drop(f.name)
		}
	}
	req.Params.PresencePenalty, req.Params.FrequencyPenalty, req.Params.Stop = nil, nil, nil
	req.Params.Logprobs, req.Params.TopLogprobs = false, nil
	family := req.FitOpenAI(req.Dialect == name)
	p := &req.Params
	if p.MaxTokens != nil {
		most := *p.MaxTokens
		if most < leastTokens && req.Dialect != name {
			req.Drop("max_tokens<16")
			most = leastTokens
		}
		dst = append(dst, `,"max_output_tokens":`...)
		dst = jsonx.AppendInt(dst, int64(most))
	}
	dst = appendFloat(dst, "temperature", p.Temperature)
	dst = appendFloat(dst, "top_p", p.TopP)
	dst = a.reasoning(dst, &family, kept.ReasoningBudget > 0)
	return a.format(dst)
}

func appendFloat(dst []byte, key string, v *float64) []byte {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return dst
	}
	dst = append(append(append(dst, `,"`...), key...), `":`...)
	return jsonx.AppendFloat(dst, *v)
}

// reasoning appends how much the model is to think, whether it is to tell that, and that it is to be
// sealed, which models that do not think refuse. A client that gave a budget wants to see it.
func (a *asking) reasoning(dst []byte, family *translate.Family, shown bool) []byte {
	effort := a.req.Params.ReasoningEffort
	if !a.told.has("reasoning") && (effort != "" || shown && family.Thinks) {
		dst = append(dst, `,"reasoning":{`...)
		start := len(dst)
		if effort != "" {
			dst = append(dst, `"effort":`...)
			dst = append(jsonx.AppendString(dst, effort), ',')
		}
		if shown {
			dst = append(dst, `"summary":"auto",`...)
		}
		dst = append(dst[:max(start, len(dst)-1)], '}')
	}
	wanted := a.told.include()
	if !family.Thinks && wanted == nil {
		return dst
	}
	dst = append(dst, `,"include":`...)
	switch own := []byte(`"` + sealed + `"`); {
	case wanted != nil && (!family.Thinks || bytes.Contains(wanted, own)):
		return append(dst, wanted...)
	case len(bytes.Trim(wanted, "[] \t\r\n")) == 0:
		return append(append(append(dst, '['), own...), ']')
	case wanted[0] != '[':
		dst = append(append(append(dst, '['), own...), ',')
		return append(append(dst, wanted...), ']')
	default:
		dst = append(append(append(dst, '['), own...), ',')
		return append(dst, wanted[1:]...)
	}
}

// format appends the form of the answer, which the canonical form has as chat completions
// write it.
func (a *asking) format(dst []byte) []byte {
	format := a.req.Params.ResponseFormat
	if len(format) == 0 || a.told.has("text") {
		return dst
	}
	var kind string
	var schema translate.Raw
	if translate.Object("response_format", translate.Raw(format), []translate.Field{{Name: "type", To: &kind}, {Name: "json_schema", To: &schema}}) != nil {
		a.req.Drop("response_format")
		return dst
	}
	switch kind {
	case "json_object":
		return append(dst, `,"text":{"format":{"type":"json_object"}}`...)
	case "json_schema":
		dst = append(dst, `,"text":{"format":{"type":"json_schema"`...)
		for key, value := range jsonx.Pairs(schema) {
			dst = appendMember(append(dst, ','), key, value)
		}
		return append(dst, `}}`...)
	case "text":
		return dst
	}
	a.req.Drop("response_format")
	return dst
}

// tools appends the tools and how they are chosen.
func (a *asking) tools(dst []byte) []byte {
	c := &a.req.ToolChoice
	if len(a.req.Tools) > 0 && !a.told.has("tools") {
		dst = append(dst, `,"tools":[`...)
		start := len(dst)
		for i := range a.req.Tools {
			dst = a.tool(dst, &a.req.Tools[i])
		}
		dst = jsonx.CloseList(dst, start)
	}
	if len(a.req.Tools) == 0 && !a.told.has("tools") {
		return dst
	}
	if !a.told.has("tool_choice") {
		dst = a.choice(dst, c)
	}
	if c.NoParallel && !a.told.has("parallel_tool_calls") {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst
}

func (a *asking) choice(dst []byte, c *translate.ToolChoice) []byte {
	switch c.Mode {
	case translate.ToolAuto:
		return append(dst, `,"tool_choice":"auto"`...)
	case translate.ToolNone:
		return append(dst, `,"tool_choice":"none"`...)
	case translate.ToolRequired:
		return append(dst, `,"tool_choice":"required"`...)
	case translate.ToolNamed:
		dst = append(dst, `,"tool_choice":{"type":"function"`...)
		dst = a.named(dst, c.Name)
		return append(dst, '}')
	}
	return dst
}

func (a *asking) tool(dst []byte, t *translate.Tool) []byte {
	if t.Cache != nil {
		a.req.Drop("cache_control")
	}
	dst = append(dst, `{"type":"function","name":`...)
	dst = jsonx.AppendString(dst, toldName(t.Name))
	if t.Description != "" {
		dst = append(dst, `,"description":`...)
		dst = jsonx.AppendString(dst, t.Description)
	}
	dst = append(dst, `,"parameters":`...)
	switch schema := t.Schema; {
	case len(schema) == 0 && a.req.Dialect == name:
		dst = append(dst, `null`...)
	case len(schema) == 0:
		dst = append(dst, `{"type":"object","properties":{}}`...)
	case a.req.Dialect == name:
		dst = append(dst, schema...)
	default:
		dst = append(dst, a.req.ObjectSchema("parameters", schema)...)
	}
	// Without the flag the vendor takes a schema as strict, and may change it.
	switch {
	case t.Strict && (a.req.Dialect == name || translate.Closed(t.Schema)):
		return append(dst, `,"strict":true},`...)
	case t.Strict:
		a.req.Drop("strict")
	}
	return append(dst, `,"strict":false},`...)
}
