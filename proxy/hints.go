package proxy

import (
	"maps"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

// share makes the cells of p known by their names, and lets them tell.
func (p *Plan) share(tell func(channel.Hint)) {
	p.cells = map[string][]*channel.Record{}
	for _, r := range p.routes {
		for _, tier := range r.tiers {
			for i := range tier {
				c := &tier[i]
				name := c.Publish(tell)
				p.cells[name] = append(p.cells[name], c.Record)
			}
		}
	}
}

// HintCells returns the names of all records that word can be about, in no order; see
// [Hint]. It is empty unless Options.Tell is set.
func (g *Gateway) HintCells() []string { return slices.Collect(maps.Keys(g.plan.Load().cells)) }

// Hint takes word of another gateway. One about a record that this gateway does not
// have is nothing to it. It may be called at any time and never waits.
func (g *Gateway) Hint(h channel.Hint) {
	now := time.Now()
	for _, c := range g.plan.Load().cells[h.Cell] {
		c.Take(h, now)
	}
}
