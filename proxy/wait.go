package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/translate"
)

// giveBack returns a slot that was handed over and not used.
func (s *search) giveBack() {
	if slot := s.handed; slot != nil {
		if s.handed = nil; !slot.Spare { // whoever heard of a connection has looked for it
			s.x.g.room.GiveBack(slot)
		}
	}
}

// queue waits for a slot of one of the channels that were passed over because they
// are full, or until another one may be asked again whose cool-down or breaker kept
// the question from it. It returns nil when the search is worth another round, and
// errExhausted when it is not.
func (s *search) queue() *translate.Error {
	s.giveBack()
	left, dials := fairqueue.Wait-s.x.report.waited, dialTime-time.Since(s.began)
	soonest := dialTime
	var wants, spares []*fairqueue.Slots
	var alone []*channel.Channel
	for _, p := range s.skipped {
		gate := p.Gate()
		if gate != nil && s.x.prompt.alone() {
			alone, spares = append(alone, p.Channel), append(spares, &p.Channel.Spare)
		}
		switch {
		case p.Full == nil && p.Wait > 0:
			soonest = min(soonest, p.Wait)
		case p.Full == nil || slices.Contains(wants, p.Full):
		case gate == nil:
			wants = append(wants, p.Full)
		case gate.Shut(time.Now()) < dials:
			wants = append(wants, p.Full)
			left = max(left, dials)
		}
	}
	wake := min(soonest, left)
	if len(wants) == 0 || left <= 0 || s.x.report.attempts >= maxAttempts {
		return errExhausted
	}
	w := s.x.g.room.Enter(s.x.q.Caller.Name, &s.place, wants, spares)
	if w == nil {
		return errExhausted
	}
	if slices.ContainsFunc(alone, func(ch *channel.Channel) bool { return ch.Dialer.Idle("") }) {
		s.x.g.room.Leave(w) // it has come between the search and the queue
		return nil
	}
	began := time.Now()
	t := time.NewTimer(wake)
	defer t.Stop()
	select {
	case slot := <-w.Given():
		s.x.report.waited += time.Since(began)
		if s.handed = slot; slot == nil {
			return errExhausted
		}
		return nil
	case <-t.C:
		s.x.g.room.Leave(w)
		s.x.report.waited += time.Since(began)
		if wake < left {
			return nil
		}
		return errExhausted
	case <-s.x.ctx.Done():
		s.x.g.room.Leave(w)
		return translate.Gone(context.Cause(s.x.ctx))
	}
}

// gated says whether the gate of c's server keeps the question from it, and what is
// waited for then. It does not where a connection is there that the question can go on.
func (s *search) gated(c *channel.Candidate, now time.Time) (channel.Bar, *fairqueue.Slots) {
	g := c.Channel.Gate
	if g == nil || s.handed == &g.Turn {
		return channel.Bar{}, nil
	}
	b := g.Bar(now)
	if b.State == "" || s.undialled(c) {
		return channel.Bar{}, nil
	}
	return b, &g.Turn
}

// undialled reports whether a connection to c is there that the question can go on.
func (s *search) undialled(c *channel.Candidate) bool {
	if s.x.complete() != nil {
		return false
	}
	if s.x.prompt.alone() {
		return c.Channel.Dialer.Idle("")
	}
	remote := s.x.g.memories.Remote(s.x.prompt.position(), holderOf(c))
	return remote != "" && c.Channel.Dialer.Idle(remote)
}

// spares reports whether the question is to go on a connection to c that is there,
// although dials are made, if slowly. One that stands alone does so where its dial would
// have to wait: a conversation loses its connection by that.
func (s *search) spares(c *channel.Candidate, now time.Time) bool {
	if s.x.complete() != nil || s.x.prompt.alone() && s.x.prompt.req.Context != 1 && c.Channel.Gate.Closed(now) == 0 {
		return false
	}
	return s.undialled(c)
}

// mayDial takes leave to dial the candidate of l, or notes that the question goes on a
// connection that is there. It reports false where neither can be.
func (s *search) mayDial(l *channel.Lease) bool {
	g, now := l.Channel.Gate, time.Now()
	if g == nil {
		return true
	}
	switch {
	case g.Bounded(now) && s.spares(&l.Candidate, now):
		l.Idle = true
		return true
	case s.handed == &g.Turn:
		s.handed = nil
	case g.Turn.Waiting() > 0 || !g.Take(now):
		return false
	}
	l.Dial = g
	return true
}

// errLater says that an attempt came to nothing since its dial was refused or has to
// wait: the question was not put, so it is looked for a channel as before.
var errLater = &translate.Error{}

// turnedAway takes back the attempt on c, for want of a connection. err is the server's
// refusal of a dial that began at began; nil: none was made.
func (s *search) turnedAway(c channel.Candidate, began time.Time, err *translate.Error) *translate.Error {
	if err != nil {
		now := time.Now()
		if every, changed := c.Channel.Gate.Refused(now, began, err.Retry); changed {
			s.x.Logger(s.x.g.log).Warn("the server throttles new connections, which are slowed", "channel", c.Channel.ID, "none_for", c.Channel.Gate.Shut(now), "then_one_in", every)
		}
		c.Channel.Meter.Failed(err.Fault)
	}
	s.x.attempt.lease.Excuse(channel.ErrUntried)
	s.x.attempt.end()
	s.x.report.untry()
	s.x.q.Capture.Untry()
	return errLater
}

// samplerTries is how many of a large tier may turn out to be taken before all are looked at.
const samplerTries = 4

// pickOf is pick in a large tier, of which it looks at a few; nil if these do not tell.
// Only the first attempt is chosen so: with a failure, all are looked at, and the
// record says of each what kept it away.
func (s *search) pickOf(cr *routing.Sampler, tier []channel.Candidate, now time.Time) *channel.Candidate {
	if cr == nil || s.x.report.attempts > 0 || s.handed != nil || s.x.report.waited > 0 {
		return nil
	}
	look := &look{search: search{x: s.x}, tier: tier, now: now}
	known := len(s.skipped)
	for range samplerTries {
		n, by := s.remembered(cr, tier, now), journal.ByMemory
		if n < 0 {
			n, by = cr.Drawer.Draw(s.x.prompt.affinity(), look), journal.ByPolicy
		}
		if n < 0 {
			break
		}
		if c := &tier[n]; s.reserve(c) {
			s.x.report.trace.Sampled()
			s.x.report.trace.Chosen(targetOf(c), by, len(tier))
			return c
		}
	}
	s.skipped = s.skipped[:known] // the look at all finds them again
	return nil
}

// remembered is where the candidate is that remembers the conversation, or -1.
func (s *search) remembered(cr *routing.Sampler, tier []channel.Candidate, now time.Time) int {
	if !cr.Stateful || s.x.complete() != nil {
		return -1
	}
	n, ok := cr.At[s.x.prompt.rememberedBy()]
	if !ok || !s.free(&tier[n], now) || tier[n].Channel.Slots.Full() {
		return -1
	}
	return n
}

// look is a look at single candidates of a large tier, before any was asked. The search of the
// question is not in it, since that would have to live on the heap.
type look struct {
	search
	tier []channel.Candidate
	now  time.Time
}

// Usable implements [balance.Look].
func (s *look) Usable(i int) bool {
	c := &s.tier[i]
	if !s.suits(c) {
		return false
	}
	if b := c.Barred(s.now); b.State != "" {
		s.x.report.skipped(c, b)
		return false
	}
	if b, _ := s.gated(c, s.now); b.State != "" {
		s.x.report.skipped(c, b)
		return false
	}
	if c.Channel.Slots.Full() {
		s.x.report.skipped(c, channel.AtLimit())
		return false
	}
	return s.joins(c, s.now)
}

// mostRivals is how many candidates are compared with one.
const mostRivals = 16

// quickest is how long the quickest of the other candidates in c's tier that could be
// asked now would be waited for; 0: nothing is known of them, or there is none. An
// answer in one piece is not compared with the beginning of one that comes in many.
func (s *search) quickest(c channel.Candidate) time.Duration {
	now, at, best := time.Now(), 0, time.Duration(0)
	for at < len(s.tier) && s.tier[at].Record != c.Record {
		at++
	}
	for i := range min(len(s.tier)-1, mostRivals) {
		o := &s.tier[(at+1+i)%len(s.tier)]
		if o.Channel.Kind.Whole != c.Channel.Kind.Whole && !s.x.inOnePiece() {
			continue
		}
		d := o.Record.Latency(s.x.inOnePiece()).Timeout()
		if d > 0 && (best == 0 || d < best) && s.free(o, now) && !o.Channel.Slots.Full() {
			best = d
		}
	}
	return best
}
