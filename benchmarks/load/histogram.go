package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What a histogram tells apart: two digits of a value, but nothing below shortest; what is
// longer than longest counts as longest.
const (
	shortest = 256 * time.Nanosecond
	longest  = 20 * time.Minute
	digits   = 2
)

// histogram is a distribution of durations, of which a quantile is at most 1 % or 256 ns
// too high. The zero value is empty and small: its 27 KiB are made for the first value. It
// is not safe for concurrent use.
type histogram struct{ hdr *hdrhistogram.Histogram }

func (h *histogram) grow() {
	if h.hdr == nil {
		h.hdr = hdrhistogram.New(int64(shortest), int64(longest), digits)
	}
}

func (h *histogram) add(d time.Duration) {
	h.grow()
	_ = h.hdr.RecordValue(int64(min(max(d, 0), longest))) // fails for nothing within the bounds
}

func (h *histogram) merge(o *histogram) {
	if o.hdr == nil {
		return
	}
	h.grow()
	h.hdr.Merge(o.hdr)
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
	if h.hdr == nil {
		return nil
	}
	at := func(percent float64) float64 { return float64(h.hdr.ValueAtPercentile(percent)/100) / 10 }
	return &Quantiles{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: at(100)}
}
