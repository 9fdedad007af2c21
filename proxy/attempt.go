package proxy

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the search for a channel (docs/rules/channels.md 1 and 2).
const (
	maxAttempts  = journal.MaxAttempts
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
	lease       channel.Lease
	passed      translate.Request // the request as passed through: with the upstream's model name
	omit        []string          // what was left out of the question
	peers       time.Duration     // what the quickest other one of its tier would be given; 0: there is none
	hurried     bool              // it is given no more than that
	opened      time.Time         // when the channel's Open returned
	outlives    bool              // it outlives its client
	detached    bool              // its client has left it
	watchdog    *watchdog
	early       watchdog // of the first attempt
	stop        func()   // ends its context
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
func (s *search) try(c channel.Candidate, more bool) *translate.Error {
	s.x.attempt.lease, s.next = s.next, channel.Lease{}
	s.x.attempt.lease.Sent = time.Now()
	s.x.report.begin(c, s.began.Sub(s.x.began)+s.x.report.waited)
	req, err := s.requestFor(c)
	if err != nil {
		s.x.attempt.abandon(err)
		return err
	}
	ctx, cancel := s.x.attempt.lifeOf(s.x.ctx, c.Channel)
	began, first, headers := s.x.attempt.lease.Sent, s.firstWait(c, more), c.Channel.Timeouts.Headers
	if headers == 0 || headers > first {
		headers = first
	}
	if s.x.attempt.watchdog = &s.x.attempt.early; s.x.attempt.early.timer != nil {
		s.x.attempt.watchdog = new(watchdog) // a late tick must find its own attempt ended
	}
	s.x.attempt.watchdog.start(cancel, headers, c.Channel.Timeouts.Total)
	dials := s.x.attempt.lease.Dial != nil
	if dials && !s.x.attempt.lease.Dialled() {
		if req.Memory.InSync {
			s.x.g.memories.Put(s.x.prompt.position(), holderOf(&c), s.x.attempt.remote)
		}
		return s.turnedAway(c, began, nil)
	}
	stream, failed := c.Channel.Upstream.Open(ctx, req)
	s.x.attempt.opened = time.Now()
	s.x.report.timing.Open, s.x.report.timing.Dropped = s.x.attempt.opened.Sub(began), strings.Join(req.Dropped, ", ")
	if failed != nil {
		err := s.x.fault(failed)
		switch {
		case c.Channel.Gate == nil || err.Fault != translate.FaultBusy:
		case dials:
			return s.turnedAway(c, began, err)
		default:
			return s.turnedAway(c, began, nil) // the connection that was there is gone
		}
		s.x.attempt.paced(&s.x.report.timing, s.x.whole, err)
		s.x.attempt.abandon(err)
		return err
	}
	if headers < first {
		s.x.attempt.watchdog.extend(first - time.Since(began))
	}
	if known, ok := stream.(connected); ok {
		s.x.report.timing.Connect = known.Connecting()
	}
	s.x.attempt.stream, s.x.attempt.passThrough = stream, false
	if err := s.readFirst(); err != nil {
		s.x.attempt.paced(&s.x.report.timing, s.x.whole, err)
		s.x.attempt.abandon(err)
		return err
	}
	s.x.attempt.paced(&s.x.report.timing, s.x.whole, nil)
	s.x.attempt.judge(nil)
	c.Channel.Meter.Answered(time.Since(s.x.q.Received))
	s.x.report.trace.Attempted(&s.x.report.timing, nil)
	s.named(req.Model)
	if s.x.whole {
		s.x.attempt.watchdog.stop()
		return nil
	}
	s.x.attempt.watchdog.watchGaps(c.Channel.Timeouts.Gap)
	return nil
}

// connected is a stream that knows how long it waited for its connection.
type connected interface{ Connecting() time.Duration }

// named says which model answers, by its upstream's name, where the channel's
// dialect does not (docs/rules/channels.md 7).
func (s *search) named(upstream string) {
	if s.x.whole && s.x.answer.collected.Model == "" {
		s.x.answer.collected.Model = upstream
	}
	for i := range s.x.answer.held {
		if ev := &s.x.answer.held[i]; ev.Kind == translate.KindStart && len(ev.Name) == 0 {
			ev.Name = []byte(upstream)
		}
	}
}

// lifeOf makes the context of an attempt on ch, which stop ends. Where answers are to end
// without their client, it outlives the client's, which client is.
func (a *attempt) lifeOf(client context.Context, ch *channel.Channel) (context.Context, context.CancelCauseFunc) {
	life, let := client, func() bool { return true }
	a.outlives = ch.Conf.OnLeave == "finish"
	if a.outlives {
		life = context.WithoutCancel(life)
	}
	ctx, cancel := context.WithCancelCause(life)
	if a.outlives {
		let = context.AfterFunc(client, func() {
			defer func() { _ = recover() }()
			if err := translate.Gone(context.Cause(client)); err.Fault != translate.FaultGone {
				cancel(err) // it is the gateway that ends
			}
		})
	}
	a.stop = func() { let(); cancel(nil) }
	return ctx, cancel
}

// firstWait is how long the first content of c is waited for. more says that another
// candidate could be asked in its place.
func (s *search) firstWait(c channel.Candidate, more bool) time.Duration {
	s.x.attempt.peers, s.x.attempt.hurried = 0, false
	if c.Channel.Timeouts.First > 0 {
		return c.Channel.Timeouts.First
	}
	if !more {
		return firstAlone
	}
	d := c.Record.Latency(s.x.whole).Timeout()
	switch {
	case d > 0:
	case s.x.whole || c.Channel.Kind.Whole:
		d = firstAlone
	default:
		d = firstWithAlt
	}
	if s.x.attempt.peers = s.quickest(c); s.x.attempt.peers > 0 && s.x.attempt.peers < d {
		s.x.attempt.hurried = true
		return s.x.attempt.peers
	}
	return d
}

// paced notes how long the first content took, if there was any, or was waited for
// in vain.
func (a *attempt) paced(l *Timing, whole bool, err *translate.Error) {
	if l.First == 0 {
		l.First = time.Since(a.opened)
	}
	took, record := l.Open+l.First, a.lease.Record
	if err == nil || err.Fault == translate.FaultSlow {
		record.Latency(whole).Add(took)
		record.Speed.Add(took)
	}
	switch {
	case err == nil && took <= a.peers:
		record.Restore()
	case err != nil && err.Fault == translate.FaultSlow && a.hurried:
		record.Demote(time.Now(), took)
	}
}

// readFirst reads up to the first content or a valid end; for a client that waits
// for the whole answer, up to its end. What comes before is held.
func (s *search) readFirst() *translate.Error {
	s.x.answer.held, s.x.answer.heldAt, s.x.answer.hasFirst, s.x.answer.collected = s.x.answer.held[:0], 0, false, translate.Answer{}
	s.x.answer.raw, s.x.answer.complete, s.x.answer.doubted, s.x.answer.excess, s.x.answer.textBytes, s.x.answer.copies = s.x.answer.raw[:0], false, false, false, 0, s.x.answer.copies[:0]
	s.x.answer.shown, s.x.answer.thought = false, false
	began, heldBytes := false, 0
	wait, waits := s.x.attempt.stream.(patient)
	for {
		if waits {
			wait.Wait()
		}
		ev, err := s.x.attempt.stream.Next()
		if err != nil && s.x.answer.complete {
			// The answer is complete: a failure behind its end mark changes nothing.
			return nil
		}
		if err != nil {
			return s.x.fault(err)
		}
		s.x.believe(&ev)
		if substance(ev) {
			s.x.attempt.watchdog.content()
			if s.x.whole && !began {
				// It is on its way: from here on the gaps count, as for a stream.
				began = true
				s.x.report.timing.First = max(time.Since(s.x.attempt.opened), 1)
				s.x.attempt.watchdog.watchGaps(s.x.attempt.lease.Channel.Timeouts.Gap)
			}
		}
		// What came in another form than it was asked for has no Raw, and is
		// translated like any other answer.
		s.x.attempt.passThrough = s.x.attempt.passThrough || ev.Raw != nil
		if s.x.whole {
			if s.take(ev); s.x.answer.collected.Size() > translate.MaxAnswer || len(s.x.answer.raw) > translate.MaxAnswer {
				return translate.Broken("the model's answer is too long", nil)
			}
			if ev.Kind != translate.KindFinish {
				continue
			}
			if err := reasoned(&s.x.attempt.lease, ev); err != nil {
				return err
			}
			if slices.ContainsFunc(s.x.answer.collected.Parts, isThought) {
				s.x.attempt.lease.Quirks.Learn(channel.QuirkThinks)
			}
			if s.x.answer.collected.Empty() {
				if err := s.empty(ev); err != nil {
					return err
				}
			}
			if err := untold(s.x.prompt.req.Dialect, ev, s.x.answer.collected.Text() != ""); err != nil {
				return err
			}
			continue
		}
		switch {
		case ev.Kind == translate.KindFinish && s.empty(ev) != nil:
			return s.empty(ev)
		case ev.Kind == translate.KindFinish || substance(ev):
			s.x.answer.first, s.x.answer.hasFirst = ev, true
			return nil
		}
		if heldBytes > maxHeld { // before this one: a long frame may hold the content behind it
			return translate.Broken("the model sent too much before its answer", nil)
		}
		heldBytes += eventBytes + len(ev.Text) + len(ev.ID) + len(ev.Name) + len(ev.Raw)
		s.x.answer.held = append(s.x.answer.held, s.x.answer.copied(ev))
	}
}

// substance reports whether ev is content that says something: some servers send
// empty pieces, which neither commit an answer nor count as progress.
func substance(ev translate.Event) bool {
	return ev.Kind == translate.KindToolStart || ev.Kind == translate.KindOther || ev.Kind.Content() && len(ev.Text) > 0
}

// take adds ev to a whole answer.
func (s *search) take(ev translate.Event) {
	s.x.answer.collected.Add(ev)
	if ev.Kind == translate.KindToolProof {
		s.x.g.proofs.keep(s.x.q.Caller.Name, ev.ID, &s.x.attempt.lease.Candidate, ev.Text)
		return
	}
	s.x.answer.textBytes += len(ev.Text)
	s.x.answer.raw = append(s.x.answer.raw, ev.Raw...)
	if ev.Kind == translate.KindFinish {
		s.x.answer.complete = true
	}
}

// judge tells the channel's record how the attempt went, once.
func (a *attempt) judge(err *translate.Error) {
	if err != nil && err.Fault == translate.FaultSlow && a.hurried {
		a.lease.Excuse(err) // it was given up for others, and may be well
		return
	}
	a.lease.Judge(err)
}

// abandon ends an attempt: err says why it gave no answer.
func (a *attempt) abandon(err *translate.Error) {
	a.judge(err)
	a.end()
}

// end gives back what the attempt holds: its stream, its watchdog, its context, its lease, in
// this order. It may be called again.
func (a *attempt) end() {
	if a.stream != nil && a.lease.Channel.Gate != nil {
		defer a.lease.TellWaiters()
	}
	if a.stream != nil {
		_ = a.stream.Close()
		a.stream = nil
	}
	if a.watchdog != nil {
		a.watchdog.stop()
		a.watchdog = nil
	}
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
	a.lease.Release()
}

// fault is typed, of what the exchange's channel failed with: what it said of the
// question knows what is to be hidden of that.
func (x *Exchange) fault(err error) *translate.Error {
	e := typed(err)
	if e.Upstream == nil || e.Fault != translate.FaultRejected {
		return e
	}
	one := *e // it may be told to others as well
	one.Masker = x.plan.Mask()
	return &one
}

// typed returns err as the *translate.Error that every upstream promises.
func typed(err error) *translate.Error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return translate.Truncated(err)
	}
	return translate.AsError(err, translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "the model's answer could not be read"})
}
