package metrics

import (
	"sync/atomic"
	"time"
)

// buckets is how many bounds there are.
const buckets = 13

// bounds are the upper ends of the buckets of a histogram but the last, which has none.
var bounds = [buckets]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, 60 * time.Second, 120 * time.Second,
}

// Histogram counts durations by size.
type Histogram struct {
	Buckets [buckets]Bucket // by bound, the shortest first
	Count   uint64          // of all, those above the last bound included
	Sum     time.Duration
}

// Bucket is how many durations were no longer than a bound.
type Bucket struct {
	Bound time.Duration
	Count uint64
}

// histogram counts durations. Each counter is of its own bucket alone; the last has those
// above all bounds.
type histogram struct {
	counts [buckets + 1]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	n := 0
	for n < len(bounds) && d > bounds[n] {
		n++
	}
	h.counts[n].Add(1)
	h.sum.Add(int64(max(d, 0)))
}

func (h *histogram) snapshot() (s Histogram) {
	for i, bound := range bounds {
		s.Count += h.counts[i].Load()
		s.Buckets[i] = Bucket{bound, s.Count}
	}
	s.Count += h.counts[buckets].Load()
	s.Sum = time.Duration(h.sum.Load())
	return s
}
