package channel

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a learnt time-out (docs/rules/channels.md 1).
const (
	latencyKept   = 64 // of the newest samples
	latencyFrom   = 20 // samples, before they say anything
	latencyTimes  = 4  // the 95th percentile
	latencyLeast  = 5 * time.Second
	latencyMost   = 120 * time.Second
	latencyRenews = 4  // samples until the percentile is found anew, at first
	latencyRarely = 32 // and when there are many
)

// Latency is how long a model took to its first content of late. It is safe for
// concurrent use and allocates nothing.
type Latency struct {
	p95  atomic.Int64 // 0: not known yet
	mean ewma

	mu   sync.Mutex
	n    int
	ring [latencyKept]time.Duration
}

// Add notes one sample. An attempt that was given up counts with the time that it
// was given, so that a model which has become slower is waited for again.
func (p *Latency) Add(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mean.Add(d)
	p.ring[p.n%latencyKept] = d
	p.n++
	if p.n < latencyFrom || p.n%latencyRenews != 0 || p.n > 4*latencyKept && p.n%latencyRarely != 0 {
		return
	}
	sorted := p.ring
	known := sorted[:min(p.n, latencyKept)]
	slices.Sort(known)
	p.p95.Store(int64(max(known[(len(known)*95+99)/100-1], 1)))
}

// Timeout is how long the first content is worth waiting for; 0: not known yet.
func (p *Latency) Timeout() time.Duration {
	d := time.Duration(p.p95.Load())
	if d == 0 {
		return 0
	}
	return min(max(latencyTimes*d, latencyLeast), latencyMost)
}

// average is the moving average of the samples; 0: there is none yet.
func (p *Latency) average() time.Duration { return time.Duration(p.mean.mean.Load()) }

// ewma is a moving average in which the newest sample counts one part in eight. The
// zero value has no sample. Of samples that are added at one moment some may be lost.
type ewma struct{ mean atomic.Int64 }

// Add notes one sample.
func (e *ewma) Add(d time.Duration) {
	old := e.mean.Load()
	if old == 0 {
		e.mean.Store(max(int64(d), 1))
		return
	}
	e.mean.Store(max(old+(int64(d)-old)/8, 1))
}
