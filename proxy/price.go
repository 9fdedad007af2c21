package proxy

import (
	"context"
	"math"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// price is what a model costs, in billionths: per token, and per answered question.
type price struct {
	input, cached, output float64
	call                  int64
}

func newPrices(all map[string]config.Price) map[string]*price {
	const perToken = admission.Unit / 1e6 // the file has them for a million
	prices := make(map[string]*price, len(all))
	for name, p := range all {
		one := &price{input: p.Input * perToken, cached: p.Input * perToken, output: p.Output * perToken, call: admission.Billionths(p.Call, maxCost)}
		if p.Cached != nil {
			one.cached = *p.Cached * perToken
		}
		prices[name] = one
	}
	return prices
}

// of is what u costs; it is rounded once, to the nearest.
func (p *price) of(u translate.Usage) int64 {
	if p == nil {
		return 0
	}
	cached := min(max(u.CacheRead, 0), max(u.Input, 0))
	cost := float64(max(u.Input, 0)-cached)*p.input + float64(cached)*p.cached + float64(max(u.Output, 0))*p.output
	return min(p.call+int64(min(math.Round(cost), maxCost)), maxCost)
}

// maxCost is what one answer can cost at most, in billionths: far beyond any price.
const maxCost = store.MaxCost // nine millions

// priceOf is the price of the model that was asked for, else of the one at the back
// end, where that is known, else the first one of those that could answer; nil: it
// costs nothing.
func (p *Plan) priceOf(m *Model, upstream string) *price {
	if len(p.prices) == 0 {
		return nil
	}
	if one := p.prices[m.Name]; one != nil {
		return one
	}
	if upstream != "" {
		return p.prices[upstream]
	}
	return m.route.price
}

// Purse returns what is left of the caller's budget in this period, in the unit of
// the configured prices; limited is false for a caller without a budget.
func (g *Gateway) Purse(ctx context.Context, c *Caller) (left float64, limited bool, err error) {
	b := g.plan.Load().budgets[c.Limits]
	if b == nil {
		return 0, false, nil
	}
	left, err = g.admission.Left(ctx, b, c.Name)
	return left, true, err
}
