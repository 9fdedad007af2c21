package anthropic

import (
	"math"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// minBudget is the smallest budget of thinking that the vendor takes.
const minBudget = 1024

// defaultMaxTokens is sent where nobody said a limit: the vendor demands one.
const defaultMaxTokens = 4096

// thinking is what is asked for: a budget, 0 for none, and the limit of the
// answer, which must leave room beside it.
type thinking struct {
	budget    int
	maxTokens int
	chosen    bool   // by us, from an effort: then what does not go with it gives way
	adaptive  bool   // the model takes an effort in place of a budget
	effort    string // for output_config
	refuses   translate.Traits
}

// planThinking turns an effort into a budget. Where the conversation could not
// go on with thinking (a forced tool, a call in progress whose thoughts are not
// there, an answer begun by the client) the effort is dropped.
func planThinking(req *translate.Request) thinking {
	p := &req.Params
	t := thinking{budget: p.ReasoningBudget, maxTokens: defaultMaxTokens}
	if p.MaxTokens != nil {
		t.maxTokens = *p.MaxTokens
	}
	if t.budget <= 0 {
		t.budget = budgetOf(req)
		t.chosen = t.budget > 0
	}
	if t.chosen && !mayThink(req) {
		req.Drop("reasoning_effort")
		t.budget, t.chosen = 0, false
	}
	f := familyOf(req)
	t.refuses = f.Traits
	if t.budget > 0 {
		t.budget = max(t.budget, minBudget)
		t.adaptive = f.Has(translate.RefusesBudget)
	}
	t.effort = effortOf(req, &t, &f)
	if t.budget > 0 && t.maxTokens <= t.budget {
		t.maxTokens += t.budget
	}
	return t
}

// effortOf is what output_config says: the effort of a model that chooses its budget itself,
// or one that a client of this dialect wished for without thinking.
func effortOf(req *translate.Request, t *thinking, f *translate.Family) string {
	p := &req.Params
	word := p.Effort
	switch {
	case t.adaptive && p.ReasoningBudget > 0:
		req.Drop("thinking.budget_tokens")
		word = translate.EffortNear(p.ReasoningBudget)
	case t.adaptive:
		word = p.ReasoningEffort
	}
	known := translate.Effort(word, f.Efforts)
	if f.Has(translate.RefusesEffort) {
		known = ""
	}
	if known != word {
		req.Drop("reasoning_effort")
	}
	return known
}

func budgetOf(req *translate.Request) int {
	switch req.Params.ReasoningEffort {
	case "", "none":
		return 0
	case "minimal", "low":
		return 1024
	case "medium":
		return 4096
	case "high":
		return 16384
	case "xhigh", "max":
		return 32768
	}
	req.Drop("reasoning_effort")
	return 0
}

func mayThink(req *translate.Request) bool {
	mode := req.ToolChoice.Mode
	if len(req.Tools) > 0 && (mode == translate.ToolRequired || mode == translate.ToolNamed) {
		return false
	}
	for i := len(req.Messages) - 1; i >= 0; i-- {
		m := &req.Messages[i]
		switch {
		case m.Role == translate.RoleTool, m.Role == translate.RoleSystem:
			continue
		case m.Role != translate.RoleAssistant:
			return true
		case i == len(req.Messages)-1:
			return false
		}
		if len(m.Parts) == 0 || m.Parts[0].Kind != translate.PartReasoning || !signed(&m.Parts[0]) {
			return false
		}
	}
	return true
}

func appendParams(dst []byte, req *translate.Request, plan *thinking) []byte {
	p := &req.Params
	dst = appendThought(dst, plan)
	dst = appendSampling(dst, req, plan)
	dst = appendStops(dst, req)
	for _, d := range []struct {
		said bool
		name string
	}{
		{p.PresencePenalty != nil, "presence_penalty"},
		{p.FrequencyPenalty != nil, "frequency_penalty"},
		{p.RepetitionPenalty != nil, "repetition_penalty"},
		{p.Seed != nil, "seed"},
		{p.Logprobs, "logprobs"},
		{p.TopLogprobs != nil, "top_logprobs"},
	} {
		if d.said {
			req.Drop(d.name)
		}
	}
	return appendConfig(dst, req, plan.effort)
}

// appendThought appends how the model is to think, if it is.
func appendThought(dst []byte, plan *thinking) []byte {
	switch {
	case plan.adaptive:
		return append(dst, `,"thinking":{"type":"adaptive"}`...)
	case plan.budget > 0:
		dst = append(dst, `,"thinking":{"type":"enabled","budget_tokens":`...)
		return append(jsonx.AppendInt(dst, int64(plan.budget)), '}')
	}
	return dst
}

// appendSampling appends temperature, top_p and top_k. Thinking tolerates no
// temperature, no top_k and only a high top_p, and newer models not temperature
// and top_p together: a client of this dialect is left to its own, for others
// the lesser one gives way.
func appendSampling(dst []byte, req *translate.Request, plan *thinking) []byte {
	p := &req.Params
	temperature, topP, topK := p.Temperature, p.TopP, p.TopK
	if topK != nil && *topK < 0 {
		topK = nil // that is how other servers are told to do without
	}
	if plan.chosen {
		if temperature != nil && *temperature != 1 {
			req.Drop("temperature")
		}
		if topP != nil && *topP < 0.95 {
			req.Drop("top_p")
			topP = nil
		}
		if topK != nil {
			req.Drop("top_k")
		}
		temperature, topK = nil, nil
	}
	if temperature != nil && plan.refuses.Has(translate.RefusesTemperature) {
		if *temperature != 1 {
			req.Drop("temperature")
		}
		temperature = nil
	}
	if topP != nil && plan.refuses.Has(translate.RefusesTopP) {
		if *topP != 1 {
			req.Drop("top_p")
		}
		topP = nil
	}
	if topK != nil && plan.refuses.Has(translate.RefusesTopK) {
		req.Drop("top_k")
		topK = nil
	}
	if finite(temperature) {
		v := *temperature
		if v > 1 {
			req.Drop("temperature>1")
			v = 1
		}
		dst = append(dst, `,"temperature":`...)
		dst = jsonx.AppendFloat(dst, v)
		if topP != nil && req.Dialect != name {
			req.Drop("top_p")
			topP = nil
		}
	}
	if finite(topP) {
		dst = append(dst, `,"top_p":`...)
		dst = jsonx.AppendFloat(dst, *topP)
	}
	if topK != nil {
		dst = append(dst, `,"top_k":`...)
		dst = jsonx.AppendInt(dst, int64(*topK))
	}
	return dst
}

// appendStops leaves out what the vendor refuses: sequences of nothing but white
// space.
func appendStops(dst []byte, req *translate.Request) []byte {
	if len(req.Params.Stop) == 0 {
		return dst
	}
	before := len(dst)
	dst = append(dst, `,"stop_sequences":[`...)
	start := len(dst)
	for _, s := range req.Params.Stop {
		if strings.TrimSpace(s) == "" {
			req.Drop("stop: white space")
			continue
		}
		dst = jsonx.AppendString(dst, s)
		dst = append(dst, ',')
	}
	if len(dst) == start {
		return dst[:before]
	}
	return jsonx.CloseList(dst, start)
}

func finite(v *float64) bool { return v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) }
