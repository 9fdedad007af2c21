package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a learnt time-out (docs/rules/channels.md 1).
const (
	paceKept   = 64 // of the newest samples
	paceFrom   = 20 // samples, before they say anything
	paceTimes  = 4  // the 95th percentile
	paceLeast  = 5 * time.Second
	paceMost   = 120 * time.Second
	paceRenews = 4  // samples until the percentile is found anew, at first
	paceRarely = 32 // and when there are many
)

// pace is how long a model took to its first content of late. It is safe for
// concurrent use and allocates nothing.
type pace struct {
	p95  atomic.Int64 // 0: not known yet
	mean ewma

	mu   sync.Mutex
	n    int
	ring [paceKept]time.Duration
}

// add notes one sample. An attempt that was given up counts with the time that it
// was given, so that a model which has become slower is waited for again.
func (p *pace) add(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mean.add(d)
	p.ring[p.n%paceKept] = d
	p.n++
	if p.n < paceFrom || p.n%paceRenews != 0 || p.n > 4*paceKept && p.n%paceRarely != 0 {
		return
	}
	sorted := p.ring
	known := sorted[:min(p.n, paceKept)]
	slices.Sort(known)
	p.p95.Store(int64(max(known[(len(known)*95+99)/100-1], 1)))
}

// patience is how long the first content is worth waiting for; 0: not known yet.
func (p *pace) patience() time.Duration {
	d := time.Duration(p.p95.Load())
	if d == 0 {
		return 0
	}
	return min(max(paceTimes*d, paceLeast), paceMost)
}

// average is the moving average of the samples; 0: there is none yet.
func (p *pace) average() time.Duration { return time.Duration(p.mean.mean.Load()) }

// ewma is a moving average in which the newest sample counts one part in eight. The
// zero value has no sample. Of samples that are added at one moment some may be lost.
type ewma struct{ mean atomic.Int64 }

func (e *ewma) add(d time.Duration) {
	old := e.mean.Load()
	if old == 0 {
		e.mean.Store(max(int64(d), 1))
		return
	}
	e.mean.Store(max(old+(int64(d)-old)/8, 1))
}
