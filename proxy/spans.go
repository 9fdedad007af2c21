package proxy

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/url"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Tracer keeps the spans of exchanges. It is safe for concurrent use, and never waits.
type Tracer interface {
	// On reports whether there are traces at all. It is asked once for each question.
	On() bool
	// Sample draws whether the spans of an exchange are kept that nobody has decided about.
	Sample() bool
	// Add takes an exchange that has ended, and owns it from then on.
	Add(*journal.Ended)
}

// Tracing reports whether there are traces, so that a front is to look for the span of its
// client.
func (g *Gateway) Tracing() bool { return g.tracer != nil && g.tracer.On() }

// mark gives the exchange of q its span, if there are traces. What the parent says of itself
// decides whether the span is kept, for a caller who is known; anybody else may join a trace
// and not have one kept.
func (r *report) mark(t Tracer, q *Question) {
	if t == nil || !t.On() {
		return
	}
	c := q.Parent
	r.parent = c.SpanID
	switch {
	case !c.Valid():
		r.parent = [8]byte{}
		binary.NativeEndian.PutUint64(c.TraceID[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(c.TraceID[8:], rand.Uint64()|1)
		c.Sampled = t.Sample()
	case q.Caller == nil || q.Caller.Anonymous:
		c.Sampled = t.Sample()
	}
	binary.NativeEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)
	r.span = c
}

// spanOf is the id of the span of attempt number n of the exchange whose span is root. It is
// computed anew wherever it is wanted.
func spanOf(root [8]byte, n int) (id [8]byte) {
	x := binary.NativeEndian.Uint64(root[:]) + uint64(n)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // splitmix64
	x = (x ^ x>>27) * 0x94d049bb133111eb
	binary.NativeEndian.PutUint64(id[:], (x^x>>31)|1)
	return id
}

// traced has req carry the span of the newest attempt, if there are traces.
func (s *search) traced(req *translate.Request) {
	r := &s.x.report
	if !r.span.Valid() {
		req.Trace = nil
		return
	}
	s.x.attempt.span = r.span
	s.x.attempt.span.SpanID = spanOf(r.span.SpanID, r.attempts)
	req.Trace = &s.x.attempt.span
}

// answers notes what the model calls itself, where somebody will want to know.
func (r *report) answers(model []byte) {
	if r.span.Sampled && r.answered == "" {
		r.answered = translate.Clip(string(model))
	}
}

// tell hands the exchange to the tracer, if its spans are kept: it was sampled, or it failed
// and is worth a line. The trace is not over yet.
func (r *report) tell(x *Exchange, opened, line bool, err *translate.Error) {
	failed := levelOf(err) >= slog.LevelWarn
	if !r.span.Valid() || !r.span.Sampled && !(failed && line) {
		return
	}
	e := r.trace.Ended()
	e.Span, e.Parent, e.Session = r.span, r.parent, x.q.Session
	e.Room, e.Stream, e.Dropped = r.waited, !x.inOnePiece(), r.timing.Dropped
	e.Cached, e.Finish, e.Answered = x.answer.cached, x.answer.collected.Finish, r.answered
	if opened {
		e.Usage = x.Usage()
	}
	if x.whole {
		e.Answered = translate.Clip(x.answer.collected.Model)
	}
	if x.prompt.turn != nil {
		e.Conversation = x.prompt.turn.ID()
	}
	e.Outcome = journal.OutcomeOf(err, failed)
	for i := range e.Attempts {
		a := &e.Attempts[i]
		a.Span = spanOf(r.span.SpanID, i+1)
		if ch := channelOf(x.plan, a); ch != nil {
			a.Kind, a.Host = ch.Conf.Kind, hostOf(ch.Conf.URL)
		}
	}
	if n := len(e.Attempts); opened && n > 0 && err != nil && (err.Fault == translate.FaultCut || err.Fault == translate.FaultGone) {
		e.Attempts[n-1].Outcome = journal.OutcomeOf(err, failed) // it broke off
	}
	x.g.tracer.Add(e)
}

// channelOf is the channel of a in p; nil: there is none.
func channelOf(p *routing.Plan, a *journal.EndedAttempt) *channel.Channel {
	for _, ch := range p.Channels {
		if ch.ID == a.Channel && ch.Key == a.Key {
			return ch
		}
	}
	return nil
}

// hostOf is the host of a back end, and the port if its address has one.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
