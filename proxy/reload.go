package proxy

import (
	"errors"
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Apply puts conf, which must have been checked, in the place of the present
// configuration. Questions that are open end under the one that they began with;
// later ones fall under conf, also those of sockets that are connected already. What
// is known of a channel that stays goes on to count: its breakers, its pace, its
// connections, its slots, what it has shown of its models if nothing of it is said otherwise now, what an operator has decided about it (under another address
// only the last two); so does what was counted under limits and budgets that keep their names. Channels that are gone, or
// are reached otherwise, close their connections when the last question that may be
// on them has ended. An error leaves everything as it was. It is safe for concurrent
// use.
//
// What a process has only once is not touched: the store, the limiter, and the
// bounds of the ledger and of the cache of answers.
func (g *Gateway) Apply(conf *config.Config) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	if g.closed {
		return errEnded
	}
	old := g.plan.Load()
	p, err := g.compile(conf, old)
	if err != nil {
		return err
	}
	old.probers.stop()
	g.probe(p, old)
	p.callers.Open(old.callers, g.log, keyset.Options{})
	g.mu.Lock()
	g.plan.Store(p)
	g.plans = append(g.plans, p)
	left := g.retire(old)
	g.mu.Unlock()
	old.callers.Close(p.callers)
	closeAll(left)
	return nil
}

// compile makes the plan of conf, which counts and tells through g. before is the one
// whose place it takes; nil: it is the first.
func (g *Gateway) compile(conf *config.Config, before *Plan) (*Plan, error) {
	p, err := newPlan(conf, g.opener, g.chance, before)
	if err != nil {
		return nil, err
	}
	for _, ch := range p.channels {
		ch.Queue, ch.Log = &g.room, g.log
		ch.Meter = g.metrics.Channel(ch.ID)
		ch.Bans = g.bans.At(ch.Kind, ch.Conf.URL)
	}
	p.openGates(&g.room)
	if g.tell != nil {
		p.share(g.tell)
	}
	return p, nil
}

// errEnded is why nothing is applied any more.
var errEnded = errors.New("the gateway has ended")

// leave takes an exchange off p, and closes what only p reached if it was the last one
// under it.
func (g *Gateway) leave(p *Plan) {
	g.mu.Lock()
	p.users--
	left := g.retire(p)
	g.mu.Unlock()
	closeAll(left)
}

// retire gives p up if another plan has taken its place and nothing is under it any
// more. It returns the upstreams that no other plan reaches; g.mu is held.
func (g *Gateway) retire(p *Plan) []Upstream {
	if p.users > 0 || p == g.plan.Load() {
		return nil
	}
	g.plans = slices.DeleteFunc(g.plans, func(o *Plan) bool { return o == p })
	return p.reachedBut(g.plans)
}

// reachedBut returns the upstreams of p that none of plans reaches.
func (p *Plan) reachedBut(plans []*Plan) (alone []Upstream) {
	stays := make(map[Upstream]bool, len(p.channels))
	for _, o := range plans {
		for _, ch := range o.channels {
			stays[ch.Upstream] = true
		}
	}
	for _, ch := range p.channels {
		if !stays[ch.Upstream] {
			alone = append(alone, ch.Upstream)
		}
	}
	return alone
}

func closeAll(ups []Upstream) {
	for _, up := range ups {
		_ = up.Close()
	}
}

// channel is that of id with key in p; nil: there is none. p may be nil.
func (p *Plan) channel(id, key string) *channel.Channel {
	if p == nil {
		return nil
	}
	for _, ch := range p.channels {
		if ch.ID == id && ch.Secret() == key {
			return ch
		}
	}
	return nil
}

// candidateOf is what ch is in p for the model m, or for another one that it calls the
// same; nil: there is none.
func (p *Plan) candidateOf(ch *channel.Channel, m *config.Model) *channel.Candidate {
	if r := p.routes[m.Name]; r != nil {
		if c := r.candidateOf(ch, m.Upstream); c != nil {
			return c
		}
	}
	for _, r := range p.routes {
		if c := r.candidateOf(ch, m.Upstream); c != nil {
			return c
		}
	}
	return nil
}

func (r *route) candidateOf(ch *channel.Channel, upstream string) *channel.Candidate {
	for _, tier := range r.tiers {
		for i := range tier {
			if c := &tier[i]; c.Channel == ch && c.Upstream == upstream {
				return c
			}
		}
	}
	return nil
}

// under takes the question to the plan that its exchange is under, if its front found
// the model in an earlier one.
func (p *Pending) under() *translate.Error {
	if p.x.prompt.model.plan == p.x.plan {
		return nil
	}
	m, err := p.x.plan.resolve(p.x.q.Caller, p.x.prompt.model.asked)
	if err != nil {
		return err
	}
	p.x.prompt.model = m
	return nil
}
