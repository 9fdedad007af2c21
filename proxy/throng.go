package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// throngFrom is how many candidates make a tier a throng: so many are not all looked at
// for each question.
const throngFrom = 17

// throngTries is how many of a throng may turn out to be taken before all are looked at.
const throngTries = 4

// throng picks from a large tier by testing a few random candidates.
type throng struct {
	draw    balance.Drawer
	at      map[*channel.Channel]int // where a channel is in the tier
	recalls bool                     // some remember conversations
}

// gather prepares what depends on all channels of r.
func (r *route) gather(p *Plan) {
	for _, tier := range r.tiers {
		r.throngs = append(r.throngs, newThrong(tier, p.policy))
		for i := range tier {
			if r.price == nil {
				r.price = p.prices[tier[i].Upstream]
			}
		}
	}
}

// newThrong returns nil for a tier that is small.
func newThrong(tier []channel.Candidate, policy balance.Policy) *throng {
	if len(tier) < throngFrom {
		return nil
	}
	c := &throng{at: make(map[*channel.Channel]int, len(tier))}
	ts := make([]*balance.Target, len(tier))
	for i := range tier {
		ch := tier[i].Channel
		ts[i], c.at[ch] = tier[i].Target, i
		c.recalls = c.recalls || ch.Kind.Remembers()
	}
	c.draw = policy.Over(ts)
	return c
}

// pickOf is pick among a throng, of which it looks at a few; nil if these do not tell.
// Only the first attempt is chosen so: with a failure, all are looked at, and the
// record says of each what kept it away.
func (s *search) pickOf(cr *throng, tier []channel.Candidate, now time.Time) *channel.Candidate {
	if cr == nil || s.x.report.attempts > 0 || s.handed != nil || s.x.report.waited > 0 {
		return nil
	}
	s.sampled, s.sampledAt = tier, now
	defer func() { s.sampled = nil }()
	known := len(s.skipped)
	for range throngTries {
		n, by := s.remembered(cr, tier), journal.ByMemory
		if n < 0 {
			n, by = cr.draw.Draw(s.x.prompt.affinity(), s), journal.ByPolicy
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
func (s *search) remembered(cr *throng, tier []channel.Candidate) int {
	if !cr.recalls || s.x.complete() != nil {
		return -1
	}
	n, ok := cr.at[s.x.prompt.rememberedBy()]
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
