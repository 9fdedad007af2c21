package proxy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheSharesFollowTheWeights puts 10,000 questions of as many callers to channels
// that are equally fast, of weights 1, 2 and 5, and again to eight such sets at once,
// which are too many to be all looked at.
func TestTheSharesFollowTheWeights(t *testing.T) {
	t.Parallel()
	const asked = 10_000
	for policy, points := range map[string]float64{"weighted": 0.05, "p2c": 2, "busy": 2, "hash": 2} {
		for _, sets := range []int{1, 8} {
			if sets > 1 && policy != "weighted" && policy != "p2c" {
				continue // among many they draw as p2c does, or look for a key's home
			}
			t.Run(fmt.Sprint(policy, " ", 3*sets), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := chancyWorld(t, policy, slices.Repeat([]int{1, 2, 5}, sets), func(string, int, *rand.Rand) script {
						return script{After: time.Millisecond, Steps: []step{text("x"), finish()}}
					})
					defer w.end()
					for n := range asked {
						w.ask(t.Context(), w.questionOf(&Caller{Name: fmt.Sprint("caller ", n)}, "", "hi")).mustSay(t, "x")
					}
					for i, weight := range []float64{1, 2, 5} {
						got := 0.0
						for set := range sets {
							got += float64(len(w.up[string(rune('a'+3*set+i))].Asked()))
						}
						want := asked * weight / 8
						if math.Abs(got-want) > asked*points/100 {
							t.Errorf("weight %v got %v of %d, want %v within %v points", weight, got, asked, want, points)
						}
						if policy == "weighted" && sets == 1 && got != want {
							t.Errorf("weight %v got %v of %d, want exactly %v", weight, got, asked, want)
						}
					}
				})
			})
		}
	}
}

// skews are how long the four channels take to the first content.
var skews = []struct {
	name  string
	first func(id string, r *rand.Rand) time.Duration
}{
	{"one takes 4 times as long", func(id string, _ *rand.Rand) time.Duration {
		return map[bool]time.Duration{true: 4 * goodputFirst, false: goodputFirst}[id == "d"]
	}},
	{"1, 2, 4 and 8 times as long", func(id string, _ *rand.Rand) time.Duration {
		return goodputFirst << (id[0] - 'a')
	}},
	{"one takes 20 times as long for one question in ten", func(id string, r *rand.Rand) time.Duration {
		return map[bool]time.Duration{true: 20 * goodputFirst, false: goodputFirst}[id == "d" && r.IntN(10) == 0]
	}},
}

// mean is what the answers took beyond the first content of a quick channel.
func (g *goodput) mean() (sum time.Duration) {
	for _, d := range g.added {
		sum += d
	}
	return sum / time.Duration(len(g.added))
}

// TestSkewedLatency compares the policies where the channels are well but not equally
// fast, at a rate that keeps a few questions in flight and at one that keeps many. With
// -v it writes the table of benchmarks/README.md.
func TestSkewedLatency(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	for _, skew := range skews {
		for _, every := range []time.Duration{100 * time.Millisecond, 20 * time.Millisecond} {
			mean := map[string]time.Duration{}
			for _, policy := range []string{"weighted", "busy", "p2c"} {
				g, shares := runSkew(t, policy, skew.first, every)
				mean[policy] = g.mean()
				if g.good != g.asked {
					t.Errorf("%s under %s: %d of %d failed", skew.name, policy, g.asked-g.good, g.asked)
				}
				fmt.Fprintf(&table, "| %s, %d/s | %s | %.0f | %.0f | %.0f | %s |\n", skew.name, time.Second/every, policy,
					ms(g.mean()), ms(g.at(50)), ms(g.at(99)), shares)
			}
			if mean["p2c"] > mean["busy"]*5/4 || mean["p2c"] > mean["weighted"] {
				t.Errorf("%s every %v: p2c adds %v, busy %v, weighted %v", skew.name, every, mean["p2c"], mean["busy"], mean["weighted"])
			}
		}
	}
	t.Logf("\n| the channels | | added mean, ms | p50, ms | p99, ms | calls |\n|---|---|---|---|---|---|\n%s", table.String())
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func runSkew(t *testing.T, policy string, first func(string, *rand.Rand) time.Duration, every time.Duration) (g goodput, shares string) {
	synctest.Test(t, func(t *testing.T) {
		w := chancyWorld(t, policy, []int{1, 1, 1, 1}, func(id string, _ int, r *rand.Rand) script { return wellSaid(r, first(id, r)) })
		defer w.end()
		g = w.load(viaGateway, every)
		var calls []string
		for _, id := range []string{"a", "b", "c", "d"} {
			calls = append(calls, fmt.Sprint(len(w.up[id].Asked())))
		}
		shares = strings.Join(calls, ", ")
	})
	return g, shares
}
