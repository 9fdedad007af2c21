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
	}
	if r.tokens.N > 0 {
		left.tokens = e.tokens.peek(at, r.tokens)
	}
	r.judge(left, e.open, tokens, worst)
	return left
}

// judge adds to worst what r has against a question of tokens when left is what is
// left, and open questions run with it.
func (r *Rule) judge(left room, open int32, tokens int, worst *verdict) {
	if r.requests.N > 0 {
		if lack := 1 - left.requests; !due(lack, r.requests) {
			worst.add(verdict{rule: r, kind: Requests, left: left.requests, retry: wait(lack, r.requests)})
		}
	}
	if r.tokens.N > 0 {
		if v := r.lacks(left.tokens, tokens, tokens); v.kind != 0 {
			worst.add(v)
		}
	}
	r.places(open, worst)
}

// places is judge for a question that takes nothing but a place.
func (r *Rule) places(open int32, worst *verdict) {
	if r.concurrent > 0 && open > r.concurrent {
		worst.add(verdict{rule: r, kind: Concurrent})
	}
}

// lacks is what r has against reserving tokens of left for a question that needs all in
// the whole; the zero verdict is nothing.
func (r *Rule) lacks(left float64, tokens, all int) verdict {
	if r.tokens.N == 0 {
		return verdict{}
	}
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
