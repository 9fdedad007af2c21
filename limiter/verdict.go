package limiter

import "time"

// verdict is the worst that the bounds of one question say. The zero value admits.
type verdict struct {
	rule  *Rule
	kind  Kind
	left  float64
	retry time.Duration // 0: not a matter of time
	never bool          // more tokens than the whole limit
}

// add keeps the worse of v and w: what can never be admitted, then what takes
// longest, then what waits for a running question.
func (v *verdict) add(w verdict) {
	switch {
	case v.kind == 0, !v.never && (w.never || w.retry > v.retry):
		*v = w
	}
}

func (v *verdict) exceeded(tokens int) *Exceeded {
	e := &Exceeded{State: v.rule.state(v.kind, v.left), Retry: v.retry, TooLarge: v.never}
	e.Reset = v.retry
	if v.never {
		e.Needs = tokens
	}
	return e
}

// room is what check found to be left; with a debt it is negative.
type room struct{ requests, tokens float64 }

// check adds to worst what e has against a question of tokens, which is counted in
// e.open already.
func (e *entry) check(now time.Time, at time.Duration, tokens int, worst *verdict) (left room) {
	r := e.rule
	if r.requests.N > 0 {
		left.requests = e.requests.TokensAt(now)
		if lack := 1 - left.requests; !due(lack, r.requests) {
			worst.add(verdict{rule: r, kind: Requests, left: left.requests, retry: wait(lack, r.requests)})
		}
	}
	if r.tokens.N > 0 {
		left.tokens = e.tokens.peek(at, r.tokens)
		if v := e.lacks(at, tokens, tokens); v.kind != 0 {
			worst.add(v)
		}
	}
	if r.concurrent > 0 && e.open > r.concurrent {
		worst.add(verdict{rule: r, kind: Concurrent})
	}
	return left
}

// lacks is what e has against reserving tokens for a question that needs all in the
// whole; the zero verdict is nothing.
func (e *entry) lacks(at time.Duration, tokens, all int) verdict {
	r := e.rule
	if r.tokens.N == 0 {
		return verdict{}
	}
	left := e.tokens.peek(at, r.tokens)
	lack := float64(tokens) - left
	if due(lack, r.tokens) {
		return verdict{}
	}
	v := verdict{rule: r, kind: Tokens, left: left, never: all > r.tokens.N}
	if !v.never {
		v.retry = wait(lack, r.tokens)
	}
	return v
}

// take takes of what check found to be left, and tells g what remains.
func (e *entry) take(now time.Time, at time.Duration, left room, g *Grant) {
	r := e.rule
	if r.requests.N > 0 {
		e.requests.AllowN(now, 1)
		g.report(r, Requests, left.requests-1)
	}
	if r.tokens.N > 0 {
		e.tokens.take(at, g.tokens, r.tokens)
		g.report(r, Tokens, left.tokens-float64(g.tokens))
	}
	if r.concurrent > 0 {
		g.report(r, Concurrent, float64(r.concurrent-e.open))
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

// state returns how r's limit of kind stands with left.
func (r *Rule) state(kind Kind, left float64) State {
	s := State{Rule: r.name, Kind: kind, Remaining: whole(left)}
	limit := r.requests
	switch kind {
	case Concurrent:
		s.Limit = int(r.concurrent)
		return s
	case Tokens:
		limit = r.tokens
	}
	s.Limit, s.Window = limit.N, limit.Per
	s.Reset = wait(float64(limit.N)-left, limit)
	return s
}
