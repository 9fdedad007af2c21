package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

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
			x.g.log.Debug("a channel did not count", "id", x.q.ID, "channel", c.Channel.ID, "why", x.plan.Mask().Log(err.Error()))
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
	req.Refuses, req.Takes, req.Efforts = c.Channel.Refuses, c.Channel.Takes, c.Channel.Conf.Efforts
	if preset != nil && preset.System != "" {
		req.Messages = append([]translate.Message{translate.TextMessage(translate.RoleSystem, preset.System)}, req.Messages...)
	}
	return &req
}
