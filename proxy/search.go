package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/translate"
)

// search is the scratch of the choice of a channel, which is over at the commit point.
type search struct {
	targets   [throngFrom - 1]*balance.Target // room for a choice, see pickFrom
	at        [throngFrom - 1]*candidate
	one       [1]*route   // room for the routes that are searched
	sampled   []candidate // the throng that is looked at
	sampledAt time.Time

	began   time.Time
	skipped []exclusion   // candidates that were not asked
	known   int           // how many of them are of earlier routes
	later   []*route      // what is searched after the present one
	tier    []candidate   // that the newest attempt's candidate is of
	next    Lease         // of the attempt that comes
	retry   *candidate    // the one that may get a second try
	pause   time.Duration // the least before it
	empties int           // answers without content
	again   *candidate    // the one that is to be asked once more, in another form
	cuts    int           // how often less was sent, of the present route
	most    int           // bytes that may be sent now; 0: what the model takes
	handed  *slots        // a slot that was handed over, until it is used
	place   uint64        // in the room of those that wait for a full channel
	waited  time.Duration // for a full channel, or for a dial
}

// tryRoutes looks for a channel that answers: among those of the model, then among
// those of its fallbacks. While all that could are full it waits for one of them.
func (x *Exchange) tryRoutes() *translate.Error {
	p := x.plan
	x.search.began = time.Now()
	routes := p.routesOf(x.search.one[:0], x.q.Model)
	x.report.trace.routed(routes, x.search.began.Sub(x.began))
	defer x.giveBack()
	defer x.search.next.Release()
	for {
		err := x.onePass(p, &routes)
		if err != errExhausted {
			return err
		}
		if err = x.queue(); err == errExhausted {
			break
		}
		if err != nil {
			return err
		}
	}
	if x.prompt.media && len(x.report.failures) == 0 && len(x.search.skipped) == 0 {
		return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "unsupported content_type"}
	}
	for i := range x.search.skipped {
		if p := &x.search.skipped[i]; p.full != nil && p.full.gate != nil {
			p.wait = p.full.gate.invite(time.Now())
		}
	}
	return verdict(x.report.failures, x.search.skipped, config.KindOf(x.q.Front).NoModel)
}

// onePass searches all routes once. A route whose model refused the question for its
// length is taken off.
func (x *Exchange) onePass(p *Plan, routes *[]*route) *translate.Error {
	x.search.skipped = x.search.skipped[:0]
	all := *routes
	for i, r := range all {
		x.search.later = all[i+1:]
		err := x.tryCandidates(p, r)
		if err == errExhausted {
			continue
		}
		if err == nil || len(x.search.later) == 0 || !tooLong(err) {
			return err
		}
		*routes = x.search.later
	}
	return errExhausted
}

// suits reports whether c can be told the question at all: images, voice and video
// of iagent clients mean something to few kinds of channel (product.md 6, settled detail
// 11).
func (x *Exchange) suits(c *candidate) bool { return !x.prompt.media || c.ch.kind.Media }

// errExhausted says that a route has nobody left to ask.
var errExhausted = &translate.Error{}

// tooLong reports whether a model refused a question for its length: another
// model may take it (product.md 6, defaults 4).
func tooLong(err *translate.Error) bool {
	return err.TooLong != nil || err.Upstream != nil && err.Upstream.Code == translate.CodeTooLong
}

// tryCandidates tries the candidates of r until one answers. Any error but errExhausted is
// final for this route.
func (x *Exchange) tryCandidates(p *Plan, r *route) *translate.Error {
	x.search.retry, x.search.known, x.search.cuts, x.search.most = nil, len(x.search.skipped), 0, 0
	for x.report.attempts < maxAttempts && (x.report.attempts == 0 || time.Since(x.search.began) <= lastAttempt) {
		c, more := x.askAgain(), false
		if c != nil {
			more = x.another(r.tiers, c, time.Now())
		} else {
			c, more = x.pick(p, r)
		}
		if x.ctx.Err() != nil {
			return translate.Gone(context.Cause(x.ctx))
		}
		if c == nil {
			break
		}
		if x.report.attempts++; x.report.attempts == maxAttempts {
			more = false
		}
		err := x.try(*c, more)
		if err == nil {
			return nil
		}
		if err == errLater {
			if x.ctx.Err() != nil {
				return translate.Gone(context.Cause(x.ctx))
			}
			continue
		}
		again := x.rephrased(c, err) || x.less(c, err)
		if !again {
			x.report.failures = append(x.report.failures, failure{c.ch, c.cell, err})
		}
		x.tried(c.ch, err)
		x.report.trace.attempted(&x.q.Ledger, err)
		x.endTry(err)
		if x.ctx.Err() != nil {
			return translate.Gone(context.Cause(x.ctx))
		}
		if again {
			continue
		}
		then := consequences[err.Fault]
		if !then.elsewhere {
			return err
		}
		if err == errEmpty {
			if x.search.empties++; x.search.empties > 1 {
				return err // it was paid for each time
			}
		}
		if replay := c.ch.conf.Replay; then.sent && replay != nil && !*replay {
			return err
		}
		if x.search.retry = nil; passes(err) && x.failed(c.cell) == 1 && (err != errEmpty || !more) {
			x.search.retry, x.search.pause = c, err.Retry
		}
	}
	return errExhausted
}

// passes reports whether err is of a kind that goes by soon: the same channel is
// asked once more where its own tier has no alternative (product.md 6, defaults
// 3).
func passes(err *translate.Error) bool {
	return err.Retry <= shortWait && (err.Fault == translate.FaultBroken || err.Fault == translate.FaultBusy && err.Retry > 0)
}

// secondTry returns, after a pause, the candidate that failed just now if it is of
// tier, where nobody else is left, and may be asked again; else nil.
func (x *Exchange) secondTry(tier []candidate) *candidate {
	c := x.search.retry
	if c == nil || !slices.ContainsFunc(tier, func(o candidate) bool { return o.cell == c.cell }) {
		return nil
	}
	x.search.retry = nil
	// Without this look it would pause for a breaker that the failure has opened.
	if c.barred(time.Now()).wait > shortWait {
		return nil
	}
	if !x.pause(x.search.pause) || c.barred(time.Now()).state != "" || !x.reserve(c) {
		return nil
	}
	return c
}

// failed is how often a cell was tried in vain for this question.
func (x *Exchange) failed(c *cell) int {
	n := 0
	for _, f := range x.report.failures {
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
func (x *Exchange) pause(least time.Duration) bool {
	wait := 50*time.Millisecond + time.Duration(x.g.chance(int64(100*time.Millisecond)))
	t := time.NewTimer(max(wait, least))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// exclusion is b as a client may be told of it.
func (c *candidate) exclusion(b bar) exclusion {
	return exclusion{ch: c.ch, why: b.why, wait: b.wait, busy: b.state == "throttled", fault: b.fault, said: b.said()}
}

// pick returns the next candidate of r, its slot and its breaker's leave taken, and
// whether another one could be asked; nil when there is none or the question's context
// ended.
func (x *Exchange) pick(p *Plan, r *route) (c *candidate, more bool) {
	now := time.Now()
	x.search.skipped = x.search.skipped[:x.search.known]
	for i, tier := range r.tiers {
		x.search.tier = tier
		if c = x.pickOf(r.throngs[i], tier, now); c != nil {
			return c, x.another(r.tiers[i:], c, now)
		}
		left := 0
		if c, left = x.pickFrom(p, tier, now); c == nil {
			if c = x.secondTry(tier); c != nil {
				x.report.trace.chosen(c, bySecond, 1)
			}
		}
		if c != nil {
			return c, left > 0 || x.another(r.tiers[i+1:], c, now)
		}
		if x.ctx.Err() != nil {
			return nil, false
		}
	}
	return nil, false
}

// pickFrom is pick among the candidates of one tier that were not asked yet.
func (x *Exchange) pickFrom(p *Plan, tier []candidate, now time.Time) (*candidate, int) {
	targets, at := x.search.targets[:0], x.search.at[:0]
	for i := range tier {
		c := &tier[i]
		if !x.untried(c) {
			continue
		}
		b, turn := c.barred(now), (*slots)(nil)
		if b.state == "" {
			b, turn = x.gated(c, now)
		}
		if b.state != "" {
			e := c.exclusion(b)
			e.full = turn
			x.search.skipped = append(x.search.skipped, e)
			x.report.trace.barred(c, b)
			continue
		}
		targets, at = append(targets, c.target), append(at, c)
	}
	front := x.stepBack(targets, at, now)
	for among := len(at); len(at) > 0; front-- {
		if front == 0 {
			front = len(at)
		}
		n, by := x.prefer(at), byMemory
		if n < 0 {
			n, by = p.policy.Pick(targets[:front], x.affinity()), byPolicy
		}
		c := at[n]
		targets, at = slices.Delete(targets, n, n+1), slices.Delete(at, n, n+1)
		if x.reserve(c) {
			if among == 1 {
				by = byAlone
			}
			x.report.trace.chosen(c, by, among)
			return c, len(at)
		}
	}
	return nil, 0
}

// stepBack puts the candidates that sit this question out, since they have come back
// only just now or are much slower than others, behind the others, and returns how
// many stay in front: all, if none would.
func (x *Exchange) stepBack(targets []*balance.Target, at []*candidate, now time.Time) int {
	n := len(at)
	for i := 0; i < n && len(at) > 1; {
		if x.joins(at[i], now) {
			i++
			continue
		}
		n--
		targets[i], targets[n] = targets[n], targets[i]
		at[i], at[n] = at[n], at[i]
	}
	if n == 0 {
		return len(at)
	}
	return n
}

// joins reports whether c takes part in the choice for one question.
func (x *Exchange) joins(c *candidate, now time.Time) bool {
	if c.cell.lags(now) {
		x.report.trace.barred(c, c.cell.lag(now))
		return false
	}
	return c.cell.joins(now, x.g.chance)
}

// another reports whether one of tiers, or of the routes after this one, could be
// asked instead of c.
func (x *Exchange) another(tiers [][]candidate, c *candidate, now time.Time) bool {
	if x.anyFree(tiers, c, now) {
		return true
	}
	return slices.ContainsFunc(x.search.later, func(r *route) bool { return x.anyFree(r.tiers, c, now) })
}

func (x *Exchange) anyFree(tiers [][]candidate, but *candidate, now time.Time) bool {
	for _, tier := range tiers {
		for i := range tier {
			if c := &tier[i]; c != but && x.free(c, now) {
				return true
			}
		}
	}
	return false
}

// free reports whether c could be asked for the first time, and nothing keeps the
// question from it but maybe a slot.
func (x *Exchange) free(c *candidate, now time.Time) bool {
	if !x.untried(c) || c.barred(now).state != "" {
		return false
	}
	b, _ := x.gated(c, now)
	return b.state == ""
}

// reserve leases c for the next attempt, or notes why not.
func (x *Exchange) reserve(c *candidate) bool {
	handed := x.search.handed == c.ch.load
	if handed {
		x.search.handed = nil
	}
	l, b := c.Lease(handed)
	if b.state != "" {
		x.barred(c, b)
		return false
	}
	if !x.mayDial(&l) {
		l.Release()
		e := c.exclusion(c.ch.gate.bar(time.Now()))
		e.full, e.busy = &c.ch.gate.turn, true
		x.search.skipped = append(x.search.skipped, e)
		return false
	}
	x.search.next = l
	x.giveBack() // what was handed over for another channel
	return true
}

// barred notes that b kept the next attempt from c.
func (x *Exchange) barred(c *candidate, b bar) {
	e := c.exclusion(b)
	if b.state == "full" {
		e.busy, e.full = true, c.ch.load
	}
	x.report.trace.barred(c, b)
	x.search.skipped = append(x.search.skipped, e)
}

// prefer returns the candidate that remembers the conversation, or -1.
func (x *Exchange) prefer(at []*candidate) int {
	if !slices.ContainsFunc(at, func(c *candidate) bool { return c.ch.kind.Remembers() }) {
		return -1
	}
	if x.complete() != nil {
		return -1
	}
	ch := x.g.memories.peek(x.before())
	return slices.IndexFunc(at, func(c *candidate) bool { return c.ch == ch })
}

// affinity is equal for the questions of one conversation, or else of one caller,
// in every process (FNV-1a).
func (x *Exchange) affinity() uint64 {
	h := uint64(14695981039346656037)
	for i := range len(x.prompt.scope) {
		h = (h ^ uint64(x.prompt.scope[i])) * 1099511628211
	}
	return h
}
