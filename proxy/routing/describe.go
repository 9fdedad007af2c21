package routing

import (
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// Describe returns c, which serves model, as an operator is told of it.
func Describe(c *channel.Candidate, model string) journal.Candidate {
	return journal.Candidate{Channel: c.Channel.ID, Key: c.Channel.Key, Model: model, Upstream: c.Upstream, Tier: c.Channel.Conf.Tier, Weight: c.Channel.Conf.Weight, State: "ready", Proxy: proxyOf(c.Channel)}
}

// Candidates implements [journal.Route].
func (r *Route) Candidates() (all []journal.Known) {
	for n, tier := range r.Tiers {
		for i := range tier {
			all = append(all, journal.Known{Candidate: Describe(&tier[i], r.Plain.Name), Record: tier[i].Record, Many: r.Samplers[n] != nil})
		}
	}
	return all
}

// proxyOf is how ch is reached; empty where nothing says it.
func proxyOf(ch *channel.Channel) string {
	if w := ch.Conf.Way(); w.From() != "" {
		return w.String()
	}
	return ""
}
