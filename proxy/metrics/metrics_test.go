package metrics

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestASnapshotHasWhatWasCountedAndNoZeros(t *testing.T) {
	t.Parallel()
	var r Registry
	r.None.Ended("openai", Limited, time.Millisecond)
	b, a := r.Channel("b"), r.Channel("a")
	a.Failed(translate.FaultDial)
	a.Failed(0)   // our own
	a.Failed(255) // one that is not known here
	b.Answered(30 * time.Millisecond)
	b.Ended("rest", ModelError, time.Second)
	b.Ended("openai", OK, time.Second)
	b.Used(translate.Usage{Input: 3, Output: 4, Sound: 1500, Images: 2}, 5)
	b.Used(translate.Usage{Input: 1, Output: -1, Sound: -1}, 1)
	if r.Channel("a") != a {
		t.Error("a channel has two counters")
	}
	if n := a.Attempts(); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	type counts struct {
		Channel     string
		Exchanges   []Exchange
		Attempts    []Attempt
		First, Took uint64
		Used        [3]uint64
	}
	var got []counts
	for _, s := range r.Snapshots() {
		got = append(got, counts{s.Channel, s.Exchanges, s.Attempts, s.First.Count, s.Took.Count, [3]uint64{s.Input, s.Output, s.Cost}})
	}
	want := []counts{
		{"", []Exchange{{"openai", Limited, 1}}, nil, 0, 1, [3]uint64{}},
		{"b", []Exchange{{"openai", OK, 1}, {"rest", ModelError, 1}}, []Attempt{{"ok", 1}}, 1, 2, [3]uint64{4, 4, 6}},
		{"a", nil, []Attempt{{"dial", 1}, {"other", 2}}, 0, 0, [3]uint64{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestADurationIsCountedInAllBucketsThatReachIt(t *testing.T) {
	t.Parallel()
	var h histogram
	for _, d := range []time.Duration{-1, time.Millisecond, time.Millisecond + 1, 120 * time.Second, 121 * time.Second} {
		h.observe(d)
	}
	s := h.snapshot()
	got := fmt.Sprint(s.Buckets[0], s.Buckets[1], s.Buckets[11], s.Buckets[12], s.Count, s.Sum)
	if want := "{1ms 2} {5ms 3} {1m0s 3} {2m0s 4} 5 4m1.002000001s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFrontsBeyondAFixedNumberAreCountedTogether(t *testing.T) {
	t.Parallel()
	var r Registry
	var all sync.WaitGroup
	for i := range 2 * manyFronts {
		all.Go(func() {
			for range 10 {
				r.None.Ended(fmt.Sprint("front ", i), OK, 0)
			}
		})
	}
	all.Wait()
	r.None.Ended("", OK, 0)
	counted := r.Snapshots()[0].Exchanges
	if len(counted) != manyFronts+1 {
		t.Errorf("%d fronts, want %d", len(counted), manyFronts+1)
	}
	rest := slices.IndexFunc(counted, func(e Exchange) bool { return e.Front == otherFront })
	if rest < 0 || counted[rest].N != 10*manyFronts+1 {
		t.Errorf("the others are not counted together: %+v", counted)
	}
}

func TestCountingTakesNoMemory(t *testing.T) {
	var r Registry
	c := r.Channel("a")
	if n := testing.AllocsPerRun(100, func() {
		c.Answered(time.Second)
		c.Failed(translate.FaultCut)
		c.Used(translate.Usage{Input: 1, Output: 2}, 3)
		c.Ended("openai", OK, time.Second)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
