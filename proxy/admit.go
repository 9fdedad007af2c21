package proxy

import (
	"context"
	"errors"
	"math"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// keyOf is what the question counts as under a rule of scope.
func (x *Exchange) keyOf(scope limiter.Scope) string {
	c := x.q.Caller
	switch scope {
	case limiter.User:
		return c.Name + "\x00" + x.q.User
	case limiter.Group:
		if c.Group == "" {
			return "\x00" + c.Name // no group is called that: it counts alone
		}
		return c.Group
	case limiter.Address:
		return x.q.Address
	case limiter.Model:
		return x.prompt.model.Name
	case limiter.All:
		return ""
	}
	return c.Name
}

// ticket is what a question holds under the limits and the budget of its caller.
type ticket struct {
	grant     *limiter.Grant   // nil: nothing is counted, or it is settled
	bill      *bill            // nil: there is no budget, or it is settled
	cacheOnly *translate.Error // why only a kept answer may be given; nil: any may
	reserved  int              // tokens that were
	seat      *seat            // among those that wait for a limit; nil: it does not
	place     uint64           // among them, see seat
	settled   bool             // what follows is final
	used      translate.Usage  // that is paid for
	cost      int64            // of it, in billionths
}

// admit takes the question's room under the limits of its caller, or its place
// among those that wait for it. It is the one way in, whatever the front: once for
// each question, before anything is read or waited for, so that what waits is bounded
// too. A caller without limits costs nothing here. It never waits itself.
func (p *Pending) admit() *translate.Error {
	if err := p.afford(); err != nil {
		return err
	}
	if !p.x.q.Caller.Limited() {
		return nil
	}
	s, err := p.subject()
	if err != nil {
		return err
	}
	return p.notAdmitted(p.ask(s))
}

// subject is what the question counts as, with what is known of its conversation.
func (p *Pending) subject() (limiter.Subject, *translate.Error) {
	s := limiter.Subject{}
	if p.x.q.Caller.CountsTokens() {
		if err := p.x.complete(); err != nil {
			return s, err
		}
		s.Tokens = p.x.prompt.needs()
	}
	for _, r := range p.x.q.Caller.Rules {
		s.Under(r, r.Scope(), p.x.keyOf(r.Scope()))
	}
	return s, nil
}

// admitted completes the admission: it waits for a limit where the question has to,
// and reserves what its conversation, which was not known before, adds to it. What
// is refused now was never there.
func (p *Pending) admitted() *translate.Error {
	if err := p.sitOut(); err != nil {
		return err
	}
	p.x.ticket.leave(&p.x.g.lobby)
	if p.x.prompt.turn != nil {
		if err := p.addHistory(); err != nil {
			p.takeBack()
			return err
		}
	}
	if p.x.ticket.grant != nil && p.told != nil {
		p.told(p.x.ticket.grant.Report())
	}
	p.told = nil // it may hold the client's request
	return nil
}

func (p *Pending) addHistory() *translate.Error {
	if p.x.ticket.grant != nil && p.x.q.Caller.CountsTokens() {
		if err := p.notAdmitted(p.reserveMore(p.x.prompt.needs() - p.x.ticket.reserved)); err != nil {
			return err
		}
	}
	return p.afford()
}

// takeBack gives back what the question was admitted with, as if it had not come.
func (p *Pending) takeBack() {
	x := &p.x
	if x.ticket.grant != nil {
		x.ticket.grant.Cancel()
		x.ticket.grant = nil
		x.g.lobby.freed(x)
	}
	x.ticket.bill.settle(0)
	x.ticket.bill = nil
}

func (p *Pending) notAdmitted(err error) *translate.Error {
	var over *limiter.Exceeded
	switch {
	case err == nil:
		return nil
	case errors.As(err, &over):
		return over.Refusal()
	case p.x.ctx.Err() != nil:
		return translate.Gone(context.Cause(p.x.ctx))
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "internal error", Cause: err}
}

// pay settles the ticket, once, with what the exchange used if that is due: for answers that
// began, even if they broke off, and for questions that their client left while they were
// asked; not for failures and kept answers. It is called before the client can know that its
// answer is over, so that the next question finds the place free.
func (x *Exchange) pay(due bool) {
	if x.ticket.settled {
		return
	}
	x.ticket.settled = true
	if due {
		x.charge()
	}
	x.ticket.bill.settle(x.ticket.cost)
	x.ticket.bill = nil
	if x.ticket.grant != nil {
		x.ticket.grant.Settle(int(min(x.ticket.used.Total(), math.MaxInt32)))
		x.ticket.grant = nil
		x.g.lobby.freed(x)
	}
}

// charge finds out what the answer used and costs, where anybody wants to know.
func (x *Exchange) charge() {
	if x.ticket.grant != nil || x.ticket.bill != nil || x.g.ledger != nil {
		x.ticket.used = x.Usage()
		priced := x.ticket.used
		if x.answer.excess {
			priced.Output = translate.HoldTokens
		}
		x.ticket.cost = x.plan.priceOf(x.prompt.model, x.attempt.lease.upstream).of(priced)
	}
}
