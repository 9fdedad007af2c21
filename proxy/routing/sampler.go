package routing

import (
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

// LargeTier is how many candidates make a tier a large one: so many are not all looked at
// for each question.
const LargeTier = 17

// Sampler picks from a large tier by testing a few random candidates.
type Sampler struct {
	Drawer   balance.Drawer
	At       map[*channel.Channel]int // where a channel is in the tier
	Stateful bool                     // some remember conversations
}

// gather prepares what depends on all channels of r.
func (r *Route) prepare(p *Plan) {
	for _, tier := range r.Tiers {
		r.Samplers = append(r.Samplers, newThrong(tier, p.Policy))
		for i := range tier {
			if r.price == nil {
				r.price = p.prices[tier[i].Upstream]
			}
		}
	}
}

// newThrong returns nil for a tier that is small.
func newThrong(tier []channel.Candidate, policy balance.Policy) *Sampler {
	if len(tier) < LargeTier {
		return nil
	}
	c := &Sampler{At: make(map[*channel.Channel]int, len(tier))}
	ts := make([]*balance.Target, len(tier))
	for i := range tier {
		ch := tier[i].Channel
		ts[i], c.At[ch] = tier[i].Target, i
		c.Stateful = c.Stateful || ch.Kind.Remembers()
	}
	c.Drawer = policy.Over(ts)
	return c
}
