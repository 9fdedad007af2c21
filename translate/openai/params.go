package openai

import (
	"math"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxStops is how many stop sequences OpenAI takes.
const maxStops = 4

func appendParams(dst []byte, req *translate.Request) []byte {
	// What the model refuses is left out of a copy: another channel may be asked next.
	kept := req.Params
	defer func() { req.Params = kept }()
	limit := "max_tokens"
	if req.FitOpenAI(req.Dialect == name).Has(translate.RefusesMaxTokens) {
		limit = "max_completion_tokens"
	}
	p := &req.Params
	own := req.Dialect == name
	dst = appendInt(dst, limit, p.MaxTokens)
	dst = appendFloat(dst, "temperature", p.Temperature)
	dst = appendFloat(dst, "top_p", p.TopP)
	if own {
		dst = appendInt(dst, "top_k", p.TopK)
		dst = appendFloat(dst, "repetition_penalty", p.RepetitionPenalty)
	} else {
		req.DropIf(p.TopK != nil, "top_k")
		req.DropIf(p.RepetitionPenalty != nil, "repetition_penalty")
	}
	dst = appendFloat(dst, "presence_penalty", p.PresencePenalty)
	dst = appendFloat(dst, "frequency_penalty", p.FrequencyPenalty)
	dst = appendInt(dst, "seed", p.Seed)
	if len(p.Stop) > 0 {
		req.DropIf(len(p.Stop) > maxStops, "stop_sequences>4")
		dst = append(dst, `,"stop":[`...)
		start := len(dst)
		for _, s := range p.Stop[:min(len(p.Stop), maxStops)] {
			dst = jsonx.AppendString(dst, s)
			dst = append(dst, ',')
		}
		dst = jsonx.CloseList(dst, start)
	}
	if p.ReasoningEffort != "" {
		dst = append(dst, `,"reasoning_effort":`...)
		dst = jsonx.AppendString(dst, p.ReasoningEffort)
	}
	if len(p.ResponseFormat) > 0 {
		dst = append(dst, `,"response_format":`...)
		dst = append(dst, p.ResponseFormat...)
	}
	if p.Logprobs {
		dst = append(dst, `,"logprobs":true`...)
	}
	return appendInt(dst, "top_logprobs", p.TopLogprobs)
}

func appendInt[T int | int64](dst []byte, key string, v *T) []byte {
	if v == nil {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":`...)
	return jsonx.AppendInt(dst, int64(*v))
}

func appendFloat(dst []byte, key string, v *float64) []byte {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":`...)
	return jsonx.AppendFloat(dst, *v)
}

func appendTools(dst []byte, req *translate.Request) []byte {
	c := &req.ToolChoice
	if len(req.Tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	start := len(dst)
	for i := range req.Tools {
		t := &req.Tools[i]
		req.DropIf(t.Cache != nil, "cache_control")
		dst = append(dst, `{"type":"function","function":{"name":`...)
		dst = jsonx.AppendString(dst, toldName(t.Name))
		if t.Description != "" {
			dst = append(dst, `,"description":`...)
			dst = jsonx.AppendString(dst, t.Description)
		}
		if schema := t.Schema; len(schema) > 0 {
			if req.Dialect != name {
				schema = req.ObjectSchema("parameters", schema)
			}
			dst = append(dst, `,"parameters":`...)
			dst = append(dst, schema...)
		}
		switch {
		case t.Strict && (req.Dialect == name || translate.Closed(t.Schema)):
			dst = append(dst, `,"strict":true`...)
		case t.Strict:
			req.Drop("strict")
		}
		dst = append(dst, `}},`...)
	}
	dst = jsonx.CloseList(dst, start)
	switch c.Mode {
	case translate.ToolAuto:
		dst = append(dst, `,"tool_choice":"auto"`...)
	case translate.ToolNone:
		dst = append(dst, `,"tool_choice":"none"`...)
	case translate.ToolRequired:
		dst = append(dst, `,"tool_choice":"required"`...)
	case translate.ToolNamed:
		dst = append(dst, `,"tool_choice":{"type":"function","function":{"name":`...)
		dst = jsonx.AppendString(dst, toldName(c.Name))
		dst = append(dst, `}}`...)
	}
	if c.NoParallel {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst
}
