package proxy

import (
	"context"
	"io"
	"runtime/debug"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Dropped names what the question said and the channel could not be told, with commas
// between.
func (x *Exchange) Dropped() string { return x.report.timing.Dropped }

// PassThrough reports whether the answer is in the client's own dialect already:
// only Event.Raw is to be written, or [Exchange.Raw] for a whole answer.
func (x *Exchange) PassThrough() bool { return x.attempt.passThrough }

// Channel returns the id of the channel that answers.
func (x *Exchange) Channel() string { return x.attempt.lease.Channel.ID }

// Attempts returns how many channels were asked.
func (x *Exchange) Attempts() int { return x.report.attempts }

// Whole stores the turn and returns the complete answer of a question that was
// not streamed.
func (x *Exchange) Whole() (*translate.Answer, error) {
	x.estimate(&x.answer.collected.Usage)
	x.tellProofs()
	if err := x.store(false); err != nil {
		x.err = err
		return nil, err
	}
	x.giveBack()
	return &x.answer.collected, nil
}

// Raw is the whole answer as it came; it lives until Close.
func (x *Exchange) Raw() []byte { return x.answer.raw }

// Next returns the next event of a streamed answer, see [translate.Stream].
func (x *Exchange) Next() (translate.Event, error) {
	if x.known() || x.attempt.outlives || x.phase == estimated {
		if here, ev, err := x.ready(); here {
			return ev, err
		}
	}
	x.attempt.watchdog.SetWaiting(true)
	ev, err := x.attempt.stream.Next()
	x.attempt.watchdog.SetWaiting(false)
	if err != nil {
		return x.stopped(err)
	}
	x.believe(&ev)
	return x.accept(ev)
}

// Wait returns when Next has something to say, or at once where that cannot be told.
// Calling it is optional. A goroutine that waits here needs less stack than in Next, and
// nearly all open answers wait.
func (x *Exchange) Wait() {
	if x.known() || x.attempt.stream == nil {
		return
	}
	if w, ok := x.attempt.stream.(patient); ok {
		x.attempt.watchdog.SetWaiting(true)
		w.Wait()
		x.attempt.watchdog.SetWaiting(false)
	}
}

// Later reports whether it is likely to take long until Next has something to say. If
// so it calls resume on another goroutine when that may be so; until then the exchange
// must not be used. Calling it is optional. Its caller needs no stack meanwhile.
func (x *Exchange) Later(resume func()) bool {
	if x.known() || x.attempt.stream == nil {
		return false
	}
	s, ok := x.attempt.stream.(interface{ Later(func()) bool })
	if !ok {
		return false
	}
	x.attempt.watchdog.SetWaiting(true) // to the end of the next call of Next
	if s.Later(resume) {
		return true
	}
	x.attempt.watchdog.SetWaiting(false)
	return false
}

// known reports whether Next can tell without asking the channel.
func (x *Exchange) known() bool { return x.err != nil || x.phase >= returned || x.answer.more() }

// ready returns what is known without asking the channel; here is false when nothing
// is.
func (x *Exchange) ready() (here bool, ev translate.Event, err error) {
	if x.err != nil {
		return true, ev, x.err
	}
	if x.attempt.outlives && !x.attempt.detached && !x.answer.complete && x.ctx.Err() != nil {
		x.err = translate.Gone(context.Cause(x.ctx))
		return true, ev, x.err
	}
	if x.answer.more() {
		ev, err = x.accept(x.answer.next())
		return true, ev, err
	}
	if x.phase >= returned {
		return true, ev, io.EOF
	}
	if x.phase == estimated {
		ev, err = x.over()
		return true, ev, err
	}
	return false, ev, nil
}

// stopped is Next when the channel gave err.
func (x *Exchange) stopped(err error) (translate.Event, error) {
	if x.answer.complete {
		// The end mark was seen: a failure behind it changes nothing.
		return x.over()
	}
	return x.cut(x.fault(err))
}

// over ends an answer. What nobody counted is estimated, as late as this because
// counts may come behind the finish (docs/rules/channels.md 8).
func (x *Exchange) over() (translate.Event, error) {
	if x.phase == committed && !x.attempt.passThrough {
		if u := x.Usage(); u.Estimated {
			x.phase = estimated
			return translate.Event{Kind: translate.KindUsage, Usage: u}, nil
		}
	}
	x.giveBack()
	return translate.Event{}, io.EOF
}

// giveBack gives back what the answer needed, once nothing more will come of it. It is
// done before the client can know that the answer is over: its next question may come at
// once.
func (x *Exchange) giveBack() {
	if x.phase >= returned {
		return
	}
	x.phase = returned
	x.attempt.fits(x.answer.collected.Usage, x.answer.doubted)
	x.attempt.end()
	x.pay(!x.answer.cached)
	if x.attempt.lease.Channel.Kind.Remembers() && x.attempt.remote != "" {
		answer := x.answer.collected.Message()
		if said, ok := x.prompt.hashAfter(answer, x.answer.stored); ok {
			x.g.memories.Put(x.g.memories.Position(x.prompt.scope, said), holderOf(&x.attempt.lease.Candidate), x.attempt.remote)
		}
	}
}

// cut reports an answer that broke off after the commit point.
func (x *Exchange) cut(err *translate.Error) (translate.Event, error) {
	if x.ctx.Err() != nil && !x.attempt.outlives {
		err = translate.Gone(context.Cause(x.ctx))
	}
	if err.Fault != translate.FaultGone {
		e := *err
		e.Fault = translate.FaultCut
		if e.Code != translate.CodeUnavailable {
			e.Code = translate.CodeModel
		}
		err = &e
		x.attempt.lease.Record.CutOff(err)
		x.attempt.lease.Channel.Meter.Failed(err.Fault)
	}
	x.err = err
	return translate.Event{}, err
}

// accept counts and keeps what an event carries.
func (x *Exchange) accept(ev translate.Event) (translate.Event, error) {
	if substance(ev) {
		x.attempt.watchdog.Content()
		x.answer.textBytes += len(ev.Text)
		x.answer.shown = x.answer.shown || ev.Kind == translate.KindText
		if ev.Kind == translate.KindReasoning && !x.answer.thought {
			x.answer.thought = true
			x.attempt.lease.Quirks.Learn(channel.QuirkThinks)
		}
	}
	if ev.Kind == translate.KindStart {
		x.report.answers(ev.Name)
	}
	if ev.Kind == translate.KindToolProof {
		x.proved(&ev)
	}
	if x.remembers() {
		if x.answer.collected.Add(ev); x.answer.collected.Size() > translate.MaxAnswer {
			return x.cut(translate.Broken("the model's answer is too long", nil))
		}
	} else if ev.Kind == translate.KindUsage || ev.Kind == translate.KindFinish || ev.Kind == translate.KindStart {
		x.answer.collected.Usage.Merge(ev.Usage)
	}
	if ev.Kind != translate.KindFinish {
		return ev, nil
	}
	if err := reasoned(&x.attempt.lease, ev); err != nil {
		return x.cut(err)
	}
	if err := untold(x.prompt.req.Dialect, ev, x.answer.shown); err != nil {
		x.err = err
		return translate.Event{}, err
	}
	x.answer.complete = true
	x.answer.collected.Finish = ev.Finish
	x.tellProofs()
	if err := x.store(false); err != nil {
		x.err = err
		return translate.Event{}, err
	}
	return ev, nil
}

// remembers reports whether the text of the answer is needed after it was sent.
func (x *Exchange) remembers() bool {
	return x.prompt.turn != nil || x.attempt.lease.Channel.Kind.Remembers() || x.answer.call != nil
}

// Ready reports whether Next would return without waiting.
func (x *Exchange) Ready() bool {
	return x.known() || x.attempt.stream.Ready()
}

// Close settles the exchange: the upstream's connection, the channel's slot, the
// place in the conversation, the room under the limits, the log. It is safe to call
// it twice. An answer that is to end without its client goes on: the exchange must
// not be used any more.
func (x *Exchange) Close() error {
	if x.attempt.detached || x.phase == settled {
		return nil
	}
	if x.mayDetach() && x.g.detach(x) {
		return nil
	}
	x.finish()
	return nil
}

// finish ends an answer of which nothing more is read.
func (x *Exchange) finish() {
	x.keepPartial()
	if !x.answer.complete && x.err == nil {
		x.err = translate.Gone(context.Cause(x.ctx)) // whoever read the answer gave it up
	}
	if x.err != nil {
		x.keepFailed(x.err)
	}
	if x.answer.complete && x.err == nil && !x.whole {
		x.giveBack()
	}
	x.end(x.err)
}

// end is the one settle: it gives back all that the exchange holds, in this order, and
// tells how it went. Whatever called it first counts. err is nil for a good end.
func (x *Exchange) end(err *translate.Error) {
	if x.phase == settled {
		return
	}
	opened, paid := x.phase != asking, x.phase == returned
	x.phase = settled
	x.attempt.abandon(err)
	if !paid {
		x.pay(opened && !x.answer.cached || x.report.attempts > 0 && err != nil && err.Fault == translate.FaultGone)
	}
	now := time.Now()
	x.report.ended(now, err, x.answer.reported(err != nil && !opened))
	line := x.report.enter(x, now, err)
	x.completeCall(err)
	if x.prompt.turn != nil {
		x.prompt.turn.Done()
	}
	x.report.count(x, now, err)
	if line {
		x.report.log(x, now, opened, err)
	}
	x.report.tell(x, opened, line, err)
	x.report.keep(&x.g.traces, now, err)
	if x.plan != nil {
		x.g.leave(x.plan)
		x.g.open.Done()
	}
}

// maxDetached bounds the answers that go on without their clients. The next one is
// cancelled, as on a channel that does not say on_leave: finish.
const maxDetached = 256

// mayDetach reports whether the answer is one to go on without its client.
func (x *Exchange) mayDetach() bool {
	return x.attempt.outlives && !x.whole && !x.answer.complete && x.attempt.stream != nil && (x.err == nil || x.err.Fault == translate.FaultGone)
}

// Detached reports whether the answer goes on without its client, though the exchange
// was closed.
func (x *Exchange) Detached() bool { return x.attempt.detached }

// detach reads x to its end in the background. It reports false if it does not.
func (g *Gateway) detach(x *Exchange) bool {
	d := &g.detached
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || len(d.stops) >= maxDetached {
		return false
	}
	if d.stops == nil {
		d.stops = make(map[*Exchange]func())
	}
	d.stops[x] = x.attempt.stop
	x.attempt.detached, x.err = true, nil
	d.running.Go(func() {
		defer d.forget(x)
		defer x.crashed()
		for {
			if _, err := x.Next(); err != nil {
				break
			}
		}
		x.finish()
	})
	return true
}

// crashed settles a detached exchange that a bug ended.
func (x *Exchange) crashed() {
	bug := recover()
	if bug == nil {
		return
	}
	x.Logger(x.g.log).Error("panic", "what", bug, "stack", string(debug.Stack()))
	x.end(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
}

// ContentType is the label of an answer to a question with an Opaque, as its channel has it.
func (x *Exchange) ContentType() string { return x.answer.label }

// Entire returns an answer to a question with an Opaque of which all had come before the commit
// point; ok is false for a longer one, which is to be had from Next. The exchange must be closed
// all the same, and the bytes live until then.
func (x *Exchange) Entire() (body []byte, ok bool) {
	if !x.answer.hasFirst || x.answer.first.Kind != translate.KindFinish || len(x.answer.held) != 1 {
		return nil, false
	}
	for {
		if _, err := x.Next(); err != nil {
			return x.answer.raw, err == io.EOF
		}
	}
}
