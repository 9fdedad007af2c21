package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// cacheKey names the question; ok is false for one that has no exact name.
func (p *prompt) cacheKey(preset *config.Preset) (key answercache.Key, ok bool) {
	q := answercache.Question{
		Scope: "caller " + p.q.Caller.Name, Model: p.model.Name, Messages: window(p.req.Messages, p.window), Tools: p.req.Tools,
		Choice: p.req.ToolChoice, Params: p.req.Params, Web: p.req.Web,
	}
	if preset.CacheShared {
		q.Scope = "all"
	}
	return q.Key()
}

// lookupCache looks for a cached answer, or waits for the one of the same question that
// is under way. It reports whether there is one, with which the exchange then goes on.
func (p *Pending) lookupCache() (bool, *translate.Error) {
	x := &p.x
	if !x.prompt.mayBeKept() {
		return false, nil
	}
	preset := x.prompt.model.Preset
	key, ok := x.prompt.cacheKey(preset)
	if !ok {
		return false, nil
	}
	x.report.timing.Cache = "miss"
	for {
		a, call, lead := x.g.answers.Find(key, preset.Cache)
		switch {
		case a != nil:
			p.serveCached(a)
			return true, nil
		case lead:
			x.answer.call = call
			return false, nil
		}
		select {
		case <-call.Done():
		case <-x.ctx.Done():
			return false, translate.Gone(context.Cause(x.ctx))
		}
		a, retry := call.Result()
		if a != nil {
			p.serveCached(a)
			return true, nil
		}
		if !retry {
			return false, nil // it went wrong: this one is asked by itself
		}
	}
}

// serveCached makes a the answer.
func (p *Pending) serveCached(a *answercache.Answer) {
	x := &p.x
	x.answer.cached, x.report.timing.Cache = true, "hit"
	ch := &channel.Channel{ID: "cache", Conf: &config.Channel{Kind: "cache"}, Kind: config.KindOf("cache"), Meter: x.g.metrics.Channel("cache")}
	x.attempt.lease, x.report.timing.Dropped = channel.Lease{Candidate: channel.Candidate{Channel: ch}}, a.Dropped
	if x.whole {
		x.answer.collected, x.answer.complete = a.Whole(), true
		return
	}
	x.attempt.watchdog = &x.attempt.early
	x.attempt.watchdog.start(func(error) {}, time.Hour, time.Hour)
	x.attempt.stream = a.Stream()
}

// completeCall ends the call that others wait for, if the exchange leads one, with its
// answer if they may have it.
func (x *Exchange) completeCall(err *translate.Error) {
	call := x.answer.call
	if call == nil {
		return
	}
	x.answer.call = nil
	var a *answercache.Answer
	if err == nil && x.answer.complete {
		a = answercache.NewAnswer(&x.answer.collected, x.report.timing.Dropped)
	}
	x.g.answers.Complete(call, a, err != nil && err.Fault == translate.FaultGone)
}
