package proxy

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// run looks for a channel that answers: among those of the model, then among
// those of its fallbacks.
func (x *Exchange) run() *translate.Error {
	p := x.g.plan.Load()
	routes := []*route{x.q.Model.route}
	for _, name := range p.fallbacks[x.q.Model.Name] {
		if r := p.routes[name]; r != nil {
			routes = append(routes, r)
		}
	}
	for i, r := range routes {
		err := x.search(p, r)
		if err == nil {
			return nil
		}
		if err != errNext && (i == len(routes)-1 || !tooLong(err)) {
			return err
		}
	}
	if x.media && len(x.failures) == 0 && len(x.passed) == 0 {
		return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "unsupported content_type"}
	}
	return verdict(x.failures, x.passed)
}

// suits reports whether c can be told the question at all: images, voice and video
// of iagent mean something to an iagent channel only (product.md 6, settled detail
// 11).
func (x *Exchange) suits(c *candidate) bool { return !x.media || c.ch.conf.Kind == "iagent" }

// errNext says that a route has nobody left to ask.
var errNext = &translate.Error{}

// tooLong reports whether a model refused a question for its length: another
// model may take it (product.md 6, defaults 4).
func tooLong(err *translate.Error) bool {
	return err.Upstream != nil && err.Upstream.Code == "context_length_exceeded"
}

// search tries the candidates of r until one answers. Any error but errNext is
// final for this route.
func (x *Exchange) search(p *Plan, r *route) *translate.Error {
	for x.attempts < maxAttempts && (x.attempts == 0 || time.Since(x.began) <= lastAttempt) {
		c, left := x.pick(p, r)
		if c == nil {
			break
		}
		if x.attempts++; x.attempts == maxAttempts {
			left = 0
		}
		err := x.attempt(*c, left)
		if err == nil {
			return nil
		}
		x.failures = append(x.failures, failure{c.ch, c.cell, err})
		if x.ctx.Err() != nil {
			return gone(x.ctx)
		}
		then := consequences[err.Fault]
		if !then.elsewhere {
			return err
		}
		if replay := c.ch.conf.Replay; then.sent && replay != nil && !*replay {
			return err
		}
		if x.secondTry(r, c, err) {
			x.again = c
			if !x.pause(err) {
				return gone(x.ctx)
			}
		}
	}
	return errNext
}

// secondTry reports whether c, which failed with err, is asked once more before
// a later tier is: where its own tier has no alternative, and the failure is of a
// kind that passes (product.md 6, defaults 3).
func (x *Exchange) secondTry(r *route, c *candidate, err *translate.Error) bool {
	passes := err.Fault == translate.FaultBroken || err.Fault == translate.FaultBusy && err.Retry > 0 && err.Retry <= shortWait
	if !passes || x.failed(c.cell) > 1 {
		return false
	}
	now := time.Now()
	for _, tier := range r.tiers {
		if !slices.ContainsFunc(tier, func(o candidate) bool { return o.cell == c.cell }) {
			continue
		}
		return !slices.ContainsFunc(tier, func(o candidate) bool {
			return x.untried(&o) && x.excluded(&o, now) == nil
		})
	}
	return false
}

// failed is how often a cell was tried in vain for this question.
func (x *Exchange) failed(c *cell) int {
	n := 0
	for _, f := range x.failures {
		if f.cell == c {
			n++
		}
	}
	return n
}

// untried reports whether c could be asked for the first time.
func (x *Exchange) untried(c *candidate) bool { return x.suits(c) && x.failed(c.cell) == 0 }

// pause waits before a second try: as long as the back end asked for, else a
// moment. It reports whether the question is still wanted.
func (x *Exchange) pause(err *translate.Error) bool {
	wait := 50*time.Millisecond + time.Duration(rand.Int64N(int64(100*time.Millisecond)))
	t := time.NewTimer(max(wait, err.Retry))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// excluded says why c cannot be asked now, or nil.
func (x *Exchange) excluded(c *candidate, now time.Time) *exclusion {
	if c.ch.aside.Load() > now.UnixNano() {
		// Without a time: only its operator can mend that.
		return &exclusion{ch: c.ch, why: "its credential was refused"}
	}
	if why, d := c.cell.blocked(now); why != "" {
		return &exclusion{ch: c.ch, why: why, wait: d, busy: c.cell.cool.Load() > now.UnixNano()}
	}
	return nil
}

// pick returns the next candidate of r, its slot and its breaker's leave taken, and
// how many others are left; nil when there is none.
func (x *Exchange) pick(p *Plan, r *route) (*candidate, int) {
	if c := x.again; c != nil {
		x.again = nil
		if x.excluded(c, time.Now()) == nil && x.reserve(c) {
			return c, 0
		}
	}
	now := time.Now()
	x.passed = x.passed[:0]
	for i, tier := range r.tiers {
		targets, at := x.targets[:0], x.at[:0]
		for _, c := range tier {
			if !x.untried(&c) {
				continue
			}
			if out := x.excluded(&c, now); out != nil {
				x.passed = append(x.passed, *out)
				continue
			}
			targets, at = append(targets, &c.ch.Target), append(at, c)
		}
		for len(at) > 0 {
			n := x.prefer(at)
			if n < 0 {
				n = p.policy.Pick(targets, 0)
			}
			c := at[n]
			targets, at = slices.Delete(targets, n, n+1), slices.Delete(at, n, n+1)
			if x.reserve(&c) {
				return &c, len(at) + x.others(r.tiers[i+1:], now)
			}
		}
	}
	return nil, 0
}

// others counts the candidates of tiers that could be asked.
func (x *Exchange) others(tiers [][]candidate, now time.Time) int {
	n := 0
	for _, tier := range tiers {
		for _, c := range tier {
			if x.untried(&c) && x.excluded(&c, now) == nil {
				n++
			}
		}
	}
	return n
}

// reserve takes a slot of c's channel and its breaker's leave, or notes why not.
func (x *Exchange) reserve(c *candidate) bool {
	if !c.ch.acquire() {
		x.passed = append(x.passed, exclusion{ch: c.ch, why: "at its limit of requests", busy: true})
		return false
	}
	done := c.cell.allow()
	if done == nil {
		c.ch.release()
		x.passed = append(x.passed, exclusion{ch: c.ch, why: "breaker is trying it again", wait: time.Second})
		return false
	}
	x.done = done
	return true
}

// prefer returns the candidate that remembers the conversation, or -1.
func (x *Exchange) prefer(at []candidate) int {
	if !slices.ContainsFunc(at, func(c candidate) bool { return c.ch.recall != recallNothing }) {
		return -1
	}
	if x.complete() != nil {
		return -1
	}
	ch := x.g.memories.peek(x.before())
	return slices.IndexFunc(at, func(c candidate) bool { return c.ch == ch })
}
