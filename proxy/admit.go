package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// claim is a pending question as it asks to be let in.
type claim Pending

var _ admission.Claim = (*claim)(nil)

func (c *claim) Caller() *Caller           { return c.x.q.Caller }
func (c *claim) Queues(name string) bool   { return c.x.plan.Callers.Queues(name) }
func (c *claim) Budget() *admission.Budget { return c.x.plan.Budgets[c.x.q.Caller.Limits] }

// Key implements [admission.Claim].
func (c *claim) Key(scope limiter.Scope) string {
	q := &c.x.q
	switch scope {
	case limiter.User:
		return q.Caller.Name + "\x00" + q.User
	case limiter.Group:
		if q.Caller.Group == "" {
			return "\x00" + q.Caller.Name // no group is called that: it counts alone
		}
		return q.Caller.Group
	case limiter.Address:
		return q.Address
	case limiter.Model:
		return c.x.prompt.model.Name
	case limiter.All:
		return ""
	}
	return q.Caller.Name
}

// Tokens implements [admission.Claim].
func (c *claim) Tokens() (int, *translate.Error) {
	if err := c.x.complete(); err != nil {
		return 0, err
	}
	return c.x.prompt.needs(), nil
}

// Cost implements [admission.Claim].
func (c *claim) Cost() (int64, *translate.Error) {
	c.cacheOnly = nil // it is asked for anew
	if err := c.x.complete(); err != nil {
		return 0, err
	}
	input, output := c.x.prompt.expects()
	expected := translate.Usage{Input: int64(input), Output: int64(output)}
	if o := c.x.prompt.req.Opaque; o != nil {
		expected.Images = uint16(o.Pictures)
	}
	return c.x.plan.PriceOf(c.x.prompt.model, "").Reserve(expected), nil
}

// Excused implements [admission.Claim]: a question that may have a cached answer, which
// costs nothing, is refused only where there turns out to be none.
func (c *claim) Excused(err *translate.Error) bool {
	if !c.x.prompt.mayBeKept() {
		return false
	}
	c.cacheOnly = err
	return true
}

// admitted completes the admission: it waits for a limit where the question has to, and
// reserves what its conversation, which was not known before, adds to it. What is refused
// now was never there.
func (p *Pending) admitted() *translate.Error {
	t := &p.x.ticket
	if err := t.Wait(p.x.ctx); err != nil {
		return err
	}
	t.Leave()
	if p.x.prompt.turn != nil {
		if err := t.Grow(p.x.ctx); err != nil {
			return err
		}
	}
	if s, counted := t.State(); counted && p.told != nil {
		p.told(s)
	}
	p.told = nil // it may hold the client's request
	return nil
}

// pay settles the ticket with what the exchange used if that is due: for answers that began,
// even if they broke off, and for questions that their client left while they were asked;
// not for failures and cached answers. It is called before the client can know that its
// answer is over, so that the next question finds the place free.
func (x *Exchange) pay(due bool) {
	if due && (x.ticket.Counts() || x.report.keeps) {
		x.report.used = x.Usage()
		priced := x.report.used
		if x.answer.excess {
			priced.Output = translate.HoldTokens
		}
		x.report.cost = x.plan.PriceOf(x.prompt.model, x.attempt.lease.Upstream).Of(priced)
	}
	x.ticket.Settle(x.report.used, x.report.cost)
}

// Counter is an [Upstream] that tells how many tokens a question has. The error is always a
// *translate.Error.
type Counter interface {
	Count(ctx context.Context, req *translate.Request) (int, error)
}

// Count tells how many tokens the question q has: what a channel of q's model says that
// speaks its dialect, else an estimate. q.Request must be decoded and whole. It takes a place
// under `concurrent` of the caller's limits while it runs, at most 60 a minute are counted for
// a caller, and nothing else comes of it: no request, no tokens, no money, no row, and no word to a breaker. The error's
// code is RATE_LIMITED, CHANNEL_UNAVAILABLE while the gateway drains, or that of a model that went away.
func (g *Gateway) Count(ctx context.Context, q Question) (tokens int, err *translate.Error) {
	p := g.pending(ctx, q)
	x := &p.x
	if err := g.enter(x); err != nil {
		return 0, err
	}
	defer g.open.Done()
	defer g.leave(x.plan)
	if err := p.under(); err != nil {
		return 0, err
	}
	key := q.Caller.Name
	if q.Caller.Anonymous {
		key = "\x00" + q.Address
	}
	s := limiter.Subject{}
	s.Under(g.counts.rule, limiter.Caller, key)
	grant, refused := g.counts.limiter.Admit(ctx, s)
	if err := admission.Refusal(ctx, refused); err != nil {
		return 0, err
	}
	defer grant.Settle(0)
	if err := x.ticket.Place(ctx, g.admission, (*claim)(p)); err != nil {
		return 0, err
	}
	defer x.ticket.Settle(translate.Usage{}, 0)
	if n, ok := p.countedBy(ctx); ok {
		return n, nil
	}
	if ctx.Err() != nil {
		return 0, translate.Gone(context.Cause(ctx))
	}
	input, _ := x.prompt.expects()
	return max(input, 1), nil
}

// countedBy asks the channels that count, in the order of their tiers, until one has told:
// two at most, since nobody waits long for an estimate.
func (p *Pending) countedBy(ctx context.Context) (tokens int, ok bool) {
	x := &p.x
	ctx, cancel := context.WithTimeout(ctx, countWait)
	defer cancel()
	now, asked := time.Now(), 0
	for _, tier := range x.prompt.model.Route.Tiers {
		for i := range tier {
			c := &tier[i]
			up, counts := c.Channel.Upstream.(Counter)
			if !counts || !c.Channel.Speaks(x.q.Request.Dialect) || c.Barred(now).State != "" {
				continue
			}
			n, err := up.Count(ctx, p.countRequest(c))
			if err == nil {
				return n, true
			}
			x.Logger(x.g.log).Debug("a channel did not count", "channel", c.Channel.ID, "why", x.plan.Mask().Log(err.Error()))
			if asked++; asked == 2 || ctx.Err() != nil {
				return 0, false
			}
		}
	}
	return 0, false
}

// countRequest is what c is asked to count: the question as it came, or with the preset's text.
func (p *Pending) countRequest(c *channel.Candidate) *translate.Request {
	req := *p.x.q.Request
	req.Model, req.Dropped = c.Upstream, nil
	preset := p.x.prompt.model.Preset
	if req.Raw != nil && preset == nil {
		req.PassThrough = true
		return &req
	}
	c.Channel.Describe(&req)
	if preset != nil && preset.System != "" {
		req.Messages = append([]translate.Message{translate.TextMessage(translate.RoleSystem, preset.System)}, req.Messages...)
	}
	return &req
}
