package gemini

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wireConfig is generationConfig.
type wireConfig struct {
	MaxOutputTokens  *int
	Temperature      *float64
	TopP             *float64
	TopK             *int
	PresencePenalty  *float64
	FrequencyPenalty *float64
	Seed             *int64
	CandidateCount   *int
	Stop             translate.Raw
	Logprobs         *int
	WantsLogprobs    bool
	MIMEType         string
	Schema           translate.Raw // in the vendor's form
	JSONSchema       translate.Raw
	Thinking         translate.Raw
	Modalities       translate.Raw
}

func (w *wireConfig) fields() []translate.Field {
	return []translate.Field{
		{Name: "maxOutputTokens", To: &w.MaxOutputTokens}, {Name: "max_output_tokens", To: &w.MaxOutputTokens},
		{Name: "temperature", To: &w.Temperature},
		{Name: "topP", To: &w.TopP}, {Name: "top_p", To: &w.TopP},
		{Name: "topK", To: &w.TopK}, {Name: "top_k", To: &w.TopK},
		{Name: "presencePenalty", To: &w.PresencePenalty}, {Name: "presence_penalty", To: &w.PresencePenalty},
		{Name: "frequencyPenalty", To: &w.FrequencyPenalty}, {Name: "frequency_penalty", To: &w.FrequencyPenalty},
		{Name: "seed", To: &w.Seed},
		{Name: "candidateCount", To: &w.CandidateCount}, {Name: "candidate_count", To: &w.CandidateCount},
		{Name: "stopSequences", To: &w.Stop}, {Name: "stop_sequences", To: &w.Stop},
		{Name: "logprobs", To: &w.Logprobs},
		{Name: "responseLogprobs", To: &w.WantsLogprobs}, {Name: "response_logprobs", To: &w.WantsLogprobs},
		{Name: "responseMimeType", To: &w.MIMEType}, {Name: "response_mime_type", To: &w.MIMEType},
		{Name: "responseSchema", To: &w.Schema}, {Name: "response_schema", To: &w.Schema},
		{Name: "responseJsonSchema", To: &w.JSONSchema}, {Name: "response_json_schema", To: &w.JSONSchema}, {Name: "_responseJsonSchema", To: &w.JSONSchema},
		{Name: "thinkingConfig", To: &w.Thinking}, {Name: "thinking_config", To: &w.Thinking},
		{Name: "responseModalities", To: &w.Modalities}, {Name: "response_modalities", To: &w.Modalities},
	}
}

// maxCandidates is how many answers the vendor gives at most.
const maxCandidates = 8

// decodeConfig reads the parameters.
func decodeConfig(req *translate.Request, raw translate.Raw) error {
	const at = "generationConfig"
	var w wireConfig
	fields := w.fields()
	if err := translate.Object(at, raw, fields); err != nil {
		return err
	}
	for key := range jsonx.Pairs(raw) {
		if !among(fields, string(key)) {
			req.DropWord(at + "." + string(key))
		}
	}
	switch {
	case w.MaxOutputTokens != nil && *w.MaxOutputTokens < 1:
		return translate.InvalidAt(at+".maxOutputTokens", at+".maxOutputTokens must be at least 1")
	case w.CandidateCount != nil && (*w.CandidateCount < 1 || *w.CandidateCount > maxCandidates):
		return translate.InvalidAt(at+".candidateCount", at+".candidateCount must be from 1 to 8")
	}
	stops, err := translate.Words(at+".stopSequences", w.Stop, translate.MaxStops)
	if err != nil {
		return err
	}
	p := &req.Params
	p.MaxTokens, p.Temperature, p.TopP, p.TopK, p.Stop = w.MaxOutputTokens, w.Temperature, w.TopP, w.TopK, stops
	p.PresencePenalty, p.FrequencyPenalty, p.Seed = w.PresencePenalty, w.FrequencyPenalty, w.Seed
	p.Logprobs, p.TopLogprobs = w.WantsLogprobs, w.Logprobs
	if w.CandidateCount != nil {
		p.Choices = *w.CandidateCount
	}
	req.DropIf(p.Choices > 1, "candidateCount")
	decodeModalities(req, w.Modalities)
	if err := decodeThinking(p, w.Thinking); err != nil {
		return err
	}
	return decodeFormat(req, &w)
}

func among(fields []translate.Field, name string) bool {
	for i := range fields {
		if strings.EqualFold(fields[i].Name, name) {
			return true
		}
	}
	return false
}

// decodeModalities notes answers of another kind than text that are wanted.
func decodeModalities(req *translate.Request, raw translate.Raw) {
	for v := range jsonx.Elements(raw) {
		if word := strings.Trim(string(v), `"`); !strings.EqualFold(word, "TEXT") && word != "MODALITY_UNSPECIFIED" {
			req.DropWord("generationConfig.responseModalities." + word)
		}
	}
}

// decodeThinking reads how the model is to think: a budget, of which 0 is none and a negative one
// leaves it to the model, or a level.
func decodeThinking(p *translate.Params, raw translate.Raw) error {
	const at = "generationConfig.thinkingConfig"
	var budget *int
	var level string
	if err := translate.Object(at, raw, []translate.Field{
		{Name: "thinkingBudget", To: &budget}, {Name: "thinking_budget", To: &budget},
		{Name: "thinkingLevel", To: &level}, {Name: "thinking_level", To: &level},
	}); err != nil {
		return err
	}
	switch {
	case level != "" && level != "THINKING_LEVEL_UNSPECIFIED":
		p.ReasoningEffort = strings.ToLower(level)
	case budget != nil && *budget == 0:
		p.ReasoningEffort = "none"
	case budget != nil && *budget > 0:
		p.ReasoningBudget = *budget
	}
	return nil
}

// decodeFormat reads the format of the answer into what the canonical form has for it: OpenAI's
// response_format, which needs a name.
func decodeFormat(req *translate.Request, w *wireConfig) error {
	switch w.MIMEType {
	case "", "text/plain":
		req.DropIf(!w.Schema.Null() || !w.JSONSchema.Null(), "generationConfig.responseSchema")
		return nil
	case "application/json":
	default:
		req.DropWord("generationConfig.responseMimeType." + w.MIMEType)
		return nil
	}
	schema := w.JSONSchema
	if schema.Null() && !w.Schema.Null() {
		schema = appendSchema(nil, w.Schema)
	}
	if schema.Null() {
		req.Params.ResponseFormat = json.RawMessage(`{"type":"json_object"}`)
		return nil
	}
	if schema[0] != '{' {
		return translate.Invalid("generationConfig.responseJsonSchema must be an object")
	}
	format := append(json.RawMessage(nil), `{"type":"json_schema","json_schema":{"name":"answer","schema":`...)
	format = append(format, schema...)
	if translate.Closed(schema) {
		format = append(format, `,"strict":true`...)
	}
	req.Params.ResponseFormat = append(format, `}}`...)
	return nil
}

// maxStops is how many stop sequences the vendor takes.
const maxStops = 5

// appendConfig appends generationConfig, with a comma before it, or nothing.
func appendConfig(dst []byte, req *translate.Request) []byte {
	p := &req.Params
	plan := planThinking(req)
	start := len(dst)
	dst = append(dst, `,"generationConfig":{`...)
	empty := len(dst)
	dst = appendInt(dst, "maxOutputTokens", plan.maxTokens)
	dst = appendFloat(dst, "temperature", p.Temperature)
	dst = appendFloat(dst, "topP", p.TopP)
	if p.TopK == nil || *p.TopK > 0 { // a negative one tells other servers to do without
		dst = appendInt(dst, "topK", p.TopK)
	}
	dst = appendFloat(dst, "presencePenalty", p.PresencePenalty)
	dst = appendFloat(dst, "frequencyPenalty", p.FrequencyPenalty)
	dst = appendInt(dst, "seed", p.Seed)
	req.DropIf(p.RepetitionPenalty != nil, "repetition_penalty")
	dst = appendStops(dst, req)
	if p.Logprobs {
		dst = append(dst, `"responseLogprobs":true,`...)
	}
	dst = appendInt(dst, "logprobs", p.TopLogprobs)
	dst = appendFormat(dst, req)
	dst = plan.append(dst)
	if len(dst) == empty {
		return dst[:start]
	}
	dst[len(dst)-1] = '}'
	return dst
}

func appendStops(dst []byte, req *translate.Request) []byte {
	stops := req.Params.Stop
	if len(stops) == 0 {
		return dst
	}
	req.DropIf(len(stops) > maxStops, "stop_sequences>5")
	dst = append(dst, `"stopSequences":[`...)
	start := len(dst)
	for _, s := range stops[:min(len(stops), maxStops)] {
		dst = append(jsonx.AppendString(dst, s), ',')
	}
	return append(jsonx.CloseList(dst, start), ',')
}

// appendFormat appends the format of the answer. Plain text is what the vendor answers anyway.
func appendFormat(dst []byte, req *translate.Request) []byte {
	f := req.Params.Format()
	if f.Unknown {
		req.Drop("response_format")
	}
	if !f.AnyJSON && f.Schema == nil {
		return dst
	}
	dst = append(dst, `"responseMimeType":"application/json",`...)
	if f.Schema == nil {
		return dst
	}
	return append(append(append(dst, `"responseJsonSchema":`...), f.Schema...), ',')
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
