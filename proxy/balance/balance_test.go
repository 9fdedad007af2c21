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
	if n := slow(); n < 60 || n > 200 {
		t.Errorf("one that is ten times as slow got %d of 16,000, want a 128th: those that find out whether it still is", n)
	}
	for _, target := range ts[1:] {
		target.InFlight.Store(20)
	}
	if n := slow(); n < 7500 || n > 8500 {
		t.Errorf("a slow one beside busy ones got %d of 16,000, want the half of the pairs that it is in", n)
	}
}

// A slow channel is never chosen only because both draws met it, whatever
// its keys and the number of the others are.
func TestTwoDrawsOfASlowChannelAreNoChoice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ others, keys, weight int32 }{
		"one of two": {1, 1, 1}, "one of four": {3, 1, 1}, "with four keys": {3, 4, 1}, "with more weight": {3, 1, 5},
		"of many": {40, 1, 1}, "of many, with keys": {40, 8, 1}, "of many, with more weight": {40, 2, 9},
	} {
		weights := []int32{}
		for range c.keys {
			weights = append(weights, 840*c.weight/c.keys)
		}
		for range c.others {
			weights = append(weights, 840)
		}
		ts := targets(weights...)
		for i, target := range ts {
			target.First = new(atomic.Int64)
			target.First.Store(int64(100 * time.Millisecond))
			if target.Channel = uint64(i + 1); i < int(c.keys) {
				target.Channel = 1
				target.First.Store(int64(time.Second))
			}
		}
		p := Policies["p2c"](rand.Int64N)
		d := p.Over(ts)
		const n = 20_000
		picked, drawn := 0, 0
		for range n {
			if p.Pick(ts, 0) < int(c.keys) {
				picked++
			}
			if at := d.Draw(0, those(every)); at >= 0 && at < int(c.keys) {
				drawn++
			}
		}
		share := float64(c.weight) / float64(c.weight+c.others)
		want := n * share / trial
		for _, got := range []int{picked, drawn} {
			if math.Abs(float64(got)-want) > 6*math.Sqrt(want)+1 {
				t.Errorf("%s: the slow channel got %d and %d of %d, want about %.0f", name, picked, drawn, n, want)
				break
			}
		}
	}
}

func TestTheKeysOfTheOnlyChannelAreAChoice(t *testing.T) {
	t.Parallel()
	ts := targets(1, 1)
	ts[0].Channel, ts[1].Channel = 1, 1
	ts[0].InFlight.Store(1)
	for range 100 {
		if at := (twoChoices{rand.Int64N}).Pick(ts, 0); at != 1 {
			t.Fatal("the busy key is taken though the other one is idle")
		}
	}
}
