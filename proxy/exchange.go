package proxy

import (
	"context"
	"io"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Exchange is one question and its answer. It is a translate.Stream. The turn is
// stored when the finish is seen, before Next returns it, so that an end mark never
// goes out for what a crash could lose; Close settles the rest. It must be closed.
// One goroutine uses it; to stop it from another, cancel the context it was opened
// with. It holds that context, since it is that context's life.
type Exchange struct {
	g       *Gateway
	q       *Question
	began   time.Time
	entered bool
	plan    *Plan // that it is under, to its end
	whole   bool
	ctx     context.Context
	grant   *limiter.Grant   // nil: nothing is counted, or it is settled
	bill    *bill            // nil: there is no budget, or it is settled
	broke   *translate.Error // why only a kept answer may be given; nil: any may

	reserved int   // tokens that were
	seat     *seat // among those that wait for a limit; nil: it does not

	rows        []leg // for the ledger
	row         [1]leg
	flight      *flight         // others wait for the answer
	hit         bool            // the answer was kept
	charged     bool            // what follows is final
	used        translate.Usage // that is paid for
	paid        int64           // its cost, in billionths
	inputTokens int64           // estimated, once it was

	base    translate.Request   // the question with its history
	told    translate.Request   // base, as a channel that it passes through to gets it
	peeked  translate.Dialect   // decodes base, if that was not done yet
	fresh   []translate.Message // what this question adds to it
	media   bool                // fresh holds images, voice or video of iagent
	window  int                 // messages kept before the newest; negative: all
	reading int                 // bytes of the conversation that are read at most, see Plan.reading
	unread  int                 // messages of the conversation that were not read
	anew    anew                // of a question that is asked again
	scope   string              // whose remote memories may be used
	earlier [2]int              // where in base the stored messages are, from and to
	stored  bool                // the turn is
	said    fingerprint         // of all messages of base but the newest, once it was needed
	heard   bool                // said is known

	targets [throngFrom - 1]*balance.Target // room for a choice, see pickFrom
	at      [throngFrom - 1]*candidate

	road     [1]*route   // room for the routes that are searched
	looking  []candidate // the throng that is looked at
	lookedAt time.Time

	rec         *live // nil: it is kept
	attempts    int
	failures    []failure
	passed      []exclusion   // candidates that were not asked
	known       int           // how many of them are of earlier routes
	later       []*route      // what is searched after the present one
	tier        []candidate   // that the newest attempt's candidate is of
	rivals      time.Duration // what the quickest other one of tier would be given; 0: there is none
	hurried     bool          // the newest attempt is given no more than that
	retry       *candidate    // the one that may get a second try
	rest        time.Duration // the least pause before it
	empties     int           // answers without content
	again       *candidate    // the one that is to be asked once more, in another form
	omit        []string      // what the newest attempt left out of the question
	granted     *slots        // a slot that was handed over, until it is used
	ticket      uint64        // in the room of those that wait for a full channel
	asking      time.Time     // when the search began
	lobbyTicket uint64        // among those that wait for a limit, see seat
	waited      time.Duration // for a full channel, or for a dial

	next  Lease // of the attempt that comes
	lease Lease // of the latest attempt

	opened      time.Time // when the latest attempt's Open returned
	outlives    bool      // the latest attempt outlives its client
	adopted     bool      // its client has left it
	clock       *clock
	stop        func() // ends the attempt's context
	stream      translate.Stream
	load        int    // bytes that it was sent of a conversation, see span; 0: none
	sentLength  int    // the same, as usage is estimated
	spare       bool   // less of the conversation could have been sent
	inSync      bool   // the channel remembers what went before
	cuts        int    // how often less was sent, of the present route
	most        int    // bytes that may be sent now; 0: what the model takes
	remote      string // name of the conversation on a stateful channel
	passThrough bool

	early     clock             // of the first attempt
	copies    []byte            // what held events refer to
	held      []translate.Event // what came before the commit point
	heldAt    int
	first     translate.Event
	hasFirst  bool
	answer    translate.Answer
	raw       []byte // a whole answer as it came
	textBytes int
	shown     bool // some of it was text
	thought   bool // some of it was thought
	finished  bool
	doubted   bool // some of the usage that was reported cannot be
	excess    bool // because it is more than any model can use
	estimated bool // the usage was, and given out
	ended     bool // the whole answer was given out
	open      bool // Open has returned it
	closed    bool
	err       *translate.Error
}

// Dropped names what the question said and the channel could not be told, with commas
// between.
func (x *Exchange) Dropped() string { return x.q.Ledger.Dropped }

// PassThrough reports whether the answer is in the client's own dialect already:
// only Event.Raw is to be written, or [Exchange.Raw] for a whole answer.
func (x *Exchange) PassThrough() bool { return x.passThrough }

// Channel returns the id of the channel that answers.
func (x *Exchange) Channel() string { return x.lease.ch.ID }

// Attempts returns how many channels were asked.
func (x *Exchange) Attempts() int { return x.attempts }

// Whole stores the turn and returns the complete answer of a question that was
// not streamed.
func (x *Exchange) Whole() (*translate.Answer, error) {
	x.estimate(&x.answer.Usage)
	if err := x.store(false); err != nil {
		x.err = err
		return nil, err
	}
	x.settle()
	return &x.answer, nil
}

// Raw is the whole answer as it came; it lives until Close.
func (x *Exchange) Raw() []byte { return x.raw }

// Next returns the next event of a streamed answer, see [translate.Stream].
func (x *Exchange) Next() (translate.Event, error) {
	if x.err != nil || x.outlives || x.ended || x.estimated || x.hasFirst || x.heldAt < len(x.held) {
		if here, ev, err := x.ready(); here {
			return ev, err
		}
	}
	x.clock.waits(true)
	ev, err := x.stream.Next()
	x.clock.waits(false)
	if err != nil {
		return x.stopped(err)
	}
	x.believe(&ev)
	return x.accept(ev)
}

// Wait returns when Next has something to say, or at once where that cannot be told.
// Nobody has to call it. Who does waits on less of a stack: of the answers that are open nearly all wait.
func (x *Exchange) Wait() {
	if x.err != nil || x.ended || x.stream == nil || x.hasFirst || x.heldAt < len(x.held) {
		return
	}
	if w, ok := x.stream.(patient); ok {
		x.clock.waits(true)
		w.Wait()
		x.clock.waits(false)
	}
}

// Later reports whether it is likely to take long until Next has something to say. If
// so it calls resume on another goroutine when that may be so; until then the exchange
// must not be used. Nobody has to call it. Who does needs no stack meanwhile.
func (x *Exchange) Later(resume func()) bool {
	if x.err != nil || x.ended || x.stream == nil || x.hasFirst || x.heldAt < len(x.held) {
		return false
	}
	s, ok := x.stream.(interface{ Later(func()) bool })
	if !ok {
		return false
	}
	x.clock.waits(true) // to the end of the next call of Next
	if s.Later(resume) {
		return true
	}
	x.clock.waits(false)
	return false
}

// patient is a stream that can be waited for with less in memory than its Next needs.
type patient interface{ Wait() }

// ready returns what is known without asking the channel; here is false when nothing
// is.
func (x *Exchange) ready() (here bool, ev translate.Event, err error) {
	if x.err != nil {
		return true, ev, x.err
	}
	if x.outlives && !x.adopted && !x.finished && x.ctx.Err() != nil {
		x.err = gone(x.ctx)
		return true, ev, x.err
	}
	if x.heldAt < len(x.held) {
		x.heldAt++
		ev, err = x.accept(x.held[x.heldAt-1])
		return true, ev, err
	}
	if x.hasFirst {
		x.hasFirst = false
		ev, err = x.accept(x.first)
		return true, ev, err
	}
	if x.ended {
		return true, ev, io.EOF
	}
	if x.estimated {
		ev, err = x.over()
		return true, ev, err
	}
	return false, ev, nil
}

// stopped is Next when the channel gave err.
func (x *Exchange) stopped(err error) (translate.Event, error) {
	if x.finished {
		// The end mark was seen: what failed behind it is nobody's loss.
		return x.over()
	}
	return x.cut(x.fault(err))
}

// over ends an answer. What nobody counted is estimated, as late as this because
// counts may come behind the finish (product.md 6, settled detail 12).
func (x *Exchange) over() (translate.Event, error) {
	if !x.estimated && !x.passThrough {
		if u := x.Usage(); u.Estimated {
			x.estimated = true
			return translate.Event{Kind: translate.KindUsage, Usage: u}, nil
		}
	}
	x.settle()
	return translate.Event{}, io.EOF
}

// settle gives back what the answer needed, once nothing more will come of it. It
// is done before the client can know that the answer is over: its next question
// may come at once.
func (x *Exchange) settle() {
	if x.ended {
		return
	}
	x.ended = true
	x.fits()
	x.drop()
	x.pay(nil)
	if x.lease.ch.kind.Remembers() && x.remote != "" {
		if said, ok := x.saidNow(); ok {
			x.g.memories.put(x.g.memories.placeOf(x.scope, said), x.lease.candidate, x.remote)
		}
	}
}

// cut reports an answer that broke off after the commit point.
func (x *Exchange) cut(err *translate.Error) (translate.Event, error) {
	if x.ctx.Err() != nil && !x.outlives {
		err = gone(x.ctx)
	}
	if err.Fault != translate.FaultGone {
		e := *err
		e.Fault = translate.FaultCut
		if e.Code != translate.CodeUnavailable {
			e.Code = translate.CodeModel
		}
		err = &e
		x.lease.cell.cutOff(err)
		x.tried(x.lease.ch, err)
	}
	x.err = err
	return translate.Event{}, err
}

// accept counts and keeps what an event carries.
func (x *Exchange) accept(ev translate.Event) (translate.Event, error) {
	if substance(ev) {
		x.clock.content()
		x.textBytes += len(ev.Text)
		x.shown = x.shown || ev.Kind == translate.KindText
		if ev.Kind == translate.KindReasoning && !x.thought {
			x.thought = true
			x.lease.quirks.learn(quirkThinks)
		}
	}
	if ev.Kind == translate.KindToolProof {
		x.g.proofs.keep(x.q.Caller.Name, ev.ID, &x.lease.candidate, ev.Text)
	}
	if x.remembers() {
		if x.answer.Add(ev); x.answer.Size() > translate.MaxAnswer {
			return x.cut(translate.Broken("the model's answer is too long", nil))
		}
	} else if ev.Kind == translate.KindUsage || ev.Kind == translate.KindFinish || ev.Kind == translate.KindStart {
		x.answer.Usage.Merge(ev.Usage)
	}
	if ev.Kind != translate.KindFinish {
		return ev, nil
	}
	if err := x.reasoned(ev); err != nil {
		return x.cut(err)
	}
	if err := x.untold(ev, x.shown); err != nil {
		x.err = err
		return translate.Event{}, err
	}
	x.finished = true
	x.answer.Finish = ev.Finish
	if err := x.store(false); err != nil {
		x.err = err
		return translate.Event{}, err
	}
	return ev, nil
}

// remembers reports whether the text of the answer is needed after it was sent.
func (x *Exchange) remembers() bool {
	return x.q.Turn != nil || x.lease.ch.kind.Remembers() || x.flight != nil
}

// Ready reports whether Next would return without waiting.
func (x *Exchange) Ready() bool {
	return x.heldAt < len(x.held) || x.hasFirst || x.err != nil || x.ended || x.stream.Ready()
}

// Usage returns what the answer used so far: as the channel reported it, and
// estimated where it did not, or not yet.
func (x *Exchange) Usage() translate.Usage {
	u := x.answer.Usage
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
	u.Estimated = u.Estimated || x.doubted
	if u.Output != 0 && x.finished && !x.doubted {
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
	x.excess = x.excess || ev.Usage.Excess()
	if !ev.Usage.Doubt() {
		return
	}
	x.doubted = true
	now := time.Now().UnixNano()
	if last := x.lease.cell.doubted.Swap(now); now-last > int64(doubtLasts) {
		x.g.log.Warn("the channel reports tokens that no model can use, they are estimated", "channel", x.lease.ch.ID, "key", x.lease.ch.key, "model", x.lease.upstream)
	}
}

// doubtLasts is how long a channel must report nothing impossible until that is said anew.
const doubtLasts = 10 * time.Minute

// input is the estimate of what the channel that was asked last was sent.
func (x *Exchange) input() int64 {
	if x.inputTokens > 0 {
		return x.inputTokens
	}
	_ = x.decode(nil) // what cannot be decoded counts with its whole length
	n := 0
	if x.passes(x.lease.ch) {
		n = passedBytes(&x.base)
	} else if n = x.sentLength; x.load == 0 {
		n = sentBytes(&x.base)
	}
	x.inputTokens = int64(tokensOf(n))
	return x.inputTokens
}

// written is the estimate of what the model has answered so far.
func (x *Exchange) written() int64 {
	n := int64(tokensOf(x.textBytes))
	if x.passThrough {
		n *= int64(max(x.base.Params.Choices, 1)) // the others go by unread, and are as long
	}
	return n
}

// before is the point of the conversation that a remote memory must have reached
// to be in sync.
func (x *Exchange) before() place { return x.g.memories.placeOf(x.scope, x.saidBefore()) }

// saidBefore is the fingerprint of all messages but the newest. What remembers the
// conversation has heard a question that is asked again: it goes on from what was said
// before that, where nobody but those who did not answer it may be.
func (x *Exchange) saidBefore() fingerprint {
	if x.heard {
		return x.said
	}
	question := translate.Question(x.base.Messages)
	msgs := x.base.Messages[:question]
	from, to := 0, 0
	var f fingerprint
	if x.q.Turn != nil {
		from, to = x.earlier[0], min(x.earlier[1], len(msgs))
		f = x.g.memories.said(f, msgs[:from])
		t := x.q.Turn.thread
		switch f.version = t.version(); {
		case x.q.Restart && x.anew.unanswered && x.anew.replace == 0:
			// It was said to nobody who is known to have heard it.
		case x.q.Restart && t.asked.after == f.version:
			f.version = t.asked.before
		case x.q.Restart:
			f.rest = 1 // nobody's
		}
	}
	f = x.g.memories.said(f, msgs[to:])
	x.said, x.heard = x.g.memories.said(f, x.base.Messages[question+1:]), true
	return x.said
}

// saidNow is the fingerprint of all messages with the answer. There is none of a
// conversation that the turn was not added to.
func (x *Exchange) saidNow() (fingerprint, bool) {
	switch answer := x.answer.Message(); {
	case x.q.Turn == nil && x.base.Messages[len(x.base.Messages)-1].Role == translate.RoleSystem:
		return x.g.memories.said(x.g.memories.said(fingerprint{}, x.base.Messages), []translate.Message{answer}), true
	case x.q.Turn == nil:
		return x.g.memories.said(x.saidBefore(), []translate.Message{*x.base.Newest(), answer}), true
	}
	f := x.g.memories.said(fingerprint{}, x.base.Messages[:x.earlier[0]])
	f.version = x.q.Turn.thread.version()
	return f, x.stored
}

// Close settles the exchange: the upstream's connection, the channel's slot, the
// place in the conversation, the room under the limits, the log. It is safe to call
// it twice. An answer that is to end without its client goes on: the exchange must
// not be used any more.
func (x *Exchange) Close() error {
	if x.closed {
		return nil
	}
	x.closed = true
	if x.mayEndAlone() && x.g.adopt(x) {
		return nil
	}
	x.settleAll()
	return nil
}

// settleAll is Close when nothing more is read.
func (x *Exchange) settleAll() {
	x.keepPartial()
	if !x.finished && x.err == nil {
		x.err = gone(x.ctx) // whoever read the answer gave it up
	}
	if x.err != nil {
		x.keepFailed(x.err)
	}
	if x.finished && x.err == nil && !x.whole {
		x.settle()
	}
	x.drop()
	x.release(x.lease.ch, x.err)
}

// refuse settles an exchange that never came about.
func (x *Exchange) refuse(err *translate.Error) {
	x.closed = true
	x.answer = translate.Answer{}
	if x.q.KeepPartial && err.Code == translate.CodeCanceled {
		// The question is kept even though nothing of its answer came.
		if e := x.store(true); e != nil {
			err = e
		}
	}
	x.keepFailed(err)
	x.release(nil, err)
}

func (x *Exchange) release(ch *Channel, err *translate.Error) {
	x.rise()
	x.pay(err)
	// What no channel was asked for leaves little behind, however much of it comes.
	said := true
	if err == nil || x.attempts > 0 || x.hit {
		x.enterRows(err)
	} else {
		said = x.g.refusals.note(x, err)
	}
	x.land(err)
	if x.q.Turn != nil {
		x.q.Turn.Done()
	}
	x.count(ch, err)
	if said {
		x.log(ch, err)
	}
	x.keep(err)
	if x.entered {
		x.g.leave(x)
		x.g.open.Done()
	}
}
