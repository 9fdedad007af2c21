package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/translate"
)

// cacheKey names the question; ok is false for one that has no exact name.
func (x *Exchange) cacheKey(p *config.Preset) (key answercache.Key, ok bool) {
	q := answercache.Question{
		Scope: "caller " + x.q.Caller.Name, Model: x.q.Model.Name, Messages: window(x.prompt.req.Messages, x.prompt.window), Tools: x.prompt.req.Tools,
		Choice: x.prompt.req.ToolChoice, Params: x.prompt.req.Params, Web: x.prompt.req.Web,
	}
	if p.CacheShared {
		q.Scope = "all"
	}
	return q.Key()
}

// mayBeKept reports whether there may be a kept answer to q.
func (q *Question) mayBeKept() bool {
	return q.Model.preset != nil && q.Model.preset.Cache > 0 && !q.Restart
}

// lookupCache looks for a cached answer, or waits for the one of the same question that
// is under way. It reports whether there is one, with which the exchange then goes on.
func (x *Exchange) lookupCache() (bool, *translate.Error) {
	if !x.q.mayBeKept() {
		return false, nil
	}
	p := x.q.Model.preset
	key, ok := x.cacheKey(p)
	if !ok {
		return false, nil
	}
	x.q.Ledger.Cache = "miss"
	for {
		a, call, lead := x.g.answers.Find(key, p.Cache)
		switch {
		case a != nil:
			x.serveCached(a)
			return true, nil
		case lead:
			x.answer.flight = call
			return false, nil
		}
		select {
		case <-call.Done():
		case <-x.ctx.Done():
			return false, translate.Gone(context.Cause(x.ctx))
		}
		a, retry := call.Result()
		if a != nil {
			x.serveCached(a)
			return true, nil
		}
		if !retry {
			return false, nil // it went wrong: this one is asked by itself
		}
	}
}

// serveCached makes a the answer.
func (x *Exchange) serveCached(a *answercache.Answer) {
	x.answer.cached, x.q.Ledger.Cache = true, "hit"
	ch := &Channel{ID: "cache", conf: &config.Channel{Kind: "cache"}, kind: config.KindOf("cache"), meter: x.g.meters.channel("cache")}
	x.attempt.lease, x.q.Ledger.Dropped = Lease{candidate: candidate{ch: ch}}, a.Dropped
	if x.whole {
		x.answer.collected, x.finished = a.Whole(), true
		return
	}
	x.attempt.clock = &x.attempt.early
	x.attempt.clock.start(func(error) {}, time.Hour, time.Hour)
	x.attempt.stream = a.Stream()
}

// completeCall ends the call that others wait for, if the exchange leads one, with its
// answer if they may have it.
func (x *Exchange) completeCall(err *translate.Error) {
	call := x.answer.flight
	if call == nil {
		return
	}
	x.answer.flight = nil
	var a *answercache.Answer
	if err == nil && x.finished {
		a = answercache.NewAnswer(&x.answer.collected, x.q.Ledger.Dropped)
	}
	x.g.answers.Complete(call, a, err != nil && err.Fault == translate.FaultGone)
}
