package anthropic

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// adaptive is what models refuse that choose their thoughts and their sampling themselves.
const adaptive = translate.RefusesBudget | translate.RefusesTemperature | translate.RefusesTopP | translate.RefusesTopK

// newEfforts are the words of output_config.effort of those models.
var newEfforts = []string{"low", "medium", "high", "xhigh", "max"}

// families are what the vendor's models refuse, by platform.claude.com: "Mid-conversation system
// messages" (Opus from 4.8 on, all others from 5 on), "Adaptive thinking" and "Migrating to
// Claude Opus 4.7" (a budget of thinking, temperature, top_p and top_k are refused from then
// on). A name that is not here takes all of that.
var families = []translate.Family{
	{Prefix: "claude-1", Traits: translate.RefusesSystem},
	{Prefix: "claude-2", Traits: translate.RefusesSystem},
	{Prefix: "claude-3", Traits: translate.RefusesSystem},
	{Prefix: "claude-instant", Traits: translate.RefusesSystem},
	{Prefix: "claude-haiku-4", Traits: translate.RefusesSystem},
	{Prefix: "claude-sonnet-4", Traits: translate.RefusesSystem},
	{Prefix: "claude-opus-4", Traits: translate.RefusesSystem},
	{Prefix: "claude-opus-4-7", Traits: translate.RefusesSystem | adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-opus-4-8", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-opus-4-9", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-opus-5", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-sonnet-5", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-haiku-5", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-fable", Traits: adaptive, Efforts: newEfforts, Thinks: true},
	{Prefix: "claude-mythos", Traits: adaptive, Efforts: newEfforts, Thinks: true},
}

// familyOf returns the family of the model of req, also under the names that other houses
// have for it (anthropic/claude-opus-4.7, us.anthropic.claude-opus-4-7).
func familyOf(req *translate.Request) translate.Family {
	model := req.Model
	if i := strings.LastIndex(model, "claude-"); i > 0 {
		model = model[i:]
	}
	return req.FamilyOf(families, strings.ReplaceAll(model, ".", "-"))
}
