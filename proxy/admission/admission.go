// Package admission lets questions in under the limits and the budgets of their callers: at
// once, after they have waited for a limit that has a queue, or not at all.
//
// It counts nothing itself but money: requests, tokens and concurrency are a
// [limiter.Limiter]'s, what was spent before the process began is a ledger's ([Spendings]), and what
// other processes spend as well is kept by a store ([store.Budgeter]).
package admission

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Desk is where questions are let in. It is safe for concurrent use.
type Desk struct {
	limiter  limiter.Limiter
	queue    limitQueue
	accounts accounts
}

// New returns a desk that counts with l. spent may be nil: then each budget counts from zero.
func New(l limiter.Limiter, spent Spendings, log *slog.Logger) *Desk {
	return &Desk{limiter: l, accounts: accounts{spendings: spent, log: log}}
}

// Waiting is how many questions wait for a limit.
func (d *Desk) Waiting() (n int) {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	for _, h := range d.queue.heads {
		n += h.users
	}
	return n
}

// Left returns what is left of the budget b of caller in this period, in the unit of the
// configured prices. The error is that of ctx.
func (d *Desk) Left(ctx context.Context, b *Budget, caller string) (float64, error) {
	u, err := d.BudgetOf(ctx, b, caller)
	return float64(max(u.Left, 0)) / Unit, err
}

// Claim is what a question asks to be let in with. A ticket calls it, on the goroutine that
// calls the ticket.
type Claim interface {
	// Caller is whose limits and budget count.
	Caller() *auth.Caller
	// Key is what the question counts as under a limit of scope.
	Key(scope limiter.Scope) string
	// Queues reports whether questions that the limits called name refuse wait for them.
	Queues(name string) bool
	// Tokens estimates what the question will use, with what is known of its conversation.
	Tokens() (int, *translate.Error)
	// Budget is that of the caller; nil: there is none.
	Budget() *Budget
	// Cost estimates what the question will cost, in billionths.
	Cost() (int64, *translate.Error)
	// Excused reports whether the question may go on though its budget refuses it with
	// err, since it may cost nothing after all.
	Excused(err *translate.Error) bool
}

// Ticket is what one question holds under the limits and the budget of its caller. Settle
// or Cancel must be called, and the first one wins. The zero value holds nothing; one for a
// caller without limits and budget costs nothing. One goroutine uses it.
type Ticket struct {
	desk     *Desk
	claim    Claim
	grant    *limiter.Grant // nil: nothing is counted, or it is settled
	money    *reservation   // nil: there is no budget, or it is settled
	reserved int            // tokens that were
	entry    *entry         // among those that wait for a limit; nil: it does not
	number   uint64         // among them, see entry
}

// Admit takes c's room under the limits of its caller, or its place among those that wait
// for it, and reserves the money that it may cost. It is called once, on the zero value,
// and never waits for a limit.
func (t *Ticket) Admit(ctx context.Context, d *Desk, c Claim) *translate.Error {
	t.desk, t.claim = d, c
	if err := t.afford(ctx); err != nil {
		return err
	}
	if !c.Caller().Limited() {
		return nil
	}
	s, err := t.subject()
	if err != nil {
		return err
	}
	return Refusal(ctx, t.enqueue(ctx, s))
}

// Place takes no more than a place under the concurrency limits of c's caller.
func (t *Ticket) Place(ctx context.Context, d *Desk, c Claim) *translate.Error {
	t.desk, t.claim = d, c
	if !c.Caller().Limited() {
		return nil
	}
	s := limiter.Subject{Place: true}
	t.count(&s)
	return Refusal(ctx, t.ask(ctx, s))
}

// Waiting reports whether the question waits for a limit; Wait will wait with it.
func (t *Ticket) Waiting() bool { return t.entry != nil }

// Wait waits until the limits admit the question, if it has to; it keeps its place among
// those that wait, until Leave. The error is the latest refusal, or that of ctx. What the
// clock says would take too long is not waited for.
func (t *Ticket) Wait(ctx context.Context) *translate.Error {
	if t.entry == nil || t.entry.holds {
		return nil
	}
	return Refusal(ctx, t.wait(ctx))
}

// Grow reserves what has become known of the question since it was admitted, and waits for
// that where the limit has a queue. What is refused now was never there: Cancel is called.
func (t *Ticket) Grow(ctx context.Context) *translate.Error {
	err := t.grow(ctx)
	if err == nil {
		err = t.afford(ctx)
	}
	if err != nil {
		t.Cancel()
	}
	return err
}

// State is how the limits stand; ok is false for a question that none counts.
func (t *Ticket) State() (s limiter.State, ok bool) {
	if t.grant == nil {
		return s, false
	}
	return t.grant.Report(), true
}

// Counts reports whether anybody wants to know what the question has used.
func (t *Ticket) Counts() bool { return t.grant != nil || t.money != nil }

// Settle pays what the question has used and cost, in billionths, in place of what was
// reserved.
func (t *Ticket) Settle(used translate.Usage, cost int64) {
	t.Leave()
	t.money.settle(cost)
	t.money = nil
	if t.grant != nil {
		t.grant.Settle(int(min(used.Total(), math.MaxInt32)))
		t.over()
	}
}

// Cancel gives everything back, as if the question had not come.
func (t *Ticket) Cancel() {
	t.Leave()
	t.money.settle(0)
	t.money = nil
	if t.grant != nil {
		t.grant.Cancel()
		t.over()
	}
}

// over tells those that wait that something was given back.
func (t *Ticket) over() {
	t.grant = nil
	t.desk.queue.freed(t.claim)
}

// subject is what the question counts as, with what is known of its conversation.
func (t *Ticket) subject() (s limiter.Subject, err *translate.Error) {
	if t.claim.Caller().CountsTokens() {
		if s.Tokens, err = t.claim.Tokens(); err != nil {
			return s, err
		}
	}
	t.count(&s)
	return s, nil
}

// count has the limits of the caller count s.
func (t *Ticket) count(s *limiter.Subject) {
	for _, r := range t.claim.Caller().Rules {
		s.Under(r, r.Scope(), t.claim.Key(r.Scope()))
	}
}

// ask asks the limiter.
func (t *Ticket) ask(ctx context.Context, s limiter.Subject) error {
	grant, err := t.desk.limiter.Admit(ctx, s)
	if err == nil {
		t.grant, t.reserved = &grant, s.Tokens
	}
	return err
}

// grow reserves the tokens that have become known since.
func (t *Ticket) grow(ctx context.Context) *translate.Error {
	if t.grant == nil || !t.claim.Caller().CountsTokens() {
		return nil
	}
	needs, wrong := t.claim.Tokens()
	if wrong != nil {
		return wrong
	}
	more := needs - t.reserved
	if err := t.orWait(t.grant.More(more), more); err != nil {
		return Refusal(ctx, err)
	}
	defer t.Leave()
	if err := t.Wait(ctx); err != nil {
		return err
	}
	t.reserved = needs
	return nil
}

// afford takes the estimated cost of the question out of the account of its caller, if that
// has a budget; and, called again, what has become known of its conversation since.
func (t *Ticket) afford(ctx context.Context) *translate.Error {
	b := t.claim.Budget()
	if b == nil {
		return nil
	}
	amount, err := t.claim.Cost()
	if err != nil {
		return err
	}
	if t.money != nil {
		err = t.money.grow(ctx, b, amount)
	} else {
		t.money, err = t.desk.accounts.reserve(ctx, b, t.claim.Caller().Name, amount)
	}
	if err != nil && err.Spent != nil && t.claim.Excused(err) {
		return nil
	}
	return err
}

// Refusal is what a caller is told where a limiter said err; nil for nil.
func Refusal(ctx context.Context, err error) *translate.Error {
	var over *limiter.Exceeded
	var known *translate.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &over):
		return over.Refusal()
	case ctx.Err() != nil:
		return translate.Gone(context.Cause(ctx))
	case errors.As(err, &known):
		return known
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "internal error", Cause: err}
}

// foreseer is a limiter that tells how its limits stand, see [limiter.Local].
type foreseer interface {
	Uses(most int) []limiter.Use
	Foresee(limiter.Subject) ([]limiter.Use, *limiter.Exceeded)
	Shared() bool
}

// Shared reports whether several processes count together, of which Uses and Foresee tell the
// counts of this one.
func (d *Desk) Shared() bool {
	f, ok := d.limiter.(foreseer)
	return ok && f.Shared()
}

// Uses returns the limits of which the largest parts are used, the most used first. It is
// empty where the limiter does not tell.
func (d *Desk) Uses(most int) []limiter.Use {
	if f, ok := d.limiter.(foreseer); ok {
		return f.Uses(most)
	}
	return nil
}

// Foresee returns how the limits of s stand, and why they would refuse it now; nil: they would
// not, or the limiter does not tell. It takes nothing.
func (d *Desk) Foresee(s limiter.Subject) ([]limiter.Use, *limiter.Exceeded) {
	if f, ok := d.limiter.(foreseer); ok {
		return f.Foresee(s)
	}
	return nil, nil
}
