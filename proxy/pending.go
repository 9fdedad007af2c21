package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Admit takes the question's room under the limits and the budget of its caller, before
// anything is read for it. What its conversation adds to it is reserved by Open, once it is
// known. Admit never waits for a limit; where the question has to, it takes a place among
// those that do, see [Pending.Waiting]. After an error, which is always a *translate.Error,
// nothing is left of the question.
func (g *Gateway) Admit(ctx context.Context, q Question) (*Pending, error) {
	p, err := g.begin(ctx, q)
	if err != nil {
		p.refuse(err)
		return nil, err
	}
	in := false
	defer func() {
		if !in {
			p.panicked()
		}
	}()
	if err := p.letIn(); err != nil {
		p.refuse(err)
		return nil, err
	}
	in = true
	return p, nil
}

// Open admits q and puts it to a channel: [Gateway.Admit] and [Pending.Open] in one, for a
// question that stands alone.
func (g *Gateway) Open(ctx context.Context, q Question) (*Exchange, error) {
	p, err := g.Admit(ctx, q)
	if err != nil {
		return nil, err
	}
	return p.Open(ctx)
}

// begin makes the exchange of q, which counts as open from now on unless that fails.
func (g *Gateway) begin(ctx context.Context, q Question) (*Pending, *translate.Error) {
	p := g.pending(ctx, q)
	caller := ""
	if q.Caller != nil {
		caller = q.Caller.Name
	}
	p.x.report.mark(g.tracer, &p.x.q)
	asked := journal.Asked{ID: q.ID, Front: q.Front, Caller: caller, Model: q.Model.Name, Received: p.x.q.Received}
	if o := q.Request.Opaque; o != nil {
		asked.Endpoint = o.Endpoint
	}
	p.x.report.trace = g.traces.Take(asked)
	return p, g.enter(&p.x)
}

// pending is q before anything is known of it.
func (g *Gateway) pending(ctx context.Context, q Question) *Pending {
	p := &Pending{}
	x := &p.x
	x.g, x.q, x.ctx, x.began, x.whole = g, q, ctx, time.Now(), !q.Request.Stream && q.Request.Opaque == nil
	if q.Received.IsZero() {
		x.q.Received = x.began
	}
	x.prompt.q, x.prompt.model, x.prompt.memories = &x.q, q.Model, g.memories
	x.prompt.req, x.prompt.lazy = *q.Request, q.Peeked
	x.report.keeps = g.ledger != nil
	return p
}

// enter counts x among those that run, and puts it under the present plan.
func (g *Gateway) enter(x *Exchange) *translate.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return &translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down", Retry: time.Second}
	}
	g.open.Add(1)
	x.plan = g.plan.Load()
	x.plan.Users++
	return nil
}

// letIn admits the question under the plan that its exchange is under.
func (p *Pending) letIn() *translate.Error {
	if err := p.under(); err != nil {
		return err
	}
	return p.x.ticket.Admit(p.x.ctx, p.x.g.admission, (*claim)(p))
}

// Waiting reports whether the question waits for a limit: Join, or else Open, will wait
// with it.
func (p *Pending) Waiting() bool { return p.x.ticket.Waiting() }

// Tell has f told how the limits stand as soon as the question has passed them, on the
// goroutine of Open and before Open waits for anything; never for a caller without limits.
func (p *Pending) Tell(f func(limiter.State)) { p.told = f }

// Join waits until the question is admitted, and takes its place in the conversation that
// id names, see [Gateway.Enqueue]. Questions that wait for the same limit take their places
// in the order in which they are admitted. After an error nothing is left of the question,
// as if it had not come.
func (p *Pending) Join(ctx context.Context, id conversation.Identity) error {
	x := &p.x
	x.ctx = ctx
	if err := x.ticket.Wait(ctx); err != nil {
		p.refuse(err)
		return err
	}
	turn, err := x.g.Enqueue(ctx, x.q.Caller, id)
	x.ticket.Leave()
	if err != nil {
		p.Dismiss()
		return err
	}
	x.prompt.turn = turn
	return nil
}

// Enter gives the question turn, a place in a conversation, which is given back with it.
func (p *Pending) Enter(turn *conversation.Turn) { p.x.prompt.turn = turn }

// Begin takes the question's place in a conversation as [Gateway.Enqueue] does and, where
// that is new, stores it with its question, so that it has a number, and can be listed and
// read, before Open. It does not wait for a limit. After an error the question must be
// dismissed.
func (p *Pending) Begin(ctx context.Context, id conversation.Identity) error {
	g := p.x.g
	u, err := g.Enqueue(ctx, p.x.q.Caller, id)
	if err != nil {
		return err
	}
	p.x.prompt.turn = u
	if u.Waits() {
		return nil // others are before it; one of them stores it
	}
	if err := p.list(); err != nil {
		return store.Failed(err)
	}
	u.Listed()
	return nil
}

// Turn is the question's place in its conversation; nil: it has none.
func (p *Pending) Turn() *conversation.Turn { return p.x.prompt.turn }

// Timing says in short where the question went and where its time was spent, as soon as
// Open has returned, whether or not it returned an exchange. p may be nil: then it went
// nowhere.
func (p *Pending) Timing() Timing {
	if p == nil {
		return Timing{}
	}
	return p.x.report.timing
}

// Unnoted reports, when all is over, whether the turn failed and is not stored with its
// error: its client has more on the screen than is stored. It is false for an answer that
// goes on without its client.
func (p *Pending) Unnoted() bool { return !p.x.attempt.detached && p.x.answer.unnoted }

// Dismiss gives back what was taken for the question, as if it had never come. It does
// nothing after Open, nor when it is called again.
func (p *Pending) Dismiss() {
	x := &p.x
	if p.over {
		return
	}
	p.over, x.phase = true, settled
	x.ticket.Cancel()
	if x.prompt.turn != nil {
		x.prompt.turn.Done()
	}
	x.g.traces.Drop(x.report.trace)
	x.report.trace = nil
	x.g.leave(x.plan)
	x.g.open.Done()
}

// Open waits where the question has to wait for a limit, and reserves what its conversation
// adds to it: under all limits of tokens or, with the question, under no limit at all. It
// then puts the question to a channel and reads up to the answer's first content, trying
// other channels until one gives some, the attempts are used up, or ctx ends. For a client
// that waits for a whole answer (Request.Stream is false) it reads all of it. When Open
// returns an exchange the answer is committed: nothing is retried any more. The error is
// always a *translate.Error; nothing is left of the question then.
func (p *Pending) Open(ctx context.Context) (*Exchange, error) {
	p.over, p.x.ctx = true, ctx
	defer p.panicked()
	if err := p.answer(); err != nil {
		p.refuse(err)
		return nil, err
	}
	return p.commit(), nil
}

// answer finds an answer, up to its first content.
func (p *Pending) answer() *translate.Error {
	if err := p.admitted(); err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if p.x.q.Capture != nil {
		p.x.q.Capture.Canonical(p.x.prompt.readable())
	}
	if hit, err := p.lookupCache(); hit || err != nil {
		return err
	}
	if err := p.cacheOnly; err != nil {
		return err
	}
	s := search{x: &p.x}
	return s.tryRoutes()
}

// commit is the only way to an exchange: from here on there is no other channel.
func (p *Pending) commit() *Exchange {
	p.x.phase = committed
	if p.x.prompt.turn == nil {
		p.x.q.Request = nil // nothing of it is stored, so that an answer that trickles needs it no more
	}
	return &p.x
}

// refuse settles a question that got no answer.
func (p *Pending) refuse(err *translate.Error) {
	x := &p.x
	p.over = true
	x.answer.collected = translate.Answer{}
	if x.q.KeepPartial && err.Code == translate.CodeCanceled {
		// The question is kept even though nothing of its answer came.
		if e := x.store(true); e != nil {
			err = e
		}
	}
	x.keepFailed(err)
	x.end(err)
}

// panicked gives everything back when a bug ended Open, so that it costs one question and
// not its conversation, a slot and the end of the process.
func (p *Pending) panicked() {
	if p.x.phase == asking {
		p.over = true
		p.x.end(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
	}
}

// prepare waits for the question's turn and completes its messages.
func (p *Pending) prepare() *translate.Error {
	x, prompt := &p.x, &p.x.prompt
	prompt.window, prompt.scope = -1, x.q.Caller.Name
	if prompt.req.Opaque != nil {
		return nil
	}
	if prompt.lazy != nil && prompt.mayPass() {
		return nil
	}
	if err := x.complete(); err != nil {
		return err
	}
	asked, keep := prompt.req.Messages, prompt.keeps()
	prompt.req.Messages = nil
	if preset := prompt.model.Preset; preset != nil {
		applyPreset(&prompt.req, preset.System, preset.MaxTokens, preset.Temperature, preset.TopP)
	}
	var earlier []translate.Message
	if prompt.turn != nil {
		var err *translate.Error
		if earlier, err = p.earlier(keep, asked); err != nil {
			return err
		}
		prompt.scope = prompt.turn.ID()
	}
	if keep >= 0 {
		prompt.req.Context = keep + 1
	}
	prompt.compose(asked, earlier)
	if len(prompt.added) == 0 && len(earlier) == 0 {
		return translate.Invalid("there is no question")
	}
	prompt.window = keep
	if x.ctx.Err() != nil {
		return translate.Gone(context.Cause(x.ctx))
	}
	return nil
}

// earlier waits for the question's turn, and returns what went before it of its
// conversation. Results that are asked belong to calls of that.
func (p *Pending) earlier(keep int, asked []translate.Message) ([]translate.Message, *translate.Error) {
	x, prompt := &p.x, &p.x.prompt
	if prompt.turn.Wait(x.ctx) != nil {
		return nil, translate.Gone(context.Cause(x.ctx))
	}
	// A question that was stopped just now is stored none the less, which takes
	// knowing its conversation.
	prompt.reading = x.plan.Reading(prompt.model, prompt.req.Params.MaxTokens, keep)
	if err := p.list(); err != nil {
		return nil, store.Failed(err)
	}
	earlier, err := p.history(keep)
	if err != nil {
		return nil, store.Failed(err)
	}
	whole := append(earlier, asked[translate.Leading(asked):]...) // there is room
	return translate.Settled(whole)[:len(earlier)], nil
}
