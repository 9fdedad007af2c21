package proxy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
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
		ch.Meter, ch.Mark = g.metrics.Channel(ch.ID), g.board.At(ch.ID)
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
		c.Record.Take(h, now)
		c.Channel.Mark.Note()
	}
}

// Share says whether another process works on the store beside this one for now, see
// [conversation.Registry.Share]. It may be called at any time.
func (g *Gateway) Share(with bool) { g.conversations.Share(with) }

// New compiles conf, which must have been checked, and returns a gateway that
// keeps conversations in st. open makes the upstreams; no connection is made yet, but
// for the key set of callers.jwt.jwks, which is fetched in the background.
func New(conf *config.Config, st store.Store, open Opener, log *slog.Logger, o Options) (*Gateway, error) {
	if o.Limiter == nil {
		o.Limiter = limiter.NewLocal(limiter.Options{})
	}
	if o.Chance == nil {
		o.Chance = rand.Int64N
	}
	g := &Gateway{store: st, log: log, conversations: conversation.New(st, log, o.Sole), memories: newMemories(), opener: open, chance: o.Chance, tell: o.Tell, tracer: o.Tracer, endpoints: o.Endpoints, keys: auth.NewKeyring(st), badKeys: auth.NewBadKeys(o.Guesses), counts: newCountRate()}
	if o.Proofs != nil {
		g.proofs.Share(o.Proofs, o.ProofsWait)
	}
	p, err := g.compile(conf, nil)
	if err != nil {
		return nil, err
	}
	p.Callers.Open(nil, log, keyset.Options{})
	g.ledger = journal.NewLedger(st, conf.Ledger, log)
	g.refusals = journal.NewRefusals(g.ledger, log)
	var spent admission.Spendings
	if g.ledger != nil {
		spent = g.ledger
	}
	g.admission = admission.New(o.Limiter, spent, log)
	if b, several := st.(store.Budgeter); several && !o.Sole {
		g.admission.Join(b)
	}
	g.answers = answercache.New(int(conf.Cache.Size))
	g.plan.Store(p)
	g.plans = []*routing.Plan{p}
	g.probe(p)
	g.retention = g.conversations.Retain(conf.Store.Keep)
	return g, nil
}

// Drain refuses new questions from now on, with CHANNEL_UNAVAILABLE, and returns
// when all running exchanges are closed or ctx has ended. In the latter case it cuts
// off the answers that went on without their clients; they end soon after.
func (g *Gateway) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer func() { _ = recover() }()
		g.open.Wait()
		g.detached.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.detached.cancel()
		return ctx.Err()
	}
}

// Close closes the upstreams, ends the removal of old conversations and writes what waits for the ledger. All exchanges must have been closed before.
func (g *Gateway) Close() error {
	g.applying.Lock()
	defer g.applying.Unlock()
	g.closed = true
	g.retention.Close()
	g.probers.Load().stop()
	g.plan.Load().Close()
	g.keys.Close()
	g.answers.Close()
	g.captures.Clear()
	g.refusals.Close()
	g.admission.Close()
	return g.ledger.Close()
}
