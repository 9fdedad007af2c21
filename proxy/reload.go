package proxy

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
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
	g.probe(p)
	p.Callers.Open(old.Callers, g.log, keyset.Options{})
	g.mu.Lock()
	g.plan.Store(p)
	g.plans = append(g.plans, p)
	left := g.retire(old)
	g.mu.Unlock()
	old.Callers.Close(p.Callers)
	routing.CloseAll(left)
	return nil
}

// compile makes the plan of conf, which counts and tells through g. before is the one
// whose place it takes; nil: it is the first.
func (g *Gateway) compile(conf *config.Config, before *routing.Plan) (*routing.Plan, error) {
	p, err := routing.New(conf, g.opener, g.chance, before)
	if err != nil {
		return nil, err
	}
	for _, ch := range p.Channels {
		ch.Queue, ch.Log = &g.room, g.log
		ch.Meter = g.metrics.Channel(ch.ID)
		ch.Bans = g.bans.At(ch.Kind, ch.Conf.URL)
	}
	p.OpenGates(&g.room)
	if g.tell != nil {
		p.Publish(g.tell)
	}
	return p, nil
}

// errEnded is why nothing is applied any more.
var errEnded = errors.New("the gateway has ended")

// leave takes an exchange off p, and closes what only p reached if it was the last one
// under it.
func (g *Gateway) leave(p *routing.Plan) {
	g.mu.Lock()
	p.Users--
	left := g.retire(p)
	g.mu.Unlock()
	routing.CloseAll(left)
}

// retire gives p up if another plan has taken its place and nothing is under it any
// more. It returns the upstreams that no other plan reaches; g.mu is held.
func (g *Gateway) retire(p *routing.Plan) []Upstream {
	if p.Users > 0 || p == g.plan.Load() {
		return nil
	}
	g.plans = slices.DeleteFunc(g.plans, func(o *routing.Plan) bool { return o == p })
	return p.Only(g.plans)
}

// under takes the question to the plan that its exchange is under, if its front found
// the model in an earlier one.
func (p *Pending) under() *translate.Error {
	if p.x.prompt.model.Plan == p.x.plan {
		return nil
	}
	m, err := p.x.plan.Resolve(p.x.q.Caller, p.x.prompt.model.Asked)
	if err != nil {
		return err
	}
	p.x.prompt.model = m
	return nil
}

// HintCells returns the names of all records that word can be about, in no order; see
// [Hint]. It is empty unless Options.Tell is set.
func (g *Gateway) HintCells() []string { return slices.Collect(maps.Keys(g.plan.Load().Cells)) }

// Hint takes word of another gateway. One about a record that this gateway does not
// have is nothing to it. It may be called at any time and never waits.
func (g *Gateway) Hint(h channel.Hint) {
	now := time.Now()
	for _, c := range g.plan.Load().Cells[h.Cell] {
		c.Take(h, now)
	}
}
