package proxy

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the search for a channel (product.md 6, defaults 2 and 3).
const (
	maxAttempts  = 6
	lastAttempt  = 30 * time.Second // none begins later than this after the question
	firstWithAlt = 10 * time.Second // auto: while another candidate is left
	firstAlone   = 120 * time.Second
	shortWait    = 2 * time.Second // a Retry-After that is waited for where there is no alternative
)

// Bounds of what one answer may take of the memory.
const (
	maxHeld    = 1 << 20 // before the commit point
	eventBytes = 128     // of an event without what it refers to
)

// attempt puts the question to c, whose slot it gives back when it fails; more as for
// firstWait.
func (x *Exchange) attempt(c candidate, more bool) *translate.Error {
	x.lease, x.next = x.next, Lease{}
	x.lease.sent = time.Now()
	x.tries(c)
	req, err := x.requestFor(c)
	if err != nil {
		x.abandon(err)
		return err
	}
	ctx, cancel := x.lifeOf(c.ch)
	began, first, headers := x.lease.sent, x.firstWait(c, more), c.ch.clocks.headers
	if headers == 0 || headers > first {
		headers = first
	}
	if x.clock = &x.early; x.early.timer != nil {
		x.clock = new(clock) // a late look must find its own attempt ended
	}
	x.clock.start(cancel, headers, c.ch.clocks.total)
	dials := x.lease.dial != nil
	if dials && !x.lease.dialled() {
		if req.Memory.InSync {
			x.g.memories.put(x.before(), c, x.remote)
		}
		return x.turnedAway(c, began, nil)
	}
	stream, failed := c.ch.up.Open(ctx, req)
	x.opened = time.Now()
	x.q.Ledger.Open, x.q.Ledger.Dropped = x.opened.Sub(began), strings.Join(req.Dropped, ", ")
	if failed != nil {
		err := x.fault(failed)
		switch {
		case c.ch.gate == nil || err.Fault != translate.FaultBusy:
		case dials:
			return x.turnedAway(c, began, err)
		default:
			return x.turnedAway(c, began, nil) // the connection that was there is gone
		}
		x.paced(err)
		x.abandon(err)
		return err
	}
	if headers < first {
		x.clock.more(first - time.Since(began))
	}
	if s, ok := stream.(connected); ok {
		x.q.Ledger.Connect = s.Connecting()
	}
	x.stream, x.passThrough = stream, false
	if err := x.commit(); err != nil {
		x.paced(err)
		x.abandon(err)
		return err
	}
	x.paced(nil)
	x.judge(nil)
	x.tried(c.ch, nil)
	x.rec.attempted(&x.q.Ledger, nil)
	x.named(req.Model)
	if x.whole {
		x.clock.stop()
		return nil
	}
	x.clock.committed(c.ch.clocks.gap)
	return nil
}

// connected is a stream that knows how long it waited for its connection.
type connected interface{ Connecting() time.Duration }

// named says which model answers, by its upstream's name, where the channel's
// dialect does not (product.md 6, default 1).
func (x *Exchange) named(upstream string) {
	if x.whole && x.answer.Model == "" {
		x.answer.Model = upstream
	}
	for i := range x.held {
		if ev := &x.held[i]; ev.Kind == translate.KindStart && len(ev.Name) == 0 {
			ev.Name = []byte(upstream)
		}
	}
}

// lifeOf makes the context of an attempt on ch, which x.stop ends. Where answers
// are to end without their client, it outlives the client.
func (x *Exchange) lifeOf(ch *Channel) (context.Context, context.CancelCauseFunc) {
	life, let := x.ctx, func() bool { return true }
	x.outlives = ch.conf.OnLeave == "finish"
	if x.outlives {
		life = context.WithoutCancel(life)
	}
	ctx, cancel := context.WithCancelCause(life)
	if x.outlives {
		let = context.AfterFunc(x.ctx, func() {
			defer func() { _ = recover() }()
			if err := gone(x.ctx); err.Fault != translate.FaultGone {
				cancel(err) // it is the gateway that ends
			}
		})
	}
	x.stop = func() { let(); cancel(nil) }
	return ctx, cancel
}

// firstWait is how long the first content of c is waited for. more says that another
// candidate could be asked in its place.
func (x *Exchange) firstWait(c candidate, more bool) time.Duration {
	x.rivals, x.hurried = 0, false
	if c.ch.clocks.first > 0 {
		return c.ch.clocks.first
	}
	if !more {
		return firstAlone
	}
	d := c.cell.pace(x.whole).patience()
	switch {
	case d > 0:
	case x.whole || c.ch.kind.Whole:
		d = firstAlone
	default:
		d = firstWithAlt
	}
	if x.rivals = x.quickest(c); x.rivals > 0 && x.rivals < d {
		x.hurried = true
		return x.rivals
	}
	return d
}

// paced notes how long the first content took, if there was any, or was waited for
// in vain.
func (x *Exchange) paced(err *translate.Error) {
	l := &x.q.Ledger
	if l.First == 0 {
		l.First = time.Since(x.opened)
	}
	took := l.Open + l.First
	if err == nil || err.Fault == translate.FaultSlow {
		x.lease.cell.pace(x.whole).add(took)
		x.lease.cell.speed.add(took)
	}
	switch {
	case err == nil && took <= x.rivals:
		x.lease.cell.keepsUp()
	case err != nil && err.Fault == translate.FaultSlow && x.hurried:
		x.lease.cell.fallBehind(time.Now(), took)
	}
}

// requestFor is the question as c's channel gets it.
func (x *Exchange) requestFor(c candidate) (*translate.Request, *translate.Error) {
	x.inputTokens, x.omit = 0, c.quirks.omitted()
	x.load, x.inSync, x.q.Ledger.Behind = 0, false, 0
	x.remote = "" // what an earlier attempt used is out of sync now
	pass := x.passes(c.ch)
	if !pass {
		if err := x.complete(); err != nil {
			return nil, err
		}
	}
	if pass {
		x.told = x.base
		x.told.Model, x.told.PassThrough, x.told.Omit = c.upstream, true, x.omit
		return &x.told, nil
	}
	req := x.base
	req.Model, req.Omit = c.upstream, x.omit
	req.Refuses, req.Takes, req.Efforts = c.ch.refuses, c.ch.takes, c.ch.conf.Efforts
	if req.Beta != "" {
		req.Drop("anthropic-beta")
	}
	req.Messages = window(x.base.Messages, x.window)
	cut := false
	if x.q.Turn != nil {
		req.Messages, cut = x.shorten(&c, req.Messages)
		req.Params.MaxTokens = c.span.answer(req.Params.MaxTokens, x.load)
	}
	if c.userFirst() && (x.q.Turn != nil || len(req.Messages) < len(x.base.Messages)) {
		req.Messages = fromUser(req.Messages)
	}
	req.Thoughts, req.Proof = c.wantsThoughts(), x.proofsFor(c)
	if !c.ch.kind.Remembers() {
		return &req, nil
	}
	req.Messages = translate.SystemFirst(req.Messages)
	switch {
	case c.ch.gate != nil && len(req.Messages) == 1 && (x.lease.idle || x.base.Context == 1):
		// It stands alone, so that it can go on anybody's connection. What that
		// remembers afterwards is nobody's.
		req.Memory = translate.Memory{Any: true, Idle: x.lease.idle}
	case x.base.Context == 1:
		// Only the newest message: neither what the channel remembers nor what it
		// will remember is this conversation.
	default:
		x.remote = x.g.memories.take(x.before(), c)
		if cut && c.ch.kind.History == config.HistoryFold {
			x.remote = "" // it remembers more than the model takes, and is never told to forget
		}
		if x.inSync = x.remote != ""; x.inSync {
			req.Memory = translate.Memory{ID: x.remote, InSync: true, Idle: x.lease.idle}
		} else {
			x.remote = ids.New("dg_")
			req.Memory = translate.Memory{ID: x.remote, Idle: x.lease.idle}
		}
	}
	switch {
	case req.Memory.InSync:
		if c.ch.kind.History == config.HistoryFold {
			req.Messages = req.Messages[len(req.Messages)-1:]
		}
	case c.ch.kind.History == config.HistoryFold:
		folded, err := fold(c.ch.fold, &req)
		if err != nil {
			return nil, &translate.Error{Code: translate.CodeInternal, Message: "the channel's fold template failed", Cause: err}
		}
		req.Messages = []translate.Message{folded}
	}
	return &req, nil
}

// passes reports whether ch gets the question as it came.
func (x *Exchange) passes(ch *Channel) bool {
	return x.q.Turn == nil && x.base.Raw != nil && x.q.Model.preset == nil && ch != nil && ch.speaks(x.base.Dialect)
}

// window keeps the system messages and the newest question with the keep
// messages before it; a negative keep keeps all. A tool's result is never parted
// from its call, which models reject: results whose call falls off fall off too, and
// where they are the question itself their call is kept beyond the limit.
func window(msgs []translate.Message, keep int) []translate.Message {
	if keep < 0 {
		return msgs
	}
	first, newest := translate.Leading(msgs), translate.Question(msgs)
	if newest-first <= keep {
		return msgs
	}
	from := newest - keep
	start := from
	for start <= newest && hasResult(&msgs[start]) {
		start++
	}
	if start > newest {
		for start = from; start > first && hasResult(&msgs[start]); {
			start--
		}
	}
	kept := append([]translate.Message(nil), msgs[:first]...)
	for i := first; i < start; i++ {
		if msgs[i].Role == translate.RoleSystem {
			kept = append(kept, msgs[i])
		}
	}
	return append(kept, msgs[start:]...)
}

// fromUser is msgs without the model's messages that they begin with, behind the system messages:
// what they answer has fallen off.
func fromUser(msgs []translate.Message) []translate.Message {
	first := translate.Leading(msgs)
	from := first
	for from < len(msgs)-1 && msgs[from].Role != translate.RoleUser {
		from++
	}
	if from == first {
		return msgs
	}
	kept := append(make([]translate.Message, 0, len(msgs)), msgs[:first]...)
	return append(kept, msgs[from:]...)
}

func hasResult(m *translate.Message) bool {
	return slices.ContainsFunc(m.Parts, func(p translate.Part) bool { return p.Kind == translate.PartToolResult })
}

// commit reads up to the first content or a valid end; for a client that waits
// for the whole answer, up to its end. What comes before is held.
func (x *Exchange) commit() *translate.Error {
	x.held, x.heldAt, x.hasFirst, x.answer = x.held[:0], 0, false, translate.Answer{}
	x.raw, x.finished, x.doubted, x.excess, x.textBytes, x.copies = x.raw[:0], false, false, false, 0, x.copies[:0]
	x.shown, x.thought = false, false
	began, heldBytes := false, 0
	wait, waits := x.stream.(patient)
	for {
		if waits {
			wait.Wait()
		}
		ev, err := x.stream.Next()
		if err != nil && x.finished {
			// What fails behind the end mark is nobody's loss.
			return nil
		}
		if err != nil {
			return x.fault(err)
		}
		x.believe(&ev)
		if substance(ev) {
			x.clock.content()
			if x.whole && !began {
				// It is on its way: from here on the gaps count, as for a stream.
				began = true
				x.q.Ledger.First = max(time.Since(x.opened), 1)
				x.clock.committed(x.lease.ch.clocks.gap)
			}
		}
		// What came in another form than it was asked for has no Raw, and is
		// translated like any other answer.
		x.passThrough = x.passThrough || ev.Raw != nil
		if x.whole {
			if x.take(ev); x.answer.Size() > translate.MaxAnswer || len(x.raw) > translate.MaxAnswer {
				return translate.Broken("the model's answer is too long", nil)
			}
			if ev.Kind != translate.KindFinish {
				continue
			}
			if err := x.reasoned(ev); err != nil {
				return err
			}
			if slices.ContainsFunc(x.answer.Parts, isThought) {
				x.lease.quirks.learn(quirkThinks)
			}
			if x.answer.Empty() {
				if err := x.empty(ev); err != nil {
					return err
				}
			}
			if err := x.untold(ev, x.answer.Text() != ""); err != nil {
				return err
			}
			continue
		}
		switch {
		case ev.Kind == translate.KindFinish && x.empty(ev) != nil:
			return x.empty(ev)
		case ev.Kind == translate.KindFinish || substance(ev):
			x.first, x.hasFirst = ev, true
			return nil
		}
		if heldBytes > maxHeld { // before this one: a long frame may hold the content behind it
			return translate.Broken("the model sent too much before its answer", nil)
		}
		heldBytes += eventBytes + len(ev.Text) + len(ev.ID) + len(ev.Name) + len(ev.Raw)
		x.held = append(x.held, x.clone(ev))
	}
}

// substance reports whether ev is content that says something: some servers send
// empty pieces, which neither commit an answer nor count as progress.
func substance(ev translate.Event) bool {
	return ev.Kind == translate.KindToolStart || ev.Kind == translate.KindOther || ev.Kind.Content() && len(ev.Text) > 0
}

// take adds ev to a whole answer.
func (x *Exchange) take(ev translate.Event) {
	x.answer.Add(ev)
	if ev.Kind == translate.KindToolProof {
		x.g.proofs.keep(x.q.Caller.Name, ev.ID, &x.lease.candidate, ev.Text)
		return
	}
	x.textBytes += len(ev.Text)
	x.raw = append(x.raw, ev.Raw...)
	if ev.Kind == translate.KindFinish {
		x.finished = true
	}
}

// clone copies what ev borrows behind what x.copies holds.
func (x *Exchange) clone(ev translate.Event) translate.Event {
	x.copies = slices.Grow(x.copies, len(ev.Text)+len(ev.ID)+len(ev.Name)+len(ev.Raw))
	for _, p := range []*[]byte{&ev.Text, &ev.ID, &ev.Name, &ev.Raw} {
		if *p != nil {
			start := len(x.copies)
			x.copies = append(x.copies, *p...)
			*p = x.copies[start:len(x.copies):len(x.copies)]
		}
	}
	return ev
}

// judge tells the channel's record how the attempt went, once.
func (x *Exchange) judge(err *translate.Error) {
	if err != nil && err.Fault == translate.FaultSlow && x.hurried {
		x.lease.Excuse(err) // it was given up for others, and may be well
		return
	}
	x.lease.Judge(err)
}

// abandon ends an attempt: err says why it gave no answer.
func (x *Exchange) abandon(err *translate.Error) {
	x.judge(err)
	x.drop()
}

// drop gives back what an attempt held.
func (x *Exchange) drop() {
	if x.stream != nil && x.lease.ch.gate != nil {
		defer x.tellWaiters(x.lease.ch)
	}
	if x.stream != nil {
		_ = x.stream.Close()
		x.stream = nil
	}
	if x.clock != nil {
		x.clock.stop()
		x.clock = nil
	}
	if x.stop != nil {
		x.stop()
		x.stop = nil
	}
	x.lease.Release()
}

// fault is typed, of what the exchange's channel failed with: what it said of the
// question knows what is to be hidden of that.
func (x *Exchange) fault(err error) *translate.Error {
	e := typed(err)
	if e.Upstream == nil || e.Fault != translate.FaultRejected {
		return e
	}
	one := *e // it may be told to others as well
	one.Masker = x.plan.mask()
	return &one
}

// typed returns err as the *translate.Error that every upstream promises.
func typed(err error) *translate.Error {
	var e *translate.Error
	if errors.As(err, &e) {
		return e
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return translate.Truncated(err)
	}
	return translate.Broken("the model's answer could not be read", err)
}
