package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []float64
	for range 100_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, float64(d)/1000)
		h.add(d)
	}
	slices.Sort(all)
	got := h.quantiles()
	for _, q := range []struct{ part, got float64 }{{.5, got.P50}, {.9, got.P90}, {.99, got.P99}, {.999, got.P999}, {1, got.Max}} {
		want := all[int(q.part*float64(len(all)-1))]
		if q.got < want*.999 || q.got > want*1.01+.3 {
			t.Errorf("quantile %v is %v us, want %v", q.part, q.got, want)
		}
	}
}

func TestNoDurationIsLost(t *testing.T) {
	t.Parallel()
	var h histogram
	for _, d := range []time.Duration{-time.Second, 0, 1, longest - 1, longest, 1 << 62} {
		h.add(d)
	}
	if n := h.hdr.TotalCount(); n != 6 {
		t.Errorf("%d of 6 were counted", n)
	}
	if got, want := h.quantiles().Max, float64(longest.Microseconds()); got < want || got > want*1.01 {
		t.Errorf("the longest is %v us, want %v", got, want)
	}
}

func TestAMergedHistogramHasAllValues(t *testing.T) {
	t.Parallel()
	var a, b, all, empty histogram
	for i := range time.Duration(1000) {
		half := &a
		if i%3 == 0 {
			half = &b
		}
		half.add(i * time.Microsecond)
		all.add(i * time.Microsecond)
	}
	var sum histogram
	for _, part := range []*histogram{&empty, &a, &b} {
		sum.merge(part)
	}
	if *sum.quantiles() != *all.quantiles() {
		t.Errorf("got %+v, want %+v", sum.quantiles(), all.quantiles())
	}
	if empty.quantiles() != nil {
		t.Error("an empty histogram has quantiles")
	}
}
