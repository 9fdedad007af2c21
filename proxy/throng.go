package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/balance"
)

// throngFrom is how many candidates make a tier a throng: so many are not all looked at
// for each question.
const throngFrom = 17

// throngTries is how many of a throng may turn out to be taken before all are looked at.
const throngTries = 4

// throng is what it takes to choose among the many candidates of one tier without
// looking at all of them.
type throng struct {
	draw    balance.Drawer
	at      map[*Channel]int // where a channel is in the tier
	recalls bool             // some remember conversations
}

// gather prepares what depends on all channels of r.
func (r *route) gather(p *Plan) {
	for _, tier := range r.tiers {
		r.throngs = append(r.throngs, newThrong(tier, p.policy))
		for i := range tier {
			if r.price == nil {
				r.price = p.prices[tier[i].upstream]
			}
		}
	}
}

// newThrong returns nil for a tier that is small.
func newThrong(tier []candidate, policy balance.Policy) *throng {
	if len(tier) < throngFrom {
		return nil
	}
	c := &throng{at: make(map[*Channel]int, len(tier))}
	ts := make([]*balance.Target, len(tier))
	for i := range tier {
		ch := tier[i].ch
		ts[i], c.at[ch] = tier[i].target, i
		c.recalls = c.recalls || ch.kind.Remembers()
	}
	c.draw = policy.Over(ts)
	return c
}

// looker is an exchange that looks at single candidates of a throng.
type looker Exchange

// pickOf is pick among a throng, of which it looks at a few; nil if these do not tell.
// Only the first attempt is chosen so: with a failure, all are looked at, and the
// record says of each what kept it away.
func (x *Exchange) pickOf(cr *throng, tier []candidate, now time.Time) *candidate {
	if cr == nil || x.report.attempts > 0 || x.search.handed != nil || x.search.waited > 0 {
		return nil
	}
	x.search.sampled, x.search.sampledAt = tier, now
	defer func() { x.search.sampled = nil }()
	known := len(x.search.skipped)
	for range throngTries {
		n, by := x.remembered(cr, tier), byMemory
		if n < 0 {
			n, by = cr.draw.Draw(x.affinity(), (*looker)(x)), byPolicy
		}
		if n < 0 {
			break
		}
		if c := &tier[n]; x.reserve(c) {
			x.report.trace.drew()
			x.report.trace.chosen(c, by, len(tier))
			return c
		}
	}
	x.search.skipped = x.search.skipped[:known] // the look at all finds them again
	return nil
}

// remembered is where the candidate is that remembers the conversation, or -1.
func (x *Exchange) remembered(cr *throng, tier []candidate) int {
	if !cr.recalls || x.complete() != nil {
		return -1
	}
	n, ok := cr.at[x.g.memories.peek(x.before())]
	if !ok || !x.free(&tier[n], x.search.sampledAt) || tier[n].ch.load.full() {
		return -1
	}
	return n
}

// Usable implements [balance.Look].
func (l *looker) Usable(i int) bool {
	x, c := (*Exchange)(l), &l.search.sampled[i]
	if !x.suits(c) {
		return false
	}
	if b := c.barred(l.search.sampledAt); b.state != "" {
		x.report.trace.barred(c, b)
		return false
	}
	if b, _ := x.gated(c, l.search.sampledAt); b.state != "" {
		x.report.trace.barred(c, b)
		return false
	}
	if c.ch.load.full() {
		x.report.trace.barred(c, atLimit())
		return false
	}
	return x.joins(c, l.search.sampledAt)
}

// full reports whether a question that comes now would find no slot.
func (s *slots) full() bool {
	return s.limit > 0 && (s.load.Load() >= s.limit || s.waiting.Load() > 0)
}

// joins reports whether the cell takes part in the choice for one question: not in
// all of them, when it has come back only just now.
func (c *cell) joins(now time.Time, chance balance.Chance) bool {
	share := c.share(now)
	return share >= 1 || float64(chance(1<<30)) < share*(1<<30)
}
