package front

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
)

// iagentJob is one message of an iagent connection that was not answered before, until it is.
type iagentJob struct {
	*iagentConn
	m    iagent.Message
	ctx  context.Context // ends when nobody waits for the answer any more
	stop context.CancelCauseFunc
	p    *proxy.Pending // nil: it was not admitted, or need not be
	req  translate.Request
	id   conversation.Identity
	made store.Conversation
	held intake.Charge
	// capture keeps what is said; nil: nobody does.
	capture *capture.Exchange
	// known is the outcome, if that was clear before anybody was asked.
	known *jobResult
	claim *claim // how other processes know it; nil: they do not
}

// jobResult is the one frame that answers a question.
type jobResult struct {
	frame []byte
	// keep: it is worth repeating, which the end of an abandoned question is not.
	keep bool
	// passed: it is for another process to answer, which was asked later or will be.
	passed bool
	// of is the exchange to be closed; nil: there was none.
	of *proxy.Exchange
}

// begin answers m on a goroutine of its own, unless it is a duplicate. It takes the
// question's place in its conversation at once, so that the questions of one
// conversation are answered in the order in which they came. The error says that m
// is illegal.
func (c *iagentConn) begin(m iagent.Message, frame []byte, held intake.Charge) *translate.Error {
	received := time.Now()
	one := &iagentJob{iagentConn: c, m: m, held: held}
	one.ctx, one.stop = context.WithCancelCause(c.s.life)
	first, err := c.s.recent.ask(c.name, m.ID, frame, c, received, one.stop)
	if !first {
		one.stop(nil)
		one.held.Release()
		<-c.slots
		return err
	}
	if wrong := one.claimed(frame); wrong != nil {
		c.s.recent.answered(c.name, m.ID, nil, false, false, received)
		one.stop(nil)
		one.held.Release()
		<-c.slots
		return wrong
	}
	if one.known == nil && !one.claim.elsewhere() {
		one.prepare(received, frame)
	}
	c.asking.Add(1)
	c.employ(one)
	return nil
}

// employ has one answered by a goroutine that is idle, else by a new one: their
// stacks have grown already.
func (c *iagentConn) employ(one *iagentJob) {
	select {
	case c.jobs <- one:
	default:
		c.work(func() { c.worker(one) })
	}
}

// worker answers one, and others after it as long as not too many others are idle.
func (c *iagentConn) worker(one *iagentJob) {
	for {
		one.settle()
		one = nil
		select {
		case c.idle <- struct{}{}:
		default:
			return
		}
		select {
		case one = <-c.jobs:
		case <-c.over:
		}
		<-c.idle
		if one == nil {
			return
		}
	}
}

// settle sees the question answered, and lets the next question of the conversation
// go on.
func (o *iagentJob) settle() {
	c := o.iagentConn
	// A bug costs the question that met it, not all others of the connection.
	defer func() {
		if p := recover(); p != nil {
			o.log().Error("panic", "what", p, "stack", string(debug.Stack()))
		}
	}()
	defer c.asking.Done()
	defer func() { <-c.slots }()
	defer o.held.Release()
	defer o.stop(nil)
	var out jobResult
	defer func() {
		if out.frame == nil { // it has panicked
			out.frame = o.failure(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
		}
		o.capture.Told(out.frame)
		mine := o.tell(&out)
		c.s.recent.answered(c.name, o.m.ID, out.frame, out.keep, mine, time.Now())
		// Not before the frame is queued: the next question of the conversation may
		// be answered, or fail, in no time.
		if out.of != nil {
			_ = out.of.Close()
		}
		o.leave()
	}()
	out = o.answer()
}

// log is for lines about the question, see [call.log]; of one that was not admitted they have
// the id of its session.
func (o *iagentJob) log() *slog.Logger {
	if o.p != nil {
		return o.p.Logger(o.s.log)
	}
	return o.s.log.With("id", o.session.id)
}

// leave gives back the question's place.
func (o *iagentJob) leave() {
	if o.p == nil {
		return
	}
	turn := o.p.Turn()
	o.p.Dismiss()
	if turn != nil {
		turn.Done()
	}
}

// prepare takes the place of the question, which came as frame, in its conversation, if it has to
// be asked.
func (o *iagentJob) prepare(received time.Time, frame []byte) {
	c, m := o.iagentConn, &o.m
	name := ""
	if c.s.g.Known(m.Receiver) {
		name = m.Receiver
	}
	agent := name
	if agent == c.s.settings().IAgent.Name {
		agent = ""
	}
	model, wrong := c.s.g.Resolve(c.caller, name)
	if c.silent(m, agent != "") {
		o.known = &jobResult{frame: iagent.AppendSilent(nil, c.reply(m)), keep: true}
		return
	}
	if wrong != nil {
		o.known = &jobResult{frame: o.failure(noModel(wrong)), keep: true}
		return
	}
	m.Request(&o.req)
	q := proxy.Question{ID: ids.New("req_"), Session: c.session.id, Front: iagent.Dialect.Name(), Caller: c.caller, Model: model, Received: received, Request: &o.req,
		Address: c.address, User: m.Sender}
	c.s.g.Capture(&q, frame)
	o.capture = q.Capture
	p, err := c.s.g.Admit(o.ctx, q)
	if err != nil && c.away.Load() && c.s.g.Draining() {
		// It was read while the server began to stop: the farewell has its client send it again.
		o.known = &jobResult{frame: []byte{}, passed: true}
		return
	}
	if err != nil {
		o.known = o.refused(err)
		return
	}
	o.p = p
	o.id = iagentIdentity(m, agent, &o.made)
	// One that waits for a limit takes its place when it is admitted: it must not
	// keep this goroutine from reading.
	if !o.p.Waiting() {
		o.known = o.join()
	}
}

// join takes the question's place; what it returns, if anything, is the outcome.
func (o *iagentJob) join() *jobResult {
	if err := o.p.Join(o.ctx, o.id); err != nil {
		return o.refused(err)
	}
	o.p.Turn().Hold()
	return nil
}

// noModel: a client of this dialect chooses no model, so none that is there to be
// asked is the gateway's fault.
func noModel(err *translate.Error) *translate.Error {
	if err.Code != translate.CodeModelNotFound {
		return err
	}
	e := *err
	e.Code = translate.CodeUnavailable
	return &e
}

// answer waits for the answer.
func (o *iagentJob) answer() jobResult {
	if o.claim.elsewhere() {
		return o.await()
	}
	if o.known == nil && o.p.Turn() == nil {
		o.known = o.join()
	}
	if o.known != nil {
		return *o.known
	}
	x, err := o.p.Open(o.ctx)
	if err != nil {
		return *o.refused(err)
	}
	a, err := x.Whole()
	if err != nil {
		return jobResult{frame: o.failure(typed(err)), keep: true, of: x}
	}
	return jobResult{frame: iagent.AppendAnswer(nil, o.reply(&o.m), a), keep: true, of: x}
}

func (o *iagentJob) failure(err *translate.Error) []byte {
	return iagent.AppendFailure(nil, o.reply(&o.m), err)
}

// refused is what answers a question that did not come to a channel's answer.
func (o *iagentJob) refused(err error) *jobResult {
	e := typed(err)
	if e.Fault == translate.FaultGone {
		// Only who repeated the question in this very moment gets to see it.
		return &jobResult{frame: o.failure(&translate.Error{Code: translate.CodeUnavailable, Message: "the question was abandoned"})}
	}
	// What a limit kept out was not asked: sent again, it may get in.
	_, limited := e.Cause.(*limiter.Exceeded)
	return &jobResult{frame: o.failure(e), keep: !limited && e.Spent == nil}
}
