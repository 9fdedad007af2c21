package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinThreePercent(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 100_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{.01, .5, .9, .99, .999} {
		want := all[int(q*float64(len(all)))]
		got := h.quantile(q)
		if got < want || float64(got) > float64(want)*1.04 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.quantile(1) != all[len(all)-1] {
		t.Errorf("the highest is %v, want %v", h.quantile(1), all[len(all)-1])
	}
}

func TestBucketsFollowEachOtherWithoutGaps(t *testing.T) {
	t.Parallel()
	for i := range fine*powers - 2 {
		last := upper(i)
		if bucket(last) != i || bucket(last+1) != i+1 {
			t.Fatalf("%d ends at %d: that is in %d, the next value in %d", i, last, bucket(last), bucket(last+1))
		}
	}
	if got := bucket(1 << 62); got != fine*powers-1 {
		t.Errorf("a value that is too large is in bucket %d", got)
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
	a.merge(&b)
	a.merge(&empty)
	if *a.quantiles() != *all.quantiles() {
		t.Errorf("got %+v, want %+v", a.quantiles(), all.quantiles())
	}
	if empty.quantiles() != nil {
		t.Error("an empty histogram has quantiles")
	}
}
