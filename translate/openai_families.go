package translate

import "strings"

// Effort words of OpenAI's models, and those that every server which knows any knows.
var (
	usualEfforts = []string{"low", "medium", "high"}
	gpt5Efforts  = []string{"minimal", "low", "medium", "high"}
	gpt51Efforts = []string{"none", "low", "medium", "high"}
	gpt52Efforts = []string{"none", "low", "medium", "high", "xhigh"}
)

const (
	reasons = RefusesSampling | RefusesMaxTokens
	newer   = RefusesPenalties | RefusesMaxTokens | RefusesStop | RefusesBesideThink
)

// openaiFamilies are what vendors of OpenAI's dialects refuse, by their references and by what they
// answer (400 "Unsupported parameter", "Unsupported value", "Unrecognized request argument"):
//
//   - OpenAI, platform.openai.com: "Reasoning models" (sampling, max_completion_tokens),
//     "Create chat completion" (stop: not with o3 and o4-mini; reasoning_effort: the words of each
//     model) and "Using GPT-5.2" (temperature, top_p and logprobs with effort none only).
//   - xAI, docs.x.ai: "Reasoning" (penalties and stop are refused by what reasons; grok-4 knows no
//     reasoning_effort).
//
// It is sure of the models up to gpt-5.2 and of gpt-5.4, whose pages and errors were read, and of
// those of xAI up to grok-4.1. gpt-5.3 is told from what programs offer for it; a gpt-5 with a later
// number is taken for one that reasons unless it is told not to, as all before it were.
// A name that is not here takes everything.
var openaiFamilies = []Family{
	{Prefix: "gpt-3.5", Traits: RefusesEffort},
	{Prefix: "gpt-4", Traits: RefusesEffort},
	{Prefix: "gpt-4o-search", Traits: RefusesEffort | RefusesSampling},
	{Prefix: "gpt-4o-mini-search", Traits: RefusesEffort | RefusesSampling},
	{Prefix: "chatgpt-", Traits: RefusesEffort},
	{Prefix: "gpt-audio", Traits: RefusesEffort},
	{Prefix: "davinci", Traits: RefusesEffort},
	{Prefix: "babbage", Traits: RefusesEffort},

	{Prefix: "o1", Traits: reasons, Efforts: usualEfforts, Thinks: true},
	{Prefix: "o1-mini", Traits: reasons | RefusesEffort},
	{Prefix: "o1-preview", Traits: reasons | RefusesEffort},
	{Prefix: "o3", Traits: reasons | RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "o4", Traits: reasons | RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "gpt-5", Traits: reasons | RefusesStop, Efforts: gpt5Efforts, Thinks: true},
	{Prefix: "gpt-5-chat", Traits: RefusesEffort | RefusesMaxTokens},
	{Prefix: "gpt-5-codex", Traits: reasons | RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "gpt-5-pro", Traits: reasons | RefusesStop, Efforts: []string{"high"}, Thinks: true},
	{Prefix: "gpt-5.", Traits: newer, Efforts: gpt52Efforts, Thinks: true},
	{Prefix: "gpt-5.1", Traits: newer, Efforts: gpt51Efforts, Thinks: true, Rests: true},
	{Prefix: "gpt-5.1-chat", Traits: newer, Efforts: []string{"medium"}, Thinks: true},
	{Prefix: "gpt-5.1-codex", Traits: newer, Efforts: usualEfforts, Thinks: true},
	{Prefix: "gpt-5.1-codex-max", Traits: newer, Efforts: gpt52Efforts, Thinks: true},
	{Prefix: "gpt-5.2", Traits: newer, Efforts: gpt52Efforts, Thinks: true, Rests: true},
	{Prefix: "gpt-5.2-chat", Traits: newer, Efforts: []string{"medium"}, Thinks: true},
	{Prefix: "gpt-5.2-codex", Traits: newer, Efforts: []string{"low", "medium", "high", "xhigh"}, Thinks: true},
	{Prefix: "gpt-5.2-pro", Traits: newer, Efforts: []string{"medium", "high", "xhigh"}, Thinks: true},
	{Prefix: "gpt-5.3-chat", Traits: newer, Efforts: []string{"medium"}, Thinks: true},
	{Prefix: "gpt-5.3-codex", Traits: newer, Efforts: []string{"low", "medium", "high", "xhigh"}, Thinks: true},
	{Prefix: "gpt-5.4", Traits: newer, Efforts: gpt52Efforts, Thinks: true, Rests: true},
	{Prefix: "gpt-5.4-pro", Traits: newer, Efforts: []string{"medium", "high", "xhigh"}, Thinks: true},

	{Prefix: "grok-4", Traits: RefusesEffort | RefusesPenalties | RefusesStop},
	{Prefix: "grok-4.", Traits: 0},
	{Prefix: "grok-4-fast-non-reasoning", Traits: RefusesEffort},
	{Prefix: "grok-4-1-fast-non-reasoning", Traits: RefusesEffort},
	{Prefix: "grok-code", Traits: RefusesEffort | RefusesPenalties | RefusesStop},
	{Prefix: "grok-3-mini", Traits: RefusesPenalties | RefusesStop, Efforts: []string{"low", "high"}, Thinks: true},
}

// FitOpenAI leaves out of the parameters of r what its model refuses of OpenAI's parameters, notes
// what that is, and returns the family of the model. own says that the question came in
// words of OpenAI's.
func (r *Request) FitOpenAI(own bool) Family {
	f, p := r.FamilyOf(openaiFamilies, strings.TrimPrefix(r.Model, "ft:")), &r.Params
	r.fitEffort(&f, own)
	refuses := f.Traits
	if f.Has(RefusesBesideThink) && p.ReasoningEffort != "none" && (p.ReasoningEffort != "" || !f.Rests) {
		refuses |= RefusesTemperature | RefusesTopP | RefusesLogprobs
	}
	if refuses.Has(RefusesTemperature) && p.Temperature != nil {
		r.dropIf(*p.Temperature != 1, "temperature")
		p.Temperature = nil
	}
	if refuses.Has(RefusesTopP) && p.TopP != nil {
		r.dropIf(*p.TopP != 1, "top_p")
		p.TopP = nil
	}
	if refuses.Has(RefusesPenalties) {
		r.dropIf(p.PresencePenalty != nil, "presence_penalty")
		r.dropIf(p.FrequencyPenalty != nil, "frequency_penalty")
		p.PresencePenalty, p.FrequencyPenalty = nil, nil
	}
	if refuses.Has(RefusesStop) {
		r.dropIf(len(p.Stop) > 0, "stop")
		p.Stop = nil
	}
	if refuses.Has(RefusesLogprobs) {
		r.dropIf(p.Logprobs, "logprobs")
		r.dropIf(p.TopLogprobs != nil, "top_logprobs")
		p.Logprobs, p.TopLogprobs = false, nil
	}
	return f
}

// fitEffort leaves in r.Params.ReasoningEffort the word that its model is told: the one
// that was asked for, or the one nearest to it or to a budget.
func (r *Request) fitEffort(f *Family, own bool) {
	p := &r.Params
	word := p.ReasoningEffort
	switch {
	case word != "":
	case p.ReasoningBudget > 0:
		r.Drop("thinking.budget_tokens")
		word = EffortNear(p.ReasoningBudget)
	case p.Effort != "" && f.Thinks:
		word = p.Effort
	case p.Effort != "":
		r.Drop("output_config.effort")
	}
	known := f.Efforts
	if known == nil && !own && word != "none" {
		known = usualEfforts // the words of another vendor
	}
	p.ReasoningEffort = Effort(word, known)
	if f.Has(RefusesEffort) {
		p.ReasoningEffort = ""
	}
	r.dropIf(p.ReasoningEffort != word, "reasoning_effort")
}

// EffortNear is the effort whose budget is nearest to one, in tokens.
func EffortNear(budget int) string {
	switch {
	case budget <= 2048:
		return "low"
	case budget <= 8192:
		return "medium"
	}
	return "high"
}

func (r *Request) dropIf(said bool, what string) {
	if said {
		r.Drop(what)
	}
}
