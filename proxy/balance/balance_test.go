package balance

import (
	"math"
	"testing"
)

func targets(weights ...int32) []*Target {
	var ts []*Target
	for _, w := range weights {
		ts = append(ts, &Target{Weight: w})
	}
	return ts
}

func TestIdleTargetsGetTheSharesOfTheirWeights(t *testing.T) {
	t.Parallel()
	for name, make := range Policies {
		ts, n := targets(1, 2, 5), 80_000
		got := [3]int{}
		p := make()
		for range n {
			got[p.Pick(ts, 0)]++
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
		got[twoChoices{}.Pick(ts, 0)]++
	}
	if got[0] > got[1]/2 {
		t.Errorf("the loaded target got %d, the idle one %d", got[0], got[1])
	}
}

func TestPickingDoesNotAllocate(t *testing.T) {
	for name, make := range Policies {
		p, ts := make(), targets(1, 2, 3)
		if n := testing.AllocsPerRun(1000, func() { p.Pick(ts, 7) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
