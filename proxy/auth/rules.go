package auth

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// rules are the sets of limits of a configuration, ready to be counted under.
type rules map[string]*limiter.Rule

func newRules(limits map[string]config.Limit) rules {
	r := make(rules, len(limits))
	for name, l := range limits {
		r[name] = limiter.NewRule(name, l)
	}
	return r
}

// of returns the rules that names name, those that limit nothing left out.
func (r rules) of(names ...[]string) (all []*limiter.Rule) {
	for _, list := range names {
		for _, name := range list {
			if rule := r[name]; rule != nil && !slices.Contains(all, rule) {
				all = append(all, rule)
			}
		}
	}
	return all
}

// Limited reports whether the questions of c are counted.
func (c *Caller) Limited() bool { return len(c.Rules) > 0 }

// CountsTokens reports whether a question of c needs an estimate.
func (c *Caller) CountsTokens() bool {
	return slices.ContainsFunc(c.Rules, (*limiter.Rule).CountsTokens)
}

// RulesOf returns the rules that names names, each once, those that limit nothing left
// out.
func (c *Callers) RulesOf(names []string) []*limiter.Rule { return c.rules.of(names) }

// Queues reports whether a question that the limits called name refuse waits for them.
func (c *Callers) Queues(name string) bool { return c.limits[name].Queue }
