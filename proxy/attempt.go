package proxy

import (
	"context"
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

// attempt is one try on one channel: the newest one, from its lease to the end of its
// answer.
type attempt struct {
	lease       Lease
	passed      translate.Request // the question as a channel that it passes through to gets it
	omit        []string          // what was left out of the question
	peers       time.Duration     // what the quickest other one of its tier would be given; 0: there is none
	hurried     bool              // it is given no more than that
	opened      time.Time         // when the channel's Open returned
	outlives    bool              // it outlives its client
	detached    bool              // its client has left it
	clock       *clock
	early       clock  // of the first attempt
	stop        func() // ends its context
	stream      translate.Stream
	load        int    // bytes that it was sent of a conversation, see span; 0: none
	length      int    // the same, as usage is estimated
	spare       bool   // less of the conversation could have been sent
	inSync      bool   // the channel remembers what went before
	remote      string // name of the conversation on a stateful channel
	passThrough bool   // the answer is in the client's own dialect
	inputTokens int64  // estimated, once it was
}

// try puts the question to c, whose slot it gives back when it fails; more as for
// firstWait.
func (x *Exchange) try(c candidate, more bool) *translate.Error {
	x.attempt.lease, x.search.next = x.search.next, Lease{}
	x.attempt.lease.sent = time.Now()
	x.tries(c)
	req, err := x.requestFor(c)
	if err != nil {
		x.abandon(err)
		return err
	}
	ctx, cancel := x.lifeOf(c.ch)
	began, first, headers := x.attempt.lease.sent, x.firstWait(c, more), c.ch.clocks.headers
	if headers == 0 || headers > first {
		headers = first
	}
	if x.attempt.clock = &x.attempt.early; x.attempt.early.timer != nil {
		x.attempt.clock = new(clock) // a late look must find its own attempt ended
	}
	x.attempt.clock.start(cancel, headers, c.ch.clocks.total)
	dials := x.attempt.lease.dial != nil
	if dials && !x.attempt.lease.dialled() {
		if req.Memory.InSync {
			x.g.memories.put(x.before(), c, x.attempt.remote)
		}
		return x.turnedAway(c, began, nil)
	}
	stream, failed := c.ch.up.Open(ctx, req)
	x.attempt.opened = time.Now()
	x.q.Ledger.Open, x.q.Ledger.Dropped = x.attempt.opened.Sub(began), strings.Join(req.Dropped, ", ")
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
		x.attempt.clock.more(first - time.Since(began))
	}
	if s, ok := stream.(connected); ok {
		x.q.Ledger.Connect = s.Connecting()
	}
	x.attempt.stream, x.attempt.passThrough = stream, false
	if err := x.commit(); err != nil {
		x.paced(err)
		x.abandon(err)
		return err
	}
	x.paced(nil)
	x.judge(nil)
	x.tried(c.ch, nil)
	x.report.trace.attempted(&x.q.Ledger, nil)
	x.named(req.Model)
	if x.whole {
		x.attempt.clock.stop()
		return nil
	}
	x.attempt.clock.committed(c.ch.clocks.gap)
	return nil
}

// connected is a stream that knows how long it waited for its connection.
type connected interface{ Connecting() time.Duration }

// named says which model answers, by its upstream's name, where the channel's
// dialect does not (product.md 6, default 1).
func (x *Exchange) named(upstream string) {
	if x.whole && x.answer.collected.Model == "" {
		x.answer.collected.Model = upstream
	}
	for i := range x.answer.held {
		if ev := &x.answer.held[i]; ev.Kind == translate.KindStart && len(ev.Name) == 0 {
			ev.Name = []byte(upstream)
		}
	}
}

// lifeOf makes the context of an attempt on ch, which x.stop ends. Where answers
// are to end without their client, it outlives the client.
func (x *Exchange) lifeOf(ch *Channel) (context.Context, context.CancelCauseFunc) {
	life, let := x.ctx, func() bool { return true }
	x.attempt.outlives = ch.conf.OnLeave == "finish"
	if x.attempt.outlives {
		life = context.WithoutCancel(life)
	}
	ctx, cancel := context.WithCancelCause(life)
	if x.attempt.outlives {
		let = context.AfterFunc(x.ctx, func() {
			defer func() { _ = recover() }()
			if err := translate.Gone(context.Cause(x.ctx)); err.Fault != translate.FaultGone {
				cancel(err) // it is the gateway that ends
			}
		})
	}
	x.attempt.stop = func() { let(); cancel(nil) }
	return ctx, cancel
}

// firstWait is how long the first content of c is waited for. more says that another
// candidate could be asked in its place.
func (x *Exchange) firstWait(c candidate, more bool) time.Duration {
	x.attempt.peers, x.attempt.hurried = 0, false
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
	if x.attempt.peers = x.quickest(c); x.attempt.peers > 0 && x.attempt.peers < d {
		x.attempt.hurried = true
		return x.attempt.peers
	}
	return d
}

// paced notes how long the first content took, if there was any, or was waited for
// in vain.
func (x *Exchange) paced(err *translate.Error) {
	l := &x.q.Ledger
	if l.First == 0 {
		l.First = time.Since(x.attempt.opened)
	}
	took := l.Open + l.First
	if err == nil || err.Fault == translate.FaultSlow {
		x.attempt.lease.cell.pace(x.whole).add(took)
		x.attempt.lease.cell.speed.add(took)
	}
	switch {
	case err == nil && took <= x.attempt.peers:
		x.attempt.lease.cell.keepsUp()
	case err != nil && err.Fault == translate.FaultSlow && x.attempt.hurried:
		x.attempt.lease.cell.fallBehind(time.Now(), took)
	}
}

// requestFor is the question as c's channel gets it.
func (x *Exchange) requestFor(c candidate) (*translate.Request, *translate.Error) {
	x.attempt.inputTokens, x.attempt.omit = 0, c.quirks.omitted()
	x.attempt.load, x.attempt.inSync, x.q.Ledger.Behind = 0, false, 0
	x.attempt.remote = "" // what an earlier attempt used is out of sync now
	pass := x.passes(c.ch)
	if !pass {
		if err := x.complete(); err != nil {
			return nil, err
		}
	}
	if pass {
		x.attempt.passed = x.prompt.req
		x.attempt.passed.Model, x.attempt.passed.PassThrough, x.attempt.passed.Omit = c.upstream, true, x.attempt.omit
		return &x.attempt.passed, nil
	}
	req := x.prompt.req
	req.Model, req.Omit = c.upstream, x.attempt.omit
	req.Refuses, req.Takes, req.Efforts = c.ch.refuses, c.ch.takes, c.ch.conf.Efforts
	if req.Beta != "" {
		req.Drop("anthropic-beta")
	}
	req.Messages = window(x.prompt.req.Messages, x.prompt.window)
	cut := false
	if x.q.Turn != nil {
		req.Messages, cut = x.shorten(&c, req.Messages)
		req.Params.MaxTokens = c.span.answer(req.Params.MaxTokens, x.attempt.load)
	}
	if c.userFirst() && (x.q.Turn != nil || len(req.Messages) < len(x.prompt.req.Messages)) {
		req.Messages = fromUser(req.Messages)
	}
	req.Thoughts, req.Proof = c.wantsThoughts(), x.proofsFor(c)
	if !c.ch.kind.Remembers() {
		return &req, nil
	}
	req.Messages = translate.SystemFirst(req.Messages)
	switch {
	case c.ch.gate != nil && len(req.Messages) == 1 && (x.attempt.lease.idle || x.prompt.req.Context == 1):
		// It stands alone, so that it can go on anybody's connection. What that
		// remembers afterwards is nobody's.
		req.Memory = translate.Memory{Any: true, Idle: x.attempt.lease.idle}
	case x.prompt.req.Context == 1:
		// Only the newest message: neither what the channel remembers nor what it
		// will remember is this conversation.
	default:
		x.attempt.remote = x.g.memories.take(x.before(), c)
		if cut && c.ch.kind.History == config.HistoryFold {
			x.attempt.remote = "" // it remembers more than the model takes, and is never told to forget
		}
		if x.attempt.inSync = x.attempt.remote != ""; x.attempt.inSync {
			req.Memory = translate.Memory{ID: x.attempt.remote, InSync: true, Idle: x.attempt.lease.idle}
		} else {
			x.attempt.remote = ids.New("dg_")
			req.Memory = translate.Memory{ID: x.attempt.remote, Idle: x.attempt.lease.idle}
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
	return x.q.Turn == nil && x.prompt.req.Raw != nil && x.q.Model.preset == nil && ch != nil && ch.speaks(x.prompt.req.Dialect)
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
	x.answer.held, x.answer.heldAt, x.answer.hasFirst, x.answer.collected = x.answer.held[:0], 0, false, translate.Answer{}
	x.answer.raw, x.finished, x.answer.doubted, x.answer.excess, x.answer.textBytes, x.answer.copies = x.answer.raw[:0], false, false, false, 0, x.answer.copies[:0]
	x.answer.shown, x.answer.thought = false, false
	began, heldBytes := false, 0
	wait, waits := x.attempt.stream.(patient)
	for {
		if waits {
			wait.Wait()
		}
		ev, err := x.attempt.stream.Next()
		if err != nil && x.finished {
			// What fails behind the end mark is nobody's loss.
			return nil
		}
		if err != nil {
			return x.fault(err)
		}
		x.believe(&ev)
		if substance(ev) {
			x.attempt.clock.content()
			if x.whole && !began {
				// It is on its way: from here on the gaps count, as for a stream.
				began = true
				x.q.Ledger.First = max(time.Since(x.attempt.opened), 1)
				x.attempt.clock.committed(x.attempt.lease.ch.clocks.gap)
			}
		}
		// What came in another form than it was asked for has no Raw, and is
		// translated like any other answer.
		x.attempt.passThrough = x.attempt.passThrough || ev.Raw != nil
		if x.whole {
			if x.take(ev); x.answer.collected.Size() > translate.MaxAnswer || len(x.answer.raw) > translate.MaxAnswer {
				return translate.Broken("the model's answer is too long", nil)
			}
			if ev.Kind != translate.KindFinish {
				continue
			}
			if err := x.reasoned(ev); err != nil {
				return err
			}
			if slices.ContainsFunc(x.answer.collected.Parts, isThought) {
				x.attempt.lease.quirks.learn(quirkThinks)
			}
			if x.answer.collected.Empty() {
				if err := x.empty(ev); err != nil {
					return err
				}
			}
			if err := x.untold(ev, x.answer.collected.Text() != ""); err != nil {
				return err
			}
			continue
		}
		switch {
		case ev.Kind == translate.KindFinish && x.empty(ev) != nil:
			return x.empty(ev)
		case ev.Kind == translate.KindFinish || substance(ev):
			x.answer.first, x.answer.hasFirst = ev, true
			return nil
		}
		if heldBytes > maxHeld { // before this one: a long frame may hold the content behind it
			return translate.Broken("the model sent too much before its answer", nil)
		}
		heldBytes += eventBytes + len(ev.Text) + len(ev.ID) + len(ev.Name) + len(ev.Raw)
		x.answer.held = append(x.answer.held, x.clone(ev))
	}
}

// substance reports whether ev is content that says something: some servers send
// empty pieces, which neither commit an answer nor count as progress.
func substance(ev translate.Event) bool {
	return ev.Kind == translate.KindToolStart || ev.Kind == translate.KindOther || ev.Kind.Content() && len(ev.Text) > 0
}

// take adds ev to a whole answer.
func (x *Exchange) take(ev translate.Event) {
	x.answer.collected.Add(ev)
	if ev.Kind == translate.KindToolProof {
		x.g.proofs.keep(x.q.Caller.Name, ev.ID, &x.attempt.lease.candidate, ev.Text)
		return
	}
	x.answer.textBytes += len(ev.Text)
	x.answer.raw = append(x.answer.raw, ev.Raw...)
	if ev.Kind == translate.KindFinish {
		x.finished = true
	}
}

// clone copies what ev borrows behind what x.copies holds.
func (x *Exchange) clone(ev translate.Event) translate.Event {
	x.answer.copies = slices.Grow(x.answer.copies, len(ev.Text)+len(ev.ID)+len(ev.Name)+len(ev.Raw))
	for _, p := range []*[]byte{&ev.Text, &ev.ID, &ev.Name, &ev.Raw} {
		if *p != nil {
			start := len(x.answer.copies)
			x.answer.copies = append(x.answer.copies, *p...)
			*p = x.answer.copies[start:len(x.answer.copies):len(x.answer.copies)]
		}
	}
	return ev
}

// judge tells the channel's record how the attempt went, once.
func (x *Exchange) judge(err *translate.Error) {
	if err != nil && err.Fault == translate.FaultSlow && x.attempt.hurried {
		x.attempt.lease.Excuse(err) // it was given up for others, and may be well
		return
	}
	x.attempt.lease.Judge(err)
}

// abandon ends an attempt: err says why it gave no answer.
func (x *Exchange) abandon(err *translate.Error) {
	x.judge(err)
	x.drop()
}

// drop gives back what an attempt held.
func (x *Exchange) drop() {
	if x.attempt.stream != nil && x.attempt.lease.ch.gate != nil {
		defer x.tellWaiters(x.attempt.lease.ch)
	}
	if x.attempt.stream != nil {
		_ = x.attempt.stream.Close()
		x.attempt.stream = nil
	}
	if x.attempt.clock != nil {
		x.attempt.clock.stop()
		x.attempt.clock = nil
	}
	if x.attempt.stop != nil {
		x.attempt.stop()
		x.attempt.stop = nil
	}
	x.attempt.lease.Release()
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
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return translate.Truncated(err)
	}
	return translate.AsError(err, translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "the model's answer could not be read"})
}
