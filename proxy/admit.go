package proxy

import (
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
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
	return c.x.plan.PriceOf(c.x.prompt.model, "").Of(translate.Usage{Input: int64(input), Output: int64(output)}), nil
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
