package translate

import (
	"slices"
	"strings"
)

// Traits are what a model refuses that others take, a bit for each. What it refuses is left
// out of a question that is translated for it; one that passes through stays as it is.
type Traits uint32

// The traits.
const (
	RefusesTemperature Traits = 1 << iota
	RefusesTopP
	RefusesTopK
	RefusesStop
	RefusesPenalties   // presence_penalty and frequency_penalty
	RefusesLogprobs    // and top_logprobs
	RefusesEffort      // reasoning_effort
	RefusesMaxTokens   // it knows max_completion_tokens
	RefusesSystem      // system messages amid a conversation
	RefusesBudget      // of thinking: it chooses that itself, by effort
	RefusesBesideThink // as OpenAI's newer models: temperature, top_p and logprobs, unless the effort is none
)

// RefusesSampling is what OpenAI's reasoning models refuse of all that others take.
const RefusesSampling = RefusesTemperature | RefusesTopP | RefusesPenalties | RefusesLogprobs

// traitNames are the traits as a configuration names them.
var traitNames = []struct {
	name string
	bits Traits
}{
	{"temperature", RefusesTemperature},
	{"top_p", RefusesTopP},
	{"top_k", RefusesTopK},
	{"stop", RefusesStop},
	{"penalties", RefusesPenalties},
	{"logprobs", RefusesLogprobs},
	{"reasoning_effort", RefusesEffort},
	{"max_tokens", RefusesMaxTokens},
	{"system", RefusesSystem},
	{"thinking_budget", RefusesBudget},
}

// TraitNames returns the words that [TraitsOf] knows, in their order.
func TraitNames() (names []string) {
	for _, t := range traitNames {
		names = append(names, t.name)
	}
	return names
}

// TraitsOf returns what words name, and the first one that names nothing, if any.
func TraitsOf(words []string) (all Traits, unknown string) {
	for _, w := range words {
		i := slices.IndexFunc(traitNames, func(t struct {
			name string
			bits Traits
		}) bool {
			return t.name == w
		})
		if i < 0 {
			return all, w
		}
		all |= traitNames[i].bits
	}
	return all, ""
}

// Has reports whether all of what is among t.
func (t Traits) Has(what Traits) bool { return t&what == what }

// Family is what is known of the models whose names begin alike.
type Family struct {
	Prefix string
	Traits
	// Efforts are the words of reasoning_effort that they know, from the least to the
	// most; nil: unknown.
	Efforts []string
	// Thinks: they reason, and may be told an effort that nobody has asked for in so many words.
	Thinks bool
	// Rests: they do not, unless they are told an effort other than none.
	Rests bool
}

// FamilyOf returns the family in table whose prefix is the longest that model, the name of
// the model of r, begins with, in lower case and without the name of a vendor before it
// (openai/gpt-4o). What it is known to take, and to refuse, by the configuration of its
// channel outweighs the table.
func (r *Request) FamilyOf(table []Family, model string) Family {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	var best Family
	for i := range table {
		if f := &table[i]; len(f.Prefix) >= len(best.Prefix) && strings.HasPrefix(model, f.Prefix) {
			best = *f
		}
	}
	best.Traits = best.Traits&^r.Takes | r.Refuses
	if r.Takes != 0 {
		best.Traits &^= besides(r.Takes)
	}
	if r.Efforts != nil {
		best.Efforts = r.Efforts
	}
	return best
}

// besides is RefusesBesideThink where a configuration says that a model takes what that is about.
func besides(takes Traits) Traits {
	if takes&(RefusesTemperature|RefusesTopP|RefusesLogprobs) != 0 {
		return RefusesBesideThink
	}
	return 0
}

// efforts are all words of reasoning_effort that a vendor knows, from the least to the most.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// Effort returns the word among known that is nearest to word: the next lower one, else the
// lowest. none becomes no other word: it is "" where it is not known. A word that no vendor
// knows stays, and so does any where known is nil.
func Effort(word string, known []string) string {
	at := slices.Index(efforts, word)
	if known == nil || at < 0 || slices.Contains(known, word) {
		return word
	}
	if word == "none" {
		return ""
	}
	for at--; at > 0; at-- {
		if slices.Contains(known, efforts[at]) {
			return efforts[at]
		}
	}
	for _, w := range efforts[1:] {
		if slices.Contains(known, w) {
			return w
		}
	}
	return ""
}
