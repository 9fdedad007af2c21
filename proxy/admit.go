package proxy

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// keyOf is what q counts as under a rule of scope.
func (q *Question) keyOf(scope limiter.Scope) string {
	c := q.Caller
	switch scope {
	case limiter.User:
		return c.Name + "\x00" + q.User
	case limiter.Group:
		if c.Group == "" {
			return "\x00" + c.Name // no group is called that: it counts alone
		}
		return c.Group
	case limiter.Address:
		return q.Address
	case limiter.Model:
		return q.Model.Name
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
func (x *Exchange) admit() *translate.Error {
	if err := x.afford(); err != nil {
		return err
	}
	if !x.q.Caller.Limited() {
		return nil
	}
	s, err := x.subject()
	if err != nil {
		return err
	}
	return x.notAdmitted(x.ask(s))
}

// subject is what the question counts as, with what is known of its conversation.
func (x *Exchange) subject() (limiter.Subject, *translate.Error) {
	s := limiter.Subject{}
	if x.q.Caller.CountsTokens() {
		if err := x.q.complete(x.ctx); err != nil {
			return s, err
		}
		s.Tokens = x.q.needs()
	}
	for _, r := range x.q.Caller.Rules {
		s.Under(r, r.Scope(), x.q.keyOf(r.Scope()))
	}
	return s, nil
}

// admitted completes the admission: it waits for a limit where the question has to,
// and reserves what its conversation, which was not known before, adds to it. What
// is refused now was never there.
func (x *Exchange) admitted() *translate.Error {
	if err := x.sitOut(); err != nil {
		return err
	}
	x.rise()
	if x.q.Turn != nil {
		if err := x.addHistory(); err != nil {
			x.takeBack()
			return err
		}
	}
	if x.ticket.grant != nil && x.q.Admitted != nil {
		x.q.Admitted(x.ticket.grant.Report())
	}
	return nil
}

func (x *Exchange) addHistory() *translate.Error {
	if x.ticket.grant != nil && x.q.Caller.CountsTokens() {
		if err := x.notAdmitted(x.reserveMore(x.q.needs() - x.ticket.reserved)); err != nil {
			return err
		}
	}
	return x.afford()
}

// takeBack gives back what the question was admitted with, as if it had not come.
func (x *Exchange) takeBack() {
	if x.ticket.grant != nil {
		x.ticket.grant.Cancel()
		x.ticket.grant = nil
		x.g.lobby.freed(x.q)
	}
	x.ticket.bill.settle(0)
	x.ticket.bill = nil
}

func (x *Exchange) notAdmitted(err error) *translate.Error {
	var over *limiter.Exceeded
	switch {
	case err == nil:
		return nil
	case errors.As(err, &over):
		return over.Refusal()
	case x.ctx.Err() != nil:
		return translate.Gone(context.Cause(x.ctx))
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "internal error", Cause: err}
}

// complete decodes a question that its front has only peeked at, before anything
// else looks at it.
func (q *Question) complete(ctx context.Context) *translate.Error {
	if q.Peeked == nil {
		return nil
	}
	full := again(q.Request, func() bool { return ctx.Err() != nil })
	if err := q.Peeked.DecodeRequest(&full, q.Request.Raw); err != nil {
		return typed(err)
	}
	full.Stop = nil
	*q.Request, q.Peeked = full, nil
	return nil
}

// again is req before it was peeked at: what is not in its body stands already.
func again(req *translate.Request, stop func() bool) translate.Request {
	return translate.Request{Beta: req.Beta, Model: req.Model, Stream: req.Stream, Stop: stop}
}

// pay settles the grant and the bill, once, with what the exchange used: all of it for an answer
// that began, even if it broke off, and for a question that its client left while it
// was asked; nothing for one that failed or that a kept answer was given to. It is called before the client can know
// that its answer is over, so that the next question finds the place free.
func (x *Exchange) pay(err *translate.Error) {
	if x.ticket.settled {
		return
	}
	x.ticket.settled = true
	if x.open && !x.answer.cached || x.report.attempts > 0 && err != nil && err.Fault == translate.FaultGone {
		x.charge()
	}
	x.ticket.bill.settle(x.ticket.cost)
	x.ticket.bill = nil
	if x.ticket.grant != nil {
		x.ticket.grant.Settle(int(min(x.ticket.used.Total(), math.MaxInt32)))
		x.ticket.grant = nil
		x.g.lobby.freed(x.q)
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
		x.ticket.cost = x.plan.priceOf(x.q.Model, x.attempt.lease.upstream).of(priced)
	}
}

// mayPass reports whether the question may be passed on as it came, so that it
// need not be decoded before it is known who answers it.
func (q *Question) mayPass() bool {
	return q.Turn == nil && q.Model.preset == nil && q.Request.Raw != nil && slices.Contains(q.Model.route.spoken, q.Request.Dialect)
}

// complete decodes a question that was only peeked at, while anybody waits for its answer.
// The error says what is wrong with it.
func (x *Exchange) complete() *translate.Error {
	return x.decode(func() bool { return x.ctx.Err() != nil })
}

// decode decodes a question that was only peeked at. stop as in a translate.Request.
func (x *Exchange) decode(stop func() bool) *translate.Error {
	if x.prompt.lazy == nil {
		return nil
	}
	full := again(&x.prompt.req, stop)
	if err := x.prompt.lazy.DecodeRequest(&full, x.prompt.req.Raw); err != nil {
		return typed(err)
	}
	full.Stop = nil
	x.prompt.req, x.prompt.lazy = full, nil
	if x.q.Holding != nil {
		x.q.Holding.Decoded(&x.prompt.req)
	}
	return nil
}
