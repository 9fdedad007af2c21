package main

import (
	"math/bits"
	"time"
)

// fine is how many buckets each power of two of nanoseconds has: a bucket is at
// most 1/32 of its value wide.
const (
	fineBits = 5
	fine     = 1 << fineBits
	powers   = 40 // up to 18 minutes
)

// histogram counts durations in buckets whose width grows with the value, so that
// the error of a quantile is at most 3 %. The zero value is empty. It is not safe
// for concurrent use.
type histogram struct {
	counts []uint32 // nil until the first value
	n      int64
	max    time.Duration
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return min((shift+1)<<fineBits+int(v>>shift)&(fine-1), fine*powers-1)
}

// upper is the highest value of a bucket.
func upper(i int) time.Duration {
	if i < fine {
		return time.Duration(i)
	}
	shift := i>>fineBits - 1
	return time.Duration((uint64(i&(fine-1)+fine+1) << shift) - 1)
}

func (h *histogram) add(d time.Duration) {
	if h.counts == nil {
		h.counts = make([]uint32, fine*powers)
	}
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	if o.n == 0 {
		return
	}
	if h.counts == nil {
		h.counts = make([]uint32, fine*powers)
	}
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile is the duration that the part q of all values does not exceed; 0 when
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.n))
	for i, c := range h.counts {
		if rank -= int64(c); rank < 0 {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// Quantiles are a distribution in microseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// quantiles returns nil when there are no values.
func (h *histogram) quantiles() *Quantiles {
	if h.n == 0 {
		return nil
	}
	return &Quantiles{
		P50: micros(h.quantile(.5)), P90: micros(h.quantile(.9)), P99: micros(h.quantile(.99)), P999: micros(h.quantile(.999)), Max: micros(h.max),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()/100) / 10 }
