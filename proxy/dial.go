package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// dialTime is how long after it was put a question may still wait for its dial.
const dialTime = lastAttempt

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
			s.x.g.log.Warn("the server throttles new connections, which are slowed", "channel", c.Channel.ID, "none_for", c.Channel.Gate.Shut(now), "then_one_in", every)
		}
		c.Channel.Meter.Failed(err.Fault)
	}
	s.x.attempt.lease.Excuse(channel.ErrUntried)
	s.x.attempt.end()
	s.x.report.untry()
	return errLater
}
