package proxy

import "time"

// A healthy channel that is several times slower than its peers wastes its users' time. It
// gets no more time than the quickest of them would, and when that was not enough it is
// demoted: others are chosen before it while any of them is free. Its breaker does not
// move, so that it still takes questions for which the others have no slots. Now and then
// a question finds out whether it keeps up again.
const (
	lagFirst = 2 * time.Second // doubles with each question in vain
	lagMost  = 60 * time.Second
	lagTrial = paceLeast // until the next question may be tried on it
	// mostRivals is how many candidates are compared with one.
	mostRivals = 16
)

// lags reports whether others are to be chosen before the cell. One question at a time
// is let through to see whether it still has to.
func (c *cell) lags(now time.Time) bool {
	until := c.late.Load()
	if until == 0 {
		return false
	}
	return until > now.UnixNano() || !c.late.CompareAndSwap(until, now.Add(lagTrial).UnixNano())
}

// lag says what lags reports; the zero value if it is not behind.
func (c *cell) lag(now time.Time) bar {
	d := time.Duration(c.late.Load() - now.UnixNano())
	if d <= 0 {
		return bar{}
	}
	return bar{state: "slow", why: "others begin to answer much sooner", wait: d}
}

// fallBehind notes that the cell was given as long as others would have been, which
// took so long, in vain.
func (c *cell) fallBehind(now time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Add(-took).Before(c.behind) {
		return // it was asked before that was known
	}
	c.behind = now
	c.lagged = min(max(2*c.lagged, lagFirst), lagMost)
	c.late.Store(now.Add(c.lagged + time.Duration(c.chance(int64(c.lagged/4)))).UnixNano())
}

// keepsUp notes that the cell was about as quick as others.
func (c *cell) keepsUp() {
	if c.late.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lagged = 0
	c.late.Store(0)
}
