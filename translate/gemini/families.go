package gemini

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// unthinking is what models refuse that do not think.
const unthinking = translate.RefusesEffort | translate.RefusesBudget

// families are what the vendor's models refuse, by ai.google.dev: "Gemini thinking" (2.5 takes a
// budget, from 3 on there are levels, 2.5 Pro and 3 Pro cannot be kept from thinking) and
// "Gemma" (no system instruction). A name that is not here takes a budget.
var families = []translate.Family{
	{Prefix: "gemini-1", Traits: unthinking},
	{Prefix: "gemini-2.0", Traits: unthinking},
	{Prefix: "gemini-2.5", Thinks: true},
	{Prefix: "gemini-3", Traits: translate.RefusesBudget, Efforts: []string{"low", "medium", "high"}, Thinks: true},
	{Prefix: "gemini-3-pro", Traits: translate.RefusesBudget, Efforts: []string{"low", "high"}, Thinks: true},
	{Prefix: "gemini-3-flash", Traits: translate.RefusesBudget, Efforts: []string{"minimal", "low", "medium", "high"}, Thinks: true},
	{Prefix: "gemma", Traits: unthinking | translate.RefusesSystem},
}

func familyOf(req *translate.Request) translate.Family { return req.FamilyOf(families, req.Model) }

// signs reports whether the model of req refuses a history in which the first call of a turn has no
// signature.
func signs(req *translate.Request) bool {
	model := strings.ToLower(req.Model[strings.LastIndexByte(req.Model, '/')+1:])
	return strings.HasPrefix(model, "gemini-3")
}

// thinking is how the model is told to think.
type thinking struct {
	maxTokens *int
	level     string // of models that know levels; empty: nothing is said
	budget    int
	said      bool // budget is
}

// planThinking makes a budget of an effort, or a level of a budget, as the model knows them.
func planThinking(req *translate.Request) thinking {
	p := &req.Params
	t := thinking{maxTokens: p.MaxTokens}
	word := p.ReasoningEffort
	if word == "" && p.ReasoningBudget == 0 {
		word = p.Effort
	}
	if word == "" && p.ReasoningBudget == 0 {
		return t
	}
	f := familyOf(req)
	switch {
	case f.Has(translate.RefusesEffort):
		req.DropIf(word != "none", "reasoning_effort")
	case f.Has(translate.RefusesBudget):
		if word == "" {
			req.Drop("thinking.budget_tokens")
			word = translate.EffortNear(p.ReasoningBudget)
		}
		known := translate.Effort(word, f.Efforts)
		req.DropIf(known != word, "reasoning_effort")
		t.level = strings.ToUpper(known)
	case p.ReasoningBudget > 0:
		t.budget, t.said = p.ReasoningBudget, true
	default:
		t.ofEffort(req, word)
	}
	return t
}

// ofEffort sets the budget that belongs to an effort. The bound of the answer counts thoughts as
// well, so that it is raised by what the client did not know of.
func (t *thinking) ofEffort(req *translate.Request, word string) {
	pro := strings.Contains(req.Model, "2.5-pro")
	switch word {
	case "none":
		if pro {
			req.Drop("reasoning_effort")
			return
		}
	case "minimal", "low":
		t.budget = 1024
	case "medium":
		t.budget = 8192
	case "high", "xhigh", "max":
		t.budget = 24576
	default:
		req.Drop("reasoning_effort")
		return
	}
	t.said = true
	if t.maxTokens != nil && *t.maxTokens <= t.budget {
		raised := *t.maxTokens + t.budget
		t.maxTokens = &raised
	}
}

// append appends the plan as a member, with a comma behind it, or nothing.
func (t *thinking) append(dst []byte) []byte {
	switch {
	case t.level != "":
		dst = append(append(dst, `"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"`...), t.level...)
		return append(dst, `"},`...)
	case t.said && t.budget > 0:
		dst = append(dst, `"thinkingConfig":{"includeThoughts":true,"thinkingBudget":`...)
		return append(jsonx.AppendInt(dst, int64(t.budget)), `},`...)
	case t.said:
		return append(dst, `"thinkingConfig":{"thinkingBudget":0},`...)
	}
	return dst
}
