package balance

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

func targets(weights ...int32) []*Target {
	var ts []*Target
	for _, w := range weights {
		ts = append(ts, &Target{Weight: w, Seed: uint64(len(ts)) + 1, InFlight: new(atomic.Int32)})
	}
	return ts
}

func TestIdleTargetsGetTheSharesOfTheirWeights(t *testing.T) {
	t.Parallel()
	for name, make := range Policies {
		ts, n := targets(1, 2, 5), 80_000
		got := [3]int{}
		p := make(rand.Int64N)
		for key := range n {
			got[p.Pick(ts, uint64(key))]++
		}
		for i, target := range ts {
			want := float64(n) * float64(target.Weight) / 8
			if math.Abs(float64(got[i])-want) > float64(n)*0.02 {
				t.Errorf("%s: target %d got %d of %d, want about %.0f", name, i, got[i], n, want)
			}
		}
	}
}

func TestALoadedTargetIsPassedOver(t *testing.T) {
	t.Parallel()
	ts := targets(1, 1)
	ts[0].InFlight.Store(100)
	got := [2]int{}
	for range 10_000 {
		got[twoChoices{rand.Int64N}.Pick(ts, 0)]++
	}
	if got[0] > got[1]/2 {
		t.Errorf("the loaded target got %d, the idle one %d", got[0], got[1])
	}
}

func TestPickingDoesNotAllocate(t *testing.T) {
	for name, make := range Policies {
		p, ts := make(rand.Int64N), targets(1, 2, 3)
		if n := testing.AllocsPerRun(1000, func() { p.Pick(ts, 7) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestWeightedSharesAreExactInEveryWindow(t *testing.T) {
	t.Parallel()
	p, ts := &weighted{}, targets(1, 2, 5)
	var picks []int
	for range 10_000 {
		picks = append(picks, p.Pick(ts, 0))
	}
	for at := range len(picks) - 8 {
		got := [3]int{}
		for _, n := range picks[at : at+8] {
			got[n]++
		}
		if got != [3]int{1, 2, 5} {
			t.Fatalf("picks %d to %d: %v", at, at+8, got)
		}
	}
}

func TestTheLeastBusyIsTheOneWithTheLeastForItsWeight(t *testing.T) {
	t.Parallel()
	ts := targets(1, 4, 2)
	for i, load := range []int32{2, 6, 4} {
		ts[i].InFlight.Store(load)
	}
	for range 100 {
		if n := (leastBusy{rand.Int64N}).Pick(ts, 0); n != 1 {
			t.Fatalf("it took %d", n)
		}
	}
}

func TestAHashedKeyStaysWhereItIs(t *testing.T) {
	t.Parallel()
	all, p := targets(1, 1, 1, 1), rendezvous{}
	fewer := all[:3]
	for key := range uint64(2000) {
		n := p.Pick(all, key)
		if again := p.Pick(all, key); again != n {
			t.Fatalf("key %d: %d, then %d", key, n, again)
		}
		if m := p.Pick(fewer, key); n != 3 && m != n {
			t.Fatalf("key %d moved from %d to %d though its target is there", key, n, m)
		}
	}
}

func TestAHashedKeyLeavesAnOverloadedTarget(t *testing.T) {
	t.Parallel()
	ts, p := targets(1, 1, 1, 1), rendezvous{}
	home := p.Pick(ts, 7)
	most := int32(0)
	for range 1000 {
		ts[p.Pick(ts, 7)].InFlight.Add(1)
	}
	for _, target := range ts {
		most = max(most, target.InFlight.Load())
	}
	if got := ts[home].InFlight.Load(); got != most || most < 250 || most > 1000/4*overloadNum/overloadDen+3 {
		t.Errorf("its own target has %d of 1000, the fullest %d", got, most)
	}
}

func TestASlowTargetGetsWhatItWouldBeDoneWithSooner(t *testing.T) {
	t.Parallel()
	ts := targets(1, 1, 1, 1)
	for _, target := range ts {
		target.First = new(atomic.Int64)
		target.First.Store(int64(100 * time.Millisecond))
	}
	p := Policies["p2c"](rand.Int64N)
	slow := func() int {
		n := 0
		for range 16_000 {
			if p.Pick(ts, 0) == 0 {
				n++
			}
		}
		return n
	}
	ts[0].First.Store(int64(150 * time.Millisecond))
	if n := slow(); n < 3700 || n > 4300 {
		t.Errorf("one that is hardly slower got %d of 16,000, want a quarter", n)
	}
	ts[0].First.Store(int64(time.Second))
	if n := slow(); n < 800 || n > 1200 {
		t.Errorf("one that is ten times as slow got %d of 16,000, want a sixteenth: those for which it is drawn twice", n)
	}
	for _, target := range ts[1:] {
		target.InFlight.Store(20)
	}
	if n := slow(); n < 6500 || n > 7500 {
		t.Errorf("a slow one beside busy ones got %d of 16,000, want the 7 of 16 draws that it is in", n)
	}
}
