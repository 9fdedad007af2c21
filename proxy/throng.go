package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
)

// throngTries is how many of a throng may turn out to be taken before all are looked at.
const throngTries = 4

// pickOf is pick among a throng, of which it looks at a few; nil if these do not tell.
// Only the first attempt is chosen so: with a failure, all are looked at, and the
// record says of each what kept it away.
func (s *search) pickOf(cr *routing.Sampler, tier []channel.Candidate, now time.Time) *channel.Candidate {
	if cr == nil || s.x.report.attempts > 0 || s.handed != nil || s.x.report.waited > 0 {
		return nil
	}
	s.sampled, s.sampledAt = tier, now
	defer func() { s.sampled = nil }()
	known := len(s.skipped)
	for range throngTries {
		n, by := s.remembered(cr, tier), journal.ByMemory
		if n < 0 {
			n, by = cr.Drawer.Draw(s.x.prompt.affinity(), s), journal.ByPolicy
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
func (s *search) remembered(cr *routing.Sampler, tier []channel.Candidate) int {
	if !cr.Stateful || s.x.complete() != nil {
		return -1
	}
	n, ok := cr.At[s.x.prompt.rememberedBy()]
	if !ok || !s.free(&tier[n], s.sampledAt) || tier[n].Channel.Slots.Full() {
		return -1
	}
	return n
}

// Usable implements [balance.Look] for single candidates of a throng.
func (s *search) Usable(i int) bool {
	c := &s.sampled[i]
	if !s.suits(c) {
		return false
	}
	if b := c.Barred(s.sampledAt); b.State != "" {
		s.x.report.skipped(c, b)
		return false
	}
	if b, _ := s.gated(c, s.sampledAt); b.State != "" {
		s.x.report.skipped(c, b)
		return false
	}
	if c.Channel.Slots.Full() {
		s.x.report.skipped(c, channel.AtLimit())
		return false
	}
	return s.joins(c, s.sampledAt)
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
		if o.Channel.Kind.Whole != c.Channel.Kind.Whole && !s.x.whole {
			continue
		}
		d := o.Record.Latency(s.x.whole).Timeout()
		if d > 0 && (best == 0 || d < best) && s.free(o, now) && !o.Channel.Slots.Full() {
			best = d
		}
	}
	return best
}
