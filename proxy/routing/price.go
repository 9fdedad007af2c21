package routing

import (
	"math"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Price is what a model costs, in billionths: per token, per millisecond of sound, per picture, and per
// answered question.
type Price struct {
	input, cached, output, sound, image float64
	call                                int64
}

// NewPrices are the prices of a configuration, by the name of the model.
func NewPrices(all map[string]config.Price) map[string]*Price {
	const perToken = admission.Unit / 1e6 // the file has them for a million
	prices := make(map[string]*Price, len(all))
	for name, p := range all {
		one := &Price{input: p.Input * perToken, cached: p.Input * perToken, output: p.Output * perToken, sound: p.Minute * admission.Unit / 60e3, image: p.Image * admission.Unit, call: admission.Billionths(p.Call, maxCost)}
		if p.Cached != nil {
			one.cached = *p.Cached * perToken
		}
		prices[name] = one
	}
	return prices
}

// Of is what u costs; it is rounded once, to the nearest.
func (p *Price) Of(u translate.Usage) int64 {
	if p == nil {
		return 0
	}
	cached := min(max(u.CacheRead, 0), max(u.Input, 0))
	cost := float64(max(u.Input, 0)-cached)*p.input + float64(cached)*p.cached + float64(max(u.Output, 0))*p.output
	cost += float64(max(u.Sound, 0))*p.sound + float64(u.Images)*p.image
	return min(p.call+int64(min(math.Round(cost), maxCost)), maxCost)
}

// Reserve is what a budget holds back for a question that is expected to use u: its cost, and never
// nothing where the model has a price. How much sound comes is not known before, so that all such
// questions are let in while something is left, and none after.
func (p *Price) Reserve(u translate.Usage) int64 {
	if p == nil || *p == (Price{}) {
		return 0
	}
	return max(p.Of(u), 1)
}

// maxCost is what one answer can cost at most, in billionths: far beyond any price.
const maxCost = store.MaxCost // nine millions

// PriceOf is the price of the model that was asked for, else of the one at the back
// end, where that is known, else the first one of those that could answer; nil: it
// costs nothing.
func (p *Plan) PriceOf(m *Model, upstream string) *Price {
	if len(p.prices) == 0 {
		return nil
	}
	if one := p.prices[m.Name]; one != nil {
		return one
	}
	if upstream != "" {
		return p.prices[upstream]
	}
	return m.Route.price
}
