package channel

import "time"

// A healthy channel that is several times slower than its peers wastes its users' time. It
// gets no more time than the quickest of them would, and when that was not enough it is
// demoted: others are chosen before it while any of them is free. Its breaker does not
// move, so that it still takes questions for which the others have no slots. Now and then
// a question finds out whether it keeps up again.
const (
	demoteFirst = 2 * time.Second // doubles with each question in vain
	demoteMost  = 60 * time.Second
	demoteTrial = latencyLeast // until the next question may be tried on it
)

// Demoted reports whether others are to be chosen before it. One question at a time
// is let through to see whether it still has to.
func (c *Record) Demoted(now time.Time) bool {
	until := c.demotedUntil.Load()
	if until == 0 {
		return false
	}
	return until > now.UnixNano() || !c.demotedUntil.CompareAndSwap(until, now.Add(demoteTrial).UnixNano())
}

// Outlier says what Demoted reports; the zero value if it is not behind.
func (c *Record) Outlier(now time.Time) Bar {
	d := time.Duration(c.demotedUntil.Load() - now.UnixNano())
	if d <= 0 {
		return Bar{}
	}
	return Bar{State: "slow", Why: "others begin to answer much sooner", Wait: d}
}

// Demote notes that it was given as long as others would have been, which
// took so long, in vain.
func (c *Record) Demote(now time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Add(-took).Before(c.demotedAt) {
		return // it was asked before that was known
	}
	c.demotedAt = now
	c.demotedFor = min(max(2*c.demotedFor, demoteFirst), demoteMost)
	c.demotedUntil.Store(now.Add(c.demotedFor + time.Duration(c.chance(int64(c.demotedFor/4)))).UnixNano())
}

// Restore notes that it was about as quick as others.
func (c *Record) Restore() {
	if c.demotedUntil.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.demotedFor = 0
	c.demotedUntil.Store(0)
}
