package proxy

import (
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/watchdog"
	"github.com/dragoman-gateway/dragoman/translate"
)

// try puts the question to c, whose slot it gives back when it fails; more as for
// firstWait.
func (s *search) try(c channel.Candidate, more bool) *translate.Error {
	s.x.attempt.lease, s.next = s.next, channel.Lease{}
	s.x.attempt.lease.Sent = time.Now()
	s.x.report.begin(c, s.x.attempt.lease.Sent, s.began.Sub(s.x.began)+s.x.report.waited)
	tap := s.x.q.Capture.Try(c.Channel.ID, c.Upstream)
	req, err := s.requestFor(c)
	if err != nil {
		s.x.attempt.abandon(err)
		return err
	}
	s.traced(req)
	req.Tap = tap
	ctx, cancel := s.x.attempt.lifeOf(s.x.ctx, c.Channel)
	began, first, headers := s.x.attempt.lease.Sent, s.firstWait(c, more), c.Channel.Timeouts.Headers
	if headers == 0 || headers > first {
		headers = first
	}
	if s.x.attempt.watchdog = &s.x.attempt.early; s.x.attempt.early.Started() {
		s.x.attempt.watchdog = new(watchdog.Timer) // a late tick must find its own attempt ended
	}
	s.x.attempt.watchdog.Start(cancel, began, headers, c.Channel.Timeouts.Total)
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
		s.x.attempt.paced(&s.x.report.timing, s.x.inOnePiece(), err)
		s.x.attempt.abandon(err)
		return err
	}
	if headers < first {
		s.x.attempt.watchdog.Extend(first - time.Since(began))
	}
	if known, ok := stream.(connected); ok {
		s.x.report.timing.Connect = known.Connecting()
	}
	s.x.attempt.stream, s.x.attempt.passThrough = stream, s.x.prompt.req.Opaque != nil
	if err := s.readFirst(); err != nil {
		s.x.attempt.paced(&s.x.report.timing, s.x.inOnePiece(), err)
		s.x.attempt.abandon(err)
		return err
	}
	s.x.attempt.paced(&s.x.report.timing, s.x.inOnePiece(), nil)
	s.x.attempt.judge(nil)
	c.Channel.Meter.Answered(time.Since(s.x.q.Received))
	s.x.report.trace.Attempted(&s.x.report.timing, nil)
	s.named(req.Model)
	if s.x.whole {
		s.x.attempt.watchdog.Stop()
		return nil
	}
	s.x.attempt.watchdog.WatchGaps(s.x.gap())
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
	d := c.Record.Latency(s.x.inOnePiece()).Timeout()
	switch {
	case d > 0:
	case s.x.inOnePiece() || c.Channel.Kind.Whole:
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

// readFirst reads up to the first content or a valid end; for a client that waits
// for the whole answer, up to its end. What comes before is held.
func (s *search) readFirst() *translate.Error {
	s.x.answer.held, s.x.answer.heldAt, s.x.answer.hasFirst, s.x.answer.collected = s.x.answer.held[:0], 0, false, translate.Answer{}
	s.x.answer.raw, s.x.answer.complete, s.x.answer.doubted, s.x.answer.excess, s.x.answer.textBytes, s.x.answer.copies = s.x.answer.raw[:0], false, false, false, 0, s.x.answer.copies[:0]
	s.x.answer.shown, s.x.answer.thought, s.x.answer.signed = false, false, s.x.answer.signed[:0]
	if s.x.prompt.req.Opaque != nil {
		return s.readOpaque()
	}
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
			s.x.attempt.watchdog.Content()
			if s.x.whole && !began {
				// It is on its way: from here on the gaps count, as for a stream.
				began = true
				s.x.report.timing.First = max(time.Since(s.x.attempt.opened), 1)
				s.x.attempt.watchdog.WatchGaps(s.x.gap())
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

// take adds ev to a whole answer.
func (s *search) take(ev translate.Event) {
	s.x.answer.collected.Add(ev)
	if ev.Kind == translate.KindToolProof {
		s.x.proved(&ev)
		return
	}
	s.x.answer.textBytes += len(ev.Text)
	s.x.answer.raw = append(s.x.answer.raw, ev.Raw...)
	if ev.Kind == translate.KindFinish {
		s.x.answer.complete = true
	}
}

// empty says what is wrong with an answer without any content that ended with end; nil: it
// may be so. An empty answer that just stops comes from a broken server, nearly always;
// the anthropic dialect has it for a model that has nothing to add.
func (s *search) empty(end translate.Event) *translate.Error {
	dialect := s.x.prompt.req.Dialect
	switch {
	case mayBeEmpty(end.Finish):
		return untold(dialect, end, false)
	case s.x.attempt.passThrough && config.KindOf(dialect).Empty && end.Reason == translate.ReasonGiven:
		return nil
	case end.Reason == translate.ReasonApart:
		return errApart
	}
	return errEmpty
}

// requestFor is the question as c's channel gets it.
func (s *search) requestFor(c channel.Candidate) (*translate.Request, *translate.Error) {
	s.x.attempt.inputTokens, s.x.attempt.omit = 0, c.Quirks.Omitted()
	s.x.attempt.load, s.x.attempt.inSync, s.x.report.timing.Behind = 0, false, 0
	s.x.attempt.remote = "" // what an earlier attempt used is out of sync now
	s.takeBack()
	if s.x.prompt.passes(c.Channel) {
		return s.lend(c), nil
	}
	if err := s.x.complete(); err != nil {
		return nil, err
	}
	req := new(translate.Request)
	*req = s.x.prompt.req
	req.Model, req.Omit = c.Upstream, s.x.attempt.omit
	c.Channel.Describe(req)
	if req.Beta != "" {
		req.Drop("anthropic-beta")
	}
	req.Messages = window(s.x.prompt.req.Messages, s.x.prompt.window)
	cut := false
	if s.x.prompt.turn != nil {
		req.Messages, cut = s.shorten(&c, req.Messages)
		req.Params.MaxTokens = c.Window.Answer(req.Params.MaxTokens, s.x.attempt.load)
	}
	if c.UserFirst() && (s.x.prompt.turn != nil || len(req.Messages) < len(s.x.prompt.req.Messages)) {
		req.Messages = fromUser(req.Messages)
	}
	req.Thoughts, req.Proof = c.WantsThoughts(), s.proofsFor(c, req.Messages)
	if !c.Channel.Kind.Remembers() {
		return req, nil
	}
	req.Messages = translate.SystemFirst(req.Messages)
	switch {
	case c.Channel.Gate != nil && len(req.Messages) == 1 && (s.x.attempt.lease.Idle || s.x.prompt.req.Context == 1):
		// It stands alone, so that it can go on anybody's connection. What that
		// remembers afterwards is nobody's.
		req.Memory = translate.Memory{Any: true, Idle: s.x.attempt.lease.Idle}
	case s.x.prompt.req.Context == 1:
		// Only the newest message: neither what the channel remembers nor what it
		// will remember is this conversation.
	default:
		s.x.attempt.remote = s.x.g.memories.Take(s.x.prompt.position(), holderOf(&c))
		if cut && c.Channel.Kind.History == config.HistoryFold {
			s.x.attempt.remote = "" // it remembers more than the model takes, and is never told to forget
		}
		if s.x.attempt.inSync = s.x.attempt.remote != ""; s.x.attempt.inSync {
			req.Memory = translate.Memory{ID: s.x.attempt.remote, InSync: true, Idle: s.x.attempt.lease.Idle}
		} else {
			s.x.attempt.remote = ids.New("dg_")
			req.Memory = translate.Memory{ID: s.x.attempt.remote, Idle: s.x.attempt.lease.Idle}
		}
	}
	switch {
	case req.Memory.InSync:
		if c.Channel.Kind.History == config.HistoryFold {
			req.Messages = req.Messages[len(req.Messages)-1:]
		}
	case c.Channel.Kind.History == config.HistoryFold:
		folded, err := channel.FoldRequest(c.Channel.Fold, req)
		if err != nil {
			return nil, &translate.Error{Code: translate.CodeInternal, Message: "the channel's fold template failed", Cause: err}
		}
		req.Messages = []translate.Message{folded}
	}
	return req, nil
}

// lend is the question itself, for c to which it passes through: a copy would be the largest
// part of what an attempt takes. takeBack undoes what was changed.
func (s *search) lend(c channel.Candidate) *translate.Request {
	req := &s.x.prompt.req
	s.model, s.dropped = req.Model, req.Dropped
	req.Model, req.PassThrough, req.Omit = c.Upstream, true, s.x.attempt.omit
	return req
}

func (s *search) takeBack() {
	req := &s.x.prompt.req
	if !req.PassThrough {
		return
	}
	req.Model, req.PassThrough, req.Omit, req.Dropped, req.Trace = s.model, false, nil, s.dropped, nil
}
