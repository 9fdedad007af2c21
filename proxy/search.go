package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/translate"
)

// tryRoutes looks for a channel that answers: among those of the model, then among
// those of its fallbacks. While all that could are full it waits for one of them.
func (s *search) tryRoutes() *translate.Error {
	p := s.x.plan
	s.began = time.Now()
	routes := p.RoutesOf(nil, s.x.prompt.model)
	journal.Routed(s.x.report.trace, routes, s.began.Sub(s.x.began))
	defer s.giveBack()
	defer s.next.Release()
	for {
		err := s.onePass(p, &routes)
		if err != errExhausted {
			return err
		}
		if err = s.queue(); err == errExhausted {
			break
		}
		if err != nil {
			return err
		}
	}
	if s.x.prompt.media && len(s.x.report.failures) == 0 && len(s.skipped) == 0 {
		return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "unsupported content_type"}
	}
	if o := s.x.prompt.req.Opaque; o != nil && len(s.x.report.failures) == 0 && len(s.skipped) == 0 {
		return unspoken(o.Route(), s.x.prompt.req.Dialect)
	}
	for i := range s.skipped {
		if p := &s.skipped[i]; p.Gate() != nil {
			p.Wait = p.Gate().Invite(time.Now())
		}
	}
	return channel.FinalError(s.x.report.failures, s.skipped, config.KindOf(s.x.q.Front).NoModel)
}

// onePass searches all routes once. A route whose model refused the question for its
// length is taken off.
func (s *search) onePass(p *routing.Plan, routes *[]*routing.Route) *translate.Error {
	s.skipped = s.skipped[:0]
	all := *routes
	for i, r := range all {
		s.later = all[i+1:]
		err := s.tryCandidates(p, r)
		if err == errExhausted {
			continue
		}
		if err == nil || len(s.later) == 0 || !tooLong(err) {
			return err
		}
		*routes = s.later
	}
	return errExhausted
}

// suits reports whether c can be told the question at all: images, voice and video
// of iagent clients mean something to few kinds of channel (docs/rules/conversations.md 11), and the
// endpoints beside chat to channels of their dialect.
func (s *search) suits(c *channel.Candidate) bool {
	if s.x.prompt.req.Opaque != nil {
		return c.Channel.Speaks(s.x.prompt.req.Dialect)
	}
	return !s.x.prompt.media || c.Channel.Kind.Media
}

// errExhausted says that a route has nobody left to ask.
var errExhausted = &translate.Error{}

// tooLong reports whether a model refused a question for its length: another
// model may take it (docs/rules/channels.md 3).
func tooLong(err *translate.Error) bool {
	return err.TooLong != nil || err.Upstream != nil && err.Upstream.Code == translate.CodeTooLong
}

// tryCandidates tries the candidates of r until one answers. Any error but errExhausted is
// final for this route.
func (s *search) tryCandidates(p *routing.Plan, r *routing.Route) *translate.Error {
	s.retry, s.known, s.cuts, s.most = nil, len(s.skipped), 0, 0
	for s.x.report.attempts < maxAttempts && (s.x.report.attempts == 0 || time.Since(s.began) <= lastAttempt) {
		c, more := s.askAgain(), false
		if c != nil {
			more = s.another(r.Tiers, c, time.Now())
		} else {
			c, more = s.pick(p, r)
		}
		if s.x.ctx.Err() != nil {
			return translate.Gone(context.Cause(s.x.ctx))
		}
		if c == nil {
			break
		}
		if s.x.report.attempts++; s.x.report.attempts == maxAttempts {
			more = false
		}
		err := s.try(*c, more)
		if err == nil {
			return nil
		}
		if err == errLater {
			if s.x.ctx.Err() != nil {
				return translate.Gone(context.Cause(s.x.ctx))
			}
			continue
		}
		again := s.rephrased(c, err) || s.less(c, err)
		if !again {
			s.x.report.failures = append(s.x.report.failures, channel.Failure{Channel: c.Channel, Record: c.Record, Err: err})
		}
		c.Channel.Meter.Failed(err.Fault)
		s.x.report.trace.Attempted(&s.x.report.timing, err)
		s.x.report.ended(time.Now(), err, s.x.answer.reported(true))
		if s.x.ctx.Err() != nil {
			return translate.Gone(context.Cause(s.x.ctx))
		}
		if again {
			continue
		}
		then := channel.FaultPolicy[err.Fault]
		if !then.Elsewhere {
			return err
		}
		if err == errEmpty {
			if s.empties++; s.empties > 1 {
				return err // it was paid for each time
			}
		}
		if replay := c.Channel.Conf.Replay; then.Sent && replay != nil && !*replay {
			return err
		}
		if s.retry = nil; passes(err) && s.failed(c.Record) == 1 && (err != errEmpty || !more) {
			s.retry, s.pause = c, err.Retry
		}
	}
	return errExhausted
}

// passes reports whether err is of a kind that goes by soon: the same channel is
// asked once more where its own tier has no alternative (docs/rules/channels.md 2).
func passes(err *translate.Error) bool {
	return err.Retry <= shortWait && (err.Fault == translate.FaultBroken || err.Fault == translate.FaultBusy && err.Retry > 0)
}

// secondTry returns, after a pause, the candidate that failed just now if it is of
// tier, where nobody else is left, and may be asked again; else nil.
func (s *search) secondTry(tier []channel.Candidate) *channel.Candidate {
	c := s.retry
	if c == nil || !slices.ContainsFunc(tier, func(o channel.Candidate) bool { return o.Record == c.Record }) {
		return nil
	}
	s.retry = nil
	// Without this look it would pause for a breaker that the failure has opened.
	if c.Barred(time.Now()).Wait > shortWait {
		return nil
	}
	if !s.wait(s.pause) || c.Barred(time.Now()).State != "" || !s.reserve(c) {
		return nil
	}
	return c
}

// failed is how often a cell was tried in vain for this question.
func (s *search) failed(c *channel.Record) int {
	n := 0
	for _, f := range s.x.report.failures {
		if f.Record == c {
			n++
		}
	}
	return n
}

// untried reports whether c could be asked for the first time.
func (s *search) untried(c *channel.Candidate) bool { return s.suits(c) && s.failed(c.Record) == 0 }

// wait waits before a second try: as long as the back end asked for, else a
// moment. It reports whether the question is still wanted.
func (s *search) wait(least time.Duration) bool {
	wait := 50*time.Millisecond + time.Duration(s.x.g.chance(int64(100*time.Millisecond)))
	t := time.NewTimer(max(wait, least))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.x.ctx.Done():
		return false
	}
}

// pick returns the next candidate of r, its slot and its breaker's leave taken, and
// whether another one could be asked; nil when there is none or the question's context
// ended.
func (s *search) pick(p *routing.Plan, r *routing.Route) (c *channel.Candidate, more bool) {
	now := time.Now()
	s.skipped = s.skipped[:s.known]
	for i, tier := range r.Tiers {
		s.tier = tier
		if c = s.pickOf(r.Samplers[i], tier, now); c != nil {
			return c, s.another(r.Tiers[i:], c, now)
		}
		left := 0
		if c, left = s.pickFrom(p, tier, now); c == nil {
			if c = s.secondTry(tier); c != nil {
				s.x.report.trace.Chosen(targetOf(c), journal.BySecond, 1)
			}
		}
		if c != nil {
			return c, left > 0 || s.another(r.Tiers[i+1:], c, now)
		}
		if s.x.ctx.Err() != nil {
			return nil, false
		}
	}
	return nil, false
}

// pickFrom is pick among the candidates of one tier that were not asked yet.
func (s *search) pickFrom(p *routing.Plan, tier []channel.Candidate, now time.Time) (*channel.Candidate, int) {
	at := s.at[:0]
	for i := range tier {
		c := &tier[i]
		if !s.untried(c) {
			if !s.suits(c) {
				s.unsuited(c)
			}
			continue
		}
		b, turn := c.Barred(now), (*fairqueue.Slots)(nil)
		if b.State == "" {
			b, turn = s.gated(c, now)
		}
		if b.State != "" {
			e := c.Skip(b)
			e.Full = turn
			s.skipped = append(s.skipped, e)
			s.x.report.skipped(c, b)
			continue
		}
		at = append(at, c)
	}
	front := s.stepBack(at, now)
	for among := len(at); len(at) > 0; front-- {
		if front == 0 {
			front = len(at)
		}
		n, by := s.prefer(at), journal.ByMemory
		if n < 0 {
			n, by = s.choose(p.Policy, at[:front]), journal.ByPolicy
		}
		c := at[n]
		at = slices.Delete(at, n, n+1)
		if s.reserve(c) {
			if among == 1 {
				by = journal.ByAlone
			}
			s.x.report.trace.Chosen(targetOf(c), by, among)
			return c, len(at)
		}
	}
	return nil, 0
}

// choose has the policy choose among at, where there is a choice.
func (s *search) choose(policy balance.Policy, at []*channel.Candidate) int {
	if len(at) == 1 {
		return 0
	}
	targets := make([]*balance.Target, len(at))
	for i, c := range at {
		targets[i] = c.Target
	}
	return policy.Pick(targets, s.x.prompt.affinity())
}

// stepBack moves candidates in slow start, or demoted as slow, to the end and returns how
// many remain preferred: all, if none would.
func (s *search) stepBack(at []*channel.Candidate, now time.Time) int {
	n := len(at)
	for i := 0; i < n && len(at) > 1; {
		if s.joins(at[i], now) {
			i++
			continue
		}
		n--
		at[i], at[n] = at[n], at[i]
	}
	if n == 0 {
		return len(at)
	}
	return n
}

// joins reports whether c takes part in the choice for one question.
func (s *search) joins(c *channel.Candidate, now time.Time) bool {
	if c.Record.Demoted(now) {
		s.x.report.skipped(c, c.Record.Outlier(now))
		return false
	}
	return c.Record.TakesPart(now, s.x.g.chance)
}

// another reports whether one of tiers, or of the routes after this one, could be
// asked instead of c.
func (s *search) another(tiers [][]channel.Candidate, c *channel.Candidate, now time.Time) bool {
	if s.anyFree(tiers, c, now) {
		return true
	}
	return slices.ContainsFunc(s.later, func(r *routing.Route) bool { return s.anyFree(r.Tiers, c, now) })
}

func (s *search) anyFree(tiers [][]channel.Candidate, but *channel.Candidate, now time.Time) bool {
	for _, tier := range tiers {
		for i := range tier {
			if c := &tier[i]; c != but && s.free(c, now) {
				return true
			}
		}
	}
	return false
}

// free reports whether c could be asked for the first time, and nothing keeps the
// question from it but maybe a slot.
func (s *search) free(c *channel.Candidate, now time.Time) bool {
	if !s.untried(c) || c.Barred(now).State != "" {
		return false
	}
	b, _ := s.gated(c, now)
	return b.State == ""
}

// reserve leases c for the next attempt, or notes why not.
func (s *search) reserve(c *channel.Candidate) bool {
	handed := s.handed == c.Channel.Slots
	if handed {
		s.handed = nil
	}
	l, b := c.Lease(handed)
	if b.State != "" {
		s.barred(c, b)
		return false
	}
	if !s.mayDial(&l) {
		l.Release()
		e := c.Skip(c.Channel.Gate.Bar(time.Now()))
		e.Full, e.Busy = &c.Channel.Gate.Turn, true
		s.skipped = append(s.skipped, e)
		return false
	}
	l.Request, l.Span = s.x.q.ID, &s.x.report.span
	s.next = l
	s.giveBack() // what was handed over for another channel
	return true
}

// barred notes that b kept the next attempt from c.
func (s *search) barred(c *channel.Candidate, b channel.Bar) {
	e := c.Skip(b)
	if b.State == "full" {
		e.Busy, e.Full = true, c.Channel.Slots
	}
	s.x.report.skipped(c, b)
	s.skipped = append(s.skipped, e)
}

// prefer returns the candidate that remembers the conversation, or -1.
func (s *search) prefer(at []*channel.Candidate) int {
	if !slices.ContainsFunc(at, func(c *channel.Candidate) bool { return c.Channel.Kind.Remembers() }) {
		return -1
	}
	if s.x.complete() != nil {
		return -1
	}
	ch := s.x.prompt.rememberedBy()
	return slices.IndexFunc(at, func(c *channel.Candidate) bool { return c.Channel == ch })
}
