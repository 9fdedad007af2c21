package ollama

import (
	"math"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireOptions are the options that the canonical form can say.
type wireOptions struct {
	NumPredict, TopK               *int
	Temperature, TopP              *float64
	Presence, Frequency, Repeating *float64
	Seed                           *int64
	Stop                           translate.Raw
}

func (w *wireOptions) fields() []translate.Field {
	return []translate.Field{
		{Name: "num_predict", To: &w.NumPredict},
		{Name: "temperature", To: &w.Temperature},
		{Name: "top_p", To: &w.TopP},
		{Name: "top_k", To: &w.TopK},
		{Name: "presence_penalty", To: &w.Presence},
		{Name: "frequency_penalty", To: &w.Frequency},
		{Name: "repeat_penalty", To: &w.Repeating},
		{Name: "seed", To: &w.Seed},
		{Name: "stop", To: &w.Stop},
	}
}

func decodeParams(req *translate.Request, w *wireRequest) error {
	var o wireOptions
	fields := o.fields()
	if err := translate.Object("options", w.Options, fields); err != nil {
		return err
	}
	for key, value := range jsonx.Pairs(w.Options) {
		if !among(fields, string(key)) && string(value) != "null" {
			req.DropWord("options." + string(key))
		}
	}
	stops, err := stopsOf(o.Stop)
	if err != nil {
		return err
	}
	p := &req.Params
	if o.NumPredict != nil && *o.NumPredict > 0 { // 0 and less: no bound
		p.MaxTokens = o.NumPredict
	}
	p.Temperature, p.TopP, p.TopK, p.Seed, p.Stop = o.Temperature, o.TopP, o.TopK, o.Seed, stops
	p.PresencePenalty, p.FrequencyPenalty, p.RepetitionPenalty = o.Presence, o.Frequency, o.Repeating
	p.Logprobs, p.TopLogprobs = w.Logprobs, w.TopLogprobs
	if err := decodeThink(p, w.Think); err != nil {
		return err
	}
	return decodeFormat(p, w.Format)
}

func among(fields []translate.Field, name string) bool {
	for i := range fields {
		if strings.EqualFold(fields[i].Name, name) {
			return true
		}
	}
	return false
}

// stopsOf reads stop sequences: a list, or a single one.
func stopsOf(raw translate.Raw) ([]string, error) {
	if raw.Null() || raw[0] != '"' {
		return translate.Words("options.stop", raw, translate.MaxStops)
	}
	s, err := translate.Text("options.stop", raw)
	return []string{s}, err
}

// thinks is the effort of a question that wants thoughts and does not say how many.
const thinks = "medium"

// decodeThink reads whether the model is to think, or how much.
func decodeThink(p *translate.Params, raw translate.Raw) error {
	switch {
	case raw.Null():
	case string(raw) == "true":
		p.ReasoningEffort = thinks
	case string(raw) == "false":
		p.ReasoningEffort = "none"
	case raw[0] == '"':
		word, err := translate.Text("think", raw)
		if err != nil {
			return err
		}
		p.ReasoningEffort = strings.ToLower(word)
		return translate.Bound("think", word, translate.MaxID)
	default:
		return translate.InvalidAt("think", "think must be true, false, low, medium or high")
	}
	return nil
}

// decodeFormat reads the format of the answer: the word json, or a schema.
func decodeFormat(p *translate.Params, raw translate.Raw) error {
	switch {
	case raw.Null(), string(raw) == `""`:
	case string(raw) == `"json"`:
		p.ResponseFormat = []byte(`{"type":"json_object"}`)
	case raw[0] == '{':
		format := append([]byte(`{"type":"json_schema","json_schema":{"name":"answer","schema":`), raw...)
		p.ResponseFormat = append(format, `}}`...)
	default:
		return translate.InvalidAt("format", "format must be json or a JSON schema")
	}
	return nil
}

// appendParams appends format, think and options, each with a comma before it.
func appendParams(dst []byte, req *translate.Request) []byte {
	p := &req.Params
	f := p.Format()
	req.DropIf(f.Unknown, "response_format")
	switch {
	case f.Schema != nil:
		dst = append(append(dst, `,"format":`...), f.Schema...)
	case f.AnyJSON:
		dst = append(dst, `,"format":"json"`...)
	}
	dst = appendThink(dst, req)
	if p.Logprobs {
		dst = append(dst, `,"logprobs":true`...)
	}
	if p.TopLogprobs != nil {
		dst = jsonx.AppendInt(append(dst, `,"top_logprobs":`...), int64(*p.TopLogprobs))
	}
	req.DropIf(p.Choices > 1, "n")
	return appendOptions(dst, p)
}

// appendThink appends how much the model is to think, unless it knows no thoughts.
func appendThink(dst []byte, req *translate.Request) []byte {
	p := &req.Params
	word := p.ReasoningEffort
	switch {
	case word != "":
	case p.ReasoningBudget > 0:
		req.Drop("thinking.budget_tokens")
		word = translate.EffortNear(p.ReasoningBudget)
	case p.Effort != "":
		req.Drop("output_config.effort")
	}
	if word == "" {
		return dst
	}
	if req.FamilyOf(nil, req.Model).Has(translate.RefusesEffort) {
		req.Drop("reasoning_effort")
		return dst
	}
	told := translate.Effort(word, []string{"none", "low", "medium", "high"})
	req.DropIf(told != word, "reasoning_effort")
	switch told {
	case "":
		return dst
	case "none":
		return append(dst, `,"think":false`...)
	}
	return append(append(append(dst, `,"think":"`...), told...), '"')
}

// appendOptions appends options, with a comma before it, or nothing.
func appendOptions(dst []byte, p *translate.Params) []byte {
	start := len(dst)
	dst = append(dst, `,"options":{`...)
	empty := len(dst)
	dst = appendInt(dst, "num_predict", p.MaxTokens)
	dst = appendFloat(dst, "temperature", p.Temperature)
	dst = appendFloat(dst, "top_p", p.TopP)
	dst = appendInt(dst, "top_k", p.TopK)
	dst = appendFloat(dst, "presence_penalty", p.PresencePenalty)
	dst = appendFloat(dst, "frequency_penalty", p.FrequencyPenalty)
	dst = appendFloat(dst, "repeat_penalty", p.RepetitionPenalty)
	dst = appendInt(dst, "seed", p.Seed)
	if len(p.Stop) > 0 {
		dst = append(dst, `"stop":[`...)
		from := len(dst)
		for _, s := range p.Stop {
			dst = append(jsonx.AppendString(dst, s), ',')
		}
		dst = append(jsonx.CloseList(dst, from), ',')
	}
	if len(dst) == empty {
		return dst[:start]
	}
	dst[len(dst)-1] = '}'
	return dst
}

func appendInt[T int | int64](dst []byte, key string, v *T) []byte {
	if v == nil {
		return dst
	}
	dst = append(append(append(dst, '"'), key...), `":`...)
	return append(jsonx.AppendInt(dst, int64(*v)), ',')
}

func appendFloat(dst []byte, key string, v *float64) []byte {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return dst
	}
	dst = append(append(append(dst, '"'), key...), `":`...)
	return append(jsonx.AppendFloat(dst, *v), ',')
}
