package anthropic

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// adaptive is what models refuse that choose their thoughts and their sampling themselves.
const adaptive = translate.RefusesBudget | translate.RefusesTemperature | translate.RefusesTopP | translate.RefusesTopK

// The words of output_config.effort, by platform.claude.com: "Effort".
var (
	oldEfforts = []string{"low", "medium", "high"}
	maxEfforts = []string{"low", "medium", "high", "max"}
	newEfforts = []string{"low", "medium", "high", "xhigh", "max"}
)

// old is what models refuse that came before the places of system messages and the effort.
const old = translate.RefusesSystem | translate.RefusesEffort

// families are what the vendor's models refuse, by platform.claude.com: "Mid-conversation system
// messages" (Opus from 4.8 on, all others from 5 on), "Effort" (which models know it, and
// which words), "Adaptive thinking" and "Migrating to Claude Opus 4.7" (a budget of
// thinking, temperature, top_p and top_k are refused from then on). These pages say it of the
// models up to 5.5; of later ones of a family, and of claude-opus-4-9, it is a guess, as it is
// that the preview of Mythos refuses system messages. A name that is not here takes all of that.
var families = []translate.Family{
	{Prefix: "claude-1", Traits: old},
	{Prefix: "claude-2", Traits: old},
	{Prefix: "claude-3", Traits: old},
	{Prefix: "claude-instant", Traits: old},
	{Prefix: "claude-haiku-4", Traits: old},
	{Prefix: "claude-sonnet-4", Traits: old},
	{Prefix: "claude-sonnet-4-6", Traits: translate.RefusesSystem, Efforts: maxEfforts},
	{Prefix: "claude-opus-4", Traits: old},
	{Prefix: "claude-opus-4-5", Traits: translate.RefusesSystem, Efforts: oldEfforts},
	{Prefix: "claude-opus-4-6", Traits: translate.RefusesSystem, Efforts: maxEfforts},
	{Prefix: "claude-opus-4-7", Traits: translate.RefusesSystem | adaptive, Efforts: newEfforts},
	{Prefix: "claude-opus-4-8", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-opus-4-9", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-opus-5", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-sonnet-5", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-haiku-5", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-fable", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-mythos", Traits: adaptive, Efforts: newEfforts},
	{Prefix: "claude-mythos-preview", Traits: translate.RefusesSystem | adaptive, Efforts: maxEfforts},
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
