package openai

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Effort words of OpenAI's models, and those that every server which knows any knows.
var (
	usualEfforts = []string{"low", "medium", "high"}
	gpt5Efforts  = []string{"minimal", "low", "medium", "high"}
	gpt51Efforts = []string{"none", "low", "medium", "high"}
	gpt52Efforts = []string{"none", "low", "medium", "high", "xhigh"}
)

const (
	reasons = translate.RefusesSampling | translate.RefusesMaxTokens
	newer   = translate.RefusesPenalties | translate.RefusesMaxTokens | translate.RefusesStop | translate.RefusesBesideThink
)

// families are what vendors of this dialect refuse, by their references and by what they
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
var families = []translate.Family{
	{Prefix: "gpt-3.5", Traits: translate.RefusesEffort},
	{Prefix: "gpt-4", Traits: translate.RefusesEffort},
	{Prefix: "gpt-4o-search", Traits: translate.RefusesEffort | translate.RefusesSampling},
	{Prefix: "gpt-4o-mini-search", Traits: translate.RefusesEffort | translate.RefusesSampling},
	{Prefix: "chatgpt-", Traits: translate.RefusesEffort},
	{Prefix: "gpt-audio", Traits: translate.RefusesEffort},
	{Prefix: "davinci", Traits: translate.RefusesEffort},
	{Prefix: "babbage", Traits: translate.RefusesEffort},

	{Prefix: "o1", Traits: reasons, Efforts: usualEfforts, Thinks: true},
	{Prefix: "o1-mini", Traits: reasons | translate.RefusesEffort},
	{Prefix: "o1-preview", Traits: reasons | translate.RefusesEffort},
	{Prefix: "o3", Traits: reasons | translate.RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "o4", Traits: reasons | translate.RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "gpt-5", Traits: reasons | translate.RefusesStop, Efforts: gpt5Efforts, Thinks: true},
	{Prefix: "gpt-5-chat", Traits: translate.RefusesEffort | translate.RefusesMaxTokens},
	{Prefix: "gpt-5-codex", Traits: reasons | translate.RefusesStop, Efforts: usualEfforts, Thinks: true},
	{Prefix: "gpt-5-pro", Traits: reasons | translate.RefusesStop, Efforts: []string{"high"}, Thinks: true},
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

	{Prefix: "grok-4", Traits: translate.RefusesEffort | translate.RefusesPenalties | translate.RefusesStop},
	{Prefix: "grok-4.", Traits: 0},
	{Prefix: "grok-4-fast-non-reasoning", Traits: translate.RefusesEffort},
	{Prefix: "grok-4-1-fast-non-reasoning", Traits: translate.RefusesEffort},
	{Prefix: "grok-code", Traits: translate.RefusesEffort | translate.RefusesPenalties | translate.RefusesStop},
	{Prefix: "grok-3-mini", Traits: translate.RefusesPenalties | translate.RefusesStop, Efforts: []string{"low", "high"}, Thinks: true},
}

// ofOpenAI reports whether a model is one of those that OpenAI serves itself.
func ofOpenAI(model string) bool {
	model = strings.ToLower(strings.TrimPrefix(model[strings.LastIndexByte(model, '/')+1:], "ft:"))
	for _, prefix := range [...]string{"gpt-", "chatgpt-", "o1", "o3", "o4"} {
		if strings.HasPrefix(model, prefix) {
			return !strings.HasPrefix(model, "gpt-oss")
		}
	}
	return false
}

// fit leaves out of the parameters of req what its model refuses, and returns its family.
func fit(req *translate.Request) translate.Family {
	f, p := req.FamilyOf(families, strings.TrimPrefix(req.Model, "ft:")), &req.Params
	fitEffort(req, &f)
	refuses := f.Traits
	if f.Has(translate.RefusesBesideThink) && p.ReasoningEffort != "none" && (p.ReasoningEffort != "" || !f.Rests) {
		refuses |= translate.RefusesTemperature | translate.RefusesTopP | translate.RefusesLogprobs
	}
	if refuses.Has(translate.RefusesTemperature) && p.Temperature != nil {
		dropIf(req, *p.Temperature != 1, "temperature")
		p.Temperature = nil
	}
	if refuses.Has(translate.RefusesTopP) && p.TopP != nil {
		dropIf(req, *p.TopP != 1, "top_p")
		p.TopP = nil
	}
	if refuses.Has(translate.RefusesPenalties) {
		dropIf(req, p.PresencePenalty != nil, "presence_penalty")
		dropIf(req, p.FrequencyPenalty != nil, "frequency_penalty")
		p.PresencePenalty, p.FrequencyPenalty = nil, nil
	}
	if refuses.Has(translate.RefusesStop) {
		dropIf(req, len(p.Stop) > 0, "stop")
		p.Stop = nil
	}
	if refuses.Has(translate.RefusesLogprobs) {
		dropIf(req, p.Logprobs, "logprobs")
		dropIf(req, p.TopLogprobs != nil, "top_logprobs")
		p.Logprobs, p.TopLogprobs = false, nil
	}
	return f
}

// fitEffort leaves in req.Params.ReasoningEffort the word that its model is told: the one
// that was asked for, or the one nearest to it or to a budget.
func fitEffort(req *translate.Request, f *translate.Family) {
	p := &req.Params
	word := p.ReasoningEffort
	switch {
	case word != "":
	case p.ReasoningBudget > 0:
		req.Drop("thinking.budget_tokens")
		word = effortOf(p.ReasoningBudget)
	case p.Effort != "" && f.Thinks:
		word = p.Effort
	case p.Effort != "":
		req.Drop("output_config.effort")
	}
	known := f.Efforts
	if known == nil && req.Dialect != name && word != "none" {
		known = usualEfforts // the words of another vendor
	}
	p.ReasoningEffort = translate.Effort(word, known)
	if f.Has(translate.RefusesEffort) {
		p.ReasoningEffort = ""
	}
	dropIf(req, p.ReasoningEffort != word, "reasoning_effort")
}

// effortOf is the effort nearest to a budget.
func effortOf(budget int) string {
	switch {
	case budget <= 2048:
		return "low"
	case budget <= 8192:
		return "medium"
	}
	return "high"
}

func toldName(name string) string { return translate.ShortName(name, maxName) }

// toldID is the id of a call as the model of req is told it.
func toldID(req *translate.Request, id string) string {
	if len(id) <= maxID || !ofOpenAI(req.Model) {
		return id
	}
	return translate.ShortID(id, maxID)
}
