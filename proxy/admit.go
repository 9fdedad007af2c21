package proxy

import (
	"errors"
	"math"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// answerTokens is what an answer is expected to need when nobody bounds it
// (product.md, defaults 7).
const answerTokens = 1000

// rules are the sets of limits of a configuration, ready to be counted under.
type rules map[string]*limiter.Rule

func newRules(limits map[string]config.Limit) rules {
	r := make(rules, len(limits))
	for name, l := range limits {
		r[name] = limiter.NewRule(name, l)
	}
	return r
}

// Limited reports whether the questions of c are counted.
func (c *Caller) Limited() bool { return c.rule != nil }

// admit takes the question's room under the limits of its caller. It is the one
// way in, whatever the front: once for each question, before it waits for anything,
// so that what waits is bounded too. A caller without limits costs nothing here.
func (x *Exchange) admit() *translate.Error {
	if err := x.afford(); err != nil {
		return err
	}
	rule := x.q.Caller.rule
	if rule == nil {
		return nil
	}
	s := limiter.Subject{}
	if rule.CountsTokens() {
		if err := x.q.complete(); err != nil {
			return err
		}
		s.Tokens = x.q.needs()
	}
	s.Under(rule, limiter.Caller, x.q.Caller.Name)
	grant, err := x.g.limiter.Admit(x.ctx, s)
	if err != nil {
		return x.notAdmitted(err)
	}
	x.grant = &grant
	if x.q.Admitted != nil {
		x.q.Admitted(grant.Report())
	}
	return nil
}

func (x *Exchange) notAdmitted(err error) *translate.Error {
	var over *limiter.Exceeded
	switch {
	case errors.As(err, &over):
		return over.Refusal()
	case x.ctx.Err() != nil:
		return gone(x.ctx)
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "internal error", Cause: err}
}

// complete decodes a question that its front has only peeked at, before anything
// else looks at it.
func (q *Question) complete() *translate.Error {
	if q.Peeked == nil {
		return nil
	}
	full := translate.Request{Beta: q.Request.Beta}
	if err := q.Peeked.DecodeRequest(&full, q.Request.Raw); err != nil {
		return typed(err)
	}
	*q.Request, q.Peeked = full, nil
	return nil
}

// needs estimates how many tokens the question and its answer will use.
func (q *Question) needs() int {
	input, output := q.expects()
	return input + output
}

// expects is the estimate for the question and for its answer. What the
// conversation adds to the question is not known yet; it is paid for afterwards.
func (q *Question) expects() (input, output int) {
	n := textBytes(q.Request.Messages)
	most := q.Request.Params.MaxTokens
	if p := q.Model.preset; p != nil {
		n += len(p.System)
		if most == nil {
			most = p.MaxTokens
		}
	}
	answer := answerTokens
	if most != nil {
		answer = min(max(*most, 0), math.MaxInt32) // a client chose it
	}
	return tokensOf(n), answer
}

// pay settles the grant and the bill, once, with what the exchange used: all of it for an answer
// that began, even if it broke off, and for a question that its client left while it
// was asked; nothing for one that failed. It is called before the client can know
// that its answer is over, so that the next question finds the place free.
func (x *Exchange) pay(err *translate.Error) {
	if x.charged {
		return
	}
	x.charged = true
	if x.open || x.attempts > 0 && err != nil && err.Fault == translate.FaultGone {
		x.charge()
	}
	x.bill.settle(x.paid)
	x.bill = nil
	if x.grant != nil {
		x.grant.Settle(int(min(x.used.Total(), math.MaxInt32)))
		x.grant = nil
	}
}

// charge finds out what the answer used and costs, where anybody wants to know.
func (x *Exchange) charge() {
	if x.grant != nil || x.bill != nil || x.g.ledger != nil {
		x.used = x.Usage()
		x.paid = x.g.plan.Load().priceOf(x.q.Model, x.asked.upstream).of(x.used)
	}
}

// tokensOf is the usual number of tokens in n bytes of text.
func tokensOf(n int) int { return (n + bytesPerToken - 1) / bytesPerToken }

func textBytes(messages []translate.Message) (n int) {
	for i := range messages {
		for j := range messages[i].Parts {
			n += len(messages[i].Parts[j].Text)
		}
	}
	return n
}
