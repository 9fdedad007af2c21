package balance

import (
	"math"
	"math/rand/v2"
	"testing"
)

// those is a Look that knows which targets are usable.
type those func(i int) bool

func (f those) Usable(i int) bool { return f(i) }

func every(int) bool { return true }

// hundred are targets of which one weighs 10, one 5 and the others 1.
func hundred() []*Target {
	weights := make([]int32, 100)
	for i := range weights {
		weights[i] = 1
	}
	weights[3], weights[70] = 10, 5
	return targets(weights...)
}

func TestDrawnIdleTargetsGetTheSharesOfTheirWeights(t *testing.T) {
	t.Parallel()
	for name, make := range Policies {
		ts, n := hundred(), 40_000
		d, got := make(rand.Int64N).Over(ts), [100]int{}
		for key := range n {
			at := d.Draw(uint64(key), those(every))
			if at < 0 {
				t.Fatalf("%s: it has to look at all", name)
			}
			got[at]++
		}
		for i, target := range ts {
			want := float64(n) * float64(target.Weight) / 113
			if math.Abs(float64(got[i])-want) > 6*math.Sqrt(want) {
				t.Errorf("%s: target %d got %d, want about %.0f", name, i, got[i], want)
			}
		}
	}
}

func TestAnUnusableTargetIsNeverDrawnAndItsShareGoesToAll(t *testing.T) {
	t.Parallel()
	for name, make := range Policies {
		if name == "hash" {
			continue // the keys of an unusable target take a look at all
		}
		ts, n := hundred(), 40_000
		d, got := make(rand.Int64N).Over(ts), [100]int{}
		for range n {
			at := d.Draw(0, those(func(i int) bool { return i != 3 }))
			if at < 0 {
				t.Fatalf("%s: it has to look at all", name)
			}
			got[at]++
		}
		if want := float64(n) * 5 / 103; got[3] != 0 || math.Abs(float64(got[70])-want) > want/10 {
			t.Errorf("%s: %d and %d, want 0 and about %.0f", name, got[3], got[70], want)
		}
	}
}

func TestWhereNothingIsUsableADrawEnds(t *testing.T) {
	t.Parallel()
	for name, make := range Policies {
		if at := make(rand.Int64N).Over(hundred()).Draw(1, those(func(int) bool { return false })); at != -1 {
			t.Errorf("%s: %d", name, at)
		}
	}
}

func TestADrawPassesOverALoadedTarget(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"p2c", "busy"} {
		ts := targets(1, 1)
		ts[0].InFlight.Store(100)
		d, got := Policies[name](rand.Int64N).Over(ts), [2]int{}
		for range 10_000 {
			if at := d.Draw(0, those(every)); at >= 0 {
				got[at]++
			}
		}
		if got[0] > got[1]/2 || name == "busy" && got[0] > 0 {
			t.Errorf("%s: the loaded target got %d, the idle one %d", name, got[0], got[1])
		}
	}
}

func TestDealtSharesAreExactInEveryWindowAndSpread(t *testing.T) {
	t.Parallel()
	d := (&weighted{}).Over(targets(1680, 840, 4200))
	var picks []int
	for range 10_000 {
		picks = append(picks, d.Draw(0, those(every)))
	}
	for at := range len(picks) - 8 {
		got := [3]int{}
		for _, n := range picks[at : at+8] {
			got[n]++
		}
		if got != [3]int{2, 1, 5} {
			t.Fatalf("picks %d to %d: %v", at, at+8, got)
		}
		if got = [3]int{}; at%8 < 6 {
			for _, n := range picks[at : at+4] {
				got[n]++
			}
			if got[2] > 3 || got[2] == 0 {
				t.Fatalf("picks %d to %d are not spread: %v", at, at+4, picks[at:at+4])
			}
		}
	}
}

func TestADrawnHomeIsTheOneThatAllWouldGive(t *testing.T) {
	t.Parallel()
	ts, p := hundred(), rendezvous{}
	d := p.Over(ts)
	for range 2 { // the second time from what it has kept
		for key := range uint64(3_000) {
			if got, want := d.Draw(key, those(every)), p.Pick(ts, key); got != want {
				t.Fatalf("key %d: drawn %d, picked %d", key, got, want)
			}
		}
	}
}

func TestADrawLeavesAnOverloadedHome(t *testing.T) {
	t.Parallel()
	ts := hundred()
	d := rendezvous{}.Over(ts)
	home := d.Draw(7, those(every))
	ts[home].InFlight.Store(2 * ts[home].Weight)
	if at := d.Draw(7, those(every)); at >= 0 {
		t.Errorf("it stays at %d", at)
	}
	for _, target := range ts {
		target.InFlight.Store(2 * target.Weight)
	}
	if at := d.Draw(7, those(every)); at != home {
		t.Errorf("it leaves for %d though all are as busy", at)
	}
}

func TestDrawingDoesNotAllocate(t *testing.T) {
	for name, make := range Policies {
		d, look := make(rand.Int64N).Over(hundred()), Look(those(every))
		if n := testing.AllocsPerRun(1000, func() { d.Draw(7, look) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
