//go:build unix

package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestQuantilesAreThoseOfTheSortedFigures(t *testing.T) {
	t.Parallel()
	nine := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5}
	for _, x := range []struct {
		all  []float64
		q    float64
		want float64
	}{
		{nine, .25, 3}, {nine, .5, 5}, {nine, .75, 7}, {nine, 0, 1}, {nine, 1, 9}, {[]float64{4}, .25, 4}, {[]float64{1, 2}, .25, 1.25}, {[]float64{2, 1}, .75, 1.75}, {[]float64{1, 2, 3, 4}, .5, 2.5},
	} {
		if got := quantile(x.all, x.q); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("the quantile %v of %v is %v, want %v", x.q, x.all, got, x.want)
		}
	}
	if nine[0] != 9 {
		t.Error("the figures were sorted in place")
	}
}

// rounds are a row whose ratios are these.
func rounds(more bool, ratios ...float64) *paired {
	p := &paired{name: "a row", unit: "µs", more: more, of: func(one, _ *loaded) float64 { return one.CPUPerRequest }}
	for i, r := range ratios {
		before := float64(10 + i)
		now := before * r
		if more {
			now = before / r
		}
		p.add(&loaded{CPUPerRequest: before}, &loaded{CPUPerRequest: now}, nil)
	}
	return p
}

func TestARowIsWorseWhenThreeQuartersOfItsRoundsSaySo(t *testing.T) {
	t.Parallel()
	for _, more := range []bool{false, true} {
		for _, x := range []struct {
			ratios []float64
			worse  bool
		}{
			{[]float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, false},
			{[]float64{1.02, 1.02, 1.02, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5}, false},
			{[]float64{1.5, .5, 1.04, 1.04, 1.04, 1.04, 1.04, .5, 1.04}, true},
			{[]float64{.5, .5, .5, 2, 2, 2, 2, 2, 2}, false},
			{[]float64{.8, .9, .7, .8, .9, .7, .8, .9, .7}, false},
			{[]float64{1.2, 1.2}, true},
		} {
			p := rounds(more, x.ratios...)
			for i, got := range p.ratios() {
				if math.Abs(got-x.ratios[i]) > 1e-9 {
					t.Errorf("ratio %v, want %v", got, x.ratios[i])
				}
			}
			if p.worse() != x.worse {
				t.Errorf("higher is better: %v, %v: worse is %v", more, x.ratios, p.worse())
			}
			err := verdict([]*paired{rounds(false, 1), p})
			if errors.Is(err, errWorse) != x.worse || x.worse && !strings.HasSuffix(err.Error(), ": a row") {
				t.Errorf("%v: the verdict is %v", x.ratios, err)
			}
			if table := pairTable([]*paired{p}); strings.Contains(table, "worse") != x.worse {
				t.Errorf("the table says\n%s", table)
			}
		}
	}
}

func TestTheTableHasMediansAndQuartiles(t *testing.T) {
	t.Parallel()
	got := pairTable([]*paired{rounds(false, .8, 1, .9, .8, 1, .9, .8, 1, .9)})
	// Before 10 to 18; now 8, 11, 10.8, 10.4, 14, 13.5, 12.8, 17 and 16.2.
	if want := "| a row | µs | 14.0 | 12.8 | 0.900 [0.800–1.000] | 9 |  |\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant the row\n%s", got, want)
	}
}

func TestWhatIsAddedIsBesideTheModelOfTheSameRound(t *testing.T) {
	t.Parallel()
	only := regexp.MustCompile("^rate:")
	p := duels(only)[0].rows[0]
	p50 := func(v float64) *loaded { return &loaded{Latency: quantiles{P50: v}} }
	p.add(p50(300), p50(400), p50(100))
	p.add(p50(90), p50(200), p50(100)) // noise: nothing is added
	if got := p.ratios(); !slices.Equal(got, []float64{1.5, 100}) {
		t.Errorf("ratios %v", got)
	}
}

func TestTheBinariesTakeTurnsInComingFirst(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		first := 0
		for round := range 10 {
			if nowFirst(round, i) {
				first++
			}
		}
		if first != 5 {
			t.Errorf("the binary of now comes first in %d of 10 rounds", first)
		}
	}
}

func TestEveryPairIsOfAScenarioAndCanBeChosenByName(t *testing.T) {
	t.Parallel()
	all := duels(regexp.MustCompile(""))
	seen, found := map[string]bool{}, map[string]int{}
	for _, d := range all {
		found[d.scenario.Name]++
		if d.target.Proxy != "dragoman" || !slices.ContainsFunc(d.scenario.Targets, func(t target) bool { return t.Name == d.target.Name }) {
			t.Errorf("%s: %+v", d.scenario.Name, d.target)
		}
		for _, r := range d.rows {
			if seen[r.name] || r.of == nil || r.unit == "" {
				t.Errorf("%+v", r)
			}
			seen[r.name] = true
			if own := duels(regexp.MustCompile("^" + regexp.QuoteMeta(r.name) + "$")); len(own) != 1 || len(own[0].rows) != 1 {
				t.Errorf("%s cannot be chosen", r.name)
			}
		}
	}
	for name, targets := range pairs() {
		if len(targets) == 0 || found[name] != len(targets) {
			t.Errorf("%s has %d targets of %d", name, found[name], len(targets))
		}
	}
}

func TestWhatIsNoProgramIsRefusedBeforeAnythingIsMeasured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, runs := filepath.Join(dir, "plain"), filepath.Join(dir, "runs")
	for path, mode := range map[string]os.FileMode{plain: 0o600, runs: 0o700} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, plain, filepath.Join(dir, "none")} {
		if _, err := program(path); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
	if got, err := program(runs); err != nil || !filepath.IsAbs(got) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAgainstHasNineRounds(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		o    options
		want int
	}{{options{}, 3}, {options{Against: "x"}, 9}, {options{Against: "x", Rounds: 2}, 2}} {
		if x.o.fill(); x.o.Rounds != x.want || x.o.Window <= 0 {
			t.Errorf("%+v", x.o)
		}
	}
}
