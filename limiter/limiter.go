// Package limiter decides whether a question may start: requests per period,
// tokens per period and questions at once, counted for the caller, its user and
// group, the address, the model, and all together.
//
// A limit of N per period means at most N at once and N per period, refilled
// continuously (docs/rules/limits.md 1): who has used all of 60/m may ask
// again a second later, once.
package limiter

import "context"

// Limiter decides whether a question may start. Implementations are safe for
// concurrent use and pass limitertest.
type Limiter interface {
	// Admit takes one question's room under every bound of s, or under none: a
	// question that one rule refuses costs nothing under the others. However many
	// callers come at once, as many are admitted as there is room for. A refusal
	// is an *Exceeded; every other error says that nothing was decided, and that
	// nothing was taken: ctx has ended, or s has too many bounds.
	//
	// The Grant of an admitted question must be settled.
	Admit(ctx context.Context, s Subject) (Grant, error)
}

// Grant is the room that Admit took. It is a plain value without memory of its
// own; keep one copy of it and settle that one. One goroutine uses it. The zero
// value holds nothing.
type Grant struct {
	local  *Local  // what settles it; nil: it is settled
	ticket *ticket // what is to be given back where several processes count; nil: nothing
	state  State
	tokens int // what was reserved under limits of tokens
	place  bool
	held   [MaxBounds]*entry
	n      int
}

// Settle gives back the place of a running question and corrects the tokens to
// what was used: what was reserved too much may be used at once, and what was used
// beyond the estimate is a debt that must refill before the next question. Zero
// gives all tokens back, as for a question that failed; negative counts as zero.
// The question itself stays counted. Settle must be called exactly once; a second
// call on the same Grant does nothing.
func (g *Grant) Settle(tokens int) {
	l, t := g.local, g.ticket
	g.local, g.ticket = nil, nil
	if l != nil {
		l.settle(g, max(tokens, 0))
	}
	if t != nil {
		t.settle(max(tokens, 0))
	}
}

// More reserves tokens more under the limits of tokens, for what was found out only
// after the question was admitted, such as the length of its history. It takes them
// under all of them or under none; a refusal is an *Exceeded, and leaves the grant
// as it was. It does not count a question, and does nothing after Settle or Cancel.
func (g *Grant) More(tokens int) error {
	if g.local == nil || g.place || tokens <= 0 {
		return nil
	}
	if t := g.ticket; t != nil {
		return t.more(g, tokens)
	}
	return g.local.more(g, tokens, ifThere)
}

// Cancel gives everything back, as if the question had never come: also the one
// that Settle leaves counted. It takes the place of Settle.
func (g *Grant) Cancel() {
	l, t := g.local, g.ticket
	g.local, g.ticket = nil, nil
	if l != nil {
		l.cancel(g)
	}
	if t != nil {
		t.cancel()
	}
}

// Report returns how the tightest of the question's limits stood right after it
// was admitted: one of requests if there is any, else of tokens, else of
// questions at once. It is the zero State if nothing limits the question, and
// stays valid after Settle.
func (g *Grant) Report() State { return g.state }

// tell reports all limits of r when left was left before g, with which open run.
func (g *Grant) tell(r *Rule, left room, open int32) {
	if r.requests.N > 0 {
		g.report(r, Requests, left.requests-1)
	}
	if r.tokens.N > 0 {
		g.report(r, Tokens, left.tokens-float64(g.tokens))
	}
	if r.concurrent > 0 {
		g.report(r, Concurrent, float64(r.concurrent-open))
	}
}

// report makes g's state that of r's limit of kind if it is the tightest so far.
func (g *Grant) report(r *Rule, kind Kind, left float64) {
	if g.state.Kind != 0 && g.state.Kind < kind {
		return
	}
	if s := r.state(kind, left); s.tighter(g.state) {
		g.state = s
	}
}
