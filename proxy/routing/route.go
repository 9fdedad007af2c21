package routing

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
)

func (r *Route) candidateOf(ch *channel.Channel, upstream string) *channel.Candidate {
	for _, tier := range r.Tiers {
		for i := range tier {
			if c := &tier[i]; c.Channel == ch && c.Upstream == upstream {
				return c
			}
		}
	}
	return nil
}

// Route is one model's channels, by tier.
type Route struct {
	Tiers    [][]channel.Candidate
	Samplers []*Sampler // of each tier; nil: it is small
	Spoken   []string   // dialects of the channels, each once
	price    *Price     // the first that is known by an upstream's name; nil: none
	Plain    *Model     // the model itself, without a preset
}

// addRoute puts c into its tier of the route of m; tiers are kept in order.
func (p *Plan) addRoute(m config.Model, c channel.Candidate) {
	r := p.Routes[m.Name]
	if r == nil {
		r = &Route{}
		r.Plain = &Model{Name: m.Name, Asked: m.Name, Plan: p, Route: r}
		p.Routes[m.Name] = r
		p.Models = append(p.Models, m.Name)
	}
	at, found := slices.BinarySearchFunc(r.Tiers, c.Channel.Conf.Tier, func(tier []channel.Candidate, want int) int {
		return tier[0].Channel.Conf.Tier - want
	})
	if !found {
		r.Tiers = slices.Insert(r.Tiers, at, nil)
	}
	r.Tiers[at] = append(r.Tiers[at], c)
	if d := c.Channel.Kind.Dialect; d != "" && !slices.Contains(r.Spoken, d) {
		r.Spoken = append(r.Spoken, d)
	}
}

// Bounds of what is read of one conversation for one question, in bytes as
// [store.Message.Weight] counts: of what a model takes so many times as much, since a
// message weighs more in memory than it is long; and what is read for a model of which
// nobody knows what it takes.
const (
	readTimes = 4
	readLeast = 64 << 10
	readFew   = 64 // messages: who wants no more of them gets them, whatever the model takes
)

// Room is the most that a model of r takes, see [channel.ContextWindow]; 0: nobody knows of one of them.
func (r *Route) Room(maxTokens *int) (most int) {
	for _, tier := range r.Tiers {
		for i := range tier {
			room := tier[i].Window.Room(maxTokens)
			if room == 0 {
				return 0
			}
			most = max(most, room)
		}
	}
	return most
}

// Reading is how much of a conversation is read for a question that sees keep messages
// before it, or all if keep is negative, in bytes as a store weighs them.
func (p *Plan) Reading(m *Model, maxTokens *int, keep int) int {
	if keep >= 0 && keep <= readFew {
		return conversation.ReadMost
	}
	var some [4]*Route
	most := readLeast
	for _, r := range p.RoutesOf(some[:0], m) {
		room := r.Room(maxTokens)
		if room == 0 {
			return conversation.ReadMost
		}
		most = max(most, readLeast+min(room, conversation.ReadMost)*readTimes)
	}
	return min(most, conversation.ReadMost)
}
