package proxy

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// more reports whether something of it came before the commit point and was not given out.
func (a *answer) more() bool { return a.hasFirst || a.heldAt < len(a.held) }

// next is the next of that: the held events, then the first content.
func (a *answer) next() translate.Event {
	if a.heldAt < len(a.held) {
		a.heldAt++
		return a.held[a.heldAt-1]
	}
	a.hasFirst, a.held, a.heldAt, a.copies = false, nil, 0, nil // an answer that trickles needs them no more
	return a.first
}

// reported is what the channel said of usage; held says that also what came before the
// commit point counts, which was not looked at yet.
func (a *answer) reported(held bool) translate.Usage {
	u := a.collected.Usage
	for i := range a.held {
		if k := a.held[i].Kind; held && (k == translate.KindStart || k == translate.KindUsage) {
			u.Merge(a.held[i].Usage)
		}
	}
	return u
}

// copied copies what ev borrows behind what copies holds.
func (a *answer) copied(ev translate.Event) translate.Event {
	a.copies = slices.Grow(a.copies, len(ev.Text)+len(ev.ID)+len(ev.Name)+len(ev.Raw))
	for _, p := range []*[]byte{&ev.Text, &ev.ID, &ev.Name, &ev.Raw} {
		if *p != nil {
			start := len(a.copies)
			a.copies = append(a.copies, *p...)
			*p = a.copies[start:len(a.copies):len(a.copies)]
		}
	}
	return ev
}

// mayBeEmpty tells whether an answer that ended so may be without content.
func mayBeEmpty(f translate.Finish) bool {
	switch f {
	case translate.FinishSilent, translate.FinishFilter, translate.FinishLength, translate.FinishPause, translate.FinishSequence:
		return true
	}
	return false
}

// untold is what a client of dialect is told of a good answer of which that can show
// nothing; nil: there is something to show, or the dialect has a place for the reason.
func untold(dialect string, end translate.Event, shown bool) *translate.Error {
	if shown || end.Finish == translate.FinishSilent || !config.KindOf(dialect).TextOnly {
		return nil
	}
	message := "the model gave no text"
	switch end.Finish {
	case translate.FinishLength:
		message = "the model used up its tokens before it gave a text"
	case translate.FinishFilter:
		message = "the answer was withheld by a filter of the model"
	case translate.FinishTool:
		message = "the model called tools, which cannot be run here, and gave no text"
	case translate.FinishPause:
		message = "the model paused before it gave a text"
	case translate.FinishSequence:
		message = "the answer stopped at a stop sequence before its first word"
	}
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: message}
}

// Usage returns what the answer used so far: as the channel reported it, and
// estimated where it did not, or not yet.
func (x *Exchange) Usage() translate.Usage {
	u := x.answer.collected.Usage
	x.estimate(&u)
	return u
}

// estimate fills in what nobody reported: a model reads something, and what it has
// written counts, also of an answer that broke off before its count came.
func (x *Exchange) estimate(u *translate.Usage) {
	if u.Input == 0 {
		u.Input, u.Estimated = x.input(), true
	}
	u.CacheRead = min(u.CacheRead, u.Input)
	u.Estimated = u.Estimated || x.answer.doubted
	if u.Output != 0 && x.answer.complete && !x.answer.doubted {
		return
	}
	if written := x.written(); written > u.Output {
		u.Output, u.Estimated = written, true
	}
}

// believe takes out of ev what no model can have used; the estimate counts then. The log
// says so once, as long as the channel goes on with it. A client that the answer passes
// through to gets what the back end said.
func (x *Exchange) believe(ev *translate.Event) {
	if ev.Kind != translate.KindUsage && ev.Kind != translate.KindFinish && ev.Kind != translate.KindStart {
		return
	}
	x.answer.excess = x.answer.excess || ev.Usage.Excess()
	if !ev.Usage.Doubt() {
		return
	}
	x.answer.doubted = true
	now := time.Now().UnixNano()
	if last := x.attempt.lease.Record.Doubt(now); now-last > int64(doubtLasts) {
		x.Logger(x.g.log).Warn("the channel reports tokens that no model can use, they are estimated", "channel", x.attempt.lease.Channel.ID, "key", x.attempt.lease.Channel.Key, "model", x.attempt.lease.Upstream)
	}
}

// doubtLasts is how long a channel must report nothing impossible until that is said anew.
const doubtLasts = 10 * time.Minute

// input is the estimate of what the channel that was asked last was sent.
func (x *Exchange) input() int64 {
	if x.attempt.inputTokens > 0 {
		return x.attempt.inputTokens
	}
	_ = x.prompt.decode(nil) // what cannot be decoded counts with its whole length
	n := 0
	if x.prompt.passes(x.attempt.lease.Channel) {
		n = x.prompt.req.PassedLength()
	} else if n = x.attempt.length; x.attempt.load == 0 {
		n = x.prompt.req.Length()
	}
	x.attempt.inputTokens = int64(translate.Tokens(n))
	return x.attempt.inputTokens
}

// written is the estimate of what the model has answered so far.
func (x *Exchange) written() int64 {
	n := int64(translate.Tokens(x.answer.textBytes))
	if x.attempt.passThrough {
		n *= int64(max(x.prompt.req.Params.Choices, 1)) // the others go by unread, and are as long
	}
	return n
}

// Cost is what the answer has cost so far, in the unit of the configured prices. What
// nobody reported is estimated, cheaply: it is asked for with each frame.
func (x *Exchange) Cost() float64 {
	if x.attempt.lease.Channel == nil || x.answer.cached {
		return 0
	}
	p := x.plan.PriceOf(x.prompt.model, x.attempt.lease.Upstream)
	if p == nil {
		return 0
	}
	return float64(p.Of(x.Usage())) / admission.Unit
}

func isThought(p translate.Part) bool { return p.Kind == translate.PartReasoning && p.Text != "" }

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
	x.attempt.watchdog.Start(func(error) {}, time.Now(), time.Hour, time.Hour)
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

// typed returns err as the *translate.Error that every upstream promises.
func typed(err error) *translate.Error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return translate.Truncated(err)
	}
	return translate.AsError(err, translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "the model's answer could not be read"})
}

var errEmpty = translate.Broken("the model gave an empty answer", nil)

// errApart is of an answer that is none of a broken model, and has nothing that this client can be told.
var errApart = &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "the model answered with an image, sound or another part that cannot be told here, and gave no text"}

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")
